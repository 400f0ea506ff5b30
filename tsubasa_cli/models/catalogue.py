"""The official Qwen-3 GGUFs, and how the name of a model leads to a file on the hub.

File names in these repositories vary in case, so they are found by listing, never spelt out here.
Sizes are the hub's, rounded; memory needs follow from them (``models.fit``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tsubasa_cli.errors import NotFoundError
from tsubasa_cli.models.amounts import GB

QWEN3_NATIVE_CONTEXT = 32_768
_QWEN3_KV_HEADS, _QWEN3_HEAD_SIZE, _F16_BYTES = 8, 128, 2


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One model of the catalogue. ``quants`` maps each quantization to its file's bytes."""

    name: str
    repo: str
    n_layers: int
    default_quant: str
    quants: Mapping[str, int]
    good_for: str

    @property
    def size_bytes(self) -> int:
        return self.quants[self.default_quant]

    @property
    def kv_bytes_per_token(self) -> int:
        return 2 * self.n_layers * _QWEN3_KV_HEADS * _QWEN3_HEAD_SIZE * _F16_BYTES

    @property
    def n_ctx_train(self) -> int:
        return QWEN3_NATIVE_CONTEXT


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to pull: a repository of the hub and, when given, a quantization or file in it.

    ``shelf_name`` is what the model is to be called here; empty leaves it to the file's name.
    """

    repo: str
    selector: str = ""
    shelf_name: str = ""
    entry: CatalogueEntry | None = None


def _entry(
    size: str, layers: int, default: str, gigabytes: Mapping[str, float], good_for: str
) -> CatalogueEntry:
    return CatalogueEntry(
        name=f"qwen3-{size.lower()}",
        repo=f"Qwen/Qwen3-{size}-GGUF",
        n_layers=layers,
        default_quant=default,
        quants=MappingProxyType({quant: round(n * GB) for quant, n in gigabytes.items()}),
        good_for=good_for,
    )


CATALOGUE: tuple[CatalogueEntry, ...] = (
    _entry("0.6B", 28, "Q8_0", {"Q8_0": 0.64}, "quick answers on any machine; simple tasks"),
    _entry("1.7B", 28, "Q8_0", {"Q8_0": 1.83}, "everyday questions on a small laptop"),
    _entry(
        "4B",
        36,
        "Q4_K_M",
        {"Q4_K_M": 2.5, "Q5_K_M": 2.89, "Q6_K": 3.31, "Q8_0": 4.28},
        "the best balance on an ordinary laptop",
    ),
    _entry(
        "8B",
        36,
        "Q4_K_M",
        {"Q4_K_M": 5.03, "Q5_K_M": 5.85, "Q6_K": 6.73, "Q8_0": 8.71},
        "writing, code and reasoning, with 16 GB of memory",
    ),
    _entry(
        "14B",
        40,
        "Q4_K_M",
        {"Q4_K_M": 9.0, "Q5_K_M": 10.51, "Q6_K": 12.12, "Q8_0": 15.7},
        "harder problems; wants a GPU or a fast desktop",
    ),
    _entry(
        "32B",
        64,
        "Q4_K_M",
        {"Q4_K_M": 19.76, "Q5_K_M": 23.21, "Q6_K": 26.88, "Q8_0": 34.82},
        "the strongest; wants a 24 GB GPU",
    ),
)

_SHORT = re.compile(r"qwen-?3[-:](\d+(?:\.\d+)?b)(?:-gguf)?(?:[-:](.+))?", re.IGNORECASE)
_REPO = re.compile(r"([\w.-]+/[\w.-]+?)(?::(.+)|/(?:resolve|blob)/main/(.+))?")
_HUB_PREFIX = re.compile(r"(?:https?://)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)


def resolve(name: str) -> Wanted:
    """What ``name`` means: ``qwen3-4b``, ``qwen3:4b``, ``qwen3-4b:q8_0``, or any repository of the
    hub as ``owner/repo``, ``owner/repo:QUANT`` or ``owner/repo:file.gguf``.

    Raises ``NotFoundError`` with near misses.
    """
    given = _HUB_PREFIX.sub("", name.strip())
    short = _SHORT.fullmatch(given)
    entry = find(f"qwen3-{short[1]}") if short else None
    if short and entry:
        return _of_entry(entry, (short[2] or "").upper())
    repo = _REPO.fullmatch(given)
    if repo:
        return Wanted(repo[1], selector=repo[2] or repo[3] or "")
    raise unknown(name)


def find(name: str) -> CatalogueEntry | None:
    """The entry called ``name`` (in any case)."""
    return next((entry for entry in CATALOGUE if entry.name == name.lower()), None)


def near_misses(name: str, known: list[str]) -> list[str]:
    """Up to three of ``known`` that ``name`` may have meant."""
    by_lower = {each.lower(): each for each in known}
    wanted = name.lower().replace(":", "-")
    close = difflib.get_close_matches(wanted, by_lower, n=3, cutoff=0.5)
    starting = [each for each in by_lower if wanted and each.startswith(wanted)]
    return [by_lower[each] for each in dict.fromkeys(starting + close)][:3]


def unknown(name: str) -> NotFoundError:
    """The error for a name that means nothing here."""
    near = near_misses(name, [entry.name for entry in CATALOGUE])
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    return NotFoundError(
        f"No model is called “{name}”.",
        next_step=f"{meant}See tsubasa model list, or give a repository as OWNER/REPO[:QUANT].",
    )


def _of_entry(entry: CatalogueEntry, quant: str) -> Wanted:
    selector = quant or entry.default_quant
    plain = selector == entry.default_quant
    shelf_name = entry.name if plain else f"{entry.name}-{selector.lower()}"
    return Wanted(entry.repo, selector, shelf_name, entry)
