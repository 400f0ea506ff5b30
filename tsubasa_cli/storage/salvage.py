"""Getting words back out of a damaged database.

The damaged files are moved aside, never deleted. Rows are read from both ends of each table until
SQLite hits the damage, so one bad page costs that page and not the conversation.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tsubasa_cli.errors import StorageError

TABLES = (
    "sessions",
    "turns",
    "reply_journal",
    "summaries",
    "models",
    "facts",
    "memory_events",
    "observations",
    "memory_evidence",
    "memory_turns",
    "memory_refusals",
    "turn_context",
    "recalled",
    "tombstones",
)
_OF_A_TURN = ("reply_journal", "memory_turns", "turn_context", "recalled")


def move_aside(database: Path) -> Path:
    """Rename the database and its WAL companions; returns the new place of the main file."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    aside = database.with_name(f"{database.name}.damaged-{stamp}")
    database.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = database.with_name(database.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside


def copy_readable_rows(damaged: Path, target: sqlite3.Connection) -> int:
    """Copy every row that can still be read into ``target``; returns how many."""
    try:
        source = sqlite3.connect(damaged)
    except sqlite3.Error:
        return 0
    source.row_factory = sqlite3.Row
    target.execute("PRAGMA foreign_keys = OFF")
    try:
        copied = sum(_copy_table(source, target, table) for table in TABLES)
        _mend_references(target)
    finally:
        target.execute("PRAGMA foreign_keys = ON")
        source.close()
    return copied


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> int:
    known = {row[1] for row in target.execute(f"PRAGMA table_info({table})")}
    key = _key(target, table)
    rows = (row for end in ("ASC", "DESC") for row in _rows(source, table, key, end))
    return sum(_copy_row(row, target, table, known) for row in rows)


def _copy_row(row: sqlite3.Row, target: sqlite3.Connection, table: str, known: set[str]) -> int:
    columns = [name for name in row.keys() if name in known]  # noqa: SIM118
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"
    try:
        return target.execute(statement, [row[name] for name in columns]).rowcount
    except StorageError as error:
        if isinstance(error.__cause__, sqlite3.IntegrityError):
            return 0
        raise


def _key(target: sqlite3.Connection, table: str) -> list[str]:
    """The columns by which the rows of a table lie in the file."""
    row = target.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if "WITHOUT ROWID" not in row[0]:
        return ["rowid"]
    columns = target.execute(f"PRAGMA table_info({table})").fetchall()
    return [column[1] for column in sorted(columns, key=lambda column: column[5]) if column[5]]


def _rows(
    source: sqlite3.Connection, table: str, key: list[str], direction: str
) -> Iterator[sqlite3.Row]:
    order = ", ".join(f"{column} {direction}" for column in key)
    try:
        yield from source.execute(f"SELECT * FROM {table} ORDER BY {order}")
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return


def _mend_references(target: sqlite3.Connection) -> None:
    """Give orphaned turns a session and detach what points at rows that were lost."""
    target.execute(
        "INSERT OR IGNORE INTO sessions (id, title, created_ms, created_offset, updated_ms,"
        " updated_offset) SELECT session_id, 'Recovered conversation', min(created_ms),"
        " min(created_offset), max(created_ms), max(created_offset) FROM turns"
        " WHERE session_id NOT IN (SELECT id FROM sessions) GROUP BY session_id"
    )
    target.execute(
        "UPDATE turns SET parent_id = (SELECT max(t.id) FROM turns t WHERE t.session_id ="
        " turns.session_id AND t.id < turns.id) WHERE parent_id IS NOT NULL AND parent_id NOT IN"
        " (SELECT id FROM turns)"
    )
    target.execute(
        "UPDATE sessions SET head_id = (SELECT max(id) FROM turns WHERE session_id = sessions.id)"
        " WHERE head_id IS NULL OR head_id NOT IN (SELECT id FROM turns)"
    )
    target.execute("DELETE FROM summaries WHERE upto_turn_id NOT IN (SELECT id FROM turns)")
    for table in _OF_A_TURN:
        target.execute(f"DELETE FROM {table} WHERE turn_id NOT IN (SELECT id FROM turns)")
    target.execute(
        "DELETE FROM memory_evidence WHERE memory_id NOT IN (SELECT id FROM observations)"
    )
    target.execute(
        "INSERT INTO memory_outbox (kind, ref) SELECT 'observation', id FROM observations"
    )
