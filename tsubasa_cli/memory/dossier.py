"""All that is known about one memory: what happened to it, where it was said, what it was used for.

Everything is bounded: a memory that was repeated a thousand times is shown with its newest events
and the number of the others.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from tsubasa_cli.errors import NotFoundError
from tsubasa_cli.memory import log_rows
from tsubasa_cli.memory.values import Evidence, MemoryEvent, Observation
from tsubasa_cli.memory.word_diff import Piece, word_diff
from tsubasa_cli.storage.connection import lock_of
from tsubasa_cli.storage.rows import turn
from tsubasa_cli.storage.values import Instant, Turn

MOST_STEPS = 100
MOST_USES = 20
MOST_QUOTES = 50


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a memory. ``words`` are the change of its statement, empty when
    its words stayed; ``before`` is the memory as it was, None for the first."""

    event: MemoryEvent
    before: Observation | None = None
    words: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Quote:
    """Words that a memory rests on. ``turn`` None: typed in by hand, or its chat is gone.
    ``asked`` is what the assistant had asked right before."""

    evidence: Evidence
    turn: Turn | None = None
    asked: Turn | None = None
    session_title: str = ""
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """An answer that a memory went into: the question, its chat, and how the memory was found."""

    turn_id: int
    session_id: str
    session_title: str
    question: str
    at: Instant
    version: int
    score: float
    channels: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A run of ``learn`` that trained on a memory at ``version``. ``state`` is the run's."""

    run_id: str
    version: int
    state: str
    base_model: str
    model: str
    started_at: Instant


@dataclass(frozen=True, slots=True)
class Dossier:
    """One memory with its past. ``steps`` are the newest ``MOST_STEPS``, newest first, of
    ``step_count``; ``uses`` the newest of ``use_count``; ``older`` are memories that it took the
    place of, ``newer`` those that took its place."""

    memory: Observation
    steps: tuple[Step, ...]
    step_count: int
    quotes: tuple[Quote, ...]
    uses: tuple[Use, ...]
    use_count: int
    lessons: tuple[Lesson, ...]
    older: tuple[Observation, ...]
    newer: tuple[Observation, ...]


def dossier(connection: sqlite3.Connection, memory_id: str) -> Dossier:
    """Everything about the memory of that id; ``NotFoundError``."""
    with lock_of(connection):
        known = log_rows.by_id(connection, [memory_id])
        if memory_id not in known:
            raise NotFoundError(
                f"There is no memory {memory_id!r} any more.",
                next_step="tsubasa memory list --all shows them with their ids.",
            )
        return _gathered(connection, known[memory_id])


def _gathered(connection: sqlite3.Connection, memory: Observation) -> Dossier:
    steps = _steps(connection, memory.id)
    return Dossier(
        memory=memory,
        steps=steps,
        step_count=_number(connection, "memory_events", memory.id),
        quotes=_quotes(connection, memory.evidence[:MOST_QUOTES]),
        uses=_uses(connection, memory.id),
        use_count=_number(connection, "recalled", memory.id),
        lessons=_lessons(connection, memory.id),
        older=tuple(log_rows.by_id(connection, memory.supersedes).values()),
        newer=_newer(connection, memory.id),
    )


def _number(connection: sqlite3.Connection, table: str, memory_id: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table} WHERE memory_id = ?", (memory_id,))
    return int(row.fetchone()[0])


def _steps(connection: sqlite3.Connection, memory_id: str) -> tuple[Step, ...]:
    rows = connection.execute(
        "SELECT * FROM memory_events WHERE memory_id = ? ORDER BY version DESC LIMIT ?",
        (memory_id, MOST_STEPS + 1),
    ).fetchall()
    events = [log_rows.event(row) for row in rows]
    befores = [*(event.after for event in events[1:]), None]
    return tuple(map(_step, events[:MOST_STEPS], befores[:MOST_STEPS]))


def _step(event: MemoryEvent, before: Observation | None) -> Step:
    if before is None or before.statement == event.after.statement:
        return Step(event, before)
    return Step(event, before, word_diff(before.statement, event.after.statement))


def _quotes(connection: sqlite3.Connection, evidence: Sequence[Evidence]) -> tuple[Quote, ...]:
    ids = [said.turn_id for said in evidence if said.turn_id is not None]
    rows = connection.execute(
        "SELECT t.*, s.title, s.deleted_ms FROM turns t JOIN sessions s ON s.id = t.session_id"
        f" WHERE t.id IN ({log_rows.marks(ids)})",
        ids,
    ).fetchall()
    by_turn = {row["id"]: row for row in rows}
    before = _turns(connection, [row["parent_id"] for row in rows if row["parent_id"]])
    asked = {key: said for key, said in before.items() if _is_question(said)}
    return tuple(_quote(said, by_turn.get(said.turn_id), asked) for said in evidence)


def _turns(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Turn]:
    rows = connection.execute(f"SELECT * FROM turns WHERE id IN ({log_rows.marks(ids)})", ids)
    return {row["id"]: turn(row) for row in rows}


def _is_question(said: Turn) -> bool:
    return said.text.rstrip().endswith("?")


def _quote(said: Evidence, row: sqlite3.Row | None, asked: dict[int, Turn]) -> Quote:
    if row is None:
        return Quote(said)
    return Quote(
        said, turn(row), asked.get(row["parent_id"]), row["title"], row["deleted_ms"] is not None
    )


def _uses(connection: sqlite3.Connection, memory_id: str) -> tuple[Use, ...]:
    rows = connection.execute(
        "SELECT r.*, t.session_id, t.text, t.created_ms, t.created_offset, s.title"
        " FROM recalled r JOIN turns t ON t.id = r.turn_id JOIN sessions s ON s.id = t.session_id"
        " WHERE r.memory_id = ? ORDER BY r.turn_id DESC LIMIT ?",
        (memory_id, MOST_USES),
    )
    return tuple(
        Use(
            turn_id=row["turn_id"],
            session_id=row["session_id"],
            session_title=row["title"],
            question=row["text"],
            at=Instant(row["created_ms"], row["created_offset"]),
            version=row["version"] or 1,
            score=row["score"],
            channels=tuple((name, value) for name, value in json.loads(row["channels"])),
        )
        for row in rows
    )


def _lessons(connection: sqlite3.Connection, memory_id: str) -> tuple[Lesson, ...]:
    rows = connection.execute(
        "SELECT m.version, l.* FROM learn_manifest m JOIN learn_runs l ON l.id = m.run_id"
        " WHERE m.memory_id = ? ORDER BY l.started_ms DESC LIMIT ?",
        (memory_id, MOST_USES),
    )
    return tuple(
        Lesson(
            run_id=row["id"],
            version=row["version"],
            state=row["state"],
            base_model=row["base_model"],
            model=row["model"],
            started_at=Instant(row["started_ms"], row["started_offset"]),
        )
        for row in rows
    )


def _newer(connection: sqlite3.Connection, memory_id: str) -> tuple[Observation, ...]:
    """Those that took its place: they changed in a batch with it, and name it. (Looking through
    all memories for its name would read every one of them.)"""
    rows = connection.execute(
        "SELECT DISTINCT other.memory_id FROM memory_events own JOIN memory_events other"
        " ON other.batch_id = own.batch_id WHERE own.memory_id = ? AND other.memory_id != ?"
        " LIMIT 500",
        (memory_id, memory_id),
    ).fetchall()
    beside = log_rows.by_id(connection, [row[0] for row in rows])
    return tuple(other for other in beside.values() if memory_id in other.supersedes)
