"""``tsubasa session``: find, read, export, rename and delete conversations."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsubasa_cli.cli import context
from tsubasa_cli.errors import InputError
from tsubasa_cli.storage.paths import write_private

if TYPE_CHECKING:
    from tsubasa_cli.storage.values import Session

session_app = typer.Typer(help="Find, read and export conversations.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reference = Annotated[str, typer.Argument(help="The session's id, or the beginning of it.")]


class ExportFormat(StrEnum):
    """What a session can be written as."""

    MARKDOWN = "md"
    JSON = "json"


@session_app.command("list")
def list_(
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, help="At most this many; 0 for all.")
    ] = 30,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those that were deleted.")] = False,
    as_json: Json = False,
) -> None:
    """List conversations, the newest first."""
    sessions = context.store().recent(limit or -1, deleted=deleted)
    if as_json:
        context.print_json([_facts(session) for session in sessions])
        return
    if not sessions:
        context.say("No conversations yet. Start one with: tsubasa chat")
    for session in sessions:
        context.write(_line(session))


@session_app.command("show")
def show(reference: Reference, as_json: Json = False) -> None:
    """Print a conversation."""
    context.write(_rendered(reference, ExportFormat.JSON if as_json else ExportFormat.MARKDOWN))


@session_app.command("search")
def search(
    words: Annotated[list[str], typer.Argument(help="Words that all occur.")],
    as_json: Json = False,
) -> None:
    """Find conversations by their title and what was said in them."""
    hits = context.store().search(" ".join(words))
    if as_json:
        context.print_json(
            [_facts(hit.session) | {"turn_id": hit.turn_id, "excerpt": hit.excerpt} for hit in hits]
        )
        return
    if not hits:
        context.say(f"Nothing found for {' '.join(words)!r}.")
    for hit in hits:
        context.write(_line(hit.session))
        if hit.turn_id is not None:
            context.write(f"            {hit.excerpt}\n")


@session_app.command("export")
def export(
    reference: Reference,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; - or none prints.")
    ] = None,
    format_: Annotated[ExportFormat, typer.Option("--format", "-f", help="md or json.")] = (
        ExportFormat.MARKDOWN
    ),
) -> None:
    """Write a conversation as Markdown or JSON."""
    text = _rendered(reference, format_)
    if output is None or str(output) == "-":
        context.write(text)
        return
    write_private(output, text.encode())
    context.say(f"Written to {output}.")


@session_app.command("rename")
def rename(
    reference: Reference, title: Annotated[list[str], typer.Argument(help="The new title.")]
) -> None:
    """Give a conversation a title."""
    store = context.store()
    renamed = store.rename(store.get(reference).id, " ".join(title))
    context.say(f"{renamed.id} is now “{renamed.title}”.")


@session_app.command("delete")
def delete(
    reference: Reference,
    purge: Annotated[
        bool,
        typer.Option(
            "--purge",
            help="Remove it for good, but for what memories quote. Cannot be undone.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a conversation; tsubasa session restore brings it back."""
    from tsubasa_cli.memory.log import MemoryLog

    store = context.store()
    session = store.get(reference)
    if not purge:
        store.delete(session.id)
        context.say(f"Deleted. Undo with: tsubasa session restore {session.id}")
        return
    quoting = [memory.id for memory in MemoryLog(context.connect()).quoting(session.id)]
    stays = f" {_memories(len(quoting))} its words." if quoting else ""
    if not yes and not context.confirm(f"Remove “{session.title}” for good?{stays}"):
        raise InputError("Nothing was removed.", next_step="Add --yes to remove without asking.")
    _purge(session.id)
    context.say(f"The conversation is removed for good.{stays}")
    if quoting:
        context.say(f"Remove these too with: tsubasa memory erase {' '.join(quoting)}")


def _memories(number: int) -> str:
    return "1 memory still quotes" if number == 1 else f"{number:,} memories still quote"


@session_app.command("restore")
def restore(reference: Reference) -> None:
    """Bring a deleted conversation back."""
    store = context.store()
    session = store.restore(store.get(reference).id)
    context.say(f"“{session.title}” is back.")


def _purge(session_id: str) -> None:
    from tsubasa_cli.conversation.kv_states import KvStates

    KvStates(context.paths(), 0).forget(session_id)
    context.store().purge(session_id)


def _rendered(reference: str, format_: ExportFormat) -> str:
    from tsubasa_cli.conversation.export import to_json, to_markdown

    store = context.store()
    session = store.get(reference)
    turns = store.path(session.id)
    if format_ is ExportFormat.JSON:
        return to_json(session, turns, store.branches(session.id))
    return to_markdown(session, turns)


def _line(session: Session) -> str:
    when = session.updated_at.local().strftime("%Y-%m-%d %H:%M")
    return f"{session.id}  {when}  {session.title or 'Untitled'}\n"


def _facts(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "title": session.title,
        "created_at": session.created_at.iso(),
        "updated_at": session.updated_at.iso(),
        "model": session.model,
        "deleted": session.deleted_at is not None,
    }
