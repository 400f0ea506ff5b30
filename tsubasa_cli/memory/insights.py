"""The memory in numbers: how it grows, what it is made of, what is used, what has grown stale."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from tsubasa_cli.memory import log_rows
from tsubasa_cli.memory.filters import SAID
from tsubasa_cli.memory.values import Kind, Observation, Status
from tsubasa_cli.storage.connection import lock_of
from tsubasa_cli.storage.values import Instant

MOST_LISTED = 10
STALE_DAYS = 180
"""A state or a plan that was said so long ago, and never recalled, may no longer be so."""


@dataclass(frozen=True, slots=True)
class Insights:
    """``growth`` is how many memories were learned by month and are still known, oldest first;
    ``resolved`` counts contradictions that were settled by dating the old value, ``corrected``
    what was changed by hand, ``undone`` what was taken back. ``learned`` of ``learnable`` memories
    are in the model as they are now, ``outdated`` in an earlier wording."""

    statuses: Mapping[Status, int]
    kinds: Mapping[Kind, int]
    growth: tuple[tuple[date, int], ...]
    resolved: int
    corrected: int
    undone: int
    repeated: int
    most_recalled: tuple[tuple[Observation, int], ...]
    never_recalled: int
    stale: tuple[Observation, ...]
    stale_count: int
    learnable: int
    learned: int
    outdated: int


def insights(connection: sqlite3.Connection, now: Instant) -> Insights:
    """The numbers as of now; reads every memory once or twice."""
    with lock_of(connection):
        active = _count(connection, "status = 'active'")
        learned = _learned(connection)
        stale_where, stale_day = _stale(now)
        ops = _ops(connection)
        return Insights(
            statuses={Status(k): n for k, n in _grouped(connection, "status", "1").items()},
            kinds={
                Kind(k): n for k, n in _grouped(connection, "kind", "status = 'active'").items()
            },
            growth=_growth(connection),
            resolved=ops.get("reconcile", 0),
            corrected=sum(ops.get(op, 0) for op in ("edit", "merge", "split")),
            undone=ops.get("undo", 0),
            repeated=ops.get("ignore", 0),
            most_recalled=_most_recalled(connection),
            never_recalled=active - _used(connection),
            stale=_memories(connection, f"{stale_where} ORDER BY recorded_ms LIMIT ?", stale_day),
            stale_count=_count(connection, stale_where, stale_day),
            learnable=active,
            learned=learned[0],
            outdated=learned[1],
        )


def _grouped(connection: sqlite3.Connection, column: str, where: str) -> dict[str, int]:
    rows = connection.execute(
        f"SELECT {column}, count(*) FROM observations WHERE {where} GROUP BY 1 ORDER BY 2 DESC"
    )
    return {row[0]: int(row[1]) for row in rows}


def _count(connection: sqlite3.Connection, where: str, *values: object) -> int:
    row = connection.execute(f"SELECT count(*) FROM observations WHERE {where}", values)
    return int(row.fetchone()[0])


def _ops(connection: sqlite3.Connection) -> dict[str, int]:
    rows = connection.execute("SELECT op, count(DISTINCT batch_id) FROM memory_events GROUP BY 1")
    return {row[0]: int(row[1]) for row in rows}


def _growth(connection: sqlite3.Connection) -> tuple[tuple[date, int], ...]:
    rows = connection.execute(
        f"SELECT substr({SAID}, 1, 7), count(*) FROM observations"
        " WHERE status IN ('active', 'superseded') GROUP BY 1 ORDER BY 1"
    )
    return tuple((date.fromisoformat(f"{row[0]}-01"), int(row[1])) for row in rows)


def _most_recalled(connection: sqlite3.Connection) -> tuple[tuple[Observation, int], ...]:
    rows = connection.execute(
        "SELECT memory_id, count(*) AS uses FROM recalled JOIN observations ON id = memory_id"
        " WHERE status != 'erased' GROUP BY 1 ORDER BY uses DESC, max(turn_id) DESC LIMIT ?",
        (MOST_LISTED,),
    ).fetchall()
    known = log_rows.by_id(connection, [row[0] for row in rows])
    return tuple((known[row[0]], int(row[1])) for row in rows)


def _used(connection: sqlite3.Connection) -> int:
    row = connection.execute(
        "SELECT count(DISTINCT memory_id) FROM recalled JOIN observations ON id = memory_id"
        " WHERE status = 'active'"
    )
    return int(row.fetchone()[0])


def _stale(now: Instant) -> tuple[str, int]:
    """SQL for what may no longer be so, and the moment it asks for."""
    where = (
        "status = 'active' AND kind IN ('state', 'plan') AND NOT pinned AND recorded_ms < ?"
        " AND NOT EXISTS (SELECT 1 FROM recalled WHERE memory_id = observations.id)"
    )
    day = now.local() - timedelta(days=STALE_DAYS)
    return where, Instant.from_datetime(day).epoch_ms


def _memories(
    connection: sqlite3.Connection, clause: str, *values: object
) -> tuple[Observation, ...]:
    rows = connection.execute(
        f"SELECT * FROM observations WHERE {clause}", (*values, MOST_LISTED)
    ).fetchall()
    return tuple(log_rows.observations(connection, rows))


def _learned(connection: sqlite3.Connection) -> tuple[int, int]:
    """Active memories in the model: as they are now, and in an earlier version."""
    row = connection.execute(
        "SELECT coalesce(sum(newest >= version), 0), coalesce(sum(newest < version), 0) FROM"
        " (SELECT m.memory_id, max(m.version) AS newest FROM learn_manifest m JOIN learn_runs l"
        " ON l.id = m.run_id WHERE l.state = 'promoted' GROUP BY 1)"
        " JOIN observations ON id = memory_id WHERE status = 'active'"
    ).fetchone()
    return int(row[0]), int(row[1])
