"""The one engine of this program: which model it runs, what it is doing, whose words it holds.

The host resolves names to models, refuses what does not fit the machine before loading it, starts
the engine again after it died, and swaps KV states when another session takes the stage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from tsubasa_cli.conversation.events import EngineState, Phase
from tsubasa_cli.conversation.kv_states import KvStates
from tsubasa_cli.conversation.sampling import chat_sampling
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
from tsubasa_cli.models.fit import check_fits, choose_context, estimate_bytes
from tsubasa_cli.models.machine import Machine, this_machine
from tsubasa_cli.models.shelf import Model, ModelShelf
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import Settings

SETTLE_SECONDS = 2.0
"""How long closing waits for the last reply to settle before its KV state is written."""

SAVE_SECONDS = 10.0
"""How long writing a KV state may take before it is given up."""

Watcher = Callable[[EngineState], None]


class EngineHost:
    """Owns the engine. Call it from one event loop."""

    def __init__(
        self,
        paths: Paths,
        settings: Settings,
        shelf: ModelShelf,
        on_notice: Callable[[str], None] | None = None,
        is_kept: Callable[[str], bool] = bool,
    ) -> None:
        """``is_kept`` tells whether a session still exists, so that no state outlives one."""
        self.state = EngineState(Phase.OFF)
        self._is_kept = is_kept
        self._paths = paths
        self._settings = settings
        self._shelf = shelf
        self._states = KvStates(paths, settings.engine.kv_cache_mb)
        self._engine = Engine(paths.engine_log, paths.probes, on_notice)
        self._model: Model | None = None
        self._serving: Model | None = None
        self._focus = ""
        self._holds_focus = False
        self._watchers: list[Watcher] = []
        self._stage = asyncio.Lock()
        self._on_stage: object = None
        self._is_closed = False

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
        self._holds_focus = True
        match event:
            case Prefill(done=done, total=total) if total:
                detail = f"{done:,}/{total:,}"
                self._enter(Phase.READING, detail, done / total)
            case TextDelta() | ThinkingDelta() if self.state.phase is not Phase.WRITING:
                self._enter(Phase.WRITING)
            case Done():
                self._enter(Phase.READY)

    # ------------------------------------------------------------------ models

    def impersonal(self, name: str | None) -> str | None:
        """``name`` (None: the model in service), or its base where it knows the user by heart."""
        return self._shelf.impersonal(name)

    def taught_by(self, name: str | None) -> str:
        """The run of ``learn`` that taught the model called ``name`` (None: the one in service);
        empty for a model that knows nothing by heart."""
        with suppress(TsubasaError):
            return self._resolve(name).run_id
        return ""

    def reload(self) -> str:
        """Let the model that is in service by now answer from the next message on; its name.

        Raises ``NotFoundError`` or ``ModelError`` when there is none.
        """
        self._serving = None
        return self._resolve(None).name

    def _resolve(self, name: str | None) -> Model:
        """The model to load. What a night puts into service does not take the place of its base,
        or of its elder, in the middle of a conversation: that waits for the next start."""
        model = self._shelf.require(name)
        if name is not None:
            return model
        serving = self._serving
        if serving is not None and _is_kin(serving, model) and _is_there(serving):
            return serving
        self._serving = model
        return model

    def find(self, name: str) -> str:
        """The exact name of a model; ``NotFoundError`` when there is none such."""
        return self._shelf.get(name).name

    def digest(self) -> str:
        """The SHA-256 of the loaded model's file; the first time it reads the whole file."""
        return self._shelf.digest(self.model_name)

    async def ready(self, name: str | None = None) -> Engine:
        """The engine with the model loaded: ``name``, or the one in service. A reply that is
        being made by another model is waited for.

        Raises ``ModelError`` or ``NotFoundError`` when there is none or it does not fit,
        ``EngineError`` when llama.cpp cannot run it.
        """
        visitor = object()
        try:
            return await self.take_stage(visitor, name, is_patient=False)
        finally:
            self.leave_stage(visitor)

    async def take_stage(
        self, performer: object, name: str | None, *, is_patient: bool = True
    ) -> Engine:
        """Like ``ready``, and nobody else swaps the model until ``leave_stage``. Without
        ``is_patient`` the stage is not waited for where the model is on it already."""
        model = await asyncio.to_thread(self._resolve, name)
        if not is_patient and self._is_running(model):
            return self._engine
        if self._on_stage is not performer:
            await self._stage.acquire()
            self._on_stage = performer
        try:
            if self._is_closed:
                raise EngineError("Tsubasa is closing.")
            return self._engine if self._is_running(model) else await self._load(model)
        except BaseException as error:
            self.leave_stage(performer)
            if isinstance(error, TsubasaError):
                self._enter(Phase.FAILED, error.what)
            raise

    async def restart(self, performer: object, name: str | None) -> Engine:
        """Put a fresh process in the place of the one that died under ``performer``."""
        await self._engine.close()
        return await self.take_stage(performer, name)

    def leave_stage(self, performer: object) -> None:
        """Let others have the engine. Harmless for who does not hold the stage."""
        if self._on_stage is not performer:
            return
        self._on_stage = None
        self._stage.release()
        if self._engine.loaded and self.state.phase in (Phase.READING, Phase.WRITING):
            self._enter(Phase.READY)

    def _is_running(self, model: Model) -> bool:
        return bool(self._engine.loaded and self._model and self._model.name == model.name)

    async def _load(self, model: Model) -> Engine:
        died = self._model is not None and not self._engine.alive
        spec = await asyncio.to_thread(self._spec, model, self._model if not died else None)
        await self._leave_focus()
        await self._engine.close()
        self._model = model
        self._enter(Phase.RESTARTING if died else Phase.STARTING)
        await self._engine.load(spec, self._on_progress)
        self._enter(Phase.READY)
        return self._engine

    def _spec(self, model: Model, leaving: Model | None) -> ModelSpec:
        engine = self._settings.engine
        released = estimate_bytes(leaving, self.window) if leaving and self.window else 0
        machine = with_memory(this_machine(), released)
        window = choose_context(model, engine.context_tokens, machine)
        check_fits(model, window, machine)
        return ModelSpec(
            path=str(model.path),
            n_ctx=window,
            n_gpu_layers=engine.gpu_layers,
            n_threads=engine.threads,
            adapter=str(model.adapter or ""),
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
        settings = self._settings.sampling
        return chat_sampling(family, settings, thinking=thinking, overrides=overrides)

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
            self._holds_focus = True
            with suppress(OSError):
                file.touch()

    async def keep_state(self, session_id: str, settle_seconds: float = SETTLE_SECONDS) -> None:
        """Write the session's KV state, if the engine holds it and it is worth its space.

        Gives up when the engine is busy for longer than ``settle_seconds``.
        """
        loaded = self._engine.loaded
        if not (loaded and self._states.enabled and self._holds_focus):
            return
        if self._focus != session_id or not await asyncio.to_thread(self._is_kept, session_id):
            return
        with suppress(EngineError, StorageError, TimeoutError, OSError):
            async with asyncio.timeout(settle_seconds):
                await self._engine.totals(after_settling=True)
        with suppress(EngineError, StorageError, TimeoutError, OSError):
            async with asyncio.timeout(SAVE_SECONDS):
                cached = (await self._engine.totals()).cached
                if self._states.fits(cached * loaded.kv_bytes_per_token):
                    await self._engine.save_state(self._states.file_for(session_id))
                    await asyncio.to_thread(self._states.evict)

    def forget_state(self, session_id: str) -> None:
        """Remove what is kept of a session's KV state, and keep none from now on."""
        if self._focus == session_id:
            self._holds_focus = False
        self._states.forget(session_id)

    async def _leave_focus(self) -> None:
        if self._focus:
            await self.keep_state(self._focus)
        self._focus = ""
        self._holds_focus = False

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Stop the engine for good. Never hangs."""
        self._is_closed = True
        await self._engine.close()
        self._enter(Phase.OFF)

    def _enter(self, phase: Phase, detail: str = "", fraction: float | None = None) -> None:
        self.state = replace(
            self.state,
            phase=phase,
            model=self.model_name,
            detail=detail,
            fraction=fraction,
            knows_as_of=self._model.knows_as_of if self._model else None,
        )
        for watcher in self._watchers:
            watcher(self.state)


def _is_kin(one: Model, other: Model) -> bool:
    """Whether both are made of the same base, or one of them is the other's."""
    roots = {model.base if model.is_personal else model.name for model in (one, other)}
    return len(roots) == 1 and (one.is_personal or other.is_personal)


def _is_there(model: Model) -> bool:
    return (model.adapter or model.path).is_file()


def with_memory(machine: Machine, released: int) -> Machine:
    """The machine as it will be once the model that is leaving gave back ``released`` bytes."""
    free = min(machine.ram_available + released, machine.ram_total)
    return replace(machine, ram_available=free)
