"""Reads tensors of a GGUF a few rows at a time: no mapping, so memory is what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn.weights.codecs import CODECS
from tsubasa_cli.models.gguf_header import GgufHeader, TensorInfo, read_header
from tsubasa_cli.models.gguf_types import TENSOR_TYPES, TensorType

F32, F16, BF16 = 0, 1, 30
DENSE = {F32: torch.float32, F16: torch.float16, BF16: torch.bfloat16}
"""Types that are plain numbers."""

CHUNK_VALUES = {"cpu": 1 << 19}
DEVICE_CHUNK_VALUES = 1 << 23
"""Rows are handled in chunks of about this many weights: on a CPU as many as its caches hold, on
other devices enough to keep them busy, 32 MiB a float32 copy."""


class TensorFile:
    """An open GGUF. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        """``InputError`` or ``ModelError`` when ``path`` is no sound GGUF."""
        self.path = path
        self.header: GgufHeader = read_header(path)
        self.tensors = {tensor.name: tensor for tensor in self.header.tensors}
        self._file = path.open("rb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def raw_rows(self, tensor: TensorInfo, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop`` as they lie in the file: uint8 (rows, bytes of a row)."""
        width = row_bytes(tensor)
        data = torch.empty((stop - start, width), dtype=torch.uint8)
        self._read_into(data, self.header.data_start + tensor.offset + start * width)
        return data

    def bytes_at(self, start: int, count: int) -> memoryview:
        """``count`` bytes of the file from ``start`` on."""
        data = torch.empty(count, dtype=torch.uint8)
        self._read_into(data, start)
        return data.numpy().data.cast("B")

    def _read_into(self, data: Tensor, start: int) -> None:
        self._file.seek(start)
        view = data.numpy().data.cast("B")
        while view:
            count = self._file.readinto(view)
            if not count:
                raise ModelError(f"{self.path.name} became shorter while it was read.")
            view = view[count:]

    def rows(self, tensor: TensorInfo, start: int, stop: int, device: torch.device) -> Tensor:
        """Rows ``start`` to ``stop`` as numbers: float32 (rows, columns) on ``device``."""
        return dequantize(self.raw_rows(tensor, start, stop), tensor.type_id, device)

    def rows_of(self, name: str, start: int, stop: int, device: torch.device) -> Tensor:
        """``rows`` of the tensor of that name."""
        return self.rows(self.tensors[name], start, stop, device)

    def values(self, name: str, device: torch.device) -> Tensor:
        """A whole tensor as float32 (rows, columns), or (columns,) when it has one dimension."""
        tensor = self.tensors[name]
        whole = self.rows(tensor, 0, n_rows(tensor), device)
        return whole[0] if len(tensor.shape) == 1 else whole


def n_rows(tensor: TensorInfo) -> int:
    """How many rows a tensor has; a vector is one row."""
    return tensor.n_values // tensor.shape[0]


def row_bytes(tensor: TensorInfo) -> int:
    """Bytes of one row. ``ModelError`` for a type that this version does not know."""
    kind = type_of(tensor)
    return tensor.shape[0] // kind.block * kind.block_bytes


def type_of(tensor: TensorInfo) -> TensorType:
    """ggml's type of a tensor. ``ModelError`` when it is newer than this program."""
    kind = TENSOR_TYPES.get(tensor.type_id)
    if kind is None:
        raise ModelError(
            f"The weights of {tensor.name} are of the unknown type {tensor.type_id}.",
            next_step="Use another file of this model, or upgrade tsubasa-cli.",
        )
    return kind


def row_chunks(tensor: TensorInfo, device: torch.device) -> Iterator[tuple[int, int]]:
    """Ranges of rows that together are the tensor, of a size that suits ``device``."""
    values = CHUNK_VALUES.get(device.type, DEVICE_CHUNK_VALUES)
    count, step = n_rows(tensor), max(1, values // tensor.shape[0])
    for start in range(0, count, step):
        yield start, min(start + step, count)


def dequantize(raw: Tensor, type_id: int, device: torch.device) -> Tensor:
    """Raw rows as float32 (rows, columns) on ``device``: exactly the numbers of gguf-py."""
    if type_id in DENSE:
        return raw.to(device).view(DENSE[type_id]).float()
    codec = CODECS.get(type_id)
    if codec is None:
        return _dequantize_rarer(raw, type_id).to(device)
    blocks = raw.to(device).view(-1, codec.block_bytes)
    return codec.grid(blocks).values().view(raw.shape[0], -1)


def _dequantize_rarer(raw: Tensor, type_id: int) -> Tensor:
    import gguf

    try:
        kind = gguf.GGMLQuantizationType(type_id)
        return torch.from_numpy(gguf.quants.dequantize(raw.numpy(), kind))
    except (ValueError, NotImplementedError) as error:
        name = TENSOR_TYPES[type_id].name if type_id in TENSOR_TYPES else str(type_id)
        raise ModelError(
            f"Weights of type {name} cannot be read here.",
            next_step="Use a Q4_K_M, Q5_K_M, Q6_K or Q8_0 file of this model.",
        ) from error
