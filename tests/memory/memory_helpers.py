"""Short ways to make memories and the chats they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tsubasa_cli.memory.log import MemoryLog, new_id
from tsubasa_cli.memory.values import Actor, Change, Evidence, MemoryEvent, Observation, Op
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant, Turn, TurnStatus


def note(statement: str = "The user lives in Bonn.", **fields: Any) -> Observation:
    """An observation, with an id of its own unless ``id`` is given."""
    fields.setdefault("recorded_at", Instant(1_760_000_000_000, 120))
    fields.setdefault("evidence", (Evidence(None, statement),))
    return Observation(fields.pop("id", None) or new_id(), statement, **fields)


def add(log: MemoryLog, *notes: Observation, turns: Sequence[int] = ()) -> list[MemoryEvent]:
    """Commit ``notes`` as one batch of the model's."""
    return log.commit([Change(Op.ADD, n) for n in notes], actor=Actor.MODEL, turns=turns)


def change(log: MemoryLog, op: Op, after: Observation, actor: Actor = Actor.USER) -> MemoryEvent:
    """Commit one change as a batch."""
    [event] = log.commit([Change(op, after)], actor=actor)
    return event


def say(store: SessionStore, session_id: str, text: str, reply: str = "I see.") -> Turn:
    """A question with its reply; returns the question."""
    question, answer = store.ask(session_id, text)
    store.finish(answer.id, TurnStatus.COMPLETE, reply)
    return question
