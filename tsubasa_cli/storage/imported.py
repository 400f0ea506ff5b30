"""Conversations that were held elsewhere: taken in once, with their own dates.

A session and each of its turns carry a key that is the same at every import, so that taking in the
same export again changes nothing, and a longer one adds only what is new.
"""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass

from tsubasa_cli.storage.values import Instant, Role


@dataclass(frozen=True, slots=True)
class ImportedTurn:
    """One utterance. ``key`` names it within its session; ``parent`` is the place, among the
    session's turns, of the one it answers (None: it begins the conversation)."""

    key: str
    parent: int | None
    role: Role
    text: str
    said_at: Instant
    model: str = ""


@dataclass(frozen=True, slots=True)
class ImportedSession:
    """One conversation; parents come before their children, and there is at least one turn.

    ``head`` is the place of the last turn of the branch on show. A session that ``appends`` has no
    branches: what is new in it follows what is there.
    """

    key: str
    title: str
    turns: tuple[ImportedTurn, ...]
    head: int
    appends: bool = False


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of an imported session: how many turns were ``added``, and how many are here
    already in other words (they are left as they are)."""

    session_id: str
    is_new: bool
    added: int
    differing: int


def take_in(connection: sqlite3.Connection, session: ImportedSession) -> TakenIn:
    """Add what is not here yet of ``session``, within the caller's transaction."""
    row = connection.execute(
        "SELECT id FROM sessions WHERE import_key = ?", (session.key,)
    ).fetchone()
    identity = row["id"] if row else _add_session(connection, session)
    known = _known_turns(connection, identity)
    ids = _add_turns(connection, identity, session, known)
    added = sum(turn.key not in known for turn in session.turns)
    if added:
        head = max(ids) if session.appends else ids[session.head]
        _move_head(connection, identity, session, head)
    return TakenIn(
        session_id=identity,
        is_new=row is None,
        added=added,
        differing=sum(
            turn.key in known and known[turn.key]["text"] != turn.text for turn in session.turns
        ),
    )


def _add_session(connection: sqlite3.Connection, session: ImportedSession) -> str:
    identity = secrets.token_hex(5)
    first = min((turn.said_at for turn in session.turns), key=lambda at: at.epoch_ms)
    connection.execute(
        "INSERT INTO sessions (id, title, title_is_users, created_ms, created_offset, updated_ms,"
        " updated_offset, import_key) VALUES (?, ?, 1, ?, ?, ?, ?, ?)",
        (
            identity,
            session.title,
            first.epoch_ms,
            first.offset_minutes,
            first.epoch_ms,
            first.offset_minutes,
            session.key,
        ),
    )
    return identity


def _known_turns(connection: sqlite3.Connection, session_id: str) -> dict[str, sqlite3.Row]:
    found = connection.execute(
        "SELECT id, import_key, text FROM turns WHERE session_id = ? AND import_key IS NOT NULL",
        (session_id,),
    )
    return {row["import_key"]: row for row in found}


def _add_turns(
    connection: sqlite3.Connection,
    session_id: str,
    session: ImportedSession,
    known: dict[str, sqlite3.Row],
) -> list[int]:
    """The ids of all turns of ``session``, in its order, those already here included."""
    end = _head(connection, session_id) if session.appends else None
    ids: list[int] = []
    for turn in session.turns:
        if turn.key in known:
            ids.append(known[turn.key]["id"])
            continue
        parent = None if turn.parent is None else ids[turn.parent]
        end = _add_turn(connection, session_id, end if session.appends else parent, turn)
        ids.append(end)
    return ids


def _add_turn(
    connection: sqlite3.Connection, session_id: str, parent_id: int | None, turn: ImportedTurn
) -> int:
    cursor = connection.execute(
        "INSERT INTO turns (session_id, parent_id, role, text, status, created_ms,"
        " created_offset, model, import_key) VALUES (?, ?, ?, ?, 'complete', ?, ?, ?, ?)",
        (
            session_id,
            parent_id,
            turn.role,
            turn.text,
            turn.said_at.epoch_ms,
            turn.said_at.offset_minutes,
            turn.model,
            turn.key,
        ),
    )
    return int(cursor.lastrowid or 0)


def _head(connection: sqlite3.Connection, session_id: str) -> int | None:
    row = connection.execute("SELECT head_id FROM sessions WHERE id = ?", (session_id,)).fetchone()
    return None if row["head_id"] is None else int(row["head_id"])


def _move_head(
    connection: sqlite3.Connection, session_id: str, session: ImportedSession, head_id: int
) -> None:
    """Show the imported branch, unless the user has gone on with the conversation here."""
    row = connection.execute(
        "SELECT import_key FROM turns WHERE id = ?", (_head(connection, session_id),)
    ).fetchone()
    if row is None or row["import_key"] is not None or session.appends:
        connection.execute("UPDATE sessions SET head_id = ? WHERE id = ?", (head_id, session_id))
    connection.execute(
        "UPDATE sessions SET (created_ms, created_offset) = (SELECT created_ms, created_offset"
        " FROM turns WHERE session_id = sessions.id ORDER BY created_ms LIMIT 1),"
        " (updated_ms, updated_offset) = (SELECT created_ms, created_offset FROM turns"
        " WHERE session_id = sessions.id ORDER BY created_ms DESC LIMIT 1) WHERE id = ?",
        (session_id,),
    )
