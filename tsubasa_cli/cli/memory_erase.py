"""``tsubasa memory erase``: remove every trace of a memory, after showing each of them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tsubasa_cli.cli import context
from tsubasa_cli.errors import InputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tsubasa_cli.memory.erase import ErasePlan, Erasure
    from tsubasa_cli.memory.erasure import Place
    from tsubasa_cli.memory.memory import Memory

ASSENT = "erase"
"""What has to be typed: one key pressed too many does not cost a memory."""
STAYS = "stays"


def erase(
    references: Annotated[list[str], typer.Argument(help="Ids of memories, or their beginnings.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list every place where they live.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove every trace of memories, for good.

    Not only the memories: also the words they were learned from, in your messages, in replies,
    titles, summaries, backups and the search index, and exports anywhere in the data folder. It
    lists all of these first, and files of your own that hold the words: those stay. What is erased
    is not learned again; there is no undo. To hide a memory instead: tsubasa memory forget
    """
    from tsubasa_cli.memory.erase import plan_erase
    from tsubasa_cli.memory.memory import Memory

    owner = context.settings().memory.owner
    memory = Memory(context.paths(), context.say, context.settings().memory.embedder)
    try:
        ids = [memory.log.get(reference).id for reference in references]
        plan = plan_erase(context.connect(), context.paths(), ids, owner)
        if dry_run or not as_json:
            _show(plan, as_json)
        if dry_run:
            return
        _require_assent(plan, yes)
        erased = _erase(memory, plan, owner)
    finally:
        memory.close()
    if as_json:
        stays = (*erased.left, *erased.unswept)
        context.print_json(_facts(erased.memory_ids, erased.places, stays))
    else:
        context.say(f"Erased: {_many(len(erased.memory_ids))}, {len(erased.places):,} places.")
    _require_nothing_left(erased)


def _erase(memory: Memory, plan: ErasePlan, owner: str) -> Erasure:
    from tsubasa_cli.memory.erase import erase as carry_out

    return carry_out(
        context.connect(),
        context.paths(),
        plan,
        forget_index=lambda *_: memory.forget_index(),
        owner=owner,
    )


def _show(plan: ErasePlan, as_json: bool) -> None:
    if as_json:
        context.print_json(_facts(plan.memory_ids, plan.places, plan.stays))
        return
    for place in plan.places:
        words = " ".join(place.words.split())
        context.write(f"{place.kind.value:<20} {place.where}{f'  “{words}”' if words else ''}\n")
    for file in plan.stays:
        context.write(f"{STAYS:<20} {file}  not written by Tsubasa: remove it yourself\n")


def _facts(
    memory_ids: Sequence[str], places: Sequence[Place], stays: Sequence[Path]
) -> dict[str, object]:
    return {
        "memory_ids": list(memory_ids),
        "places": [asdict(place) for place in places],
        "stays": [str(file) for file in stays],
    }


def _require_assent(plan: ErasePlan, yes: bool) -> None:
    if yes:
        return
    if sys.stdin.isatty():
        context.say(f"{_many(len(plan.memory_ids))} and all of these go for good.")
        sys.stderr.write(f"Type {ASSENT} to go on: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().casefold() == ASSENT:
            return
    raise InputError("Nothing was erased.", next_step="Add --yes to erase without asking.")


def _require_nothing_left(erased: Erasure) -> None:
    if erased.unswept:
        raise StorageError(
            "It is erased, but files of Tsubasa's own still hold words of it.",
            why="\n".join(str(file) for file in erased.unswept),
            next_step="Close every other Tsubasa and run: tsubasa memory rebuild",
        )
    if erased.left:
        raise StorageError(
            "It is erased, but some files in the data folder still hold words of it.",
            why="\n".join(str(file) for file in erased.left),
            next_step="Tsubasa removes only what it wrote: these are yours to remove.",
        )


def _many(number: int) -> str:
    return "1 memory" if number == 1 else f"{number:,} memories"
