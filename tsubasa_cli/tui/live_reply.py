"""A reply in the making, whether or not it is on screen.

The conductor feeds it events; the widget that shows it (if one is mounted) catches up at its own
pace. So a reply goes on while the user has scrolled far away or looks at another chat.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from enum import StrEnum

from tsubasa_cli.conversation.events import (
    ChatEvent,
    Compacting,
    EngineRestarted,
    Obeyed,
    Recalling,
    ReplyEnded,
    ReplyFailed,
    Waiting,
)
from tsubasa_cli.engine.protocol import Prefill, TextDelta, ThinkingDelta
from tsubasa_cli.storage.values import Turn


class Stage(StrEnum):
    """How far a reply is."""

    QUEUED = "queued"
    WAITING = "waiting for the model"
    FOLDING = "folding the oldest part"
    READING = "reading"
    THINKING = "thinking"
    WRITING = "writing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a reply failed, and what the user can do. ``engine_is_back`` when the engine died and
    runs again: then nothing is left to do but to answer again."""

    what: str
    why: str = ""
    next_step: str = ""
    engine_is_back: bool = False


class LiveReply:
    """What a reply has said so far.

    ``recalled`` memories ride with its question; ``obeyed`` is what the question asked of the
    memory itself, ``taken_back`` once the user thought better of it.
    """

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.stage = Stage.QUEUED
        self.trouble: Trouble | None = None
        self.recalled = 0
        self.obeyed: Obeyed | None = None
        self.taken_back = False
        self.text: list[str] = []
        self.thinking: list[str] = []
        self._thought_from: float | None = None
        self._thought_until: float | None = None
        self._watchers: set[asyncio.Event] = set()

    @property
    def ended(self) -> bool:
        return self.stage is Stage.ENDED

    @property
    def thinking_seconds(self) -> float:
        """How long the model has been thinking, or had been before it wrote."""
        if self._thought_from is None:
            return 0.0
        return (self._thought_until or time.monotonic()) - self._thought_from

    def watch(self) -> asyncio.Event:
        """An event that is set whenever there is more to show."""
        event = asyncio.Event()
        event.set()
        self._watchers.add(event)
        return event

    def unwatch(self, event: asyncio.Event) -> None:
        self._watchers.discard(event)

    def apply(self, event: ChatEvent) -> None:
        """Take in one event of the reply."""
        match event:
            case Waiting():
                self.stage = Stage.WAITING
            case Compacting():
                self.stage = Stage.FOLDING
            case Recalling(count=count):
                self.recalled = count
            case Obeyed():
                self.obeyed = event
            case Prefill():
                self.stage = Stage.READING
            case ThinkingDelta(text=text):
                self._think(text)
            case TextDelta(text=text):
                self._stop_thinking()
                self.stage = Stage.WRITING
                self.text.append(text)
            case ReplyEnded(turn=turn):
                self._end(turn)
            case ReplyFailed(turn=turn, what=what, why=why, next_step=next_step):
                self.trouble = Trouble(what, why, next_step)
                self._end(turn)
            case EngineRestarted(what=what):
                self.trouble = replace(self.trouble or Trouble(what), engine_is_back=True)
            case _:
                return
        self._tell()

    def _think(self, text: str) -> None:
        if self._thought_from is None:
            self._thought_from = time.monotonic()
        self.stage = Stage.THINKING
        self.thinking.append(text)

    def _stop_thinking(self) -> None:
        if self._thought_from is not None and self._thought_until is None:
            self._thought_until = time.monotonic()

    def _end(self, turn: Turn) -> None:
        self._stop_thinking()
        self.turn = turn
        self.stage = Stage.ENDED

    def _tell(self) -> None:
        for event in self._watchers:
            event.set()
