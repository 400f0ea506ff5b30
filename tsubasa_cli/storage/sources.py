"""Where words come from: the session and the day of a turn."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from tsubasa_cli.storage.values import Instant

_MOST_PARAMETERS = 500


@dataclass(frozen=True, slots=True)
class TurnSource:
    """A turn's session and date. ``import_key`` names the session where it was imported from
    ("log:a", "chatgpt:…"); empty for one that was held here."""

    turn_id: int
    session_id: str
    title: str
    said_at: Instant
    import_key: str = ""


def turn_sources(connection: sqlite3.Connection, turn_ids: Iterable[int]) -> dict[int, TurnSource]:
    """The sources of those of ``turn_ids`` that are still there."""
    rest = iter(sorted(set(turn_ids)))
    found: dict[int, TurnSource] = {}
    while chunk := list(islice(rest, _MOST_PARAMETERS)):
        marks = ", ".join("?" * len(chunk))
        rows = connection.execute(
            "SELECT t.id, t.session_id, t.created_ms, t.created_offset, s.title, s.import_key"
            f" FROM turns t JOIN sessions s ON s.id = t.session_id WHERE t.id IN ({marks})",
            chunk,
        )
        for row in rows:
            found[row["id"]] = TurnSource(
                turn_id=row["id"],
                session_id=row["session_id"],
                title=row["title"],
                said_at=Instant(row["created_ms"], row["created_offset"]),
                import_key=row["import_key"] or "",
            )
    return found
