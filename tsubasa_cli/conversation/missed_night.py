"""A night in which nothing was learned although it was arranged: told in the next chat, once."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from tsubasa_cli.storage.night_record import NightRecord, read_night

GRACE = timedelta(hours=1)
"""A run that is late by less is not missed: a scheduler may be slow, and idleness takes a while."""
EARLY = timedelta(minutes=5)
TOLD = "learn_missed_told"


def missed_night_notice(connection: sqlite3.Connection, now: datetime) -> str:
    """What there is to tell of the last night; empty when it was well, or told of before. ``now``
    is the local time, with its zone."""
    record = read_night(connection)
    due = last_due(record, now)
    text = missed_night(record, now)
    if not text or due is None:
        return ""
    told = connection.execute("SELECT value FROM facts WHERE key = ?", (TOLD,)).fetchone()
    if told is not None and told["value"] == due.isoformat():
        return ""
    connection.execute(
        "INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (TOLD, due.isoformat())
    )
    return text


def missed_night(record: NightRecord, now: datetime) -> str:
    """Why nothing was learned in the last night that was due, in words; empty when it was, or
    when none was due since the nightly run was arranged."""
    due = last_due(record, now)
    if due is None or now - due < GRACE:
        return ""
    if record.started is None or record.started.local() < due - EARLY:
        return (
            f"Last night's learning did not take place: at {due:%H:%M} this machine was off or"
            " asleep. To do it now: tsubasa learn"
        )
    if record.waiting:
        return f"Last night's learning has not begun. {record.waiting}"
    return ""


def last_due(record: NightRecord, now: datetime) -> datetime | None:
    """When the nightly run was due last; None when it is not arranged, or was not due since."""
    if record.at is None:
        return None
    due = now.replace(hour=record.at.hour, minute=record.at.minute, second=0, microsecond=0)
    if due > now:
        due -= timedelta(days=1)
    if record.since is not None and record.since.local() > due:
        return None
    return due
