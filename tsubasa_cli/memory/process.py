"""From what was said to what is known: undistilled turns become observations, one batch at a time.

A batch is one transaction: its observations, and the mark that its turns are done. Whatever
interrupts (the user types, the engine dies, the program is killed), a turn is distilled once or is
still to do.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from tsubasa_cli.errors import ConflictError, ContextOverflowError
from tsubasa_cli.memory.evolve import evolve
from tsubasa_cli.memory.extract import ExtractionError, Extractor
from tsubasa_cli.memory.memory import Memory
from tsubasa_cli.memory.mind import Mind
from tsubasa_cli.memory.outcomes import expected_versions
from tsubasa_cli.memory.people import told_of
from tsubasa_cli.memory.values import Actor, MemoryEvent, Observation
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant, Turn

BATCH_TURNS = 4
"""The user's turns that are distilled together: little is done twice after an interruption."""
MOST_NAMES = 20
"""Names of a batch that are looked up among what is known."""
_NAME = re.compile(r"\b[A-ZÀ-Þ][\wÀ-ÿ-]{2,}")
ATTEMPTS = 3
"""How often a batch is made anew because its memories changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Distilled:
    """One batch: ``done`` of ``total`` turns are distilled by now. ``error`` tells why a batch
    stays open; its turns are tried again next time."""

    session_id: str
    turn_ids: tuple[int, ...]
    events: tuple[MemoryEvent, ...]
    done: int
    total: int
    error: str = ""

    @property
    def batch_id(self) -> str:
        return self.events[0].batch_id if self.events else ""


class Distiller:
    """Distils with ``mind``. ``owner`` is what memories call the user, empty for "the user"."""

    def __init__(self, memory: Memory, store: SessionStore, mind: Mind, owner: str = "") -> None:
        self._memory = memory
        self._store = store
        self._mind = mind
        self._extractor = Extractor(
            mind.model, owner, profile=mind.profile, model_hash=mind.model_hash
        )

    async def run(self, session_id: str | None = None) -> AsyncGenerator[Distilled, None]:
        """Distil everything that is to do, of one session or of all, oldest first.

        Raises ``PreemptedError`` when the user wants the engine, ``EngineDied``, ``StorageError``.
        """
        pending = await asyncio.to_thread(self._memory.log.pending, session_id)
        if pending:
            await asyncio.to_thread(self._memory.catch_up)
        done = 0
        for batch in _batches(pending):
            done += len(batch)
            yield await self._distilled(batch, done, len(pending))

    async def _distilled(self, batch: Sequence[Turn], done: int, total: int) -> Distilled:
        session_id, ids = batch[0].session_id, tuple(turn.id for turn in batch)
        try:
            events = await self._learned(session_id, ids)
        except (ExtractionError, ContextOverflowError, ConflictError) as error:
            await asyncio.to_thread(self._memory.log.fail, ids, str(error))
            return Distilled(session_id, ids, (), done, total, str(error))
        return Distilled(session_id, ids, tuple(events), done, total)

    async def _learned(self, session_id: str, ids: Sequence[int]) -> list[MemoryEvent]:
        """Learn from the turns ``ids``; what was changed by hand meanwhile is looked at anew."""
        path = await asyncio.to_thread(self._store.path, session_id, ids[-1])
        known = await asyncio.to_thread(self._people_in, path, ids)
        found = await self._extractor.extract(path, ids, known)
        for _ in range(ATTEMPTS - 1):
            with suppress(ConflictError):
                return await self._evolved(found, ids)
        return await self._evolved(found, ids)

    def _people_in(self, path: Sequence[Turn], ids: Sequence[int]) -> dict[str, str]:
        """Whom the turns ``ids`` name and memories know: "Kuba" is the user's son."""
        said = " ".join(turn.text for turn in path if turn.id in ids)
        names = list(dict.fromkeys(_NAME.findall(said)))[:MOST_NAMES]
        return told_of(each.statement for each in self._memory.log.naming(names))

    async def _evolved(self, found: Sequence[Observation], ids: Sequence[int]) -> list[MemoryEvent]:
        changes = await evolve(
            found,
            log=self._memory.log,
            similar=self._memory.similar,
            model=self._mind.model,
            now=Instant.now(),
            calibration=self._mind.calibration,
        )
        commit = partial(
            self._memory.log.commit, actor=Actor.MODEL, turns=ids, expect=expected_versions(changes)
        )
        return await asyncio.to_thread(commit, changes)


def _batches(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Neighbours of one session, at most ``BATCH_TURNS`` together."""
    batches: list[list[Turn]] = []
    for turn in turns:
        last = batches[-1] if batches else []
        if last and last[0].session_id == turn.session_id and len(last) < BATCH_TURNS:
            last.append(turn)
        else:
            batches.append([turn])
    return batches
