"""The values that flow between the rooms: a session, its turns, and when they happened.

Pure data. Identity is a storage concern: ids are given out by ``storage.sessions``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum


class Role(StrEnum):
    """Who speaks in a turn."""

    USER = "user"
    ASSISTANT = "assistant"


class TurnStatus(StrEnum):
    """How far a turn got. Only replies are ever anything but ``COMPLETE``."""

    PENDING = "pending"
    """Committed with its question, generation not begun (the model may still be loading)."""
    STREAMING = "streaming"
    """Being generated now, by the process that holds the turn's writer lock."""
    COMPLETE = "complete"
    STOPPED = "stopped"
    """The user stopped it; what there was is kept."""
    INTERRUPTED = "interrupted"
    """The engine or the whole program died under it; what was journalled is kept."""
    TRUNCATED = "truncated"
    """The reply reached the end of the context window or the token limit."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_MS = (datetime(2, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LAST_MS = (datetime(9998, 12, 31, tzinfo=UTC) - _EPOCH) // _MILLISECOND
"""A year is left on either side, so that "yesterday" and other clocks stay in the calendar."""
_WIDEST_OFFSET = 24 * 60 - 1


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time and the UTC offset of whoever lived it.

    ``epoch_ms`` is milliseconds since 1970 UTC; ``offset_minutes`` is the local offset then, so
    that "yesterday" can be resolved years later in another time zone.
    """

    epoch_ms: int
    offset_minutes: int = 0

    @classmethod
    def now(cls) -> Instant:
        return cls.from_datetime(datetime.now().astimezone())

    @classmethod
    def from_datetime(cls, moment: datetime) -> Instant:
        """``moment`` must be aware. Raises ``ValueError`` for one that could not be shown again,
        or that has no days before or after it in the calendar."""
        offset = moment.utcoffset() or timedelta()
        epoch_ms = round((moment - _EPOCH) / _MILLISECOND)
        offset_minutes = round(offset.total_seconds() / 60)
        if (epoch_ms, offset_minutes) != _within_calendar(epoch_ms, offset_minutes):
            raise ValueError(f"{moment.isoformat()} is at the edge of the calendar")
        return cls(epoch_ms, offset_minutes)

    def local(self) -> datetime:
        """The aware datetime as the user's clock showed it then; the nearest of the calendar for
        an instant beyond it, which older versions of the program could take in."""
        epoch_ms, offset_minutes = _within_calendar(self.epoch_ms, self.offset_minutes)
        zone = timezone(timedelta(minutes=offset_minutes))
        return (_EPOCH + epoch_ms * _MILLISECOND).astimezone(zone)

    def iso(self) -> str:
        return self.local().isoformat(timespec="milliseconds")


def _within_calendar(epoch_ms: int, offset_minutes: int) -> tuple[int, int]:
    """The nearest instant and offset that ``datetime`` can show."""
    return (
        max(_FIRST_MS, min(epoch_ms, _LAST_MS)),
        max(-_WIDEST_OFFSET, min(offset_minutes, _WIDEST_OFFSET)),
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """What one reply cost, in tokens and seconds.

    ``prompt`` is the whole window that was sent, of which ``cached`` came from the KV cache and
    ``evaluated`` had to be computed before the first token; ``generated`` counts sampled tokens.
    """

    prompt: int = 0
    cached: int = 0
    evaluated: int = 0
    generated: int = 0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        return self.generated / self.decode_seconds if self.decode_seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. Turns form a tree: editing or regenerating adds a sibling."""

    id: int
    session_id: str
    parent_id: int | None
    role: Role
    text: str
    status: TurnStatus
    created_at: Instant
    thinking: str = ""
    model: str = ""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """Where a turn stands among its siblings: ``position`` is 1-based, of ``count``."""

    position: int
    count: int
    previous_id: int | None
    next_id: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A model-written stand-in for the turns of a branch up to and including ``upto_turn_id``."""

    id: int
    session_id: str
    upto_turn_id: int
    text: str
    created_at: Instant
    model: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation. ``head_id`` is the last turn of the branch on show."""

    id: str
    title: str
    title_is_users: bool
    created_at: Instant
    updated_at: Instant
    head_id: int | None = None
    persona: str = ""
    system_prompt: str | None = None
    model: str | None = None
    thinking: bool | None = None
    draft: str = ""
    deleted_at: Instant | None = None
    memory: bool = True
    """Whether anything is remembered from it or recalled in it; off in an incognito chat."""


@dataclass(frozen=True, slots=True)
class SessionHit:
    """A session found by search, with the words around the match (``turn_id`` None: the title)."""

    session: Session
    turn_id: int | None
    excerpt: str
