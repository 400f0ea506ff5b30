"""A master: the same model in the precision in which it was published, a tensor at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn.weights.names import RowOrder, hf_name
from tsubasa_cli.learn.weights.routes import Source
from tsubasa_cli.learn.weights.tensor_file import DENSE, TensorFile
from tsubasa_cli.models.gguf_header import GgufHeader, TensorInfo, read_header

INDEX = "model.safetensors.index.json"


@contextmanager
def open_master(path: Path, base: Path) -> Iterator[Source]:
    """The master in ``path``, a GGUF or a folder of safetensors, of the model in ``base``.

    Raises ``ModelError`` when it is of another model, or itself quantized.
    """
    header = read_header(base)
    if path.is_dir():
        yield FolderMaster(path, header)
        return
    with TensorFile(path) as file:
        _check_dense(file, header)
        yield file


def _check_dense(master: TensorFile, base: GgufHeader) -> None:
    for tensor in base.tensors:
        found = master.tensors.get(tensor.name)
        _check_shape(tensor, found.shape if found else (), master.path)
        if found is not None and found.type_id not in DENSE:
            raise ModelError(
                f"{master.path.name} is quantized itself, so it is no master.",
                next_step="Give a BF16, F16 or F32 GGUF, or a folder of safetensors.",
            )


def _check_shape(tensor: TensorInfo, shape: tuple[int, ...], master: Path) -> None:
    if shape != tensor.shape:
        raise ModelError(
            f"{master.name} is not the master of this model.",
            why=f"{tensor.name} has the shape {list(tensor.shape)}; there it is {list(shape)}.",
        )


class FolderMaster:
    """A folder of safetensors as transformers keeps them. One tensor is held at a time."""

    def __init__(self, folder: Path, base: GgufHeader) -> None:
        """``ModelError`` when the folder is no model's, or another model's."""
        self._folder = folder
        self._files = _files_by_tensor(folder)
        self._order = RowOrder.of_file(base)
        self._shapes = {tensor.name: tensor for tensor in base.tensors}
        self._held: tuple[str, Tensor] | None = None

    def rows_of(self, name: str, start: int, stop: int, device: torch.device) -> Tensor:
        """Rows of a tensor in the GGUF's order, float32 (rows, columns)."""
        if self._held is None or self._held[0] != name:
            self._held = None
            self._held = (name, self._read(name))
        return self._held[1][start:stop].to(device).float()

    def _read(self, name: str) -> Tensor:
        theirs = hf_name(name)
        if theirs not in self._files:
            raise ModelError(f"{self._folder.name} has no weights called {theirs}.")
        with _opened(self._files[theirs]) as file:
            weight: Tensor = file.get_tensor(theirs)
        _check_shape(self._shapes[name], tuple(reversed(weight.shape)), self._folder)
        return self._order.to_gguf(name, weight).contiguous()


def _files_by_tensor(folder: Path) -> dict[str, Path]:
    index = folder / INDEX
    if index.exists():
        listed: dict[str, str] = json.loads(index.read_text())["weight_map"]
        return {name: folder / file for name, file in listed.items()}
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with _opened(path) as file:
            found |= dict.fromkeys(file.keys(), path)
    if not found:
        raise ModelError(f"There are no safetensors in {folder}.")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise ModelError(f"Cannot read {path}.", why=str(error)) from error
