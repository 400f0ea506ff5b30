"""Why a reply said what it said: the memories behind it, and where each of them is from."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsubasa_cli.errors import NotFoundError
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant, Turn

if TYPE_CHECKING:
    from tsubasa_cli.memory.memory import Memory
    from tsubasa_cli.memory.recalls import Used
    from tsubasa_cli.memory.values import Observation


BY_HEART = "by heart"
"""The channel of what was not recalled: the model was taught it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Words of the user's: ``quote`` from a turn of a session, said ``at``. ``turn_id`` None when
    they were typed in by hand, or when the session is gone."""

    quote: str
    turn_id: int | None = None
    session_id: str = ""
    session_title: str = ""
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that went into a reply. ``memory_id`` empty: an earlier turn, word for word.
    ``changed`` says that the memory has another wording by now."""

    statement: str
    sources: tuple[Source, ...]
    channels: tuple[tuple[str, float], ...]
    memory_id: str = ""
    changed: bool = False


def reasons_for(
    memory: Memory, store: SessionStore, reply: Turn, taught_by: str = ""
) -> list[Reason]:
    """What rode with the question of ``reply``, in the order in which the model read it; then what
    a model taught by the run ``taught_by`` seems to have said by heart."""
    used = memory.recalls.used(reply.parent_id or 0)
    recalled = [r for r in (_reason(memory, store, item) for item in used) if r is not None]
    if not taught_by:
        return recalled
    shown = {item.memory_id for item in used if item.memory_id}
    known = memory.by_heart(taught_by, reply.text, shown)
    return [*recalled, *(_known_by_heart(item, store) for item in known)]


def _known_by_heart(item: Observation, store: SessionStore) -> Reason:
    return Reason(item.statement, sources_of(item, store), ((BY_HEART, 1.0),), item.id)


def _reason(memory: Memory, store: SessionStore, used: Used) -> Reason | None:
    with suppress(NotFoundError):
        if used.memory_id is None:
            source = _source_of(store, store.turn(used.source_turn_id or 0))
            return Reason(source.quote, (source,), used.channels)
        then = _at_version(memory, used.memory_id, used.version or 1)
        now = memory.log.get(used.memory_id)
        changed = now.statement != then.statement
        sources = sources_of(then, store)
        return Reason(then.statement, sources, used.channels, then.id, changed)
    return None


def sources_of(observation: Observation, store: SessionStore) -> tuple[Source, ...]:
    """Where an observation was said, as far as that is still there."""
    return tuple(_quoted(store, e.turn_id, e.quote) for e in observation.evidence)


def _quoted(store: SessionStore, turn_id: int | None, quote: str) -> Source:
    if turn_id is not None:
        with suppress(NotFoundError):
            return _source_of(store, store.turn(turn_id), quote)
    return Source(quote)


def _source_of(store: SessionStore, turn: Turn, quote: str = "") -> Source:
    session = store.get(turn.session_id)
    return Source(quote or turn.text, turn.id, session.id, session.title, turn.created_at)


def _at_version(memory: Memory, memory_id: str, version: int) -> Observation:
    for event in memory.log.history(memory_id):
        if event.after.version == version:
            return event.after
    return memory.log.get(memory_id)
