"""The values that flow through memory: an observation, where it comes from, and what changed it.

Pure data. Days are local calendar days of whoever lived them; ``None`` is "not known".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from tsubasa_cli.storage.values import Instant


class Kind(StrEnum):
    """What an observation is about; recall ages states and plans, never identity or events."""

    IDENTITY = "identity"
    RELATION = "relation"
    PREFERENCE = "preference"
    STATE = "state"
    EVENT = "event"
    PLAN = "plan"


class Status(StrEnum):
    """Whether an observation may be recalled. Only ``ACTIVE`` ones are, unless history is asked."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    """True once; a later one tells what replaced it."""
    QUARANTINED = "quarantined"
    """Ungrounded, an instruction, or secret-looking: waits for the user's yes or no."""
    FORGOTTEN = "forgotten"
    """The user hid it; ``restore`` brings it back."""
    ERASED = "erased"
    """Redacted for good; only its id is left."""


class Origin(StrEnum):
    """Who put it there."""

    USER_SAID = "user_said"
    USER_EDITED = "user_edited"
    """Written or corrected by hand: no machine changes it."""
    IMPORTED = "imported"


class Precision(StrEnum):
    """How exactly ``event_from``..``event_to`` is known."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    SEASON = "season"
    YEAR = "year"
    RANGE = "range"


class Op(StrEnum):
    """What an event did to one observation."""

    ADD = "add"
    UPDATE = "update"
    RECONCILE = "reconcile"
    SUPERSEDE = "supersede"
    """The old side of ``RECONCILE`` or ``MERGE``: kept, no longer active."""
    IGNORE = "ignore"
    """Said again: nothing changes but the evidence."""
    EDIT = "edit"
    PIN = "pin"
    UNPIN = "unpin"
    TAG = "tag"
    MERGE = "merge"
    SPLIT = "split"
    QUARANTINE = "quarantine"
    APPROVE = "approve"
    REJECT = "reject"
    FORGET = "forget"
    RESTORE = "restore"
    UNDO = "undo"
    ERASE = "erase"


class Actor(StrEnum):
    """Whose hand it was."""

    USER = "user"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words of the user's that support an observation. ``turn_id`` None: typed in by hand."""

    turn_id: int | None
    quote: str


@dataclass(frozen=True, slots=True)
class Observation:
    """One standalone sentence about the user's life (TSUBASA §4.1), dated and sourced.

    ``event_from``..``event_to`` (both inclusive) is when it happened, ``time_expr`` the user's own
    words for that; ``valid_from`` inclusive .. ``valid_to`` exclusive is when it is true;
    ``recorded_at`` is when it was said. ``slot`` names the attribute of ``subject`` that can have
    one value only ("job", "home", …), empty otherwise. ``version`` counts its events from 1.
    """

    id: str
    statement: str
    recorded_at: Instant
    subject: str = "user"
    kind: Kind = Kind.STATE
    event_from: date | None = None
    event_to: date | None = None
    precision: Precision | None = None
    time_expr: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    evidence: tuple[Evidence, ...] = ()
    origin: Origin = Origin.USER_SAID
    status: Status = Status.ACTIVE
    slot: str = ""
    language: str = "en"
    pinned: bool = False
    tags: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    version: int = 1
    batch_id: str = ""

    @property
    def last_day(self) -> date | None:
        """The last day on which it was true, as people say it ("until 30 May"); None for what has
        no end. What was replaced on its first day was true on that day."""
        if self.valid_to is None or self.valid_to == date.min:
            return self.valid_to
        begun = self.valid_from or self.event_from or date.min
        return max(self.valid_to - timedelta(days=1), min(begun, self.valid_to))

    model_hash: str = ""
    prompt_hash: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to happen: ``after`` is the observation as it shall be (its version is set by the
    log), ``reason`` a short clause for people."""

    op: Op
    after: Observation
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MemoryEvent:
    """One line of the append-only log; ``after`` is the observation as the event left it.
    ``undoes`` is the event that an ``UNDO`` takes back."""

    id: int
    batch_id: str
    op: Op
    actor: Actor
    at: Instant
    after: Observation
    reason: str = ""
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that was left out of its batch, and why. Its words are not kept."""

    batch_id: str
    memory_id: str
    op: Op
    reason: str
    at: Instant
