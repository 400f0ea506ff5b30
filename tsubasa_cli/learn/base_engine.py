"""The engine at work for learning: loaded with one model, closed when the work is done.

llama.cpp has the last word on tokens, on the base's answers, and on what the gate sees; torch is
never asked what a chat would say.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import ModelSpec
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import EngineSettings

WINDOW = 4096
"""Tokens: no prompt of a lesson or of the gate comes near it."""


@asynccontextmanager
async def engine_with(
    paths: Paths, settings: EngineSettings, model: Path, adapter: Path | None = None
) -> AsyncIterator[Engine]:
    """An engine of its own, with ``model`` and perhaps an ``adapter`` over it."""
    engine = Engine(paths.engine_log, paths.probes)
    spec = ModelSpec(
        path=str(model),
        n_ctx=WINDOW,
        n_gpu_layers=settings.gpu_layers,
        n_threads=settings.threads,
        adapter=str(adapter or ""),
    )
    try:
        await engine.load(spec)
        yield engine
    finally:
        await engine.close()
