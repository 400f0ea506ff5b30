"""``tsubasa memory process``: distil what was said, now and by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsubasa_cli.cli import context
from tsubasa_cli.cli.memory_progress import Bar
from tsubasa_cli.errors import InputError, TsubasaError

if TYPE_CHECKING:
    from tsubasa_cli.conversation.workspace import Workspace
    from tsubasa_cli.memory.process import Distilled, Distiller

INTERRUPTED = 130
RESTARTS = 2
"""How often an engine that dies over the same messages is started again."""
NAMED = 5
"""At most this many failed jobs are named."""
_LEARNED = {"add": "learned", "update": "refined", "reconcile": "brought up to date"}


class DistillingError(TsubasaError):
    """Some of what was said could not be distilled. It stays open and is tried again next time."""


@dataclass(slots=True)
class Outcome:
    """What distilling did: turns done, events by kind, and per turn why it stays open."""

    turns: int = 0
    events: Counter[str] = field(default_factory=Counter)
    failed: dict[int, str] = field(default_factory=dict)
    sessions: dict[int, str] = field(default_factory=dict)
    pending: int = 0

    def count(self, distilled: Distilled) -> None:
        """Add one batch."""
        for turn_id in distilled.turn_ids:
            self.sessions[turn_id] = distilled.session_id
            self.failed.pop(turn_id, None)
        if distilled.error:
            self.failed |= dict.fromkeys(distilled.turn_ids, distilled.error)
            return
        self.turns += len(distilled.turn_ids)
        self.events.update(event.op.value for event in distilled.events)

    def as_json(self) -> dict[str, Any]:
        return {
            "turns": self.turns,
            "events": dict(self.events),
            "failed": [
                {"session_id": self.sessions[turn_id], "turn_id": turn_id, "error": error}
                for turn_id, error in self.failed.items()
            ],
            "pending": self.pending,
        }

    def in_words(self) -> str:
        told = [f"{self.events[op]:,} {word}" for op, word in _LEARNED.items() if self.events[op]]
        messages = "1 message" if self.turns == 1 else f"{self.turns:,} messages"
        return f"{messages} distilled; memories: {', '.join(told) or 'none new'}."

    def require_all_done(self) -> None:
        """Raise ``DistillingError`` that names what stays open, if anything does."""
        if not self.failed:
            return
        jobs = [
            f"Session {self.sessions[turn_id]}, turn {turn_id}: {error}"
            for turn_id, error in self.failed.items()
        ]
        more = [f"… and {len(jobs) - NAMED:,} more."] if len(jobs) > NAMED else []
        raise DistillingError(
            "1 message could not be distilled."
            if len(jobs) == 1
            else f"{len(jobs):,} messages could not be distilled.",
            why="\n".join([*jobs[:NAMED], *more]),
            next_step="They stay open. Try again, or with another model: tsubasa memory process",
        )


def process(
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Return only when nothing is left, whoever does the work."),
    ] = False,
    session: Annotated[
        str | None, typer.Option("--session", "-s", help="Only this conversation (its id).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Distil what was said into memories. What was interrupted goes on where it stopped.

    Ends with an error that names what could not be distilled; it is tried again next time.
    """
    outcome = distil(context.store().get(session).id if session else None, wait)
    if as_json:
        context.print_json(outcome.as_json())
    else:
        context.say(outcome.in_words())
    outcome.require_all_done()


def distil(session_id: str | None = None, wait: bool = False) -> Outcome:
    """Distil with the model in service, by rule where there is none. Raises ``TsubasaError`` when
    the model cannot be used or the engine keeps dying; Ctrl+C ends the program, and what is done
    is kept."""
    import asyncio

    _require_memory()
    try:
        return asyncio.run(_distil(session_id, wait))
    except KeyboardInterrupt:
        context.say("Stopped. What was distilled is kept; tsubasa memory process goes on.")
        raise typer.Exit(INTERRUPTED) from None


def _require_memory() -> None:
    if not context.settings().memory.enabled:
        raise InputError(
            "Memory is switched off.",
            next_step="Switch it on with: tsubasa config set memory.enabled true",
        )


async def _distil(session_id: str | None, wait: bool) -> Outcome:
    from asyncio import to_thread

    from tsubasa_cli.conversation.workspace import open_workspace

    workspace = open_workspace(on_notice=context.say)
    try:
        outcome = Outcome()
        log = workspace.memory.log
        while pending := await to_thread(log.pending, session_id):
            before = outcome.turns
            await _run_once(workspace, session_id, len(pending), outcome)
            if not wait or outcome.turns == before:
                break
        outcome.pending = len(await to_thread(log.pending, session_id))
        if outcome.turns:
            await to_thread(workspace.memory.catch_up)
        return outcome
    finally:
        await workspace.close()


async def _run_once(
    workspace: Workspace, session_id: str | None, pending: int, outcome: Outcome
) -> None:
    """One pass over everything that waits, with a fresh engine when it dies under the work; by rule
    alone where no model is installed."""
    from asyncio import to_thread

    from tsubasa_cli.errors import EngineError

    if await to_thread(workspace.models.in_service) is None:
        await _run_by_rule(workspace, session_id, pending, outcome)
        return
    with Bar("Starting the engine") as bar:
        bar.show(0, pending)
        for attempt in range(RESTARTS + 1):
            before = outcome.turns
            try:
                await workspace.host.ready()
                bar.describe(f"Distilling with {workspace.host.model_name}", pending)
                await _follow(workspace, session_id, outcome, bar)
                return
            except EngineError:
                if attempt == RESTARTS and outcome.turns == before:
                    raise
                await _restart(workspace)


async def _run_by_rule(
    workspace: Workspace, session_id: str | None, pending: int, outcome: Outcome
) -> None:
    context.say("No model is installed: rules alone decide what is worth remembering.")
    with Bar("Distilling by rule") as bar:
        bar.show(0, pending)
        await _take(await workspace.distilling.by_rule(), session_id, outcome, bar)


async def _restart(workspace: Workspace) -> None:
    performer = object()
    try:
        await workspace.host.restart(performer, None)
    finally:
        workspace.host.leave_stage(performer)


async def _follow(workspace: Workspace, session_id: str | None, outcome: Outcome, bar: Bar) -> None:
    engine = workspace.host.engine
    assert engine is not None
    await _take(await workspace.distilling.distiller(engine), session_id, outcome, bar)


async def _take(distiller: Distiller, session_id: str | None, outcome: Outcome, bar: Bar) -> None:
    async for distilled in distiller.run(session_id):
        outcome.count(distilled)
        bar.show(distilled.done, distilled.total)
