"""Lets the replies of one chat be made in the order they were asked for.

Questions are committed at once, also while the engine loads or another reply streams; their
replies wait in a queue. The engine serves one reply at a time, so the conductors of several chats
share ``engine_turn``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

from tsubasa_cli.conversation.chat import Chat
from tsubasa_cli.conversation.events import ChatEvent, Exchange, ReplyEnded, ReplyFailed
from tsubasa_cli.storage.values import Turn
from tsubasa_cli.tui.live_reply import LiveReply
from tsubasa_cli.tui.unsent import Unsent

Listener = Callable[[LiveReply, ChatEvent], None]
Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Conductor:
    """Drives one chat. ``listener`` hears every event while the chat is on screen."""

    def __init__(self, chat: Chat, engine_turn: asyncio.Lock, spawn: Spawn) -> None:
        self.chat = chat
        self.unsent = Unsent(chat)
        self.listener: Listener | None = None
        self.current: LiveReply | None = None
        self._live: dict[int, LiveReply] = {}
        self._waiting: list[LiveReply] = []
        self._engine_turn = engine_turn
        self._spawn = spawn
        self._running = False
        self._stop_asked = False
        self._turn_coming: asyncio.Future[Any] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether a reply is being made or waits to be."""
        return bool(self._waiting) or (self.current is not None and not self.current.ended)

    @property
    def queued(self) -> int:
        """How many replies wait for their turn."""
        return len(self._waiting)

    def drop_queue(self) -> None:
        """Leave the queued replies unmade; their questions are committed all the same."""
        self._waiting.clear()

    def live(self, turn_id: int) -> LiveReply | None:
        """The reply that is queued, being made, or was made since the chat was opened."""
        return self._live.get(turn_id)

    async def send(self, text: str) -> Exchange:
        """Commit a question; its reply follows when it is its turn."""
        exchange = await self.chat.ask(text)
        self.answer(exchange.reply)
        return exchange

    def answer(self, reply: Turn) -> None:
        """Queue a committed, pending reply."""
        live = LiveReply(reply)
        self._live[reply.id] = live
        self._waiting.append(live)
        if not self._running:
            self._running = True
            self._idle.clear()
            self._spawn(self._run())

    def stop(self) -> None:
        """Stop the reply under way; queued ones follow."""
        if self.current and not self.current.ended:
            self._stop_asked = True
            self.chat.stop()
            if self._turn_coming:
                self._turn_coming.cancel()

    async def idle(self) -> None:
        """Wait until nothing is being answered."""
        await self._idle.wait()

    async def stop_all(self) -> None:
        """Stop everything and wait until it is committed."""
        while self.busy or self._running:
            self.stop()
            if self.current and self.current.ended:
                self.chat.stop()
            try:
                await asyncio.wait_for(self._idle.wait(), 0.2)
            except TimeoutError:
                continue

    async def _run(self) -> None:
        try:
            while self._waiting:
                self.current = self._waiting.pop(0)
                await self._answer_in_turn(self.current)
        finally:
            self._running = False
            self.current = None
            self._idle.set()

    async def _answer_in_turn(self, live: LiveReply) -> None:
        """Wait for the engine; a reply that is stopped before its turn stays empty."""
        if not await self._turn_comes():
            self._hear(live, ReplyEnded(await self.chat.leave_unanswered(live.turn)))
            return
        try:
            await self._answer(live)
        finally:
            self._engine_turn.release()

    async def _turn_comes(self) -> bool:
        self._turn_coming = turn = asyncio.ensure_future(self._engine_turn.acquire())
        try:
            await asyncio.wait({turn})
            return not turn.cancelled()
        except asyncio.CancelledError:
            if not turn.cancel() and not turn.cancelled():
                self._engine_turn.release()
            raise
        finally:
            self._turn_coming = None

    async def _answer(self, live: LiveReply) -> None:
        async with aclosing(self.chat.answer(live.turn)) as events:
            async for event in events:
                self._hear(live, event)

    def _hear(self, live: LiveReply, event: ChatEvent) -> None:
        live.apply(event)
        if self._stop_asked and not live.ended:
            self.chat.stop()
        if isinstance(event, ReplyEnded | ReplyFailed):
            self._stop_asked = False
        if self.listener:
            self.listener(live, event)
