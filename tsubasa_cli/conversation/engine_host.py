"""The one engine of this program: which model it runs, what it is doing, whose words it holds.

The host resolves names to models, refuses what does not fit the machine before loading it, starts
the engine again after it died, and swaps KV states when another session takes the stage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace

from tsubasa_cli.conversation.events import EngineState, Phase
from tsubasa_cli.conversation.kv_states import KvStates
from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import (
    Done,
    Event,
    Loaded,
    LoadProgress,
    ModelSpec,
    Prefill,
    Probing,
    Sampling,
    TextDelta,
    ThinkingDelta,
)
from tsubasa_cli.errors import EngineError, StorageError, TsubasaError
from tsubasa_cli.models.fit import check_fits, choose_context
from tsubasa_cli.models.machine import this_machine
from tsubasa_cli.models.presets import sampling_for
from tsubasa_cli.models.shelf import Model, ModelShelf
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import Settings

SETTLE_SECONDS = 2.0
"""How long closing waits for the last reply to settle before its KV state is written."""

Watcher = Callable[[EngineState], None]


class EngineHost:
    """Owns the engine. Call it from one event loop."""

    def __init__(
        self,
        paths: Paths,
        settings: Settings,
        shelf: ModelShelf,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self.state = EngineState(Phase.OFF)
        self._paths = paths
        self._settings = settings
        self._shelf = shelf
        self._states = KvStates(paths, settings.engine.kv_cache_mb)
        self._engine = Engine(paths.engine_log, paths.probes, on_notice)
        self._model: Model | None = None
        self._focus = ""
        self._watchers: list[Watcher] = []
        self._loading = asyncio.Lock()

    # ------------------------------------------------------------------ what is going on

    def watch(self, watcher: Watcher) -> None:
        """Call ``watcher`` with every new state, in the event loop."""
        self._watchers.append(watcher)

    @property
    def model_name(self) -> str:
        """The model that is loaded, or empty."""
        return self._model.name if self._model else ""

    @property
    def loaded(self) -> Loaded | None:
        """The facts of the model that is loaded."""
        return self._engine.loaded

    @property
    def window(self) -> int:
        """The context window in tokens; 0 while no model is loaded."""
        return self.loaded.n_ctx if self.loaded else 0

    @property
    def engine(self) -> Engine | None:
        """The engine, while it has a model."""
        return self._engine if self._engine.loaded else None

    def observe(self, event: Event) -> None:
        """Follow a reply's events to know what the engine does."""
        match event:
            case Prefill(done=done, total=total) if total:
                detail = f"{done:,}/{total:,}"
                self._enter(Phase.READING, detail, done / total)
            case TextDelta() | ThinkingDelta() if self.state.phase is not Phase.WRITING:
                self._enter(Phase.WRITING)
            case Done():
                self._enter(Phase.READY)

    def rest(self) -> None:
        """The reply under way is over, however it ended."""
        if self._engine.alive and self.state.phase in (Phase.READING, Phase.WRITING):
            self._enter(Phase.READY)

    # ------------------------------------------------------------------ models

    def find(self, name: str) -> str:
        """The exact name of a model; ``NotFoundError`` when there is none such."""
        return self._shelf.get(name).name

    async def ready(self, name: str | None = None) -> Engine:
        """The engine with the model loaded: ``name``, or the one in service.

        Raises ``ModelError`` when there is none or it does not fit, ``EngineError`` when llama.cpp
        cannot run it.
        """
        async with self._loading:
            try:
                return await self._ready(name)
            except TsubasaError as error:
                self._enter(Phase.FAILED, error.what)
                raise

    async def _ready(self, name: str | None) -> Engine:
        model = await asyncio.to_thread(self._shelf.require, name)
        if self._engine.alive and self._model and self._model.name == model.name:
            return self._engine
        died = self._model is not None and not self._engine.alive
        await self._leave_focus()
        await self._engine.close()
        self._model = model
        self._enter(Phase.RESTARTING if died else Phase.STARTING)
        spec = await asyncio.to_thread(self._spec, model)
        await self._engine.load(spec, self._on_progress)
        self._enter(Phase.READY)
        return self._engine

    def _spec(self, model: Model) -> ModelSpec:
        engine = self._settings.engine
        machine = this_machine()
        window = choose_context(model, engine.context_tokens, machine)
        check_fits(model, window, machine)
        return ModelSpec(
            path=str(model.path),
            n_ctx=window,
            n_gpu_layers=engine.gpu_layers,
            n_threads=engine.threads,
        )

    def _on_progress(self, event: LoadProgress | Probing) -> None:
        match event:
            case LoadProgress(fraction=fraction):
                self._enter(Phase.LOADING, f"{fraction:.0%}", fraction)
            case Probing():
                self._enter(Phase.PROBING)

    def sampling(self, thinking: bool, overrides: Mapping[str, float | int]) -> Sampling:
        """The family's recommendation, then the settings, then ``overrides``."""
        family = self._model.family if self._model else ""
        preset = asdict(sampling_for(family, thinking))
        chosen = self._settings.sampling.model_dump(exclude_none=True)
        return Sampling(**{**preset, **chosen, **overrides})

    # ------------------------------------------------------------------ KV states

    async def focus(self, session_id: str) -> None:
        """Make the engine hold this session's KV state, keeping that of the one before."""
        if self._focus == session_id:
            return
        await self._leave_focus()
        self._focus = session_id
        file = self._states.file_for(session_id)
        if self._states.enabled and file.exists():
            await self._engine.restore_state(file)
            file.touch()

    async def keep_state(self, session_id: str) -> None:
        """Write the session's KV state, if the engine holds it and it is worth its space."""
        loaded = self.loaded
        if self._focus != session_id or loaded is None or not self._states.enabled:
            return
        with suppress(EngineError, TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._engine.totals(after_settling=True)
        with suppress(EngineError, StorageError):
            totals = await self._engine.totals()
            if self._states.fits(totals.cached * loaded.kv_bytes_per_token):
                await self._engine.save_state(self._states.file_for(session_id))
                await asyncio.to_thread(self._states.evict)

    def forget_state(self, session_id: str) -> None:
        """Remove what is kept of a session's KV state."""
        self._states.forget(session_id)

    async def _leave_focus(self) -> None:
        if self._focus:
            await self.keep_state(self._focus)
            self._focus = ""

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Stop the engine. Never hangs."""
        await self._engine.close()
        self._enter(Phase.OFF)

    def _enter(self, phase: Phase, detail: str = "", fraction: float | None = None) -> None:
        self.state = replace(
            self.state, phase=phase, model=self.model_name, detail=detail, fraction=fraction
        )
        for watcher in self._watchers:
            watcher(self.state)
