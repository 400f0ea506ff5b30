"""The search index: derived from the database, fed by its outbox, rebuilt whenever in doubt.

Two halves in one folder: vectors (Chroma) and words (FTS5). One process writes at a time, under a
file lock; the others look at a generation file and reopen. An outbox row is removed once both
halves have what it stands for, and applying one twice changes nothing, so a crash loses nothing.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from tsubasa_cli.memory import sources
from tsubasa_cli.memory.index_files import Halves, IndexBusyError, IndexFiles, refusal
from tsubasa_cli.memory.sources import Source
from tsubasa_cli.memory.vectors import DENSE_TIERS
from tsubasa_cli.memory.word_query import WordQuery
from tsubasa_cli.memory.words_index import DamagedIndexError, Tier
from tsubasa_cli.storage.database import transaction
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Turn

if TYPE_CHECKING:
    from tsubasa_cli.memory.embedder import Embedder, Vectors

BATCH = 1_000
IMAGINED_ENTRIES = 50
"""Added to the count of memories, so that a word means something in a store of three."""
FEW_ENTRIES = 30_000
"""Up to here one channel is searched in less than a millisecond."""
MANY_ENTRIES = 10_000
"""A word that fewer entries hold is never too common to be searched for."""
WRITE_PATIENCE_S = 120.0
"""How long to wait for another process that writes the index."""
READ_PATIENCE_S = 5.0

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""
Result = TypeVar("Result")


class MemoryIndex:
    """Searches observations and turns by vectors and by words.

    ``connection`` is one of its own: what another thread has not committed must not be indexed.
    ``on_message`` hears, in a sentence for the user, when the index had to be rebuilt. Nothing is
    opened before it is needed. Methods may be called from several threads; they raise
    ``StorageError`` when the index can be neither used nor rebuilt.
    """

    def __init__(
        self,
        paths: Paths,
        connection: sqlite3.Connection,
        embedder: Embedder,
        on_message: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.embedder = embedder
        self._files = IndexFiles(paths, embedder)
        self._connection = connection
        self._on_message = on_message
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._readers = 0
        self._halves: Halves | None = None
        self._is_reconciled = False
        self._frequencies: dict[str, int] = {}
        self._languages: list[str] | None = None

    def close(self) -> None:
        """Let go of the files, once nobody reads them."""
        with self._files.mutex, self._idle:
            halves, self._halves = self._halves, None
            self._idle.wait_for(lambda: self._readers == 0)
            if halves:
                halves.close()

    # ------------------------------------------------------------------ keeping in step

    def catch_up(self, on_progress: Progress | None = None) -> int:
        """Apply what the outbox holds; returns how many rows that were.

        The first call also compares index and database by their counts, and mends what differs.
        """
        if self._is_reconciled and not self._pending() and self._is_current():
            return 0
        with self._files.held(WRITE_PATIENCE_S):
            done = self._repairing(lambda: self._drain(on_progress), on_progress)
            if not self._is_reconciled:
                self._repairing(self._reconcile, on_progress)
                self._is_reconciled = True
        return done

    def rebuild(self, on_progress: Progress | None = None) -> int:
        """Make the index anew, leaving no byte of the old one; returns how many entries it has."""
        with self._files.held(WRITE_PATIENCE_S):
            try:
                return self._rebuild(on_progress)
            except DamagedIndexError as error:
                raise refusal(error) from error

    def differences(self) -> set[str]:
        """The ids by which index and database differ, in whichever half; empty when in step."""
        with self._files.held(WRITE_PATIENCE_S):
            return self._repairing(self._differences)

    def repair(self) -> int:
        """Mend what ``differences`` finds; returns how many entries that were."""
        with self._files.held(WRITE_PATIENCE_S):
            return self._repairing(self._mend)

    # ------------------------------------------------------------------ searching

    def search_dense(
        self, vector: Vectors, limit: int, tier: Tier = Tier.ACTIVE
    ) -> list[tuple[str, float]]:
        """Ids and cosines of the entries nearest to ``vector``, best first."""
        if not vector.any():
            return []
        return self._reading(lambda halves: halves.vectors.nearest(tier, vector, limit), [])

    def search_words(
        self, query: WordQuery, limit: int, tier: Tier, weights: Sequence[float]
    ) -> list[tuple[str, float]]:
        """Ids and BM25 scores of the entries that hold any of the words, best first."""
        return self._reading(lambda halves: halves.words.search(tier, query, limit, weights), [])

    def newest_words(self, match: str, limit: int, tier: Tier) -> list[str]:
        """Ids of the entries that match an FTS5 expression, the last indexed first."""
        nothing: list[str] = []
        return self._reading(lambda halves: halves.words.newest(tier, match, limit), nothing)

    def held(self, ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """The index words of entries, by id."""
        nothing: dict[str, frozenset[str]] = {}
        return self._reading(lambda halves: halves.words.held(ids), nothing)

    def similar(self, statement: str, k: int) -> list[tuple[str, float]]:
        """The active observations nearest in meaning to a statement: ids and cosines."""
        return self.search_dense(self.embedder.embed([statement])[0], k)

    def turns(self, ids: Sequence[int]) -> dict[str, Turn]:
        """Those of the user's turns that may be recalled, by the id they are indexed under."""
        with self._lock:
            return sources.turns(self._connection, ids)

    def count(self, tier: Tier) -> int:
        """How many entries a tier has."""
        return self._reading(lambda halves: halves.words.count(tier), 0)

    def languages(self) -> list[str]:
        """The languages that active observations are written in."""
        if self._languages is None or not self._is_current():
            found: list[str] = []
            self._languages = self._reading(
                lambda halves: halves.words.languages(Tier.ACTIVE), found
            )
        return self._languages

    def rarity(self, term: Iterable[str]) -> float:
        """How much it tells that an entry holds one of these index words: their inverse document
        frequency, as it would be if there were some more memories than there are."""
        total = self._frequency("") + IMAGINED_ENTRIES
        return math.log(1 + total / (0.5 + max(map(self._frequency, term), default=0)))

    def knows(self, term: Iterable[str]) -> bool:
        """Whether any active observation holds one of these index words."""
        return any(map(self._frequency, term))

    @property
    def is_large(self) -> bool:
        """Whether there are so many active observations that a search in them takes a while."""
        return self._frequency("") > FEW_ENTRIES

    def is_everywhere(self, term: Iterable[str]) -> bool:
        """Whether a large memory holds one of these index words in most of its active
        observations, so that it tells none of them from the others."""
        most = max(map(self._frequency, term), default=0)
        return most > MANY_ENTRIES and most > self._frequency("") / 2

    # ------------------------------------------------------------------ applying

    def _pending(self) -> int:
        row = self._connection.execute("SELECT count(*) FROM memory_outbox").fetchone()
        return int(row[0])

    def _drain(self, on_progress: Progress | None) -> int:
        total, done = self._pending(), 0
        while rows := self._connection.execute(
            "SELECT seq, kind, ref FROM memory_outbox ORDER BY seq LIMIT ?", (BATCH,)
        ).fetchall():
            self._apply((row["kind"], row["ref"]) for row in rows)
            self._forget(row["seq"] for row in rows)
            done += len(rows)
            if on_progress:
                on_progress(done, max(total, done))
        return done

    def _forget(self, numbers: Iterable[int]) -> None:
        with transaction(self._connection):
            self._connection.executemany(
                "DELETE FROM memory_outbox WHERE seq = ?", [(number,) for number in numbers]
            )

    def _apply(self, refs: Iterable[tuple[str, str]]) -> None:
        """Make the index say of ``refs`` what the database says now."""
        unique = list(dict.fromkeys(refs))
        ids = [ref for kind, ref in unique if kind == "observation"]
        turns = [ref for kind, ref in unique if kind == "turn"]
        found = sources.observation_sources(self._connection, ids)
        found += sources.turn_sources(self._connection, turns)
        here = {source.entry.id for source in found}
        gone = [key for key in (*ids, *map(sources.turn_key, turns)) if key not in here]
        self._write(found, gone)

    def _write(self, found: Sequence[Source], gone: Sequence[str]) -> None:
        halves = self._opened()
        dense = [source for source in found if source.text]
        vectors = self.embedder.embed([source.text for source in dense]) if dense else None
        with halves.vectors.writing():
            for tier in DENSE_TIERS:
                rows = [row for row, source in enumerate(dense) if source.entry.tier is tier]
                others = [source.entry.id for source in dense if source.entry.tier is not tier]
                halves.vectors.remove(tier, [*others, *filter(sources.is_dense, gone)])
                if vectors is not None:
                    halves.vectors.put(tier, [dense[row].entry.id for row in rows], vectors[rows])
        halves.words.replace((source.entry for source in found), gone)
        self._announce(halves)

    # ------------------------------------------------------------------ comparing

    def _reconcile(self) -> None:
        halves, wanted = self._opened(), sources.expected_counts(self._connection)
        is_same = all(halves.words.count(tier) == count for tier, count in wanted.items())
        if is_same and all(halves.vectors.count(tier) == wanted[tier] for tier in DENSE_TIERS):
            return
        self._mend()

    def _differences(self) -> set[str]:
        halves, wanted = self._opened(), sources.expected(self._connection)
        has = halves.words.versions()
        differing = {key for key in wanted.keys() | has.keys() if wanted.get(key) != has.get(key)}
        for tier in DENSE_TIERS:
            must = {key for key, (its, _) in wanted.items() if its is tier}
            differing |= must ^ halves.vectors.ids(tier)
        return differing

    def _mend(self) -> int:
        differing = sorted(self._differences())
        for start in range(0, len(differing), BATCH):
            self._apply(map(_ref, differing[start : start + BATCH]))
        return len(differing)

    # ------------------------------------------------------------------ opening and rebuilding

    def _opened(self) -> Halves:
        """The index, opened now or before; only to be called by the one writer."""
        if self._halves and self._halves.generation != self._files.generation():
            self.close()
        if self._halves is None:
            self._forget_counts()
            self._halves = self._files.open()
        return self._halves

    def _rebuild(self, on_progress: Progress | None = None) -> int:
        try:
            return self._made_anew(on_progress)
        except BaseException:
            self.close()
            raise

    def _made_anew(self, on_progress: Progress | None) -> int:
        self.close()
        newest = self._connection.execute("SELECT max(seq) FROM memory_outbox").fetchone()[0]
        self._halves = halves = self._files.make()
        self._forget_counts()
        self._fill(on_progress)
        self._files.finish(halves)
        self._connection.execute("DELETE FROM memory_outbox WHERE seq <= ?", (newest or 0,))
        return sum(halves.words.count(tier) for tier in Tier)

    def _fill(self, on_progress: Progress | None) -> None:
        everything = list(sources.all_refs(self._connection))
        refs, done = iter(everything), 0
        while batch := list(islice(refs, BATCH)):
            self._apply(batch)
            done += len(batch)
            if on_progress:
                on_progress(done, len(everything))

    def _repairing(self, work: Callable[[], Result], on_progress: Progress | None = None) -> Result:
        """Do ``work``; when the index turns out to be damaged, rebuild it and do it again."""
        try:
            return work()
        except DamagedIndexError as error:
            reason = str(error)
        try:
            self._tell(reason)
            self._rebuild(on_progress)
            return work()
        except DamagedIndexError as error:
            raise refusal(error) from error

    def _tell(self, reason: str) -> None:
        """Say why the index is rebuilt, unless it is only now built for the first time."""
        row = self._connection.execute(
            "SELECT coalesce(max(seq), 0) - (SELECT count(*) FROM memory_outbox) AS consumed"
            " FROM sqlite_sequence WHERE name = 'memory_outbox'"
        ).fetchone()
        if row["consumed"]:
            self._on_message(f"The memory index is rebuilt from the database: {reason}.")

    def _reading(self, read: Callable[[Halves], Result], otherwise: Result) -> Result:
        """What ``read`` finds; ``otherwise`` while another process writes for long."""
        try:
            with self._held_open() as halves:
                if halves:
                    return read(halves)
        except DamagedIndexError:
            pass
        try:
            with self._files.held(READ_PATIENCE_S):
                return self._repairing(lambda: read(self._opened()))
        except IndexBusyError:
            return otherwise

    @contextmanager
    def _held_open(self) -> Iterator[Halves | None]:
        """The open index, not closed meanwhile; None when it has to be opened (again)."""
        with self._lock:
            halves = self._halves if self._is_current() else None
            self._readers += 1
        try:
            yield halves
        finally:
            with self._idle:
                self._readers -= 1
                self._idle.notify_all()

    # ------------------------------------------------------------------ generations

    def _is_current(self) -> bool:
        return self._halves is not None and self._halves.generation == self._files.generation()

    def _announce(self, halves: Halves) -> None:
        with self._lock:
            halves.generation = self._files.new_generation()
        self._forget_counts()

    def _forget_counts(self) -> None:
        self._frequencies.clear()
        self._languages = None

    def _frequency(self, part: str) -> int:
        """How many active observations hold an index word; all of them for the empty one."""
        if part not in self._frequencies:
            self._frequencies[part] = self._reading(
                lambda halves: (
                    halves.words.frequency(Tier.ACTIVE, part)
                    if part
                    else halves.words.count(Tier.ACTIVE)
                ),
                0,
            )
        return self._frequencies[part]


def _ref(key: str) -> tuple[str, str]:
    if key.startswith(sources.TURN_PREFIX):
        return "turn", key.removeprefix(sources.TURN_PREFIX)
    return "observation", key
