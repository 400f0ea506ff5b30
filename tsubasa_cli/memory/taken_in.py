"""Files of memories that were read in: one thing done, so one ``undo`` takes it back.

What came in keeps the batches it was made in, by which other stores know it again; so the import
is remembered beside the log, by the numbers of its events. Nothing here opens or ends a
transaction.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from tsubasa_cli.memory.names import new_batch

_KEY = "memory import "


@dataclass(frozen=True, slots=True)
class TakenIn:
    """An import: its name, as a batch has one, and its first and last event's ids."""

    name: str
    first: int
    last: int


def note(connection: sqlite3.Connection, first: int, last: int) -> TakenIn:
    """Remember that the events from ``first`` to ``last`` came in together."""
    taken = TakenIn(new_batch(), first, last)
    connection.execute(
        "INSERT INTO facts (key, value) VALUES (?, ?)",
        (f"{_KEY}{taken.name}", json.dumps([first, last])),
    )
    return taken


def named(connection: sqlite3.Connection, name: str) -> TakenIn | None:
    """The import of that name."""
    return next((each for each in _all(connection) if each.name == name), None)


def holding(connection: sqlite3.Connection, event_id: int) -> TakenIn | None:
    """The import that an event came in with."""
    return next((e for e in _all(connection) if e.first <= event_id <= e.last), None)


def _all(connection: sqlite3.Connection) -> list[TakenIn]:
    rows = connection.execute(
        "SELECT key, value FROM facts WHERE substr(key, 1, ?) = ?", (len(_KEY), _KEY)
    ).fetchall()
    return [TakenIn(row["key"][len(_KEY) :], *json.loads(row["value"])) for row in rows]
