"""Database rows to values, and the queries that need more than a line."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import asdict

from tsubasa_cli.storage.values import (
    Instant,
    Role,
    Session,
    SessionHit,
    Summary,
    Turn,
    TurnStatus,
    Usage,
)

EXCERPT_CHARACTERS = 60
_WITHOUT_SPACES = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Scripts that FTS5's tokenizer sees as one long word: searched by substring instead."""


def session(row: sqlite3.Row) -> Session:
    deleted = row["deleted_ms"]
    return Session(
        id=row["id"],
        title=row["title"],
        title_is_users=bool(row["title_is_users"]),
        created_at=Instant(row["created_ms"], row["created_offset"]),
        updated_at=Instant(row["updated_ms"], row["updated_offset"]),
        head_id=row["head_id"],
        persona=row["persona"],
        system_prompt=row["system_prompt"],
        model=row["model"],
        thinking=None if row["thinking"] is None else bool(row["thinking"]),
        draft=row["draft"],
        deleted_at=None if deleted is None else Instant(deleted, row["deleted_offset"]),
        memory=bool(row["memory"]),
    )


def turn(row: sqlite3.Row) -> Turn:
    return Turn(
        id=row["id"],
        session_id=row["session_id"],
        parent_id=row["parent_id"],
        role=Role(row["role"]),
        text=row["text"],
        status=TurnStatus(row["status"]),
        created_at=Instant(row["created_ms"], row["created_offset"]),
        thinking=row["thinking"],
        model=row["model"],
        usage=Usage(**json.loads(row["usage"])) if row["usage"] else None,
    )


def summary(row: sqlite3.Row) -> Summary:
    return Summary(
        id=row["id"],
        session_id=row["session_id"],
        upto_turn_id=row["upto_turn_id"],
        text=row["text"],
        created_at=Instant(row["created_ms"], row["created_offset"]),
        model=row["model"],
    )


def usage_json(usage: Usage | None) -> str | None:
    return json.dumps(asdict(usage)) if usage else None


def search(connection: sqlite3.Connection, query: str, limit: int) -> list[SessionHit]:
    """Newest sessions first, one hit each; a match in the title wins over one in the words."""
    words = query.split()
    if not words:
        return []
    matches = _word_matches(connection, words) | _title_matches(connection, words)
    if not matches:
        return []
    marks = ", ".join("?" * len(matches))
    found = connection.execute(
        f"SELECT * FROM sessions WHERE deleted_ms IS NULL AND id IN ({marks})"
        " ORDER BY updated_ms DESC LIMIT ?",
        (*matches, limit),
    ).fetchall()
    return [SessionHit(session(row), *matches[row["id"]]) for row in found]


Match = tuple[int | None, str]


def _title_matches(connection: sqlite3.Connection, words: list[str]) -> dict[str, Match]:
    clause = " AND ".join("title LIKE ? ESCAPE '\\'" for _ in words)
    found = connection.execute(
        f"SELECT id, title FROM sessions WHERE {clause}", [_like(word) for word in words]
    )
    return {row["id"]: (None, row["title"]) for row in found}


def _word_matches(connection: sqlite3.Connection, words: list[str]) -> dict[str, Match]:
    if any(_WITHOUT_SPACES.search(word) for word in words):
        clause = " AND ".join("text LIKE ? ESCAPE '\\'" for _ in words)
        found = connection.execute(
            f"SELECT session_id, id, text FROM turns WHERE {clause} ORDER BY id",
            [_like(word) for word in words],
        )
    else:
        found = connection.execute(
            "SELECT session_id, turns.id AS id, turns.text AS text FROM turns_fts JOIN turns"
            " ON turns.id = turns_fts.rowid WHERE turns_fts MATCH ? ORDER BY turns.id",
            (" AND ".join(f'"{word.replace(chr(34), chr(34) * 2)}"*' for word in words),),
        )
    return {row["session_id"]: (row["id"], _excerpt(row["text"], words[0])) for row in found}


def _like(word: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", word)
    return f"%{escaped}%"


def _excerpt(text: str, word: str) -> str:
    at = max(text.casefold().find(word.casefold()), 0)
    start = max(at - EXCERPT_CHARACTERS // 2, 0)
    cut = " ".join(text[start : at + len(word) + EXCERPT_CHARACTERS // 2].split())
    return f"{'…' if start else ''}{cut}{'…' if at + len(word) + 30 < len(text) else ''}"
