"""An embedding model of the user's, run by an engine of its own.

The engine is asynchronous and the index is not, so the engine lives in the event loop of a thread
that this module owns. It never shares the chat's engine: searching must not wait for a reply.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Loaded, ModelSpec
from tsubasa_cli.errors import InputError, StorageError, TsubasaError
from tsubasa_cli.memory.engine_embedder import EngineEmbedder
from tsubasa_cli.storage.paths import Paths

WINDOW_TOKENS = 2_048
"""Of a memory, or of a question, as much is looked at."""

Result = TypeVar("Result")


class GgufEmbedder(EngineEmbedder):
    """Embeds by the GGUF in ``file``. Raises ``InputError`` when there is none, ``StorageError``
    when llama.cpp cannot embed with it. ``close`` ends its process."""

    def __init__(self, file: Path, paths: Paths) -> None:
        if not file.is_file():
            raise InputError(
                f"There is no embedding model {file}.",
                next_step="Give its path: tsubasa config set memory.embedder FILE.gguf",
            )
        self._own_loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._own_loop.run_forever, daemon=True)
        self._thread.start()
        self._engine = Engine(paths.engine_log, paths.probes)
        try:
            loaded = self._load(file)
        except TsubasaError as error:
            self.close()
            raise StorageError(
                f"Memories cannot be searched with {file.name}.",
                why=str(error),
                next_step='Go back to the embedded one: tsubasa config set memory.embedder ""',
            ) from error
        super().__init__(
            self._engine.embed,
            self._own_loop,
            model=f"{loaded.architecture}/{file.stem}/{_mark(file)}",
            dimensions=loaded.n_embd,
        )

    def _load(self, file: Path) -> Loaded:
        spec = ModelSpec(str(file), WINDOW_TOKENS, embedding=True)
        return self._run(self._engine.load(spec))

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._own_loop).result()

    def close(self) -> None:
        """End the engine's process and the thread."""
        self._run(self._engine.close())
        self._own_loop.call_soon_threadsafe(self._own_loop.stop)
        self._thread.join()
        self._own_loop.close()


def _mark(file: Path) -> str:
    """Tells one file from another by size and beginning: a change rebuilds the index."""
    with file.open("rb") as opened:
        beginning = opened.read(1 << 20)
    return hashlib.sha256(beginning + str(file.stat().st_size).encode()).hexdigest()[:12]
