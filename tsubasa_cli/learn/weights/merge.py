"""GGUF → GGUF: a copy in which some tensors are changed, a few rows in memory at a time.

Metadata and untouched tensors are copied byte for byte; of the header only the types and offsets
of tensors are written anew, where a route changes a type.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch

from tsubasa_cli.learn.weights.adapter import check_fit
from tsubasa_cli.learn.weights.atomic_file import written_whole
from tsubasa_cli.learn.weights.deltas import Delta
from tsubasa_cli.learn.weights.routes import Route, Rows
from tsubasa_cli.learn.weights.tensor_file import TensorFile, row_chunks
from tsubasa_cli.models.file_copy import CHUNK_BYTES, Progress
from tsubasa_cli.models.gguf_header import GgufHeader, TensorInfo
from tsubasa_cli.models.gguf_types import TENSOR_TYPES

_LENGTH = struct.Struct("<Q")
_COUNT = struct.Struct("<I")
_TYPE_AND_OFFSET = struct.Struct("<IQ")


@dataclass(frozen=True, slots=True)
class _Placed:
    """A tensor of the base, and its type, first byte and bytes (padding included) in the copy."""

    tensor: TensorInfo
    type_id: int
    offset: int
    size: int


def merge(
    base: Path,
    deltas: Sequence[Delta],
    out: Path,
    route: Route,
    device: torch.device,
    on_progress: Progress | None = None,
) -> None:
    """Write ``base`` with ``deltas`` added to ``out``, whole or not at all.

    ``on_progress`` is told bytes written and bytes in all. Raises ``ModelError`` when a change
    does not fit or the disk is full, ``StorageError`` when ``out`` cannot be written.
    """
    with TensorFile(base) as file:
        check_fit(file.header.tensors, deltas, base.name)
        changes = {delta.tensor: delta for delta in deltas}
        plan = _plan(file.header, changes.keys(), route)
        total = file.header.data_start + sum(placed.size for placed in plan)
        with written_whole(out, total) as temporary, temporary.open("xb") as output:
            writer = _Writer(output, total, on_progress)
            writer.write(_patched_header(file, plan))
            for placed in plan:
                change = changes.get(placed.tensor.name)
                if change is None:
                    _copy(file, placed, writer)
                else:
                    for rows in _changed(file, placed, change, route, device):
                        writer.write(rows)


class _Writer:
    """Writes in order and tells how far it is."""

    def __init__(self, output: BinaryIO, total: int, on_progress: Progress | None) -> None:
        self._output, self._total, self._on_progress = output, total, on_progress
        self._done = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._output.write(data)
        self._done += len(data)
        if self._on_progress:
            self._on_progress(self._done, self._total)


def _plan(header: GgufHeader, changed: Container[str], route: Route) -> list[_Placed]:
    """Where each tensor will lie; the order is that of the base."""
    ends = [tensor.offset for tensor in header.tensors[1:]]
    ends.append(header.file_bytes - header.data_start)
    plan, offset = [], 0
    for tensor, end in zip(header.tensors, ends, strict=True):
        type_id, size = tensor.type_id, end - tensor.offset
        if tensor.name in changed:
            type_id = route.type_for(tensor)
            size = _padded(tensor.n_values // tensor.shape[0] * _row_bytes(tensor, type_id), header)
        plan.append(_Placed(tensor, type_id, offset, size))
        offset += size
    return plan


def _row_bytes(tensor: TensorInfo, type_id: int) -> int:
    kind = TENSOR_TYPES[type_id]
    return tensor.shape[0] // kind.block * kind.block_bytes


def _padded(size: int, header: GgufHeader) -> int:
    return -(-size // header.alignment) * header.alignment


def _patched_header(file: TensorFile, plan: Sequence[_Placed]) -> bytearray:
    """All bytes before the weights, with types and offsets as planned."""
    data = bytearray(file.bytes_at(0, file.header.data_start))
    at = file.header.tensors_start
    for placed in plan:
        at += _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
        at += _COUNT.size + _LENGTH.size * _COUNT.unpack_from(data, at)[0]
        _TYPE_AND_OFFSET.pack_into(data, at, placed.type_id, placed.offset)
        at += _TYPE_AND_OFFSET.size
    return data


def _copy(file: TensorFile, placed: _Placed, writer: _Writer) -> None:
    start = file.header.data_start + placed.tensor.offset
    for at in range(0, placed.size, CHUNK_BYTES):
        writer.write(file.bytes_at(start + at, min(CHUNK_BYTES, placed.size - at)))


def _changed(
    file: TensorFile, placed: _Placed, delta: Delta, route: Route, device: torch.device
) -> Iterator[memoryview]:
    """The changed rows of a tensor, a chunk at a time, and the padding behind them."""
    tensor, left = placed.tensor, placed.size
    for start, stop in row_chunks(tensor, device):
        change = delta.rows(start, stop, device)
        rows = route.encode(Rows(tensor, start, file.raw_rows(tensor, start, stop), change))
        left -= rows.numel()
        yield rows.numpy().data.cast("B")
    yield memoryview(bytes(left))
