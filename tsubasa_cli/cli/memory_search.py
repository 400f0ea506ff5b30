"""``tsubasa memory search``: what is known that bears on a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsubasa_cli.cli import context

if TYPE_CHECKING:
    from tsubasa_cli.memory.recall import Recalled
    from tsubasa_cli.storage.values import Turn


def search(
    question: Annotated[list[str], typer.Argument(help="A question, or a few words.")],
    as_of: Annotated[
        str, typer.Option("--as-of", help='What was true then: 2024-05-03, "last spring".')
    ] = "",
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="At most this many.")] = 8,
    explain: Annotated[
        bool, typer.Option("--explain", help="By which way each was found, and how well it fits.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find what bears on a question, as a chat would.

    Example: tsubasa memory search "where did I work" --as-of 2024-05-01
    """
    from tsubasa_cli.memory.by_hand import day_named
    from tsubasa_cli.memory.memory import Memory
    from tsubasa_cli.storage.values import Instant

    now = Instant.now()
    day = day_named(as_of, now) if as_of else None
    memory = Memory(context.paths(), context.say, context.settings().memory.embedder)
    try:
        memory.catch_up()
        found = memory.recaller.recall(" ".join(question), now=now, k=k, as_of=day)
        if as_json:
            context.print_json(_found_facts(found))
        else:
            _print_found(found, " ".join(question), explain)
    finally:
        memory.close()


def _found_facts(found: list[Recalled]) -> list[dict[str, Any]]:
    from tsubasa_cli.cli.memory_render import all_facts

    observations = [item.observation for item in found if item.observation]
    known = {facts["id"]: facts for facts in all_facts(observations, context.connect())}
    return [
        {
            "score": item.score,
            "channels": dict(item.channels),
            "memory": known[item.observation.id] if item.observation else None,
            "turn": _turn_facts(item.turn) if item.turn else None,
        }
        for item in found
    ]


def _turn_facts(turn: Turn) -> dict[str, Any]:
    return {
        "turn_id": turn.id,
        "session_id": turn.session_id,
        "text": turn.text,
        "said_at": turn.created_at.iso(),
    }


def _print_found(found: list[Recalled], question: str, explain: bool) -> None:
    if not found:
        context.say(f"Nothing is known that bears on {question!r}.")
    for item in found:
        context.write(f"{_found_line(item)}\n")
        if explain:
            ways = ", ".join(f"{name} {value:.3g}" for name, value in item.channels)
            context.write(f"            score {item.score:.3g}: {ways}\n")


def _found_line(item: Recalled) -> str:
    from tsubasa_cli.cli.memory_render import when

    if item.observation:
        observation = item.observation
        days = when(observation)
        return f"{observation.id}  {observation.statement}" + (f" [{days}]" if days else "")
    turn = item.turn
    if turn is None:
        return ""
    text = " ".join(turn.text.split())
    day = turn.created_at.local().strftime("%Y-%m-%d")
    return f"{turn.session_id}  You said on {day}: “{text}”"
