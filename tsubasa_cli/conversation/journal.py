"""Keeps what a reply says while it streams, at most one second or 64 tokens behind.

Pieces go to SQLite from a thread, so the screen never waits for the disk.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType

from tsubasa_cli.errors import StorageError
from tsubasa_cli.storage.sessions import SessionStore

INTERVAL_SECONDS = 0.5
MOST_DELTAS = 48


class ReplyJournal:
    """Collects deltas of one reply and writes them in pieces while the ``async with`` lasts."""

    def __init__(self, store: SessionStore, reply_id: int) -> None:
        self.text = ""
        self.thinking = ""
        self._store = store
        self._reply_id = reply_id
        self._new_text: list[str] = []
        self._new_thinking: list[str] = []
        self._piece = 0
        self._ended = False
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ReplyJournal:
        self._writer = asyncio.create_task(self._write_regularly())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended = True
        self._wake.set()
        if self._writer:
            await self._writer

    def say(self, text: str) -> None:
        """More of the reply."""
        self.text += text
        self._new_text.append(text)
        self._nudge()

    def think(self, text: str) -> None:
        """More of the thinking."""
        self.thinking += text
        self._new_thinking.append(text)
        self._nudge()

    def _nudge(self) -> None:
        if len(self._new_text) + len(self._new_thinking) >= MOST_DELTAS:
            self._wake.set()

    async def _write_regularly(self) -> None:
        while not self._ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), INTERVAL_SECONDS)
            self._wake.clear()
            if not self._ended:
                await self._write()

    async def _write(self) -> None:
        text, thinking = "".join(self._new_text), "".join(self._new_thinking)
        if not (text or thinking):
            return
        written = len(self._new_text), len(self._new_thinking)
        try:
            await asyncio.to_thread(
                self._store.journal, self._reply_id, self._piece, text, thinking
            )
        except StorageError:
            return  # What could not be written now is written with the next piece.
        self._piece += 1
        del self._new_text[: written[0]], self._new_thinking[: written[1]]
