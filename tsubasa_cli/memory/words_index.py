"""The word half of the index: one SQLite file with an FTS5 table per tier, ranked by BM25.

Derived from the database and rebuilt from it at any time. Texts arrive as stems (``memory.text``),
so FTS5 only splits at blanks. Three columns: what is stated, what was said, and the days.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tsubasa_cli.memory.word_query import WordQuery
from tsubasa_cli.storage.paths import PRIVATE_FILE

CHECKED_BYTES = 64 * 1024 * 1024
"""Files up to this size are checked whole when they are opened."""
LAYOUT = "3"
"""Raised when tables, the making of stems or what is written of vectors change: an index of another
layout is rebuilt."""

_TABLES = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, tier TEXT NOT NULL,
    version INTEGER NOT NULL, language TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_by_tier ON entries (tier, language);
"""
_TIER_TABLES = """
CREATE VIRTUAL TABLE IF NOT EXISTS words_{tier} USING fts5 (
    stated, said, days, tokenize = 'unicode61 remove_diacritics 0'
);
CREATE VIRTUAL TABLE IF NOT EXISTS vocabulary_{tier} USING fts5vocab (words_{tier}, 'row');
"""


class Tier(StrEnum):
    """What is searched apart: what is true, what was true, and what was said."""

    ACTIVE = "active"
    HISTORIC = "historic"
    TURNS = "turns"


class DamagedIndexError(Exception):
    """An index file cannot be used; the index is rebuilt. Never reaches the user."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to search for. ``stated``, ``said`` and ``days`` are index words, in order."""

    id: str
    tier: Tier
    version: int
    language: str
    stated: Sequence[str]
    said: Sequence[str] = ()
    days: Sequence[str] = ()


class WordsIndex:
    """FTS5 over three tiers. Locks serialise its connections; raises ``DamagedIndexError``."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.RLock()
        with self._guarded():
            self._connection = self._open()
            self._turns = _connected(file)
        self._turns_lock = threading.RLock()
        self._frequencies: dict[Tier, dict[str, int]] = {tier: {} for tier in Tier}

    def close(self) -> None:
        with self._lock, self._turns_lock, suppress(sqlite3.Error):
            self._connection.close()
            self._turns.close()

    # ------------------------------------------------------------------ writing

    def replace(self, entries: Iterable[Entry], removed: Iterable[str] = ()) -> None:
        """Write ``entries`` over what their ids held, and take ``removed`` out; all or nothing."""
        with self._transaction() as connection:
            for identity in removed:
                self._remove(connection, identity)
            for entry in entries:
                self._remove(connection, entry.id)
                self._add(connection, entry)
        self._frequencies = {tier: {} for tier in Tier}

    def set_state(self, key: str, value: str) -> None:
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    def _add(self, connection: sqlite3.Connection, entry: Entry) -> None:
        cursor = connection.execute(
            "INSERT INTO entries (id, tier, version, language) VALUES (?, ?, ?, ?)",
            (entry.id, entry.tier, entry.version, entry.language),
        )
        connection.execute(
            f"INSERT INTO words_{entry.tier} (rowid, stated, said, days) VALUES (?, ?, ?, ?)",
            (cursor.lastrowid, *map(" ".join, (entry.stated, entry.said, entry.days))),
        )

    def _remove(self, connection: sqlite3.Connection, identity: str) -> None:
        row = connection.execute(
            "SELECT place, tier FROM entries WHERE id = ?", (identity,)
        ).fetchone()
        if row:
            connection.execute(f"DELETE FROM words_{row[1]} WHERE rowid = ?", (row[0],))
            connection.execute("DELETE FROM entries WHERE place = ?", (row[0],))

    # ------------------------------------------------------------------ reading

    def search(
        self, tier: Tier, query: WordQuery, limit: int, weights: Sequence[float]
    ) -> list[tuple[str, float]]:
        """Ids and BM25 scores (higher is better) of the best ``limit`` matches; ``weights`` are
        those of the three columns."""
        if not query.sought:
            return []
        found: list[tuple[str, float]] = []
        for narrowed in query.narrowings(lambda word: self.frequency(tier, word)):
            found = self._scored(tier, query.match, narrowed, limit, weights)
            if len(found) >= limit:
                break
        return found

    def _scored(
        self, tier: Tier, match: str, narrowed: str, limit: int, weights: Sequence[float]
    ) -> list[tuple[str, float]]:
        """The best of what matches ``match`` and, unless it is empty, ``narrowed``."""
        columns = ", ".join(str(float(weight)) for weight in weights)
        among = f" AND +rowid IN (SELECT rowid FROM words_{tier} WHERE words_{tier} MATCH ?)"
        rows = self._all(
            f"SELECT entries.id, -best.score FROM (SELECT rowid, bm25(words_{tier}, {columns}) AS"
            f" score FROM words_{tier} WHERE words_{tier} MATCH ?{among if narrowed else ''}"
            " ORDER BY score LIMIT ?) AS best JOIN entries ON entries.place = best.rowid"
            " ORDER BY best.score",
            (match, *([narrowed] if narrowed else []), limit),
            tier,
        )
        return [(row[0], row[1]) for row in rows]

    def newest(self, tier: Tier, match: str, limit: int) -> list[str]:
        """Ids of the ``limit`` entries indexed last that match an FTS5 expression. Nothing is
        scored, so that the first letters of a word cost no more than a rare word."""
        rows = self._all(
            f"SELECT entries.id FROM (SELECT rowid FROM words_{tier} WHERE words_{tier} MATCH ?"
            " ORDER BY rowid DESC LIMIT ?) AS best JOIN entries ON entries.place = best.rowid"
            " ORDER BY best.rowid DESC",
            (match, limit),
            tier,
        )
        return [row[0] for row in rows]

    def held(self, ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """The index words of entries, days left out. The plan is forced: ids first."""
        marks = ", ".join("?" * len(ids))
        of_each = " UNION ALL ".join(
            f"SELECT entries.id, stated, said FROM entries CROSS JOIN words_{tier} AS texts ON"
            f" texts.rowid = entries.place WHERE +tier = '{tier}' AND entries.id IN ({marks})"
            for tier in Tier
        )
        rows = self._all(of_each, [*ids] * len(Tier))
        return {row[0]: frozenset(f"{row[1]} {row[2]}".split()) for row in rows}

    def frequency(self, tier: Tier, word: str) -> int:
        """How many entries hold an index word; counted once until something is written."""
        known = self._frequencies[tier]
        if word not in known:
            rows = self._all(f"SELECT doc FROM vocabulary_{tier} WHERE term = ?", (word,), tier)
            known[word] = int(rows[0][0]) if rows else 0
        return known[word]

    def count(self, tier: Tier) -> int:
        return int(self._all("SELECT count(*) FROM entries WHERE tier = ?", (tier,))[0][0])

    def languages(self, tier: Tier) -> list[str]:
        """The languages of a tier's entries."""
        rows = self._all("SELECT DISTINCT language FROM entries WHERE tier = ?", (tier,))
        return [row[0] for row in rows]

    def versions(self) -> dict[str, tuple[Tier, int]]:
        """Tier and version of every entry, by id."""
        rows = self._all("SELECT id, tier, version FROM entries", ())
        return {row[0]: (Tier(row[1]), int(row[2])) for row in rows}

    def state(self, key: str) -> str:
        """A kept fact; empty when there is none."""
        rows = self._all("SELECT value FROM state WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else ""

    def check(self) -> None:
        """Raise ``DamagedIndexError`` unless file and tables are sound."""
        if self._all("PRAGMA quick_check(1)", ())[0][0] != "ok":
            raise DamagedIndexError(f"{self.file.name} fails its check")
        with self._transaction() as connection:
            for tier in Tier:
                connection.execute(
                    f"INSERT INTO words_{tier} (words_{tier}) VALUES ('integrity-check')"
                )

    # ------------------------------------------------------------------ the file

    def _open(self) -> sqlite3.Connection:
        with suppress(FileExistsError):
            os.close(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))
        connection = _connected(self.file)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")
            tiers = "".join(_TIER_TABLES.format(tier=tier) for tier in Tier)
            connection.executescript(_TABLES + tiers)
            if self.file.stat().st_size <= CHECKED_BYTES:
                _require_sound(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _all(
        self, sql: str, parameters: Sequence[object], tier: Tier = Tier.ACTIVE
    ) -> list[tuple[Any, ...]]:
        """Turns are searched over a connection of their own, beside the observations."""
        is_beside = tier is Tier.TURNS
        with self._turns_lock if is_beside else self._lock, self._guarded():
            connection = self._turns if is_beside else self._connection
            return connection.execute(sql, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._guarded():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DamagedIndexError(str(error)) from error


def _connected(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)


def _require_sound(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DamagedIndexError(str(found))
