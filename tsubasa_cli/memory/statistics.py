"""How much is remembered, and what is left to do."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tsubasa_cli.storage.values import Instant


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of memories (by status; the active ones by kind and origin), of events and batches,
    and of the user's turns by what became of them (``done``, ``skipped``, ``failed``, ``waiting``).
    ``first`` and ``last`` are when the oldest and the newest memory was said."""

    by_status: dict[str, int]
    by_kind: dict[str, int]
    by_origin: dict[str, int]
    pinned: int
    events: int
    batches: int
    turns: dict[str, int]
    sessions: int
    imported_sessions: int
    unindexed: int
    first: Instant | None
    last: Instant | None


def take_stock(connection: sqlite3.Connection, waiting: int) -> Statistics:
    """Count everything; ``waiting`` is how many turns are still to be distilled."""
    turns = _counts(connection, "state", "memory_turns")
    return Statistics(
        by_status=_counts(connection, "status", "observations"),
        by_kind=_counts(connection, "kind", "observations WHERE status = 'active'"),
        by_origin=_counts(connection, "origin", "observations WHERE status = 'active'"),
        pinned=_number(connection, "observations WHERE pinned AND status = 'active'"),
        events=_number(connection, "memory_events"),
        batches=_number(connection, "(SELECT DISTINCT batch_id FROM memory_events)"),
        turns={"done": 0, "skipped": 0, "failed": 0} | turns | {"waiting": waiting},
        sessions=_number(connection, "sessions WHERE head_id IS NOT NULL"),
        imported_sessions=_number(connection, "sessions WHERE import_key IS NOT NULL"),
        unindexed=_number(connection, "memory_outbox"),
        first=_said(connection, "ASC"),
        last=_said(connection, "DESC"),
    )


def _counts(connection: sqlite3.Connection, column: str, rows: str) -> dict[str, int]:
    found = connection.execute(f"SELECT {column}, count(*) FROM {rows} GROUP BY 1 ORDER BY 2 DESC")
    return {row[0]: row[1] for row in found}


def _number(connection: sqlite3.Connection, rows: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])


def _said(connection: sqlite3.Connection, direction: str) -> Instant | None:
    row = connection.execute(
        "SELECT recorded_ms, recorded_offset FROM observations WHERE status = 'active'"
        f" ORDER BY recorded_ms {direction} LIMIT 1"
    ).fetchone()
    return Instant(row["recorded_ms"], row["recorded_offset"]) if row else None
