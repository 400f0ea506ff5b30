"""What recall costs as memory grows: latency by part, ingest, rebuild and size.

    python tests/bench/bench_recall_scale.py [COUNT ...]      default: 1000 10000

A made-up life: every observation comes from one turn. "bare" is one Chroma query and one FTS5
query for the same question, in the same run, with nothing around them; recall does more (turns
too, time, fusion, reading the records) and may cost 1.5 times their sum, embedding left out.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tsubasa_cli.memory import question as questions
from tsubasa_cli.memory.embedder import default_embedder
from tsubasa_cli.memory.index import MemoryIndex
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.log_rows import project, tell_index
from tsubasa_cli.memory.recall import POOL, Recaller
from tsubasa_cli.memory.values import Evidence, Kind, Observation
from tsubasa_cli.memory.words_index import Tier
from tsubasa_cli.storage.database import connect, transaction
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant

ASKED = 200
REBUILT = 20_000
"""Up to here a rebuild is timed apart; the first indexing does the same work."""
DAY_MS = 86_400_000
NOW = Instant(1_770_000_000_000)
_PEOPLE, _PLACES, _THINGS, _DEEDS, _MANNERS = (
    tuple(line.split())
    for line in """\
Laura Tom Priya Jonas Mei Carlos Anna Felix Noor Ivan Greta Sam Lucia Omar Ines Theo Marta Kofi
Lisbon Hamburg Toronto Kyoto Porto Graz Leeds Oslo Turin Bergen Quito Malmö Gent Tallinn Lyon
violin kayak bicycle camera garden balcony telescope puzzle marathon recipe novel sweater canoe \
piano drone laptop tent mural aquarium cactus bookshelf pottery tram museum bakery dentist vaccine \
passport ticket contract lease mortgage interview promotion exam thesis scooter fridge carpet
bought sold repaired borrowed painted visited started finished cancelled planned missed enjoyed \
hated photographed rented won lost found moved cleaned learned taught
quickly twice again early late together alone happily nearly finally rarely
""".splitlines()
)


def main(counts: list[int]) -> None:
    for count in counts:
        measure(count)


def measure(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder), Path(folder)).ensure()
        chance = random.Random(7)
        connection = connect(paths)
        fill(connection, count, chance)
        index = MemoryIndex(paths, connect(paths), default_embedder())
        index.embedder.embed(["warm"])
        seconds = timed(index.catch_up)
        print(f"\n{count:,} observations, {count:,} turns")
        print(f"  first indexing {seconds:8.1f} s   {2 * count / seconds:,.0f} entries/s")
        more = 1_000
        fill(connection, more, chance, start=count)
        seconds = timed(index.catch_up)
        print(f"  ingest of {more:,} more {seconds:4.1f} s   {more / seconds:,.0f} observations/s")
        if count <= REBUILT:
            print(f"  rebuild        {timed(index.rebuild):8.1f} s")
        sizes(paths, count + more)
        latency(index, MemoryLog(connect(paths)), paths, chance)
        index.close()


def fill(
    connection: sqlite3.Connection, count: int, chance: random.Random, *, start: int = 0
) -> None:
    """Add ``count`` observations, each with the turn that it was learned from."""
    with transaction(connection):
        connection.execute(
            "INSERT OR IGNORE INTO sessions (id, title, created_ms, created_offset, updated_ms,"
            " updated_offset) VALUES ('a', 'A life', 0, 0, 0, 0)"
        )
        for number in range(start, start + count):
            when = Instant(NOW.epoch_ms - chance.randrange(1_500) * DAY_MS)
            said = sentence(chance)
            turn = connection.execute(
                "INSERT INTO turns (session_id, role, text, status, created_ms, created_offset)"
                " VALUES ('a', 'user', ?, 'complete', ?, 0)",
                (f"I {said}, by the way.", when.epoch_ms),
            ).lastrowid
            item = Observation(
                id=f"m{number:09}",
                statement=f"The user {said}.",
                recorded_at=when,
                kind=chance.choice(list(Kind)),
                event_from=when.local().date(),
                event_to=when.local().date(),
                evidence=(Evidence(turn, f"I {said}"),),
            )
            project(connection, item)
            tell_index(connection, item.id)


def sentence(chance: random.Random) -> str:
    one = chance.choice
    return (
        f"{one(_DEEDS)} a {one(_THINGS)} {one(_MANNERS)} with {one(_PEOPLE)} in {one(_PLACES)}"
        f" for {chance.randrange(5, 999)} euros"
    )


def question(chance: random.Random) -> str:
    one = chance.choice
    return one(
        [
            f"When did I last go to {one(_PLACES)} with {one(_PEOPLE)}?",
            f"What happened to my {one(_THINGS)}?",
            f"Who {one(_DEEDS)} the {one(_THINGS)} in {one(_PLACES)}?",
            f"How much did I pay for the {one(_THINGS)} and the {one(_THINGS)}?",
            f"Which {one(_THINGS)} did {one(_PEOPLE)} like in {one(_PLACES)}, and why?",
        ]
    )


def sizes(paths: Paths, count: int) -> None:
    index = sum(file.stat().st_size for file in paths.index.rglob("*") if file.is_file())
    database = sum(file.stat().st_size for file in paths.data.glob("tsubasa.db*"))
    print(
        f"  size           index {index / count:,.0f}, database {database / count:,.0f}"
        " bytes an observation with its turn"
    )


def latency(index: MemoryIndex, log: MemoryLog, paths: Paths, chance: random.Random) -> None:
    recaller = Recaller(index, log)
    clock = Clock()
    clock.watch(index.embedder, "embed_queries", "embed")
    clock.watch(index, "search_dense", "dense")
    clock.watch(recaller, "_by_words", "words")
    clock.watch(recaller, "_among_turns", "turns")
    clock.watch(recaller, "_fused", "fuse")
    clock.watch(recaller, "_packed", "pack")
    bare = Bare(index, paths)
    for _ in range(20):
        recaller.recall(question(chance), now=NOW)
    rows: list[dict[str, float]] = []
    for _ in range(ASKED):
        text = question(chance)
        row = bare.times(text)
        clock.parts.clear()
        row["total"] = timed(lambda text=text: recaller.recall(text, now=NOW))
        row |= clock.parts
        row["without embed"] = row["total"] - row["embed"]
        rows.append(row)
    for name in ("embed", "dense", "words", "turns", "fuse", "pack", "total", "without embed"):
        show(name, [row.get(name, 0.0) for row in rows])
    show("bare Chroma", [row["bare dense"] for row in rows])
    show("bare FTS5", [row["bare words"] for row in rows])
    ours = p95([row["without embed"] for row in rows])
    sums = p95([row["bare dense"] + row["bare words"] for row in rows])
    print(f"  p95 without embed / p95 of the bare sum: {ours / sums:.2f}")
    found = [recaller.recall(question(chance), now=NOW) for _ in range(20)]
    print(f"  recalled per question: {np.mean([len(items) for items in found]):.1f}")


class Clock:
    """Adds up how long methods take."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}

    def watch(self, owner: Any, method: str, name: str) -> None:
        inner = getattr(owner, method)

        def measured(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = inner(*arguments, **named)
            self.parts[name] = self.parts.get(name, 0.0) + time.perf_counter() - start
            return result

        object.__setattr__(owner, method, measured)


class Bare:
    """One Chroma query and one FTS5 query, with nothing around them."""

    def __init__(self, index: MemoryIndex, paths: Paths) -> None:
        self._index = index
        halves = next(iter(opened(index)))
        self._collection = halves.vectors._collections[Tier.ACTIVE]
        self._words = sqlite3.connect(paths.index_words)

    def times(self, text: str) -> dict[str, float]:
        asked = questions.understand(text, now=NOW, languages=["en"])
        match = questions.query_of(asked, emphasis=0, with_days=True).match
        vector = self._index.embedder.embed([text])
        return {
            "bare dense": timed(
                lambda: self._collection.query(query_embeddings=vector, n_results=POOL)
            ),
            "bare words": timed(
                lambda: self._words.execute(
                    "SELECT rowid, bm25(words_active) AS score FROM words_active"
                    " WHERE words_active MATCH ? ORDER BY score LIMIT ?",
                    (match, POOL),
                ).fetchall()
            ),
        }


def opened(index: MemoryIndex) -> Iterator[Any]:
    index.count(Tier.ACTIVE)
    yield index._halves


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def p95(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 95))


def show(name: str, seconds: list[float]) -> None:
    print(f"  {name:14} p50 {np.median(seconds) * 1e3:7.2f} ms   p95 {p95(seconds) * 1e3:7.2f} ms")


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [1_000, 10_000])
