"""Learning from what was said, in the moments in which nobody wants anything.

It begins when the user has left the chat alone for a while, or soon after a chat was left, and
ends at the next key press: whatever is not distilled by then is picked up the next time.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.errors import StorageError, TsubasaError
from tsubasa_cli.memory.values import MemoryEvent, Op, Status
from tsubasa_cli.tui import wording

if TYPE_CHECKING:
    from tsubasa_cli.memory.process import Distilled

SOON_SECONDS = 2.0
"""How long after leaving a chat its words are distilled, if nothing is typed."""

NEVER = math.inf

LEARNED = frozenset((Op.ADD, Op.UPDATE, Op.RECONCILE))
RUNNING = "remembering…"


class Task(Protocol):
    """What runs the distilling, and can be told to end it."""

    def cancel(self) -> object: ...


class _BackError(Exception):
    """The user is back."""


Later = Callable[[float, Callable[[], None]], object]
Spawn = Callable[[Coroutine[Any, Any, None]], Task]


class Remembering:
    """Starts and stops the distilling. ``show`` gets the words for the status line, ``tell`` an
    error; ``later`` and ``spawn`` are the application's timers and workers."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        is_busy: Callable[[], bool],
        show: Callable[[str], None],
        tell: Callable[[TsubasaError], None],
        later: Later,
        spawn: Spawn,
    ) -> None:
        self._workspace = workspace
        self._is_busy = is_busy
        self._show = show
        self._tell = tell
        self._later = later
        self._spawn = spawn
        self._due: float | None = None
        self._rings_at = NEVER
        self._task: Task | None = None
        self._learned = 0
        self._shown = ""
        self._told: set[str] = set()

    @property
    def idle_seconds(self) -> int:
        """How long the user must leave the chat alone; 0 when nothing is distilled by itself."""
        settings = self._workspace.settings.memory
        return settings.idle_seconds if settings.enabled else 0

    @property
    def is_running(self) -> bool:
        return self._task is not None

    # ------------------------------------------------------------------ when

    def disturbed(self) -> None:
        """The user does something: stop, and wait until they are done."""
        self.stop()
        self._begin_in(self.idle_seconds)

    def chat_left(self) -> None:
        """A chat was left for another one: it has said what it had to say."""
        self._begin_in(SOON_SECONDS)

    def message_sent(self) -> None:
        """What was learned before is old news."""
        self.disturbed()
        self._learned = 0
        self._say_result()

    def stop(self) -> None:
        """End what runs, without waiting for it, and begin nothing more."""
        self._due = None
        task, self._task = self._task, None
        if task:
            task.cancel()
            self._say_result()

    def _begin_in(self, seconds: float) -> None:
        if self.idle_seconds:
            self._due = time.monotonic() + seconds
            self._wait()

    def _wait(self) -> None:
        """One timer is enough, however often the moment is put off; when it comes sooner than the
        timer, another one is set, and a timer that rings in vain does nothing."""
        if self._due is not None and self._due < self._rings_at:
            self._rings_at = self._due
            self._later(max(self._due - time.monotonic(), 0.0), partial(self._rung, self._due))

    def _rung(self, at: float) -> None:
        if at == self._rings_at:
            self._rings_at = NEVER
        if self._due is None:
            return
        if time.monotonic() < self._due:
            self._wait()
        elif self._can_begin():
            self._due = None
            self._task = self._spawn(self._run())
        else:
            self._begin_in(self.idle_seconds)

    def _can_begin(self) -> bool:
        free = self._workspace.host.engine is not None and not self._is_busy()
        return free and not self._workspace.distilling.is_running

    # ------------------------------------------------------------------ what

    async def _run(self) -> None:
        task = self._task
        try:
            if await self._workspace.distilling.has_work():
                await self._distil()
        except TsubasaError as error:
            self._tell_once(error)
        finally:
            if self._task is task:
                self._task = None
                self._say_result()

    async def _distil(self) -> None:
        """What was learned is told at the last batch: a model that is new is measured after it."""
        self._learned = 0
        self._say(RUNNING)
        await self._open_index()
        async with aclosing(self._workspace.distilling.run()) as batches:
            async for distilled in batches:
                self._learned += sum(map(is_learned, distilled.events))
                self._tell_failure(distilled)
                if distilled.done >= distilled.total:
                    self._say_result()

    async def _open_index(self) -> None:
        """Import, open and load in a thread what would hold up the screen for a second or two.
        When the user comes back meanwhile, the thread ends at the next thousand of records."""
        left = threading.Event()

        def may_go_on(_done: int, _total: int) -> None:
            if left.is_set():
                raise _BackError

        def prepare() -> None:
            import_module("tsubasa_cli.memory.process")
            from tsubasa_cli.memory.closeness import closeness

            with suppress(_BackError):
                self._workspace.memory.catch_up(may_go_on)
                self._workspace.memory.similar("warm", 1)
                closeness("warm", "up")

        try:
            await asyncio.to_thread(prepare)
        finally:
            left.set()

    def _tell_failure(self, distilled: Distilled) -> None:
        if distilled.error:
            self._tell_once(
                StorageError(
                    "Something that was said could not be turned into memories.",
                    why=distilled.error,
                    next_step="It is tried again later; tsubasa doctor lists what waits.",
                )
            )

    def _tell_once(self, error: TsubasaError) -> None:
        if error.what not in self._told:
            self._told.add(error.what)
            self._tell(error)

    def _say_result(self) -> None:
        self._say(f"{wording.memories(self._learned)} learned" if self._learned else "")

    def _say(self, words: str) -> None:
        if words != self._shown:
            self._shown = words
            self._show(words)


def is_learned(event: MemoryEvent) -> bool:
    """Whether something is known since ``event`` that was not known before."""
    return event.op in LEARNED and event.after.status is Status.ACTIVE
