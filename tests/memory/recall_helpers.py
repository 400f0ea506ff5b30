"""A small life in a real database, and a real index over it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime

from tsubasa_cli.memory.embedder import Embedder, default_embedder
from tsubasa_cli.memory.index import MemoryIndex
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.values import Actor, Change, Evidence, Observation, Op
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant

EMBEDDER = default_embedder()


def moment(day: str = "2024-05-03") -> Instant:
    return Instant.from_datetime(datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC))


def observation(identity: str, statement: str, **fields: object) -> Observation:
    given: dict[str, object] = {"recorded_at": moment(), **fields}
    return Observation(id=identity, statement=statement, **given)  # type: ignore[arg-type]


class Life:
    """A database with its log, its sessions and its index."""

    def __init__(self, paths: Paths, embedder: Embedder = EMBEDDER) -> None:
        self.paths = paths
        self.connection = connect(paths)
        self.log = MemoryLog(self.connection)
        self.sessions = SessionStore(self.connection)
        self.messages: list[str] = []
        self._embedder = embedder
        self._open: list[tuple[MemoryIndex, sqlite3.Connection]] = []
        self.index = self.another_index()

    def another_index(self) -> MemoryIndex:
        """An index as another process would have it."""
        connection = connect(self.paths)
        index = MemoryIndex(self.paths, connection, self._embedder, self.messages.append)
        self._open.append((index, connection))
        return index

    def learn(self, *items: Observation, op: Op = Op.ADD) -> None:
        self.log.commit([Change(op, item) for item in items], actor=Actor.USER)

    def say(self, text: str, session_id: str | None = None) -> int:
        session = session_id or self.sessions.create().id
        asked, reply = self.sessions.ask(session, text)
        del reply
        return asked.id

    def close(self) -> None:
        for index, connection in self._open:
            index.close()
            connection.close()
        self.connection.close()


@contextmanager
def a_life(paths: Paths, embedder: Embedder = EMBEDDER) -> Iterator[Life]:
    life = Life(paths, embedder)
    try:
        yield life
    finally:
        life.close()


def proof(turn_id: int | None, quote: str) -> tuple[Evidence, ...]:
    return (Evidence(turn_id, quote),)


def day(text: str) -> date:
    return date.fromisoformat(text)


PETS_AND_WORK: Sequence[Observation] = (
    observation("mdog000001", "The user has a beagle called Biscuit."),
    observation("mjob000001", "The user works as a nurse at the city hospital."),
    observation("mfood00001", "The user does not eat meat."),
    observation("msis000001", "The user's sister Laura lives in Toronto."),
    observation("mrun000001", "The user ran a marathon in Hamburg in April 2024."),
)
