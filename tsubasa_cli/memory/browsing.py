"""Memories a page at a time: the order of a list as numbers, and records for those on show only.

A list of 100,000 memories is an array of 800 kB; what stands in a line is read when the line is
seen, with four queries for a page, however many lines it has.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tsubasa_cli.memory import log_rows
from tsubasa_cli.memory.filters import Filter, Sort, condition, order_by
from tsubasa_cli.memory.values import Kind, Observation, Origin, Status
from tsubasa_cli.storage.connection import lock_of

ROWS_AT_ONCE = 4_000
MOST_FACETS = 20
"""Tags and chats offered to choose from, the most frequent."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A memory as a list shows it. ``seq`` is its place of arrival; ``recalled`` counts the
    answers it went into; ``learned_version`` is the version that the model has learned, if any."""

    seq: int
    memory: Observation
    recalled: int = 0
    learned_version: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The beginning of a list: ``seqs`` in order, the records of all of them, and how many
    memories the whole list has."""

    seqs: array[int]
    entries: dict[int, Entry]
    total: int


@dataclass(frozen=True, slots=True)
class Facets:
    """What there is to filter by, each with how many memories have it; sessions as id, title."""

    statuses: tuple[tuple[Status, int], ...]
    kinds: tuple[tuple[Kind, int], ...]
    origins: tuple[tuple[Origin, int], ...]
    tags: tuple[tuple[str, int], ...]
    sessions: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Pulse:
    """What tells whether anything has changed: the last event, and the last answer and run that
    used memories."""

    event: int = 0
    recalled: int = 0
    learned: int = 0


class Browser:
    """Reads lists of memories. Safe to call from several threads.

    ``connection`` should be one of its own: a long list must not keep others waiting.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = lock_of(connection)
        self._data_version = -1
        self._pulse = Pulse()

    # ------------------------------------------------------------------ lists

    def order(self, wanted: Filter, sort: Sort = Sort.NEWEST, limit: int = -1) -> array[int]:
        """The ``seq`` of every memory that ``wanted`` lists, in order; ``limit`` < 0: all."""
        return self.order_while(lambda: True, wanted, sort, limit)

    def order_while(
        self, is_awaited: Callable[[], bool], wanted: Filter, sort: Sort, limit: int = -1
    ) -> array[int]:
        """The same for somebody who may lose interest: what there is by then. Others may ask in
        between, for the connection is taken for a few thousand rows at a time."""
        where, values = condition(wanted)
        seqs = array("q")
        with self._lock:
            cursor = self._connection.execute(
                f"SELECT seq FROM observations WHERE {where} ORDER BY {order_by(sort)} LIMIT ?",
                (*values, limit),
            )
        while is_awaited():
            with self._lock:
                rows = cursor.fetchmany(ROWS_AT_ONCE)
            if not rows:
                break
            seqs.extend(row[0] for row in rows)
        return seqs

    def page(self, wanted: Filter, sort: Sort, limit: int) -> Page:
        """The first ``limit`` memories that ``wanted`` lists."""
        seqs = self.order(wanted, sort, limit)
        total = self.count(wanted) if len(seqs) == limit else len(seqs)
        return Page(seqs, self.entries(seqs), total)

    def count(self, wanted: Filter) -> int:
        """How many memories ``wanted`` lists."""
        where, values = condition(wanted)
        return int(self._all(f"SELECT count(*) FROM observations WHERE {where}", values)[0][0])

    def entries(self, seqs: Sequence[int]) -> dict[int, Entry]:
        """The records of these lines, by ``seq``; those that are gone are left out."""
        found: dict[int, Entry] = {}
        for chunk in log_rows.in_chunks(seqs):
            found |= self._entries(chunk)
        return found

    def _entries(self, seqs: Sequence[int]) -> dict[int, Entry]:
        with self._lock:
            rows = self._connection.execute(
                f"SELECT * FROM observations WHERE seq IN ({log_rows.marks(seqs)})", seqs
            ).fetchall()
            memories = log_rows.observations(self._connection, rows)
        ids = [memory.id for memory in memories]
        recalled, learned = self._recalled(ids), self._learned(ids)
        return {
            row["seq"]: Entry(
                row["seq"], memory, recalled.get(memory.id, 0), learned.get(memory.id)
            )
            for row, memory in zip(rows, memories, strict=True)
        }

    def _recalled(self, ids: Sequence[str]) -> dict[str, int]:
        rows = self._all(
            "SELECT memory_id, count(*) FROM recalled"
            f" WHERE memory_id IN ({log_rows.marks(ids)}) GROUP BY 1",
            ids,
        )
        return {row[0]: int(row[1]) for row in rows}

    def _learned(self, ids: Sequence[str]) -> dict[str, int]:
        """The newest version of each that a model in service has learned."""
        rows = self._all(
            "SELECT m.memory_id, max(m.version) FROM learn_manifest m JOIN learn_runs l"
            f" ON l.id = m.run_id WHERE l.state = 'promoted' AND m.memory_id IN"
            f" ({log_rows.marks(ids)}) GROUP BY 1",
            ids,
        )
        return {row[0]: int(row[1]) for row in rows}

    def places(self, ids: Iterable[str], wanted: Filter | None = None) -> dict[str, int]:
        """The ``seq`` of those of ``ids`` that exist and, if given, that ``wanted`` lists.

        The limit keeps SQLite from going through all active memories instead of by ids.
        """
        where, values = condition(wanted) if wanted else ("1", ())
        found: dict[str, int] = {}
        for chunk in log_rows.in_chunks(ids):
            rows = self._all(
                "SELECT id, seq FROM (SELECT * FROM observations WHERE id IN"
                f" ({log_rows.marks(chunk)}) LIMIT -1) AS observations WHERE {where}",
                (*chunk, *values),
            )
            found |= {row[0]: int(row[1]) for row in rows}
        return found

    def holding(self, words: Sequence[str], wanted: Filter, limit: int) -> list[int]:
        """The newest memories whose statement holds all of ``words``, letter by letter."""
        where, values = condition(wanted)
        holds = "".join(" AND statement LIKE ? ESCAPE '\\'" for _ in words)
        rows = self._all(
            f"SELECT seq FROM observations WHERE {where}{holds}"
            " ORDER BY recorded_ms DESC, seq DESC LIMIT ?",
            (*values, *map(_like, words), limit),
        )
        return [int(row[0]) for row in rows]

    # ------------------------------------------------------------------ what there is

    def facets(self, wanted: Filter) -> Facets:
        """What to filter by; kinds, origins and tags are counted among ``wanted``'s statuses."""
        where, values = condition(Filter(statuses=wanted.statuses))
        counted = f"count(*) FROM observations WHERE {where} GROUP BY 1 ORDER BY 2 DESC"
        return Facets(
            statuses=tuple(
                (Status(row[0]), int(row[1]))
                for row in self._all("SELECT status, count(*) FROM observations GROUP BY 1", ())
            ),
            kinds=tuple((Kind(r[0]), r[1]) for r in self._all(f"SELECT kind, {counted}", values)),
            origins=tuple(
                (Origin(r[0]), r[1]) for r in self._all(f"SELECT origin, {counted}", values)
            ),
            tags=self._tags(where, values),
            sessions=self._sessions(),
        )

    def _tags(self, where: str, values: Sequence[object]) -> tuple[tuple[str, int], ...]:
        rows = self._all(
            "SELECT value, count(*) FROM observations, json_each(tags)"
            f" WHERE tags != '[]' AND {where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
            (*values, MOST_FACETS),
        )
        return tuple((str(row[0]), int(row[1])) for row in rows)

    def _sessions(self) -> tuple[tuple[str, str, int], ...]:
        rows = self._all(
            "SELECT s.id, s.title, count(DISTINCT e.memory_id) FROM memory_evidence e"
            " JOIN turns t ON t.id = e.turn_id JOIN sessions s ON s.id = t.session_id"
            " GROUP BY 1 ORDER BY max(t.id) DESC LIMIT ?",
            (MOST_FACETS,),
        )
        return tuple((row[0], row[1], int(row[2])) for row in rows)

    # ------------------------------------------------------------------ what has changed

    def pulse(self) -> Pulse:
        """Changes whenever memories, their use, or what was learned of them has changed.

        As long as nobody else has committed, it costs one look at SQLite's own counter.
        """
        with self._lock:
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            if version != self._data_version:
                self._data_version = version
                self._pulse = self._look()
            return self._pulse

    def _look(self) -> Pulse:
        row = self._connection.execute(
            "SELECT (SELECT coalesce(max(id), 0) FROM memory_events),"
            " (SELECT coalesce(max(turn_id), 0) FROM recalled),"
            " (SELECT count(*) FROM learn_runs WHERE state = 'promoted')"
        ).fetchone()
        return Pulse(*map(int, row))

    def _all(self, sql: str, values: Sequence[object]) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()


def _like(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
