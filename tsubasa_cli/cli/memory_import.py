"""``tsubasa memory import`` and ``export``: memories as files, and conversations held elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsubasa_cli.cli import context
from tsubasa_cli.cli.memory_progress import Bar
from tsubasa_cli.errors import InputError, ModelError, NotFoundError
from tsubasa_cli.storage.paths import write_private

if TYPE_CHECKING:
    from tsubasa_cli.cli.memory_process import Outcome
    from tsubasa_cli.memory.imports.taking import ImportReport, Source
    from tsubasa_cli.storage.values import Turn

INTERRUPTED = 130
TOLD = 5
"""At most this many conversations that were left out are named."""


def import_(
    source: Annotated[
        str,
        typer.Argument(
            help="chatgpt, claude or log; or at once the file that tsubasa memory export wrote."
        ),
    ],
    file: Annotated[Path | None, typer.Argument(help="The file to take in.")] = None,
    later: Annotated[
        bool,
        typer.Option("--later", help="Only store the conversations; distil them another time."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take in exported memories, or conversations held elsewhere.

    Conversations appear with their real dates and are distilled into memories. Importing again
    adds only what is new; an import that was interrupted goes on where it stopped.

    \b
    tsubasa memory import memories.jsonl
        what tsubasa memory export wrote
    tsubasa memory import chatgpt export.zip
    tsubasa memory import claude export.zip
        your data export, or the conversations.json in it
    tsubasa memory import log life.jsonl
        one turn a line: {"session": "a", "time": "2024-05-03T09:30:00+02:00",
        "role": "user" or "assistant", "text": "…"}
    """
    from tsubasa_cli.memory.imports.taking import Source

    if source in list(Source):
        if file is None:
            raise InputError("Which file?", next_step=f"tsubasa memory import {source} FILE")
        _import_conversations(Source(source), file, later, as_json)
    elif file is None:
        _import_memories(Path(source), as_json)
    else:
        raise InputError(
            f"Files of the kind {source!r} are not known.",
            next_step=f"tsubasa memory import chatgpt|claude|log {file}",
        )


def export(
    file: Annotated[
        Path, typer.Argument(help="FILE.jsonl to be read in again, FILE.md to read; - prints.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write all memories to a file.

    FILE.jsonl holds where they are from and all that happened to them, and can be imported again.

    Example: tsubasa memory export memories.jsonl
    """
    is_document = file.suffix.lower() == ".md"
    text = _as_markdown() if is_document else _as_jsonl()
    if str(file) == "-":
        context.write(text)
        return
    write_private(file, text.encode())
    if as_json:
        context.print_json({"file": str(file), "format": "markdown" if is_document else "jsonl"})
    else:
        context.say(f"Written to {file}. It is as private as the memories are.")


def _as_jsonl() -> str:
    from tsubasa_cli.memory.exchange import export_jsonl

    return "".join(f"{line}\n" for line in export_jsonl(context.connect()))


def _as_markdown() -> str:
    from tsubasa_cli.memory.log import MemoryLog
    from tsubasa_cli.memory.markdown import to_markdown
    from tsubasa_cli.memory.values import Status
    from tsubasa_cli.storage.values import Instant

    known = MemoryLog(context.connect()).all(status=list(Status))
    ids = {said.turn_id for each in known for said in each.evidence if said.turn_id}
    return to_markdown(known, _turns(ids), Instant.now())


def _turns(ids: Iterable[int]) -> dict[int, Turn]:
    store, found = context.store(), {}
    for turn_id in ids:
        with suppress(NotFoundError):
            found[turn_id] = store.turn(turn_id)
    return found


def _import_memories(file: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from tsubasa_cli.memory.exchange import import_jsonl
    from tsubasa_cli.memory.imports.documents import opened_text

    with opened_text(file) as lines:
        report = import_jsonl(context.connect(), lines)
    if as_json:
        context.print_json({fate: list(ids) for fate, ids in asdict(report).items()})
        return
    told = [f"{len(ids):,} {fate.replace('_', ' ')}" for fate, ids in asdict(report).items() if ids]
    context.say(f"Memories: {', '.join(told) or 'none in the file'}.")
    for memory_id in report.conflicts:
        context.say(f"{memory_id} was changed here and there; it stays as it is here.")


def _import_conversations(source: Source, file: Path, later: bool, as_json: bool) -> None:
    from tsubasa_cli.memory.imports.taking import import_file

    try:
        with Bar("Importing") as bar:
            report = import_file(source, file, context.store(), bar.show)
    except KeyboardInterrupt:
        context.say("Stopped. What is imported stays; the same command goes on from there.")
        raise typer.Exit(INTERRUPTED) from None
    _tell(report)
    outcome: Outcome | None = None
    try:
        if later:
            _tell_how_to_go_on(report)
        else:
            outcome = _distil()
    finally:
        if as_json:
            distilled = outcome.as_json() if outcome else None
            context.print_json(_report_facts(report) | {"distilled": distilled})
    if outcome:
        context.say(outcome.in_words())
        outcome.require_all_done()


def _tell_how_to_go_on(report: ImportReport) -> None:
    if report.turns:
        context.say("Distil them with: tsubasa memory process")


def _distil() -> Outcome | None:
    """Distil what waits; with a model that cannot be used, say how to do it later."""
    from tsubasa_cli.cli.memory_process import distil
    from tsubasa_cli.memory.log import MemoryLog

    if not MemoryLog(context.connect()).pending():
        return None
    if not context.settings().memory.enabled:
        context.say("Nothing is distilled: memory is switched off (memory.enabled).")
        return None
    try:
        return distil()
    except (ModelError, NotFoundError) as error:
        context.say(f"Not distilled yet: {error}\nThen run: tsubasa memory process")
        return None


def _tell(report: ImportReport) -> None:
    context.say(_summary(report))
    if report.unchanged and report.turns:
        context.say(f"{_conversations(report.unchanged)} were here already.")
    if report.differing:
        context.say(
            f"In other words than what was imported before, which stays: {report.differing:,}."
        )
    for reason in report.left_out[:TOLD]:
        context.say(f"Left out: {reason}.")
    if len(report.left_out) > TOLD:
        context.say(f"… and {len(report.left_out) - TOLD:,} more were left out.")


def _summary(report: ImportReport) -> str:
    if not report.turns:
        return "Nothing new: all of it is here already." if report.unchanged else "It is empty."
    messages = "1 message" if report.turns == 1 else f"{report.turns:,} messages"
    told = f"Imported {messages} in {_conversations(report.new + report.continued)}"
    if report.first and report.last:
        days = [at.local().strftime("%Y-%m-%d") for at in (report.first, report.last)]
        told += f", {' to '.join(dict.fromkeys(days))}"
    return f"{told}."


def _conversations(number: int) -> str:
    return "1 conversation" if number == 1 else f"{number:,} conversations"


def _report_facts(report: ImportReport) -> dict[str, Any]:
    return {
        "new": report.new,
        "continued": report.continued,
        "unchanged": report.unchanged,
        "empty": report.empty,
        "turns": report.turns,
        "differing": report.differing,
        "left_out": list(report.left_out),
        "session_ids": list(report.session_ids),
        "first": report.first.iso() if report.first else None,
        "last": report.last.iso() if report.last else None,
    }
