"""``tsubasa memory``: see, correct, hide and find what is known about you."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tsubasa_cli.cli import context
from tsubasa_cli.cli.memory_erase import erase
from tsubasa_cli.cli.memory_import import export, import_
from tsubasa_cli.cli.memory_inspect import inspect
from tsubasa_cli.cli.memory_process import process
from tsubasa_cli.cli.memory_search import search
from tsubasa_cli.memory.values import Kind, Status

if TYPE_CHECKING:
    from tsubasa_cli.memory.log import MemoryLog
    from tsubasa_cli.memory.values import Observation

SCREENFUL = 50

memory_app = typer.Typer(
    help="What is known about you: see it, correct it, take it back.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reference = Annotated[str, typer.Argument(help="The memory's id, or the beginning of it.")]
References = Annotated[list[str], typer.Argument(help="Ids of memories, or their beginnings.")]


@memory_app.command("list")
def list_(
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only this kind.")] = None,
    status: Annotated[
        list[Status] | None, typer.Option("--status", help="Those in this state; repeatable.")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", "-a", help="Also superseded, quarantined and forgotten ones.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=0, help="At most this many, the newest; 0 for all."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what is known, the newest first.

    Example: tsubasa memory list --kind preference
    """
    from tsubasa_cli.cli import memory_render as render

    wanted = list(Status) if all_ else status or [Status.ACTIVE]
    most = _most(limit, as_json)
    found = _log().all(status=wanted, kind=kind, limit=most + 1 if most else -1)
    shown = found[:most] if most else found
    if as_json:
        context.print_json(render.all_facts(shown, context.connect()))
        return
    if not found:
        context.say(_nothing_known(wanted))
    render.print_list(shown)
    if len(found) > len(shown):
        context.say("There are more: tsubasa memory list --limit 0 shows all.")


def _most(limit: int | None, as_json: bool) -> int:
    """A screenful on a terminal; everything in a pipe."""
    if limit is not None:
        return limit
    return SCREENFUL if sys.stdout.isatty() and not as_json else 0


def _nothing_known(wanted: list[Status]) -> str:
    if wanted == [Status.ACTIVE]:
        return "Nothing is known yet. Chat, or run: tsubasa memory import chatgpt FILE"
    return "There is no such memory."


@memory_app.command("show")
def show(reference: Reference, as_json: Json = False) -> None:
    """Show all about one memory: where it is from, what happened to it."""
    from tsubasa_cli.cli import memory_render as render

    [record] = render.records([_log().get(reference)], context.connect())
    if as_json:
        context.print_json(render.facts(record))
    else:
        render.print_record(record)


@memory_app.command("add")
def add(
    statement: Annotated[list[str], typer.Argument(help="One sentence.")],
    kind: Annotated[
        Kind | None, typer.Option("--kind", help="What it is about; else its words tell.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A tag; repeatable.")] = None,
    date: Annotated[
        str, typer.Option("--date", help='Since when, or when: 2024-05-03, "last Monday".')
    ] = "",
    as_json: Json = False,
) -> None:
    """Remember something by hand. No machine changes it.

    Example: tsubasa memory add "I am allergic to nuts." --kind identity --tag health
    """
    from tsubasa_cli.memory import by_hand

    log = _log()
    noted = by_hand.note(
        log,
        " ".join(statement),
        kind=kind,
        tags=tag or (),
        day=date,
        owner=context.settings().memory.owner,
    )
    _tell([noted], "noted", as_json)
    _tell_of_places(log, [noted])


@memory_app.command("edit")
def edit(
    reference: Reference,
    statement: Annotated[
        list[str] | None, typer.Argument(help="The new words; without them, your editor opens.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a memory other words. It keeps its dates and where it was said.

    Example: tsubasa memory edit m3k9 "I am called Marta, not Maria."
    """
    from tsubasa_cli.memory import by_hand

    log = _log()
    words = " ".join(statement) if statement else _edited(log.get(reference).statement)
    corrected = by_hand.correct(log, reference, words, context.settings().memory.owner)
    _tell([corrected], "corrected", as_json)


def _edited(text: str) -> str:
    from tsubasa_cli.tui.editor import edit_text, editor_command

    return edit_text(text, editor_command(context.settings().look.editor))


@memory_app.command("pin")
def pin(references: References, as_json: Json = False) -> None:
    """Have memories go with every question.

    Whatever the question is about; and no machine changes them.
    """
    from tsubasa_cli.memory import by_hand

    _tell(by_hand.pin(_log(), references), "pinned", as_json)


@memory_app.command("unpin")
def unpin(references: References, as_json: Json = False) -> None:
    """Undo pin."""
    from tsubasa_cli.memory import by_hand

    _tell(by_hand.unpin(_log(), references), "no longer pinned", as_json)


@memory_app.command("forget")
def forget(references: References, as_json: Json = False) -> None:
    """Hide memories: they are no longer recalled. tsubasa memory restore brings them back.

    To remove every trace of them instead: tsubasa memory erase
    """
    from tsubasa_cli.memory import by_hand

    _tell(by_hand.forget(_log(), references), "forgotten", as_json)


@memory_app.command("restore")
def restore(references: References, as_json: Json = False) -> None:
    """Bring forgotten memories back, approve quarantined ones."""
    from tsubasa_cli.memory import by_hand

    log = _log()
    restored = by_hand.restore(log, references)
    _tell(restored, "restored", as_json)
    _tell_of_places(log, restored)


def _tell_of_places(log: MemoryLog, changed: list[Observation]) -> None:
    """Say what else came of it: one value of an attribute is in force."""
    for each in changed:
        if each.status is Status.SUPERSEDED:
            context.say(f"{each.id} is kept as what was so before: another is in force.")
        for replaced in log.many(each.supersedes).values():
            if replaced.batch_id == each.batch_id:
                context.say(f"It replaces {replaced.id}: {replaced.statement}")


@memory_app.command("log")
def log_(
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, help="At most this many events; 0 for all.")
    ] = 30,
    batch: Annotated[str | None, typer.Option("--batch", help="Only this batch.")] = None,
    as_json: Json = False,
) -> None:
    """Show what was done to the memory, the newest first."""
    from tsubasa_cli.cli import memory_render as render

    events = _log().events(limit or -1, batch)
    if as_json:
        context.print_json([render.event_facts(event) for event in events])
        return
    if not events:
        context.say("Nothing has happened yet.")
    render.print_events(events)


@memory_app.command("undo")
def undo(
    batch: Annotated[
        str | None, typer.Argument(help="A batch of tsubasa memory log; without one, the last.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take back the last change, or a whole batch.

    A batch is all that one command changed, or that was learned from one stretch of a chat.
    """
    log = _log()
    events = log.undo(batch) if batch else log.undo_last()
    _tell(_after(log, [event.after.id for event in events]), "changed back", as_json)


@memory_app.command("redo")
def redo(as_json: Json = False) -> None:
    """Do again what was taken back last."""
    log = _log()
    events = log.redo()
    _tell(_after(log, [event.after.id for event in events]), "changed again", as_json)


def _after(log: MemoryLog, ids: list[str]) -> list[Observation]:
    return list(log.many(dict.fromkeys(ids)).values())


@memory_app.command("rebuild")
def rebuild(as_json: Json = False) -> None:
    """Make the search index anew from the log. Nothing that is known is lost by it."""
    from tsubasa_cli.cli.memory_progress import Bar
    from tsubasa_cli.memory.memory import Memory

    memory = Memory(context.paths(), context.say, context.settings().memory.embedder)
    try:
        known = memory.log.rebuild()
        with Bar("Indexing") as bar:
            indexed = memory.index.rebuild(bar.show)
    finally:
        memory.close()
    if as_json:
        context.print_json({"memories": known, "indexed": indexed})
    else:
        context.say(f"Rebuilt: {known:,} memories, {indexed:,} entries of the index.")


@memory_app.command("stats")
def stats(as_json: Json = False) -> None:
    """Count what is known, and what is left to do."""
    from dataclasses import asdict

    from tsubasa_cli.cli import memory_render as render
    from tsubasa_cli.memory.statistics import take_stock

    counted = take_stock(context.connect(), len(_log().pending()))
    if as_json:
        days = {
            "first": counted.first.iso() if counted.first else None,
            "last": counted.last.iso() if counted.last else None,
        }
        context.print_json(asdict(counted) | days)
        return
    for label, value in render.statistics_lines(counted):
        context.write(f"{label:<22} {value}\n")


def _log() -> MemoryLog:
    from tsubasa_cli.memory.log import MemoryLog

    return MemoryLog(context.connect())


def _tell(changed: list[Observation], what: str, as_json: bool) -> None:
    """The memories that a command changed; exit code 0 also when it changed none."""
    from tsubasa_cli.cli import memory_render as render

    if as_json:
        context.print_json(render.all_facts(changed, context.connect()))
    elif changed:
        render.print_changed(changed, what)
    else:
        context.say("Nothing to do.")


memory_app.command("inspect")(inspect)
memory_app.command("search")(search)
memory_app.command("erase")(erase)
memory_app.command("export")(export)
memory_app.command("import")(import_)
memory_app.command("process")(process)
