"""A life by month, as the memory knows it: what began, what happened, what ended."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from tsubasa_cli.memory.filters import BEGUN, month_of
from tsubasa_cli.memory.values import Kind, Observation
from tsubasa_cli.storage.connection import lock_of

_KNOWN = "status IN ('active', 'superseded')"


@dataclass(frozen=True, slots=True)
class Month:
    """A month, named by its first ``day``: how many states began and ended in it, and how many
    events happened. What has no date of its own counts from the day it was said."""

    day: date
    began: int = 0
    happened: int = 0
    ended: int = 0

    @property
    def total(self) -> int:
        return self.began + self.happened + self.ended


class Part(StrEnum):
    """What a memory has to do with a month; the words are for people."""

    BEGAN = "began"
    HAPPENED = "happened"
    ENDED = "ended"
    TRUE = "true then"


def months(connection: sqlite3.Connection) -> list[Month]:
    """Every month from the first to the last in which anything is known to have happened."""
    with lock_of(connection):
        begun = connection.execute(
            f"SELECT substr({BEGUN}, 1, 7) AS month, kind = 'event' AS is_event, count(*) AS count"
            f" FROM observations WHERE {_KNOWN} GROUP BY 1, 2"
        ).fetchall()
        ended = connection.execute(
            "SELECT substr(valid_to, 1, 7) AS month, count(*) AS count FROM observations"
            f" WHERE {_KNOWN} AND valid_to IS NOT NULL GROUP BY 1"
        ).fetchall()
    counts: dict[str, list[int]] = {}
    for row in begun:
        counts.setdefault(row["month"], [0, 0, 0])[row["is_event"]] += row["count"]
    for row in ended:
        counts.setdefault(row["month"], [0, 0, 0])[2] += row["count"]
    return _every_month(
        {_first_day(name): Month(_first_day(name), *n) for name, n in counts.items()}
    )


def true_on(connection: sqlite3.Connection, day: date) -> int:
    """How many memories held on ``day``, as far as is known; events hold from their day on."""
    with lock_of(connection):
        row = connection.execute(
            f"SELECT count(*) FROM observations WHERE {_KNOWN} AND {BEGUN} <= ?"
            " AND (valid_to IS NULL OR valid_to > ?)",
            (day.isoformat(), day.isoformat()),
        ).fetchone()
    return int(row[0])


def part_of(memory: Observation, month: date) -> Part:
    """What ``memory`` has to do with the month of ``month``; what ended in it ended."""
    first, end = month_of(month)
    begun = memory.valid_from or memory.event_from or memory.recorded_at.local().date()
    if memory.valid_to and first <= memory.valid_to < end:
        return Part.ENDED
    if first <= begun < end:
        return Part.HAPPENED if memory.kind is Kind.EVENT else Part.BEGAN
    return Part.TRUE


def _first_day(name: str) -> date:
    return date.fromisoformat(f"{name}-01")


def _every_month(known: dict[date, Month]) -> list[Month]:
    if not known:
        return []
    day, last, found = min(known), max(known), []
    while day <= last:
        found.append(known.get(day, Month(day)))
        day = month_of(day)[1]
    return found
