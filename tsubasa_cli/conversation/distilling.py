"""When what was said becomes memory: in the moments in which nobody needs the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tsubasa_cli.conversation.engine_host import EngineHost
from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.errors import PreemptedError
from tsubasa_cli.errors import EngineError
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.settings import MemorySettings

if TYPE_CHECKING:
    from tsubasa_cli.memory.memory import Memory
    from tsubasa_cli.memory.mind import Minds
    from tsubasa_cli.memory.process import Distilled, Distiller


class Distilling:
    """Distils with the model that is loaded; never loads one. One run at a time."""

    def __init__(
        self,
        memory: Memory,
        store: SessionStore,
        host: EngineHost,
        settings: MemorySettings,
        calibration: Path,
    ) -> None:
        """``calibration`` is the folder of what is known about models."""
        self._memory = memory
        self._store = store
        self._host = host
        self._settings = settings
        self._calibration = calibration
        self._running: asyncio.Task[object] | None = None

    @property
    def is_running(self) -> bool:
        return self._running is not None

    async def run(self, session_id: str | None = None) -> AsyncGenerator[Distilled, None]:
        """Distil what is to do, of one session or of all; ends early, without an error, when the
        engine is wanted for something else or dies. Raises ``StorageError``."""
        engine = self._host.engine
        if engine is None or self._running is not None or not self._settings.enabled:
            return
        self._running = asyncio.current_task()
        try:
            distiller = await self.distiller(engine)
            async with aclosing(distiller.run(session_id)) as batches:
                async for distilled in batches:
                    yield distilled
            await self._measure(engine)
        except (PreemptedError, EngineError):
            return
        finally:
            self._running = None

    async def distiller(self, engine: Engine) -> Distiller:
        """What distils with the model that ``engine`` has loaded, as far as it was measured."""
        from tsubasa_cli.memory.process import Distiller

        digest = await asyncio.to_thread(self._host.digest)
        mind = await asyncio.to_thread(self._minds.of, engine, digest)
        return Distiller(self._memory, self._store, mind, self._settings.owner)

    async def by_rule(self) -> Distiller:
        """What distils where there is no model at all."""
        from tsubasa_cli.memory.process import Distiller

        mind = await asyncio.to_thread(self._minds.of, None, "")
        return Distiller(self._memory, self._store, mind, self._settings.owner)

    @cached_property
    def _minds(self) -> Minds:
        from tsubasa_cli.memory.mind import Minds

        return Minds(self._calibration)

    async def _measure(self, engine: Engine) -> None:
        """With nothing left to distil, find out what the model is good for, once."""
        digest = await asyncio.to_thread(self._host.digest)
        if not self._minds.is_measured(digest):
            await self._minds.measure(engine, digest)

    async def has_work(self) -> bool:
        """Whether anything that was said is not distilled yet."""
        return bool(await asyncio.to_thread(self._memory.log.pending))
