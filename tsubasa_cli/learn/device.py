"""Where the work is done: the best device there is, how much memory it has, and what to do when
that is not enough."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsubasa_cli.errors import InputError, ModelError

if TYPE_CHECKING:
    import torch

MOST_PARAMETERS_ON_CPU = 2_000_000_000
"""A night on a CPU is too short for more."""

BYTES_PER_PARAMETER = {"cpu": 4, "cuda": 2, "mps": 2}
WORKING_BYTES = 1_500_000_000
"""Activations, gradients, and the libraries themselves, at the smallest batch."""

OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "could not create a primitive",
    "could not create a memory object",
)
"""As torch's allocators say it; the last two are oneDNN's words for room that it did not get."""


@dataclass(frozen=True, slots=True)
class Device:
    """``kind`` is "cuda", "mps" or "cpu"; bytes of memory that are free, and in all."""

    kind: str
    free_bytes: int
    total_bytes: int

    @property
    def is_cpu(self) -> bool:
        return self.kind == "cpu"

    def torch(self) -> torch.device:
        """As torch calls it."""
        import torch

        return torch.device(self.kind)

    def dtype(self) -> Any:
        """Of the base's weights: exact where the processor gains nothing from less."""
        import torch

        return torch.float32 if self.is_cpu else torch.bfloat16

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Computing in bfloat16 on a GPU, and on a CPU that has instructions for it (twice as fast,
        the loss the same to four digits)."""
        import torch

        if not self.computes_in_bfloat16:
            return contextlib.nullcontext()
        return torch.autocast(self.kind, dtype=torch.bfloat16)

    @property
    def computes_in_bfloat16(self) -> bool:
        """Whether ``autocast`` does anything."""
        return not self.is_cpu or _cpu_has_bfloat16()


def _cpu_has_bfloat16() -> bool:
    import torch

    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(supported())


def choose_device(wanted: str = "auto") -> Device:
    """The device called ``wanted``, or the best. ``InputError`` when it is not there."""
    import psutil
    import torch

    memory = psutil.virtual_memory()
    if wanted in ("auto", "cuda") and torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return Device("cuda", free, total)
    if wanted in ("auto", "mps") and torch.backends.mps.is_available():
        return Device("mps", memory.available, memory.total)
    if wanted in ("auto", "cpu"):
        return Device("cpu", memory.available, memory.total)
    raise InputError(
        f"There is no device {wanted!r} on this machine.",
        next_step="Leave --device out, or say --device cpu.",
    )


def needed_bytes(n_params: int, device: Device) -> int:
    """What training takes at the least: the base's weights, and something to work with."""
    return n_params * BYTES_PER_PARAMETER[device.kind] + WORKING_BYTES


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, in any of the ways that this is said."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and any(said in words for said in OUT_OF_MEMORY)


def give_back_memory(device: Device) -> None:
    """Let the allocator return what it keeps for later."""
    import gc

    import torch

    gc.collect()
    if device.kind == "cuda":
        torch.cuda.empty_cache()
    elif device.kind == "mps":
        torch.mps.empty_cache()


def used_bytes(device: Device) -> int:
    """What this process holds of the device's memory now."""
    import psutil
    import torch

    if device.kind == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return int(psutil.Process().memory_info().rss)


def does_not_fit(device: Device) -> ModelError:
    """The refusal when not even one lesson at a time fits."""
    return ModelError(
        f"The model does not fit the memory of this {device.kind.upper()} while it learns.",
        why="Even one lesson at a time was too much.",
        next_step="Close other programs, or learn with a smaller model: "
        "tsubasa learn --model NAME.",
    )
