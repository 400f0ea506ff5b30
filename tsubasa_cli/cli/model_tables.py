"""How models are shown: a table on a terminal, the same without colours in a pipe, and JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tsubasa_cli.models.amounts import in_words, parameters
from tsubasa_cli.models.catalogue import CATALOGUE, CatalogueEntry
from tsubasa_cli.models.fit import (
    SMALLEST_CONTEXT,
    choose_context,
    estimate_bytes,
    fits,
    recommendation,
    usable_bytes,
)
from tsubasa_cli.models.machine import Machine, this_machine
from tsubasa_cli.models.model import Model, Source
from tsubasa_cli.models.presets import presence_penalty_against_repetition, sampling_for
from tsubasa_cli.models.shelf import ModelShelf

PIPE_WIDTH = 200
"""Lines of a pipe are not cut."""
WIDE = 78
IN_SERVICE, INSTALLED, AVAILABLE = "★", "●", "○"


@dataclass(frozen=True, slots=True)
class Overview:
    """What is here, which of it answers, and what the catalogue offers this machine."""

    installed: tuple[Model, ...]
    in_service: Model | None
    chosen: bool
    recommended: CatalogueEntry | None
    machine: Machine

    def offered(self) -> list[CatalogueEntry]:
        """The entries of the catalogue that are not installed."""
        return [entry for entry in CATALOGUE if not self.has(entry)]

    def has(self, entry: CatalogueEntry) -> bool:
        return any(model.origin.startswith(f"{entry.repo}:") for model in self.installed)

    def as_json(self) -> dict[str, Any]:
        return {
            "in_service": self.in_service.name if self.in_service else None,
            "chosen": self.chosen,
            "installed": [model_json(model) for model in self.installed],
            "catalogue": [self._entry_json(entry) for entry in CATALOGUE],
            "machine": {
                "ram_total": self.machine.ram_total,
                "ram_available": self.machine.ram_available,
                "vram_total": self.machine.vram_total,
            },
        }

    def _entry_json(self, entry: CatalogueEntry) -> dict[str, Any]:
        return {
            "name": entry.name,
            "repo": entry.repo,
            "quantizations": dict(entry.quants),
            "default": entry.default_quant,
            "memory_bytes": estimate_bytes(entry, SMALLEST_CONTEXT),
            "fits": fits(entry, self.machine),
            "recommended": entry is self.recommended,
            "installed": self.has(entry),
            "good_for": entry.good_for,
        }


def take_stock(shelf: ModelShelf) -> Overview:
    """Everything that ``model list`` shows."""
    machine = this_machine()
    return Overview(
        installed=tuple(shelf.list()),
        in_service=shelf.in_service(),
        chosen=shelf.chosen_name() is not None,
        recommended=recommendation(machine),
        machine=machine,
    )


def model_json(model: Model) -> dict[str, Any]:
    """A model as JSON."""
    return asdict(model) | {"path": str(model.path), "source": model.source.value}


def print_overview(overview: Overview) -> None:
    """The installed models, then what the catalogue offers."""
    console = _console()
    wide = console.width >= WIDE
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    table.add_column("")
    table.add_column("Model", overflow="fold")
    table.add_column("Quant.", no_wrap=True)
    table.add_column("File", no_wrap=True, justify="right")
    table.add_column("Memory", no_wrap=True)
    if wide:
        table.add_column("", overflow="fold")
    for model in overview.installed:
        _add(
            table, wide, _installed_row(overview, model), "bold" if _serves(overview, model) else ""
        )
    for entry in overview.offered():
        style = "" if fits(entry, overview.machine) else "dim"
        _add(table, wide, _offered_row(overview, entry), style)
    _print(console, table, *_legend(overview))


def print_facts(model: Model, wanted_context: int) -> None:
    """All facts of one model, one a line."""
    console = _console()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _facts(model, wanted_context):
        table.add_row(label, Text(value))
    _print(console, table)


def _print(console: Console, *parts: Table | Text) -> None:
    """Print, and leave no padding at the end of a pipe's lines."""
    with console.capture() as captured:
        console.print(*parts, sep="\n")
    text = captured.get()
    if not console.is_terminal:
        text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    sys.stdout.write(text)


def _console() -> Console:
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(highlight=False, width=width)


def _add(table: Table, wide: bool, cells: Sequence[str], style: str) -> None:
    texts = [Text(cell) for cell in (cells if wide else cells[:-1])]
    table.add_row(*texts, style=style)


def _serves(overview: Overview, model: Model) -> bool:
    return overview.in_service is not None and model.name == overview.in_service.name


def _installed_row(overview: Overview, model: Model) -> list[str]:
    mark = IN_SERVICE if _serves(overview, model) else INSTALLED
    note = model.problem or ("" if model.source is not Source.STARTER else "starter model")
    if not note and not fits(model, overview.machine):
        note = "too big for this machine"
    need = in_words(estimate_bytes(model, SMALLEST_CONTEXT)) if not model.problem else ""
    return [mark, model.name, model.quantization, in_words(model.size_bytes), need, note]


def _offered_row(overview: Overview, entry: CatalogueEntry) -> list[str]:
    need = in_words(estimate_bytes(entry, SMALLEST_CONTEXT))
    note = entry.good_for
    if entry is overview.recommended:
        note = f"recommended for this machine: {note}"
    elif not fits(entry, overview.machine):
        spare = in_words(usable_bytes(overview.machine))
        note = f"needs more memory than this machine can give ({spare})"
    return [AVAILABLE, entry.name, entry.default_quant, in_words(entry.size_bytes), need, note]


def _legend(overview: Overview) -> list[Text]:
    marks = f"{IN_SERVICE} in service   {INSTALLED} installed   {AVAILABLE} tsubasa model pull NAME"
    lines = ["", marks]
    best = overview.recommended
    if best and not overview.has(best):
        lines.append(f"Recommended for this machine: {best.name}")
    starter = overview.in_service and overview.in_service.source is Source.STARTER
    if starter and best:
        lines.append("smollm2-135m is a small starter model. For real work:")
        lines.append(f"tsubasa model pull {best.name} --use")
    return [Text(line, style="dim") for line in lines]


def _facts(model: Model, wanted_context: int) -> list[tuple[str, str]]:
    rows = [
        ("Name", model.name),
        ("Title", model.title),
        ("Architecture", model.architecture),
        ("Quantization", model.quantization),
        ("Parameters", parameters(model.n_params)),
        ("File", f"{model.path} ({in_words(model.size_bytes)})"),
        ("Source", " ".join(part for part in (model.source.value, model.origin) if part)),
        ("SHA-256", model.sha256 or ""),
        ("Problem", model.problem),
    ]
    if not model.problem:
        rows += _running_facts(model, wanted_context)
    return [(label, value) for label, value in rows if value]


def _running_facts(model: Model, wanted_context: int) -> list[tuple[str, str]]:
    machine = this_machine()
    window = choose_context(model, wanted_context, machine)
    need, free = estimate_bytes(model, window), machine.ram_available + machine.vram_free
    trained = f"{model.n_ctx_train:,} tokens trained, " if model.n_ctx_train else ""
    return [
        ("Context", f"{trained}{window:,} used here"),
        ("Memory", f"{in_words(need)} needed, {in_words(free)} free now"),
        ("Chat template", "yes" if model.chat_template else "none: replies may ramble"),
        *_sampling_facts(model),
    ]


def _sampling_facts(model: Model) -> list[tuple[str, str]]:
    thinking, plain = (sampling_for(model.family, thinks) for thinks in (True, False))
    rows = [("Sampling", _in_short(asdict(plain)))]
    if thinking != plain:
        rows = [
            ("Sampling, thinking", _in_short(asdict(thinking))),
            ("Sampling, not thinking", _in_short(asdict(plain))),
        ]
    penalty = presence_penalty_against_repetition(model.family)
    if penalty:
        hint = f"tsubasa config set sampling.presence_penalty {penalty}"
        rows.append(("If it repeats itself", hint))
    return rows


def _in_short(values: dict[str, float]) -> str:
    neutral = {"presence_penalty": 0.0, "repeat_penalty": 1.0}
    return ", ".join(
        f"{key} {value:g}" for key, value in values.items() if neutral.get(key) != value
    )
