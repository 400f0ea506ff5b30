"""Does a model fit this machine, with how much context, and which model suits it best?

Need = weights + KV cache of the window + working space. It is compared *before* loading, so that
a model that is too big is refused with the numbers and not by the kernel.
"""

from __future__ import annotations

from typing import Protocol

from tsubasa_cli.errors import ModelError
from tsubasa_cli.models.amounts import GB, in_words
from tsubasa_cli.models.catalogue import CATALOGUE, CatalogueEntry
from tsubasa_cli.models.machine import Machine

DEFAULT_CONTEXT = 16_384
SMALLEST_CONTEXT = 2_048
CONTEXT_STEP = 256
UNKNOWN_TRAINED_CONTEXT = 4_096

WORKING_BYTES = 256 << 20
"""llama.cpp's compute buffers and this program, measured at some 200 MB for a small model."""
WORKING_SHARE = 0.05
"""What repacked weights and larger compute buffers add, as a share of the weights."""
COMFORTABLE_SHARE = 0.7
"""Of the free memory: the rest of the user's programs want some too."""
USABLE_SHARE = 0.85
"""Of all memory: what a model could have if the user closed the rest."""
GB_PER_CORE = 1.0
"""On a CPU, weights above this per core decode slower than people read (a 1.5B model at about
13 tokens/s on two cores)."""


class Weighty(Protocol):
    """What the memory need follows from: an installed model or an entry of the catalogue."""

    @property
    def name(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def kv_bytes_per_token(self) -> int: ...
    @property
    def n_ctx_train(self) -> int: ...


def estimate_bytes(model: Weighty, n_ctx: int) -> int:
    """Bytes of memory that ``model`` takes with a window of ``n_ctx`` tokens."""
    return model.size_bytes + working_bytes(model) + n_ctx * model.kv_bytes_per_token


def working_bytes(model: Weighty) -> int:
    """Bytes beside the weights and the KV cache."""
    return WORKING_BYTES + int(model.size_bytes * WORKING_SHARE)


def free_bytes(machine: Machine) -> int:
    """What is free now: memory, and video memory where it is separate."""
    return machine.ram_available + machine.vram_free


def fits(model: Weighty, machine: Machine) -> bool:
    """Whether this machine, with little else running, could hold the model and a small window."""
    smallest = min(SMALLEST_CONTEXT, model.n_ctx_train or SMALLEST_CONTEXT)
    return estimate_bytes(model, smallest) <= usable_bytes(machine)


def usable_bytes(machine: Machine) -> int:
    """What a model can have at most here."""
    return int((machine.ram_total + machine.vram_total) * USABLE_SHARE)


def check_fits(model: Weighty, n_ctx: int, machine: Machine, released: int = 0) -> None:
    """Raise ``ModelError`` with the numbers when ``model`` and its window exceed what is free.

    ``released`` is what the model loaded now will give back first, in bytes.
    """
    need = estimate_bytes(model, n_ctx)
    free = free_bytes(machine) + released
    if need <= free:
        return
    window = n_ctx * model.kv_bytes_per_token
    video = f" and {in_words(machine.vram_total)} of video memory" if machine.vram_total else ""
    raise ModelError(
        f"{model.name} is too big for this machine's memory now: it needs {in_words(need)}, "
        f"{in_words(free)} are free.",
        why=f"Weights {in_words(model.size_bytes)}, context of {n_ctx:,} tokens "
        f"{in_words(window)}, working space {in_words(working_bytes(model))}. "
        f"The machine has {in_words(machine.ram_total)} of memory{video}.",
        next_step=_what_instead(model, n_ctx, machine, free),
    )


def choose_context(model: Weighty, wanted: int, machine: Machine) -> int:
    """The window in tokens. ``wanted`` 0 takes up to 16,384, as memory comfortably allows; a
    wish is kept within what the model was trained for."""
    trained = model.n_ctx_train or UNKNOWN_TRAINED_CONTEXT
    if wanted > 0:
        return _stepped(min(wanted, model.n_ctx_train or wanted))
    room = int(free_bytes(machine) * COMFORTABLE_SHARE) - estimate_bytes(model, 0)
    affordable = room // model.kv_bytes_per_token if model.kv_bytes_per_token else DEFAULT_CONTEXT
    return _stepped(min(DEFAULT_CONTEXT, trained, max(affordable, SMALLEST_CONTEXT)))


def recommendation(machine: Machine) -> CatalogueEntry | None:
    """The largest entry of the catalogue that runs well here; None when not even the smallest."""
    return next((entry for entry in reversed(CATALOGUE) if _runs_well(entry, machine)), None)


def _runs_well(entry: CatalogueEntry, machine: Machine) -> bool:
    need = estimate_bytes(entry, 2 * SMALLEST_CONTEXT)
    if need <= machine.vram_total * USABLE_SHARE:
        return True
    if need > machine.ram_total * COMFORTABLE_SHARE:
        return False
    return machine.unified_memory or (
        entry.size_bytes <= machine.physical_cores * GB_PER_CORE * GB or entry is CATALOGUE[0]
    )


def _stepped(tokens: int) -> int:
    return max(tokens // CONTEXT_STEP * CONTEXT_STEP, min(tokens, CONTEXT_STEP))


def _what_instead(model: Weighty, n_ctx: int, machine: Machine, free: int) -> str:
    room = free - estimate_bytes(model, 0)
    if model.kv_bytes_per_token and room >= SMALLEST_CONTEXT * model.kv_bytes_per_token:
        smaller = _stepped(min(room // model.kv_bytes_per_token, n_ctx))
        return f"Set engine.context_tokens to {smaller:,} or less, or close other programs."
    if fits(model, machine):
        return "Close other programs, or use a smaller model (tsubasa model list)."
    best = recommendation(machine)
    instead = f"tsubasa model pull {best.name} --use" if best else "tsubasa model list"
    return f"Use a smaller model: {instead}."
