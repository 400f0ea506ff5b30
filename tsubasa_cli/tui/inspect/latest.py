"""Work for a screen that changes its mind: one at a time, and the newest wish wins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

Wish = TypeVar("Wish")

DEBOUNCE_SECONDS = 0.015
"""Behind the first, keys that come faster than this are one wish: a key held down."""


class Latest(Generic[Wish]):
    """Fulfils wishes in the order they come, leaving out those that a newer one has overtaken.

    ``fulfil`` may ask ``is_newest`` before it shows something; it is never run twice at once.
    """

    def __init__(
        self,
        fulfil: Callable[[Wish], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._fulfil = fulfil
        self._spawn = spawn
        self._wish: tuple[int, Wish] | None = None
        self._number = 0
        self._fulfilling = 0
        self._is_busy = False

    @property
    def is_busy(self) -> bool:
        """Whether a wish is being fulfilled or waits for it."""
        return self._is_busy

    def ask(self, wish: Wish) -> None:
        """Wish for something; what was wished before and not begun is forgotten."""
        self._number += 1
        self._wish = (self._number, wish)
        if not self._is_busy:
            self._is_busy = True
            self._spawn(self._work())

    def is_newest(self) -> bool:
        """Whether what is being fulfilled is still wanted."""
        return self._fulfilling == self._number

    async def _work(self) -> None:
        try:
            pause = 0.0
            while self._wish is not None:
                await asyncio.sleep(pause)
                (self._fulfilling, wish), self._wish = self._wish, None
                await self._fulfil(wish)
                pause = DEBOUNCE_SECONDS
        finally:
            self._is_busy = False
