"""A LoRA as a GGUF file: what llama.cpp loads beside a model, and how a change is kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gguf
import torch
from torch import Tensor

from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn.weights.atomic_file import written_whole
from tsubasa_cli.learn.weights.deltas import Delta
from tsubasa_cli.learn.weights.tensor_file import TensorFile
from tsubasa_cli.models.gguf_header import TensorInfo, read_header

_A, _B = ".lora_a", ".lora_b"
_ALPHA = "adapter.lora.alpha"
_CPU = torch.device("cpu")


def write_adapter(base: Path, deltas: Sequence[Delta], out: Path) -> None:
    """Write ``deltas`` as an adapter of the model in ``base``: whole or not at all, in float32.

    Raises ``ModelError`` when a change does not fit the base or the disk is full, ``StorageError``
    when ``out`` cannot be written.
    """
    header = read_header(base)
    check_fit(header.tensors, deltas, base.name)
    alpha = deltas[0].scale * deltas[0].rank
    needed = sum(4 * (delta.a.numel() + delta.b.numel()) for delta in deltas)
    with written_whole(out, needed) as temporary:
        writer = gguf.GGUFWriter(temporary, header.text("general.architecture"))
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string("adapter.type", "lora")
        writer.add_float32(_ALPHA, alpha)
        for delta in deltas:
            writer.add_tensor(delta.tensor + _A, delta.a.numpy())
            writer.add_tensor(delta.tensor + _B, _at_alpha(delta, alpha).numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def read_adapter(path: Path) -> list[Delta]:
    """The changes in an adapter file. Raises ``ModelError`` when it is none."""
    with TensorFile(path) as file:
        alpha = file.header.metadata.get(_ALPHA)
        if file.header.text("adapter.type") != "lora" or not isinstance(alpha, float):
            raise ModelError(f"{path.name} is not a LoRA adapter.")
        names = [name.removesuffix(_A) for name in file.tensors if name.endswith(_A)]
        return [_read(file, name, alpha) for name in names]


def check_fit(tensors: Sequence[TensorInfo], deltas: Sequence[Delta], model: str) -> None:
    """Raise ``ModelError`` unless every change is finite, and the only one of a tensor that has
    its shape."""
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    if not deltas or len({delta.tensor for delta in deltas}) < len(deltas):
        raise ModelError("An adapter changes at least one tensor, and each only once.")
    for delta in deltas:
        shape = (delta.a.shape[1], delta.b.shape[0])
        if shapes.get(delta.tensor) != shape or delta.b.shape[1] != delta.rank:
            raise ModelError(
                f"The adapter does not fit {model}.",
                why=f"It changes {delta.tensor} as if its shape were {list(shape)}; "
                f"there it is {list(shapes.get(delta.tensor, ()))}.",
            )
    if not all(delta.a.isfinite().all() and delta.b.isfinite().all() for delta in deltas):
        raise ModelError(
            "The training went astray: its weights are no finite numbers.",
            next_step="Run it again; a smaller learning rate helps.",
        )


def _at_alpha(delta: Delta, alpha: float) -> Tensor:
    """``b`` such that the file's one alpha, over the rank, is right for this tensor too."""
    return delta.b * (delta.scale * delta.rank / alpha)


def _read(file: TensorFile, name: str, alpha: float) -> Delta:
    if name + _B not in file.tensors:
        raise ModelError(f"{file.path.name} has one half of {name} only.")
    a, b = file.values(name + _A, _CPU), file.values(name + _B, _CPU)
    return Delta(name, a, b, alpha / a.shape[0])
