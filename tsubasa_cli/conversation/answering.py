"""Making one reply: make room in the window, stream, keep what was said, name the session.

However it goes (the model ends, the user stops, the engine dies, the program quits), what there is
of the reply is committed with a status that says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import astuple, dataclass, replace

from tsubasa_cli.conversation.compaction import KEEP_SHARE, Folding, split_at
from tsubasa_cli.conversation.engine_host import EngineHost
from tsubasa_cli.conversation.events import (
    ChatEvent,
    Compacted,
    Compacting,
    EngineRestarted,
    NotRecalled,
    Phase,
    Recalling,
    ReplyEnded,
    ReplyFailed,
    Titled,
    Waiting,
)
from tsubasa_cli.conversation.journal import ReplyJournal
from tsubasa_cli.conversation.packing import after, applicable, pack, prompt_text
from tsubasa_cli.conversation.recollection import Recollection
from tsubasa_cli.conversation.titles import suggest_title
from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.errors import EngineDied
from tsubasa_cli.engine.protocol import (
    Done,
    Message,
    Prefill,
    Stats,
    StopReason,
    TextDelta,
    ThinkingDelta,
)
from tsubasa_cli.errors import ContextOverflowError, InputError, StorageError, TsubasaError
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Summary, Turn, TurnStatus, Usage

REPLY_RESERVE_SHARE = 0.1
"""Share of the window that a question must leave for its answer."""
MOST_RESERVE_TOKENS = 512

_ENDINGS = {
    StopReason.END: TurnStatus.COMPLETE,
    StopReason.LENGTH: TurnStatus.TRUNCATED,
    StopReason.CANCELLED: TurnStatus.STOPPED,
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How a reply is to be made: everything that settings, session and command line decided.
    ``compact_at`` is a share of the window; ``max_tokens`` None means what is left of it;
    without ``recollection`` nothing is recalled."""

    system_prompt: str
    model: str | None
    thinking: bool
    sampling: tuple[tuple[str, float | int], ...]
    max_tokens: int | None
    compact_at: float
    name_session: bool
    recollection: Recollection | None = None


class Answering:
    """The making of one pending ``reply``. Iterate ``events`` once; ``stop`` it at any time."""

    def __init__(self, store: SessionStore, host: EngineHost, reply: Turn, manner: Manner) -> None:
        self._store = store
        self._host = host
        self._reply = reply
        self._manner = manner
        self._journal = ReplyJournal(store, reply.id)
        self._stopped = asyncio.Event()
        self._engine: Engine | None = None
        self._is_kept = False

    def stop(self) -> None:
        """Stop now; what there is of the reply is kept."""
        self._stopped.set()
        if self._engine:
            self._engine.cancel()

    @property
    def is_kept(self) -> bool:
        """The reply is committed; what goes on is only the naming of the session."""
        return self._is_kept

    async def events(self) -> AsyncGenerator[ChatEvent, None]:
        """Everything that happens. Engine trouble ends in ``ReplyFailed``, never in an error, and
        whoever leaves the iteration leaves a reply that is kept as stopped."""
        try:
            async with aclosing(self._answer()) as events:
                async for event in events:
                    yield event
        except TsubasaError as error:
            turn = self._keep(TurnStatus.INTERRUPTED)
            yield ReplyFailed(turn, error.what, error.why, error.next_step, error.exit_code)
            if isinstance(error, EngineDied) and await self._restarted():
                yield EngineRestarted("The engine stopped unexpectedly and was started again.")
        finally:
            if not self._is_kept:
                self._keep(TurnStatus.STOPPED)
            self._host.leave_stage(self)

    # ------------------------------------------------------------------ the course of it

    async def _answer(self) -> AsyncGenerator[ChatEvent, None]:
        if self._host.state.phase is not Phase.READY:
            yield Waiting(self._host.state)
        engine = await self._engine_unless_stopped()
        if engine is None:
            yield ReplyEnded(self._keep(TurnStatus.STOPPED))
            return
        self._engine = engine
        await self._host.focus(self._reply.session_id)
        turns = await self._path(self._reply.parent_id)
        async for event in self._recall(engine, turns):
            yield event
        async for event in self._make_room(engine, turns):
            yield event
        if self._stopped.is_set():
            yield ReplyEnded(self._keep(TurnStatus.STOPPED))
            return
        await asyncio.to_thread(self._store.begin, self._reply.id, self._host.model_name)
        async with self._journal, aclosing(self._stream(engine, turns)) as events:
            async for event in events:
                yield event
        async for event in self._name(engine):
            yield event

    async def _engine_unless_stopped(self) -> Engine | None:
        loading = asyncio.ensure_future(self._host.take_stage(self, self._manner.model))
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({loading, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return await loading if loading.done() else None
        finally:
            stopped.cancel()
            if not loading.done():
                loading.add_done_callback(self._give_back)

    def _give_back(self, loading: asyncio.Future[Engine]) -> None:
        """Whoever stopped waiting for the stage neither keeps it nor hears that it failed."""
        if not loading.cancelled() and loading.exception() is None:
            self._host.leave_stage(self)

    async def _stream(
        self, engine: Engine, turns: Sequence[Turn]
    ) -> AsyncGenerator[ChatEvent, None]:
        thinking = self._thinking(engine)
        generation = engine.generate(
            await self._pack(turns),
            self._host.sampling(bool(thinking), dict(self._manner.sampling)),
            thinking=thinking,
            max_tokens=self._manner.max_tokens,
        )
        async with aclosing(generation) as events:
            async for event in events:
                if self._stopped.is_set():
                    engine.cancel()
                self._host.observe(event)
                match event:
                    case TextDelta(text=text):
                        self._journal.say(text)
                        yield event
                    case ThinkingDelta(text=text):
                        self._journal.think(text)
                        yield event
                    case Prefill() | Stats():
                        yield event
                    case Done():
                        yield ReplyEnded(await self._finish(event))

    async def _recall(
        self, engine: Engine, turns: Sequence[Turn]
    ) -> AsyncGenerator[ChatEvent, None]:
        """Let what is known go with the question. Trouble with the memory costs the memories,
        never the answer."""
        if self._manner.recollection is None or self._stopped.is_set():
            return
        room = room_for_prompt(engine) - await self._size(engine, await self._pack(turns))
        in_window = list(after(turns, await self._summary(turns)))
        try:
            count = await self._manner.recollection.recall(engine, in_window, room)
        except (StorageError, InputError) as error:
            yield NotRecalled(error.what, error.why, error.next_step)
            return
        if count:
            yield Recalling(count)

    async def _make_room(
        self, engine: Engine, turns: Sequence[Turn]
    ) -> AsyncGenerator[ChatEvent, None]:
        """Fold the oldest turns while the window is nearly full (``ContextOverflowError`` when
        even that cannot make room)."""
        total, limit = window_of(engine), room_for_prompt(engine)
        roomy = min(self._manner.compact_at * total, limit)
        while (used := await self._size(engine, await self._pack(turns))) > roomy:
            earlier = await self._summary(turns)
            open_turns = after(turns, earlier)
            texts = tuple(Message(turn.role.value, prompt_text(turn)) for turn in open_turns)
            sizes = (await engine.count(texts)).texts
            folded = split_at(open_turns, sizes, int(KEEP_SHARE * total))
            if not folded:
                if used > limit and not await self._shrunk(engine, earlier):
                    raise await self._too_large(engine, sizes[-1], limit)
                if used <= limit:
                    return
                continue
            yield Compacting()
            text = await self._folding(engine).summarise(open_turns[:folded], earlier)
            if text is None:
                return
            yield Compacted(await self._add_summary(open_turns[folded - 1].id, text), folded)

    async def _shrunk(self, engine: Engine, summary: Summary | None) -> bool:
        """A summary from a larger window is cut to fit this one; whether that was possible."""
        if summary is None:
            return False
        text = await self._folding(engine).shortened(summary.text)
        if text == summary.text:
            return False
        await self._add_summary(summary.upto_turn_id, text)
        return True

    async def _too_large(self, engine: Engine, size: int, limit: int) -> TsubasaError:
        around = (Message("system", self._manner.system_prompt), Message("user", "x"))
        available = limit - await self._size(engine, around)
        if available > size:
            available = size - 1
        return ContextOverflowError(size, available) if available > 0 else no_room()

    def _folding(self, engine: Engine) -> Folding:
        return Folding(engine, self._manner.system_prompt, self._stopped.is_set)

    async def _add_summary(self, upto_turn_id: int, text: str) -> Summary:
        return await asyncio.to_thread(
            self._store.add_summary,
            self._reply.session_id,
            upto_turn_id,
            text,
            self._host.model_name,
        )

    async def _name(self, engine: Engine) -> AsyncGenerator[ChatEvent, None]:
        """Let the model name the session after its first whole reply. What goes wrong here costs
        a title, never the reply, which is committed already."""
        if not self._manner.name_session:
            return
        with suppress(TsubasaError):
            turns = await self._path(self._reply.id)
            if len(turns) != 2 or turns[-1].status is not TurnStatus.COMPLETE:
                return
            title = await suggest_title(engine, await self._pack(turns))
            if title and not self._stopped.is_set():
                await asyncio.to_thread(self._store.suggest_title, self._reply.session_id, title)
                yield Titled(title)

    # ------------------------------------------------------------------ keeping it

    async def _finish(self, done: Done) -> Turn:
        turn = await asyncio.to_thread(
            self._store.finish,
            self._reply.id,
            _ENDINGS[done.reason],
            done.text,
            done.thinking,
            Usage(*astuple(done.stats)[1:]),
        )
        self._is_kept = True
        return turn

    def _keep(self, status: TurnStatus) -> Turn:
        """Commit what there is. When even that fails the words are still on the screen, and what
        the journal has is recovered at the next start."""
        text, thinking = self._journal.text.strip(), self._journal.thinking.strip()
        self._is_kept = True
        try:
            return self._store.finish(self._reply.id, status, text, thinking)
        except StorageError:
            return replace(self._reply, status=status, text=text, thinking=thinking)

    async def _restarted(self) -> bool:
        try:
            await self._host.restart(self, self._manner.model)
        except TsubasaError:
            return False
        return True

    # ------------------------------------------------------------------ small parts

    async def _path(self, head_id: int | None) -> list[Turn]:
        return await asyncio.to_thread(self._store.path, self._reply.session_id, head_id)

    async def _size(self, engine: Engine, messages: Sequence[Message]) -> int:
        return (await engine.count(messages, self._thinking(engine))).prompt

    async def _pack(self, turns: Sequence[Turn]) -> tuple[Message, ...]:
        blocks = None
        if self._manner.recollection is not None:
            blocks = await self._manner.recollection.blocks(self._reply.session_id)
        return pack(self._manner.system_prompt, turns, await self._summary(turns), blocks)

    async def _summary(self, turns: Sequence[Turn]) -> Summary | None:
        kept = await asyncio.to_thread(self._store.summaries, self._reply.session_id)
        return applicable(kept, turns)

    def _thinking(self, engine: Engine) -> bool | None:
        return self._manner.thinking if engine.loaded and engine.loaded.thinks else None


def window_of(engine: Engine) -> int:
    """The context window in tokens; 0 without a model."""
    return engine.loaded.n_ctx if engine.loaded else 0


def room_for_prompt(engine: Engine) -> int:
    """Tokens that a prompt may have so that its answer has room too."""
    total = window_of(engine)
    return total - min(int(total * REPLY_RESERVE_SHARE), MOST_RESERVE_TOKENS)


def no_room() -> InputError:
    """The error for a system prompt that fills the window by itself."""
    return InputError(
        "The system prompt leaves no room for a message in the context window.",
        next_step="Shorten it, or raise engine.context_tokens.",
    )
