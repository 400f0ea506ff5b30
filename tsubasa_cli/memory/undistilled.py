"""Which of the user's turns memory has yet to read, and which it could not.

A turn waits while it stands on the branch on show of a session that is neither deleted nor kept
out of memory. Nothing here opens or ends a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from tsubasa_cli.memory.log_rows import in_chunks, marks
from tsubasa_cli.storage import rows
from tsubasa_cli.storage.values import Instant, Turn

_SETTLED = "SELECT 1 FROM memory_turns m WHERE m.turn_id = t.id AND m.state IN ('done', 'skipped')"
_PENDING = f"""
WITH RECURSIVE
open_sessions (id) AS (
    SELECT DISTINCT t.session_id FROM turns t
    WHERE t.role = 'user' AND NOT EXISTS ({_SETTLED})
),
line (id, parent_id) AS (
    SELECT t.id, t.parent_id FROM sessions s JOIN turns t ON t.id = s.head_id
    WHERE s.memory AND s.deleted_ms IS NULL AND s.id IN open_sessions
      AND (:session_id IS NULL OR s.id = :session_id)
    UNION ALL
    SELECT t.id, t.parent_id FROM line JOIN turns t ON t.id = line.parent_id
)
SELECT t.* FROM line JOIN turns t ON t.id = line.id
WHERE t.role = 'user' AND NOT EXISTS ({_SETTLED})
ORDER BY t.created_ms, t.id
"""


def pending(connection: sqlite3.Connection, session_id: str | None) -> list[Turn]:
    """The user's turns that wait, oldest first; those that failed before are among them."""
    found = connection.execute(_PENDING, {"session_id": session_id}).fetchall()
    return [rows.turn(row) for row in found]


def may_settle(connection: sqlite3.Connection, turn_ids: Sequence[int]) -> bool:
    """Whether each of the turns exists, may be remembered, and is neither done nor skipped."""
    wanted = set(turn_ids)
    open_turns = sum(
        connection.execute(
            "SELECT count(*) FROM turns t JOIN sessions s ON s.id = t.session_id"
            f" WHERE t.id IN ({marks(chunk)}) AND s.memory AND s.deleted_ms IS NULL"
            f" AND NOT EXISTS ({_SETTLED})",
            chunk,
        ).fetchone()[0]
        for chunk in in_chunks(wanted)
    )
    return bool(open_turns == len(wanted))


def settle(connection: sqlite3.Connection, turn_ids: Iterable[int], batch_id: str) -> None:
    """Mark the turns as read, by the batch that holds what they said."""
    connection.executemany(
        "INSERT INTO memory_turns (turn_id, state, batch_id, at_ms) VALUES (?, 'done', ?, ?)"
        " ON CONFLICT (turn_id) DO UPDATE SET state = 'done', batch_id = excluded.batch_id,"
        " error = '', at_ms = excluded.at_ms",
        [(turn_id, batch_id, Instant.now().epoch_ms) for turn_id in dict.fromkeys(turn_ids)],
    )


def skip(connection: sqlite3.Connection, turn_ids: Iterable[int]) -> None:
    """Never read the turns, unless they are read already. Turns that are gone are passed over."""
    connection.executemany(
        "INSERT INTO memory_turns (turn_id, state, at_ms)"
        " SELECT id, 'skipped', ? FROM turns WHERE id = ?"
        " ON CONFLICT (turn_id) DO UPDATE SET state = 'skipped', error = '',"
        " at_ms = excluded.at_ms WHERE state != 'done'",
        [(Instant.now().epoch_ms, turn_id) for turn_id in turn_ids],
    )


def fail(connection: sqlite3.Connection, turn_ids: Iterable[int], error: str) -> None:
    """Note that reading the turns failed, once more; they go on waiting."""
    connection.executemany(
        "INSERT INTO memory_turns (turn_id, state, attempts, error, at_ms)"
        " SELECT id, 'failed', 1, ?, ? FROM turns WHERE id = ?"
        " ON CONFLICT (turn_id) DO UPDATE SET attempts = attempts + 1, error = excluded.error,"
        " at_ms = excluded.at_ms WHERE state = 'failed'",
        [(error, Instant.now().epoch_ms, turn_id) for turn_id in turn_ids],
    )


def failures(connection: sqlite3.Connection) -> list[tuple[Turn, str]]:
    """The turns that could not be read, with why, oldest first."""
    found = connection.execute(
        "SELECT t.*, m.error AS error FROM memory_turns m JOIN turns t ON t.id = m.turn_id"
        " WHERE m.state = 'failed' ORDER BY t.created_ms, t.id"
    ).fetchall()
    return [(rows.turn(row), row["error"]) for row in found]
