"""The memory as the rest of the program uses it: one door to the log, the indexes and recall.

Each part has a connection of its own, opened when it is first needed: parts work in different
threads, and a command that only lists memories never opens an index.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tsubasa_cli.errors import InputError, StorageError
from tsubasa_cli.memory.unfinished import is_erasure_unfinished
from tsubasa_cli.memory.values import Observation, Status
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant

if TYPE_CHECKING:
    from tsubasa_cli.memory.browsing import Browser
    from tsubasa_cli.memory.embedder import Embedder
    from tsubasa_cli.memory.finding import Finder
    from tsubasa_cli.memory.gguf_embedder import GgufEmbedder
    from tsubasa_cli.memory.index import MemoryIndex
    from tsubasa_cli.memory.log import MemoryLog
    from tsubasa_cli.memory.recall import Recalled, Recaller
    from tsubasa_cli.memory.recalls import RecallStore

OnMessage = Callable[[str], None]
OnProgress = Callable[[int, int], None]


class Memory:
    """What is known about the user. Safe to call from several threads."""

    def __init__(
        self, paths: Paths, on_message: OnMessage | None = None, embedder: str = ""
    ) -> None:
        """``on_message`` is told, in a sentence for the user, when an index had to be repaired.
        ``embedder`` is the path of a GGUF embedding model; empty for the embedded one."""
        self._paths = paths
        self._embedder_file = embedder
        self._engine_of_embedder: GgufEmbedder | None = None
        self._on_message = on_message or (lambda _message: None)
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.RLock()

    @cached_property
    def log(self) -> MemoryLog:
        """The truth: what is known, and everything that was ever done to it."""
        from tsubasa_cli.memory.log import MemoryLog

        return MemoryLog(self._connect())

    @cached_property
    def recalls(self) -> RecallStore:
        """What went into which answer."""
        from tsubasa_cli.memory.recalls import RecallStore

        return RecallStore(self._connect())

    @cached_property
    def index(self) -> MemoryIndex:
        """The indexes, which can be rebuilt at any time. Opening them takes a second or two."""
        from tsubasa_cli.memory.index import MemoryIndex

        return MemoryIndex(
            self._paths, self._connect(), self._embedder, on_message=self._on_message
        )

    @cached_property
    def browser(self) -> Browser:
        """Lists of memories, a page at a time."""
        from tsubasa_cli.memory.browsing import Browser

        return Browser(self._connect())

    @cached_property
    def finder(self) -> Finder:
        """Search as one types."""
        from tsubasa_cli.memory.finding import Finder

        return Finder(self, self.browser)

    @cached_property
    def _embedder(self) -> Embedder:
        if self._embedder_file:
            from tsubasa_cli.memory.gguf_embedder import GgufEmbedder

            self._engine_of_embedder = GgufEmbedder(
                Path(self._embedder_file).expanduser(), self._paths
            )
            return self._engine_of_embedder
        from tsubasa_cli.memory.embedder import default_embedder

        return default_embedder()

    @cached_property
    def recaller(self) -> Recaller:
        """Finds what bears on a question."""
        from tsubasa_cli.memory.recall import Recaller

        return Recaller(self.index, self.log)

    # ------------------------------------------------------------------ asking

    def recall(
        self,
        question: str,
        *,
        now: Instant,
        k: int,
        as_of: date | None = None,
        exclude: Collection[str] = (),
        exclude_turns: Collection[int] = (),
    ) -> list[Recalled]:
        """What bears on ``question``, best first, at most ``k``; pinned memories always do.

        Raises ``StorageError`` when the indexes can neither be read nor rebuilt.
        """
        with self._lock:
            if self._is_empty():
                return []
            self.catch_up()
            always = [item for item in self.always(k) if _id_of(item) not in exclude]
            seen = {*exclude, *map(_id_of, always)}
            found = self.recaller.recall(
                question, now=now, k=k, as_of=as_of, exclude=seen, exclude_turns=exclude_turns
            )
            return [*always, *found][:k]

    def always(self, limit: int) -> list[Recalled]:
        """The pinned memories, which go with every question; the first ``limit`` said."""
        from tsubasa_cli.memory.recall import Recalled

        found = self._side.execute(
            "SELECT id FROM observations WHERE pinned AND status = 'active' ORDER BY recorded_ms"
            " LIMIT ?",
            (limit,),
        ).fetchall()
        pinned = self.log.many(row["id"] for row in found).values()
        return [Recalled(1.0, (("pinned", 1.0),), observation) for observation in pinned]

    def corrections(self, taught_by: str, question: str, known: Collection[str]) -> list[Recalled]:
        """What counters that the model was taught, by the run ``taught_by``, things that changed
        since; ``known`` memories are beside the question already."""
        from tsubasa_cli.memory import unlearned
        from tsubasa_cli.memory.recall import Recalled

        channels = ((unlearned.CHANNEL, 1.0),)
        with self._lock:
            found = unlearned.corrections(self._side, taught_by, question)
        return [
            Recalled(1.0, channels, item.now)
            if item.now
            else Recalled(1.0, channels, correction=item.correction())
            for item in found
            if item.now is None or item.now.id not in known
        ]

    def by_heart(self, taught_by: str, reply: str, shown: Collection[str]) -> list[Observation]:
        """What a model taught by that run seems to have said in ``reply`` by heart."""
        from tsubasa_cli.memory import unlearned

        with self._lock:
            return unlearned.by_heart(self._side, taught_by, reply, shown)

    def warm_up(self) -> None:
        """Open the indexes in advance, when there is anything in them. Trouble is told by the
        recall that meets it."""
        with suppress(StorageError, InputError), self._lock:
            if not self._is_empty():
                self.catch_up()

    def similar(self, statement: str, k: int) -> list[tuple[str, float]]:
        """The active observations nearest in meaning: id and cosine, nearest first."""
        with self._lock:
            self.catch_up()
            return self.index.similar(statement, k)

    def catch_up(self, on_progress: OnProgress | None = None) -> int:
        """Let the indexes hear what happened since; how many records that was."""
        with self._lock:
            return self.index.catch_up(on_progress)

    def _is_empty(self) -> bool:
        """Nothing was ever said or noted, so there is nothing to open an index for."""
        connection = self._side
        found = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM observations) OR (SELECT count(*) FROM (SELECT 1 FROM"
            " sessions WHERE head_id IS NOT NULL LIMIT 2)) > 1"
        ).fetchone()
        return not found[0]

    def learned(self, batch_id: str) -> list[Observation]:
        """The observations that a batch left active or quarantined, in the order of the log."""
        events = self.log.events(batch_id=batch_id)
        now = self.log.many({event.after.id for event in events})
        kept = (Status.ACTIVE, Status.QUARANTINED)
        return [o for o in now.values() if o.batch_id == batch_id and o.status in kept]

    def finish_erasure(self) -> None:
        """Do what an erasure that was cut short has left to do, if any was."""
        if not is_erasure_unfinished(self._side):
            return
        from tsubasa_cli.memory import erase

        erase.finish_erasure(self._side, self._paths, lambda *_: self.forget_index())

    def forget_index(self) -> None:
        """Make the indexes anew, so that no byte of what is erased is left in them."""
        if self._paths.index.exists():
            self.index.rebuild()

    # ------------------------------------------------------------------ the end

    @cached_property
    def _side(self) -> sqlite3.Connection:
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        with self._lock:
            connection = connect(self._paths)
            self._connections.append(connection)
            return connection

    def close(self) -> None:
        """Let go of the database and the indexes."""
        with self._lock:
            if "index" in self.__dict__:
                self.index.close()
            if self._engine_of_embedder is not None:
                self._engine_of_embedder.close()
            for connection in self._connections:
                connection.close()


def _id_of(item: Recalled) -> str:
    return item.observation.id if item.observation else ""
