"""Who answers a question: the base, or the personal model of the speaker whom it is about."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from locomo_homes import Home
from locomo_model import in_thread
from locomo_nights import HomeNight, Taught, night_record
from locomo_store import Asked

from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.learn.ground import Hooks, Progress

if TYPE_CHECKING:
    from locomo_systems import Setting


class Models(Protocol):
    """Chooses who answers."""

    def whose(self, asked: Asked) -> str:
        """The speaker whose model answers; empty: it is nobody's."""
        ...

    async def adapter_for(self, asked: Asked) -> Path | None:
        """What is laid over the base for this question."""
        ...


class BaseAlone:
    """The same model for every question."""

    def whose(self, asked: Asked) -> str:
        del asked
        return ""

    async def adapter_for(self, asked: Asked) -> Path | None:
        del asked
        return None


class PersonalModels:
    """What each speaker's home has in service after its night, which is spent when that speaker
    is first asked about. Where the gate refused, that is the base, as it is for a user."""

    def __init__(self, homes: Sequence[Home], setting: Setting) -> None:
        self._homes = {home.speaker: home for home in homes}
        self._setting = setting
        self._adapters: dict[str, Path | None] = {}

    def whose(self, asked: Asked) -> str:
        """Of the speaker whom the question names first; of the file's first speaker where it names
        none."""
        question = asked.text.casefold()
        places = {name: question.find(name.casefold()) for name in self._homes}
        named = [name for name, place in places.items() if place >= 0]
        return min(named, key=places.__getitem__, default=next(iter(self._homes)))

    async def adapter_for(self, asked: Asked) -> Path | None:
        speaker = self.whose(asked)
        if speaker not in self._adapters:
            self._adapters[speaker] = await self._after_its_night(self._homes[speaker])
        return self._adapters[speaker]

    async def _after_its_night(self, home: Home) -> Path | None:
        setting = self._setting
        night = HomeNight(home, setting.answerer.path, setting.learning)
        try:
            if not await in_thread(night.is_over):
                await setting.answerer.rest()
            taught = await self._spent(night, home)
        except TsubasaError as error:
            raise SystemExit(f"{home.speaker}'s night: {error.what} {error.why}") from error
        if taught.is_paused:
            setting.hurry()
        self._note(home, taught)
        return taught.adapter

    async def _spent(self, night: HomeNight, home: Home) -> Taught:
        """The night in a thread of its own; whatever takes this task away ends it where it can go
        on."""
        is_left = threading.Event()

        def tell(progress: Progress) -> None:
            far = f" {progress.done}/{progress.total}" if progress.total else ""
            label = f"{home.conversation.name} learning, {home.speaker}"
            self._setting.tell(f"{label}: {progress.stage}{far} {progress.detail}".rstrip())

        def should_stop() -> bool:
            return is_left.is_set() or self._setting.is_time_up()

        try:
            taught: Taught = await in_thread(night.taught, Hooks(tell, should_stop=should_stop))
            return taught
        except asyncio.CancelledError:
            is_left.set()
            raise

    def _note(self, home: Home, taught: Taught) -> None:
        record = night_record(home, taught, self._setting.learning)
        if not self._setting.nights.has(**record):
            self._setting.nights.add(record)
