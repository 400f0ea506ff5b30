"""Which memories went into which answer: the block as it was sent, and what it was made of."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsubasa_cli.storage.database import transaction

if TYPE_CHECKING:
    from tsubasa_cli.memory.recall import Recalled


@dataclass(frozen=True, slots=True)
class Used:
    """One memory in an answer: an observation at ``version``, or an earlier turn. ``channels``
    say by which way it was found, and with which score."""

    memory_id: str | None
    version: int | None
    source_turn_id: int | None
    score: float
    channels: tuple[tuple[str, float], ...]


class RecallStore:
    """Keeps what was recalled for each question. Safe to call from several threads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    def keep(self, turn_id: int, block: str, recalled: Sequence[Recalled]) -> None:
        """Remember that ``block``, made of ``recalled``, rides with the question ``turn_id``. An
        empty block is kept too: the question was looked up, and nothing was found."""
        with self._lock, transaction(self._connection):
            self._connection.execute("DELETE FROM recalled WHERE turn_id = ?", (turn_id,))
            self._connection.execute(
                "INSERT OR REPLACE INTO turn_context (turn_id, block) VALUES (?, ?)",
                (turn_id, block),
            )
            self._connection.executemany(
                "INSERT INTO recalled (turn_id, place, memory_id, version, source_turn_id, score,"
                " channels) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(turn_id, place, *_row(item)) for place, item in enumerate(recalled)],
            )

    def is_kept(self, turn_id: int) -> bool:
        """Whether memory was asked for this question before."""
        with self._lock:
            found = self._connection.execute(
                "SELECT 1 FROM turn_context WHERE turn_id = ?", (turn_id,)
            ).fetchone()
        return found is not None

    def blocks(self, session_id: str) -> dict[int, str]:
        """The blocks of a session's questions, by turn."""
        with self._lock:
            found = self._connection.execute(
                "SELECT turn_id, block FROM turn_context JOIN turns ON turns.id = turn_id"
                " WHERE session_id = ? AND block != ''",
                (session_id,),
            ).fetchall()
        return {row["turn_id"]: row["block"] for row in found}

    def counts(self, session_id: str) -> dict[int, int]:
        """How many memories ride with each of a session's questions that has any, by turn."""
        with self._lock:
            found = self._connection.execute(
                "SELECT turn_id, count(*) AS count FROM recalled JOIN turns ON turns.id = turn_id"
                " WHERE session_id = ? GROUP BY turn_id",
                (session_id,),
            ).fetchall()
        return {row["turn_id"]: row["count"] for row in found}

    def used(self, turn_id: int) -> list[Used]:
        """What went into the answer to the question ``turn_id``, best first."""
        with self._lock:
            found = self._connection.execute(
                "SELECT * FROM recalled WHERE turn_id = ? ORDER BY place", (turn_id,)
            ).fetchall()
        return [_used(row) for row in found]

    def used_in(self, turn_ids: Collection[int]) -> set[str]:
        """The ids of the observations that ride with any of these questions."""
        marks = ", ".join("?" * len(turn_ids))
        with self._lock:
            found = self._connection.execute(
                f"SELECT DISTINCT memory_id FROM recalled WHERE turn_id IN ({marks})"
                " AND memory_id IS NOT NULL",
                tuple(turn_ids),
            ).fetchall()
        return {row["memory_id"] for row in found}


Row = tuple[str | None, int | None, int | None, float, str]


def _row(item: Recalled) -> Row:
    observation, turn = item.observation, item.turn
    return (
        observation.id if observation else None,
        observation.version if observation else None,
        turn.id if turn else None,
        item.score,
        json.dumps(item.channels),
    )


def _used(row: sqlite3.Row) -> Used:
    return Used(
        memory_id=row["memory_id"],
        version=row["version"],
        source_turn_id=row["source_turn_id"],
        score=row["score"],
        channels=tuple((name, value) for name, value in json.loads(row["channels"])),
    )
