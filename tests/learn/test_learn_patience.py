"""Waiting, yielding and going on: with real chats of other processes, real threads and signals."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from test_learn_idle import ALWAYS, SOON_SECONDS, chat_process

from tsubasa_cli.learn import patience
from tsubasa_cli.learn.idle import CALM_SECONDS, Idleness, Obstacle
from tsubasa_cli.learn.patience import Watch, patiently
from tsubasa_cli.storage.paths import Paths

QUICK = 0.02


def no_time(seconds: float) -> None:
    """Waiting goes a hundred times as fast as the clock."""
    time.sleep(seconds / 100)


@pytest.fixture
def idleness(home: Paths) -> Idleness:
    return Idleness(home, ALWAYS)


def test_five_seconds_hold_a_look_and_the_grace_after_it() -> None:
    assert patience.WATCH_SECONDS + patience.GRACE_SECONDS <= 2.5


class TestPatiently:
    def test_what_is_not_disturbed_is_done_once(self, idleness: Idleness) -> None:
        told: list[str] = []
        assert patiently(idleness, lambda _: "learned", told.append, no_time) == "learned"
        assert told == ["The machine is idle."]

    def test_work_that_asks_stops_for_a_chat_and_goes_on(self, idleness: Idleness) -> None:
        steps = Steps()

        def work(watch: Watch) -> str | None:
            with steps.under_a_chat_at_first():
                while not watch.should_stop():
                    time.sleep(QUICK)
                    if steps.is_undisturbed:
                        return "learned"
            return None

        told: list[str] = []
        assert patiently(idleness, work, told.append, no_time) == "learned"
        assert steps.attempts == 2
        assert "Paused: a chat is open." in told
        assert steps.seconds_to_yield < SOON_SECONDS

    def test_work_that_does_not_ask_is_interrupted_soon(self, idleness: Idleness) -> None:
        steps = Steps()

        def work(_watch: Watch) -> str:
            with steps.under_a_chat_at_first():
                end = time.monotonic() + (0.1 if steps.is_undisturbed else 60.0)
                while time.monotonic() < end:
                    time.sleep(QUICK)
                return "learned"

        assert patiently(idleness, work, pause=no_time) == "learned"
        assert steps.attempts == 2
        assert steps.seconds_to_yield < SOON_SECONDS

    def test_what_runs_behind_a_shell_is_interrupted_by_its_watch_alone(
        self, idleness: Idleness
    ) -> None:
        """A shell without job control starts what runs behind it with SIGINT ignored."""
        steps = Steps()

        def work(_watch: Watch) -> str:
            signal.raise_signal(signal.SIGINT)
            with steps.under_a_chat_at_first():
                end = time.monotonic() + (0.1 if steps.is_undisturbed else 60.0)
                while time.monotonic() < end:
                    time.sleep(QUICK)
                return "learned"

        heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            assert patiently(idleness, work, pause=no_time) == "learned"
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, heard)
        assert steps.attempts == 2
        assert steps.seconds_to_yield < SOON_SECONDS

    def test_the_users_own_interrupt_ends_it(self, idleness: Idleness) -> None:
        def work(_watch: Watch) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            patiently(idleness, work, pause=no_time)

    def test_what_fails_fails(self, idleness: Idleness) -> None:
        def work(_watch: Watch) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            patiently(idleness, work, pause=no_time)

    def test_it_waits_before_it_begins(self, home: Paths) -> None:
        waited: list[float] = []
        patiently(Idleness(home, ALWAYS), lambda _: True, pause=waited.append)
        assert sum(waited) == pytest.approx(CALM_SECONDS - 1.0)


class TestWatch:
    def test_a_watch_that_is_over_interrupts_nobody(
        self, idleness: Idleness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However closely the end of the work and the end of its grace meet."""
        monkeypatch.setattr(patience, "WATCH_SECONDS", 0.001)
        monkeypatch.setattr(patience, "GRACE_SECONDS", 0.01)
        with chat_process():
            while idleness.interruption() is None:
                time.sleep(QUICK)
            interrupted = [self._is_interrupted(idleness, 0.004 + n * 0.0001) for n in range(200)]
        assert set(interrupted) == {True, False}, "each came first at times, or nothing was tried"

    def _is_interrupted(self, idleness: Idleness, seconds: float) -> bool:
        is_interrupted = False
        try:
            with Watch(idleness):
                time.sleep(seconds)
        except KeyboardInterrupt:
            is_interrupted = True
        try:
            time.sleep(0.001)
        except KeyboardInterrupt:
            pytest.fail("the interrupt came after the watch was over")
        return is_interrupted

    def test_it_tells_why(self, idleness: Idleness) -> None:
        with chat_process(), Watch(idleness) as watch:
            end = time.monotonic() + SOON_SECONDS
            while not watch.should_stop():
                assert time.monotonic() < end
                time.sleep(QUICK)
        assert watch.reason is not None
        assert watch.reason.obstacle is Obstacle.CHAT


class Steps:
    """Attempts at a work, the first of which a chat disturbs."""

    def __init__(self) -> None:
        self.attempts = 0
        self.seconds_to_yield = 0.0

    @property
    def is_undisturbed(self) -> bool:
        return self.attempts > 1

    @contextmanager
    def under_a_chat_at_first(self) -> Iterator[None]:
        self.attempts += 1
        if self.is_undisturbed:
            yield
            return
        with chat_process():
            began = time.monotonic()
            try:
                yield
            finally:
                self.seconds_to_yield = time.monotonic() - began
