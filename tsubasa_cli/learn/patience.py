"""Learning only while nobody minds: wait for idleness, work, yield when a chat opens, go on.

A watch looks around twice a second from a thread of its own. Work that asks it often stops by
itself; work that does not is interrupted as by Ctrl+C, which it has to survive anyway, so that the
machine is the user's again within five seconds whatever the run was doing.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from tsubasa_cli.errors import InputError
from tsubasa_cli.learn.ground import Ground, Hooks, Night, Wishes
from tsubasa_cli.learn.idle import Idleness, Reason
from tsubasa_cli.learn.values import RunState
from tsubasa_cli.models.model import Model
from tsubasa_cli.storage.locks import patience_lock
from tsubasa_cli.storage.night_record import note_started, note_waiting
from tsubasa_cli.storage.values import Instant

if TYPE_CHECKING:
    from tsubasa_cli.learn.night import Outcome

WATCH_SECONDS = 0.5
GRACE_SECONDS = 2.0
"""How long work has to stop by itself."""

Result = TypeVar("Result")


class Watch:
    """Looks around while work is done; ``reason`` is why it should stop, once there is one.

    To be entered in the main thread, for it is the one that is interrupted.
    """

    def __init__(self, idleness: Idleness) -> None:
        self.reason: Reason | None = None
        self._idleness = idleness
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._look_around, daemon=True)
        self._is_deaf = False

    def should_stop(self) -> bool:
        """Whether to stop now, where it can be gone on."""
        return self.reason is not None

    def __enter__(self) -> Self:
        self._is_deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        if self._is_deaf:
            signal.signal(signal.SIGINT, self._hear)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._over.set()
        self._thread.join()
        if self._is_deaf:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        """Whoever was started to run behind a shell ignores Ctrl+C, but not this watch."""
        if self.reason is not None:
            raise KeyboardInterrupt

    def _look_around(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            self.reason = self._idleness.interruption()
            if self.reason is not None:
                self._interrupt_stubborn_work()
                return

    def _interrupt_stubborn_work(self) -> None:
        if self._over.wait(GRACE_SECONDS):
            return
        with self._lock:
            if not self._over.is_set():
                _thread.interrupt_main()


def patiently(
    idleness: Idleness,
    work: Callable[[Watch], Result | None],
    on_message: Callable[[str], None] = lambda _: None,
    pause: Callable[[float], object] = time.sleep,
) -> Result:
    """What ``work`` comes to, done while the machine is idle.

    ``work`` returns None when it stopped because its watch said so, and goes on when it is called
    again; then, or when it was interrupted, idleness is waited for once more. ``KeyboardInterrupt``
    is passed on when it was the user's.
    """
    while True:
        idleness.wait_until_idle(on_message, pause)
        watch = Watch(idleness)
        result = _done_under(watch, work)
        if result is not None:
            return result
        on_message(f"Paused: {watch.reason.words if watch.reason else 'stopped'}.")


def learn_when_idle(
    ground: Ground,
    base: Model,
    wishes: Wishes,
    hooks: Hooks,
    idleness: Idleness,
    check: Callable[[], None] = lambda: None,
    pause: Callable[[float], object] = time.sleep,
) -> Outcome:
    """Wait for idleness, then learn; stop for every chat, and go on afterwards.

    A run that was cut short before is gone on with; before a new one begins, ``check`` may raise.
    What is waited for is noted, so that the next chat can tell of a night in which it never came to
    it. ``InputError`` when another program waits already.
    """
    from tsubasa_cli.learn.night import begin, resumed, spend_night

    def tell(sentence: str) -> None:
        _return_memory()
        note_waiting(ground.connection, sentence if sentence.startswith("Waiting") else "")
        hooks.on_message(sentence)

    def begun(listening: Hooks) -> Night:
        if ground.runs.unfinished() is not None:
            return resumed(ground, listening)
        check()
        return begin(ground, base, wishes, listening)

    def work(watch: Watch) -> Outcome | None:
        listening = replace(hooks, should_stop=watch.should_stop)
        outcome = spend_night(ground, lambda: begun(listening))
        return None if outcome.run.state is RunState.PAUSED and watch.reason else outcome

    with patience_lock(ground.paths.locks) as is_alone:
        if not is_alone:
            raise InputError(
                "Another program waits to learn already.",
                next_step="See how far it is: tsubasa learn status.",
            )
        note_started(ground.connection, Instant.now())
        return patiently(idleness, work, tell, pause)


def _return_memory() -> None:
    """What a run that stopped held is the chat's now. A GPU keeps a few hundred MB for as long as
    this process lives."""
    import gc

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    for backend in (torch.cuda, torch.mps):
        if getattr(torch.backends, backend.__name__.rpartition(".")[2]).is_built():
            with suppress(RuntimeError):
                backend.empty_cache()


def _done_under(watch: Watch, work: Callable[[Watch], Result | None]) -> Result | None:
    result: Result | None = None
    try:
        with watch:
            result = work(watch)
    except KeyboardInterrupt:
        if watch.reason is None:
            raise
    return result
