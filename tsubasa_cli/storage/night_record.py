"""When learning by night was asked for, and what became of that; a few rows of ``facts``.

Who runs it is the platform's scheduler, which nobody can ask whether it did. So the run itself
leaves a note when it is started, and another while it waits.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import time

from tsubasa_cli.storage.values import Instant

_AT, _SINCE, _STARTED, _WAITING = (
    f"learn_night_{name}" for name in ("at", "since", "started", "waiting")
)


@dataclass(frozen=True, slots=True)
class NightRecord:
    """``at``: the local time of day of the nightly run, None when there is none; ``since`` when
    that was arranged; ``started`` when a run was last told to wait for idleness; ``waiting`` is
    what it waits for in a sentence, empty once it has begun."""

    at: time | None = None
    since: Instant | None = None
    started: Instant | None = None
    waiting: str = ""


def read_night(connection: sqlite3.Connection) -> NightRecord:
    """What is noted."""
    names = (_AT, _SINCE, _STARTED, _WAITING)
    rows = connection.execute("SELECT key, value FROM facts WHERE key IN (?, ?, ?, ?)", names)
    facts = {row["key"]: str(row["value"]) for row in rows}
    at = facts.get(_AT, "")
    return NightRecord(
        at=time.fromisoformat(at) if at else None,
        since=_instant(facts.get(_SINCE, "")),
        started=_instant(facts.get(_STARTED, "")),
        waiting=facts.get(_WAITING, ""),
    )


def note_schedule(connection: sqlite3.Connection, at: time | None, now: Instant) -> None:
    """The nightly run is arranged for ``at``, or (None) not any more."""
    _note(connection, _AT, at.isoformat("minutes") if at else "")
    _note(connection, _SINCE, _told(now))


def note_started(connection: sqlite3.Connection, now: Instant) -> None:
    """A run was told to wait for idleness."""
    _note(connection, _STARTED, _told(now))


def note_waiting(connection: sqlite3.Connection, sentence: str) -> None:
    """What the run waits for; empty: it has begun, or there was nothing to do."""
    _note(connection, _WAITING, sentence)


def _note(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (key, value))


def _told(moment: Instant) -> str:
    return f"{moment.epoch_ms} {moment.offset_minutes}"


def _instant(told: str) -> Instant | None:
    return Instant(*map(int, told.split(" "))) if told else None
