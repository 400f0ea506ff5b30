"""The engine as the rest of the program uses it: asynchronous, cancellable, restartable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tsubasa_cli.engine.child import Child
from tsubasa_cli.engine.errors import EngineDied, OutOfMemoryError, error_of
from tsubasa_cli.engine.protocol import (
    Complete,
    CompleteAll,
    Completed,
    CompletedAll,
    Completion,
    Count,
    Counted,
    Dialogue,
    Embed,
    Embedded,
    Encode,
    Encoded,
    Event,
    Failed,
    Generate,
    Load,
    Loaded,
    LoadProgress,
    Message,
    ModelSpec,
    Prefill,
    Probing,
    Request,
    RestoreState,
    Sampling,
    SaveState,
    Score,
    Scored,
    StateMoved,
    Totals,
    TotalsReport,
    Warm,
    Warmed,
    Weigh,
    Weighed,
)
from tsubasa_cli.engine.safe_start import REBUILD, Mode, ProbeKey, Probes, ladder
from tsubasa_cli.engine.wire import vectors_of
from tsubasa_cli.errors import EngineError, ModelError

OnProgress = Callable[[LoadProgress | Probing], None]
GREEDY = Sampling(temperature=0.0)
EMBED_AT_ONCE = 64
"""Texts in one message to the child: others get their turn between."""

Answer = TypeVar("Answer", bound=Event)


class Engine:
    """One child process with one model. Every method belongs to one event loop.

    ``log_file`` receives what llama.cpp says, ``probes_file`` what safe start learned;
    ``on_notice`` is told, in a sentence for the user, when the engine had to run differently.
    """

    def __init__(
        self,
        log_file: Path,
        probes_file: Path,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        self._log_file = log_file
        self._probes = Probes(probes_file)
        self._on_notice = on_notice or (lambda _notice: None)
        self._child: Child | None = None
        self._starting: asyncio.Task[None] | None = None
        self._loaded: Loaded | None = None
        self._spec: ModelSpec | None = None
        self._mode: Mode | None = None
        self._interruptible: dict[int, type[Request]] = {}
        self._loading = asyncio.Lock()

    # ------------------------------------------------------------- state

    @property
    def alive(self) -> bool:
        """The process runs (it may still be loading)."""
        return self._child is not None and self._child.alive

    @property
    def loaded(self) -> Loaded | None:
        """The model that is ready, None while there is none."""
        return self._loaded if self.alive else None

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        return self._child.pid if self._child is not None and self._child.alive else None

    # ------------------------------------------------------------- loading

    async def load(self, spec: ModelSpec, on_progress: OnProgress | None = None) -> Loaded:
        """Load ``spec`` in a fresh process (memory returns to the system when a model is
        swapped), the way that works on this machine.

        Raises ``ModelError`` when llama.cpp refuses the file, ``EngineError`` when no way works.
        Cancelling ends the process.
        """
        async with self._loading:
            try:
                return await self._climb(spec, on_progress, skipping=())
            except OutOfMemoryError as error:
                if not error.on_gpu:
                    raise
            self._on_notice(
                "The model does not fit the GPU's memory, so it runs on the CPU; "
                "engine.gpu_layers can put a part of it on the GPU."
            )
            return await self._climb(replace(spec, n_gpu_layers=0), on_progress, skipping=())

    async def _climb(
        self, spec: ModelSpec, on_progress: OnProgress | None, skipping: Sequence[Mode]
    ) -> Loaded:
        key = ProbeKey.of(spec)
        record = self._probes.find(key)
        failed = list(skipping)
        if record is not None and record.mode not in failed:
            loaded = await self._try(spec, record.mode, on_progress, probe=False)
            if loaded is not None:
                return loaded
            self._probes.forget(key)
            failed.append(record.mode)
        for mode in ladder(spec):
            if mode in failed:
                continue
            loaded = await self._try(spec, mode, on_progress, probe=True)
            if loaded is not None:
                self._probes.remember(key, mode, failed)
                self._tell(mode, failed)
                return loaded
            failed.append(mode)
        raise EngineError(
            "llama.cpp crashes on this machine.",
            why=f"It died in each of the {len(failed)} ways that Tsubasa can run it.",
            next_step=f"Rebuild it for any CPU: {REBUILD}",
        )

    async def _try(
        self, spec: ModelSpec, mode: Mode, on_progress: OnProgress | None, probe: bool
    ) -> Loaded | None:
        """Load in ``mode``; None when the process crashed."""
        child = await self._fresh_child()
        request = Load(child.next_id(), mode.applied_to(spec), probe)
        try:
            loaded = await _load_in(child, request, on_progress)
        except EngineDied as death:
            await child.close()
            if self._child is not child:
                raise EngineError("The engine was closed while it loaded.") from death
            if death.was_killed:
                raise OutOfMemoryError.killed_while_loading() from death
            if death.is_crash:
                return None
            raise self._did_not_start(death) from death
        except BaseException:
            child.kill()
            raise
        self._loaded, self._spec, self._mode, child.is_proven = loaded, spec, mode, probe
        return loaded

    async def _fresh_child(self) -> Child:
        """A new process in the place of the one there was. Its start is never cancelled halfway:
        asyncio would wait for ever for a process whose pipes it had not connected yet."""
        await self.close()
        self._starting = asyncio.create_task(self._start(), name="engine-start")
        try:
            await asyncio.shield(self._starting)
        except asyncio.CancelledError:
            await self.close()
            raise
        if self._child is None:
            raise EngineError("The engine was closed while it loaded.")
        return self._child

    async def _start(self) -> None:
        self._child = await Child.start(self._log_file)

    def _did_not_start(self, death: EngineDied) -> EngineError:
        lines = self._log_file.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), death.why)
        return EngineError(
            "The engine did not start.",
            why=last,
            next_step="Reinstall it (pip install --force-reinstall llama-cpp-python), "
            "or see `tsubasa doctor`.",
        )

    def _tell(self, mode: Mode, failed: Sequence[Mode]) -> None:
        if failed:
            self._on_notice(
                f"llama.cpp crashed {failed[-1].in_words} on this machine, so Tsubasa runs it "
                f"{mode.in_words} and remembers that."
            )

    # ------------------------------------------------------------- replies

    async def generate(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        thinking: bool | None = None,
        max_tokens: int | None = None,
        settle: bool = True,
    ) -> AsyncGenerator[Event, None]:
        """Continue ``messages``: ``Prefill``, ``ThinkingDelta``, ``TextDelta``, ``Stats``, and
        ``Done`` last. Leaving the iteration cancels the work.

        Raises ``ContextOverflowError``; ``EngineDied`` after the deltas that had arrived. A
        process that dies at the first real batch after a start without probe is replaced once.
        """
        self._cancel_all(Warm)
        ask = (tuple(messages), sampling, thinking, max_tokens, settle)
        async with aclosing(self._survive(lambda i: Generate(i, *ask))) as events:
            async for event in events:
                yield event

    async def _survive(self, make: Callable[[int], Request]) -> AsyncGenerator[Event, None]:
        """The events of a request; asked again of a more careful process when the first real
        batch killed one that had not been probed."""
        child = self._require_child()
        try:
            async with aclosing(self._stream(child, make)) as events:
                async for event in events:
                    yield event
            return
        except EngineDied as death:
            if not death.is_crash or child.is_proven:
                raise
        await self._replace_crashed(child)
        async with aclosing(self._stream(self._require_child(), make)) as events:
            async for event in events:
                yield event

    async def _stream(
        self, child: Child, make: Callable[[int], Request]
    ) -> AsyncGenerator[Event, None]:
        request = make(child.next_id())
        self._interruptible[request.id] = type(request)
        try:
            async with aclosing(child.exchange(request)) as events:
                async for event in events:
                    if isinstance(event, Failed):
                        raise error_of(event)
                    child.is_proven = child.is_proven or _proves(event)
                    yield event
        finally:
            self._interruptible.pop(request.id, None)

    async def _replace_crashed(self, child: Child) -> None:
        """The recorded mode does not work after all: forget it and go down the ladder, once for
        all who were waiting for ``child``."""
        async with self._loading:
            if self._child is not child and self.loaded is not None:
                return
            if self._spec is None or self._mode is None:
                raise EngineDied(None)
            self._probes.forget(ProbeKey.of(self._spec))
            await self._climb(self._spec, None, skipping=(self._mode,))

    def cancel(self) -> None:
        """Stop what is being generated or warmed; its last event still arrives."""
        self._cancel_all(Generate)
        self._cancel_all(Warm)

    def _cancel_all(self, kind: type[Request]) -> None:
        for request_id, found in self._interruptible.items():
            if found is kind and self._child is not None:
                self._child.cancel(request_id)

    async def warm(self, messages: Sequence[Message]) -> Warmed:
        """Evaluate ``messages`` as history in advance; gives way to any ``generate``."""
        entries = tuple(messages)
        return await self._last(self._survive(lambda i: Warm(i, entries)), Warmed)

    # ------------------------------------------------------------- memory work

    async def score(
        self, messages: Sequence[Message], choices: Sequence[str], *, prefix: str = ""
    ) -> tuple[float, ...]:
        """The natural logarithm of each choice's probability as what follows in a reply, without
        thinking, to ``messages`` that has begun with ``prefix``. A choice's tokens are its own:
        give it the space that separates it from the prefix.

        The chat's cache is not touched. Raises ``PreemptedError`` when a reply is asked for
        meanwhile, ``ContextOverflowError`` beyond the lane's window; else as ``generate``.
        """
        return (await self.score_in_detail(messages, choices, prefix=prefix)).sums

    async def score_in_detail(
        self, messages: Sequence[Message], choices: Sequence[str], *, prefix: str = ""
    ) -> Scored:
        """``score`` with the number of tokens of each choice, and what it cost."""
        ask = (tuple(messages), tuple(choices), prefix)
        return await self._last(self._survive(lambda i: Score(i, *ask)), Scored)

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        prefix: str = "",
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = GREEDY,
    ) -> Completion:
        """What follows ``prefix`` in a reply, without thinking, to ``messages``, up to the first
        of ``stop``. With a JSON ``schema`` what follows is such JSON; bound its arrays and texts,
        or a small model fills ``max_tokens``. Prompt and ``max_tokens`` must fit the lane's window.

        Raises as ``score``; ``EngineError`` for a schema that cannot be followed.
        """
        ask = (tuple(messages), max_tokens, sampling, prefix, tuple(stop), schema)
        done = await self._last(self._survive(lambda i: Complete(i, *ask)), Completed)
        return Completion(done.text, done.is_whole)

    async def complete_all(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_tokens: int,
        sampling: Sampling = GREEDY,
    ) -> list[Completion]:
        """A reply, without thinking, to each of ``prompts``; with a seed, each draws with that
        and its place. They are made side by side, which is several times faster than one after
        the other, and rounds a little differently. Raises as ``score``; ``OutOfMemoryError``
        without room for their cache."""
        ask = (tuple(map(tuple, prompts)), max_tokens, sampling)
        made = await self._last(self._survive(lambda i: CompleteAll(i, *ask)), CompletedAll)
        return [Completion(*each) for each in zip(made.texts, made.are_whole, strict=True)]

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length 1 for each of ``texts``, by a model loaded with ``embedding``; of a
        text longer than its window, the beginning counts. An instruction that the model wants
        before a question is the caller's to put there.

        Raises as ``score``; ``EngineError`` when the model that is loaded is not for embedding.
        """
        vectors: list[list[float]] = []
        for start in range(0, len(texts), EMBED_AT_ONCE):
            some = tuple(texts[start : start + EMBED_AT_ONCE])
            embedded = await self._last(self._survive(partial(Embed, texts=some)), Embedded)
            vectors.extend(vectors_of(embedded))
        return vectors

    async def encode(self, dialogues: Sequence[Dialogue]) -> Encoded:
        """The tokens of each dialogue's prompt, as ``generate`` would send it, and of its reply.
        Raises as ``score``."""
        entries = tuple(dialogues)
        return await self._last(self._survive(lambda i: Encode(i, entries)), Encoded)

    async def weigh(self, texts: Sequence[str]) -> Weighed:
        """How likely each text is as it stands; of one that is longer than 1,024 tokens, its
        beginning. Raises as ``score``."""
        entries = tuple(texts)
        return await self._last(self._survive(lambda i: Weigh(i, entries)), Weighed)

    # ------------------------------------------------------------- small questions

    async def count(self, messages: Sequence[Message], thinking: bool | None = None) -> Counted:
        """Tokens of ``messages`` as they would be sent, and of each text alone. Answered while a
        reply is made."""
        child = self._require_child()
        return await self._ask(child, Count(child.next_id(), tuple(messages), thinking), Counted)

    async def save_state(self, path: Path) -> StateMoved:
        """Write the KV state; ``StorageError`` when the disk refuses."""
        child = self._require_child()
        return await self._ask(child, SaveState(child.next_id(), str(path)), StateMoved)

    async def restore_state(self, path: Path) -> StateMoved:
        """Read a KV state; 0 tokens when the file does not fit the model that is loaded."""
        child = self._require_child()
        return await self._ask(child, RestoreState(child.next_id(), str(path)), StateMoved)

    async def totals(self, after_settling: bool = False) -> TotalsReport:
        """The counters since the load; on request only when the last reply is settled."""
        child = self._require_child()
        return await self._ask(child, Totals(child.next_id(), after_settling), TotalsReport)

    async def _ask(self, child: Child, request: Request, kind: type[Answer]) -> Answer:
        return await self._last(child.exchange(request), kind)

    async def _last(self, events: AsyncIterator[Event], kind: type[Answer]) -> Answer:
        last: Event | None = None
        async for event in events:
            last = event
        if isinstance(last, Failed):
            raise error_of(last)
        if not isinstance(last, kind):
            raise EngineDied(None)
        return last

    def _require_child(self) -> Child:
        if self._child is None or self._loaded is None:
            raise EngineError(
                "No model is loaded.", next_step="Choose one with `tsubasa model use`."
            )
        return self._child

    # ------------------------------------------------------------- end

    async def close(self) -> None:
        """End the process, also one that is being started, within about a second. The engine can
        be loaded again."""
        if self._starting is not None and not self._starting.done():
            await asyncio.wait({self._starting})
        child, self._child, self._loaded = self._child, None, None
        if child is not None:
            await child.close()


def _proves(event: Event) -> bool:
    """A batch of more than one token was computed, and the process lives."""
    if isinstance(event, Prefill):
        return event.done > 1
    counted = Warmed | Scored | Completed | Embedded | Weighed
    return isinstance(event, counted) and event.evaluated > 1


async def _load_in(child: Child, request: Load, on_progress: OnProgress | None) -> Loaded:
    async with aclosing(child.exchange(request)) as events:
        async for event in events:
            if isinstance(event, Loaded):
                return event
            if isinstance(event, Failed):
                raise error_of(event)
            if isinstance(event, LoadProgress | Probing) and on_progress is not None:
                on_progress(event)
    raise ModelError("The model was not loaded.")
