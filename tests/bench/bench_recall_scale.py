"""What recall costs as memory grows: latency by part, ingest, rebuild and size.

    python tests/bench/bench_recall_scale.py [COUNT ...] [--to assets/bench]

A made-up life: every observation comes from one turn. "bare" is one Chroma query and one FTS5
query for the same question, in the same run, with nothing around them; recall does more (turns
too, time, fusion, reading the records) and may cost 1.5 times their sum, embedding left out.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from bench_page import command_line, machine, put_section, table

from tsubasa_cli.memory import question as questions
from tsubasa_cli.memory.embedder import Embedder, default_embedder
from tsubasa_cli.memory.index import MemoryIndex
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.log_rows import project, tell_index
from tsubasa_cli.memory.recall import POOL, Recaller
from tsubasa_cli.memory.values import Evidence, Kind, Observation
from tsubasa_cli.memory.words_index import Tier
from tsubasa_cli.storage.database import connect, transaction
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant

TITLE = "Memory speed: writing and recall as memory grows"
PARTS = {
    "embed": "embedding the question",
    "dense": "nearest vectors (Chroma)",
    "words": "best words (FTS5)",
    "turns": "among earlier turns",
    "fuse": "fusing the lists",
    "pack": "reading the records",
    "recall": "recall, all of it",
    "recall without embedding": "recall without embedding",
    "bare Chroma": "bare Chroma, one query",
    "bare FTS5": "bare FTS5, one query",
}
TEXTS = """
SELECT statement FROM observations UNION ALL SELECT text FROM turns LIMIT :count"""
AT_ONCE = 512
MORE = 1_000
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


def main(counts: list[int], to: Path | None) -> None:
    for count in counts:
        told = f"`{command_line()}`, {machine()}.\n\n{measure(count)}"
        print(f"\n{count:,} observations, {count:,} turns\n\n{told}", flush=True)
        if to:
            put_section(to / "memory-speed.md", TITLE, f"{count:,} memories", told)


def measure(count: int) -> str:
    """All figures of a memory of ``count`` observations, in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder), Path(folder)).ensure()
        chance = random.Random(7)
        connection = connect(paths)
        fill(connection, count, chance)
        index = MemoryIndex(paths, connect(paths), default_embedder())
        index.embedder.embed(["warm"])
        rows = [("first indexing", 2 * count, timed(index.catch_up))]
        fill(connection, MORE, chance, start=count)
        rows.append(
            (f"{MORE:,} observations with their turns more", 2 * MORE, timed(index.catch_up))
        )
        if count <= REBUILT:
            rows.append(("rebuilding all of it", 2 * (count + MORE), timed(index.rebuild)))
        rows.append(bare_ingest(connection, paths, index.embedder, 2 * count))
        told = [written(rows), sizes(paths, count + MORE)]
        told += latency(index, MemoryLog(connect(paths)), paths, chance)
        index.close()
    return "\n\n".join(told)


Row = tuple[str, int, float]


def written(rows: list[Row]) -> str:
    head = ("writing", "entries", "seconds", "entries a second")
    body = [(name, f"{n:,}", f"{s:.1f}", f"{n / s:,.0f}") for name, n, s in rows]
    return table(head, body)


def bare_ingest(
    connection: sqlite3.Connection, paths: Paths, embedder: Embedder, count: int
) -> Row:
    """The same texts embedded and put into a Chroma collection, with no words and no records."""
    texts = [str(row[0]) for row in connection.execute(TEXTS, {"count": count})]
    client = chromadb.PersistentClient(str(paths.data / "bare"))
    collection = client.create_collection(
        "bare", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )

    def put() -> None:
        for start in range(0, len(texts), AT_ONCE):
            some = texts[start : start + AT_ONCE]
            ids = [str(start + place) for place in range(len(some))]
            collection.upsert(ids=ids, embeddings=embedder.embed(some))

    return "the same texts embedded and put into Chroma alone", len(texts), timed(put)


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


def sizes(paths: Paths, count: int) -> str:
    index = sum(file.stat().st_size for file in paths.index.rglob("*") if file.is_file())
    database = sum(file.stat().st_size for file in paths.data.glob("tsubasa.db*"))
    return (
        f"On disk, an observation with its turn: {index / count:,.0f} bytes of index, "
        f"{database / count:,.0f} of database."
    )


def latency(index: MemoryIndex, log: MemoryLog, paths: Paths, chance: random.Random) -> list[str]:
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
    found: list[int] = []
    for _ in range(ASKED):
        text = question(chance)
        row = bare.times(text)
        clock.parts.clear()
        start = time.perf_counter()
        found.append(len(recaller.recall(text, now=NOW)))
        row["recall"] = time.perf_counter() - start
        row |= clock.parts
        row["recall without embedding"] = row["recall"] - row["embed"]
        rows.append(row)
    parts = [(name, [row.get(part, 0.0) for row in rows]) for part, name in PARTS.items()]
    body = [(name, millis(p50(all_)), millis(p95(all_))) for name, all_ in parts]
    ours = p95([row["recall without embedding"] for row in rows])
    sums = p95([row["bare Chroma"] + row["bare FTS5"] for row in rows])
    return [
        table((f"{ASKED} questions", "median", "95th percentile"), body),
        f"Recall without embedding against the bare two together, 95th percentiles: "
        f"**×{ours / sums:.2f}**. A question recalls {np.mean(found):.1f} records. Where the store "
        "is large, parts run side by side: they add up to more than the whole.",
    ]


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
            "bare Chroma": timed(
                lambda: self._collection.query(query_embeddings=vector, n_results=POOL)
            ),
            "bare FTS5": timed(
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


def p50(seconds: list[float]) -> float:
    return float(np.median(seconds))


def p95(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 95))


def millis(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--to", type=Path, help="the folder whose memory-speed.md gets the tables")
    arguments = parser.parse_args()
    main(arguments.counts, arguments.to)
