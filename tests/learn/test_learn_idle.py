"""When a run may begin, when it has to stop, and how soon it hears of a chat."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from tsubasa_cli.errors import ConfigError, InputError
from tsubasa_cli.learn.clock import hours_of, seconds_of, time_of
from tsubasa_cli.learn.idle import (
    CALM_SECONDS,
    Idleness,
    Obstacle,
    Reason,
    busy_gpu,
    high_load,
    low_power,
    parse_gpus,
    waiting_for,
    wrong_hour,
)
from tsubasa_cli.storage.locks import WriterLock
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import LearnSettings
from tsubasa_cli.storage.settings_file import load_settings, set_value

ALWAYS = LearnSettings(max_load=1000.0, on_battery=True)
SOON_SECONDS = 20.0
"""Five seconds are promised on a machine with nothing else to do; a busy one gets more."""
PATIENCE_SECONDS = 30.0

CHAT = """
import sys, time
from tsubasa_cli.storage.locks import WriterLock
from tsubasa_cli.storage.paths import Paths
lock = WriterLock(Paths.from_environment().ensure().locks)
print("open", flush=True)
time.sleep(600)
"""


@contextmanager
def chat_process() -> Iterator[subprocess.Popen[str]]:
    """Another program that holds a chat's lock."""
    with subprocess.Popen([sys.executable, "-c", CHAT], stdout=subprocess.PIPE, text=True) as chat:
        assert chat.stdout is not None
        assert chat.stdout.readline() == "open\n"
        try:
            yield chat
        finally:
            chat.kill()


@dataclass
class Clock:
    """A night that passes only while somebody waits."""

    at: datetime = field(default_factory=lambda: datetime(2026, 5, 1, 12, 0))

    def __call__(self) -> datetime:
        return self.at


class TestChats:
    def test_an_empty_home_has_none(self, home: Paths) -> None:
        assert Idleness(home, ALWAYS).interruption() is None
        assert Obstacle.CHAT not in [r.obstacle for r in Idleness(home, ALWAYS).obstacles()]

    def test_a_chat_is_heard_of_soon(self, home: Paths) -> None:
        idleness = Idleness(home, ALWAYS)
        assert idleness.interruption() is None
        with chat_process() as chat:
            began = time.monotonic()
            while idleness.interruption() is None:
                assert time.monotonic() - began < SOON_SECONDS
                time.sleep(0.05)
            assert idleness.interruption() == Reason(Obstacle.CHAT, "a chat is open")
            chat.send_signal(signal.SIGKILL)
            chat.wait()
            _wait_until(lambda: idleness.interruption() is None)

    def test_a_chat_that_stays_open_is_never_missed(self, home: Paths) -> None:
        """Some versions of filelock touch the file when somebody asks for the lock; that must not
        make the chat look new."""
        with chat_process():
            [lock] = home.locks.glob("*.writer")
            idleness = Idleness(home, ALWAYS)
            _wait_until(lambda: idleness.interruption() is not None)
            end = time.monotonic() + 5.0
            while time.monotonic() < end:
                os.utime(lock)
                assert idleness.interruption() is not None
                time.sleep(0.02)

    def test_the_lock_of_the_asking_program_is_not_a_chat(self, home: Paths) -> None:
        mine = WriterLock(home.locks)
        _age(home, mine.name)
        assert Idleness(home, ALWAYS).interruption() is None
        watched = "import sys, pathlib; from tsubasa_cli.storage.locks import WriterWatch;"
        watched += "print(WriterWatch(pathlib.Path(sys.argv[1])).others())"
        command = [sys.executable, "-c", watched, str(home.locks)]
        told = subprocess.run(command, capture_output=True, text=True, check=True)
        assert told.stdout == f"['{mine.name}']\n"
        mine.release()

    def test_what_a_killed_chat_leaves_is_no_chat(self, home: Paths) -> None:
        with chat_process() as chat:
            chat.kill()
            chat.wait()
        [left] = home.locks.glob("*.writer")
        _age(home, left.stem)
        assert Idleness(home, ALWAYS).interruption() is None

    def test_a_chat_that_is_just_opening_is_not_disturbed(self, home: Paths) -> None:
        """A lock file that its program has not locked yet must not be taken for a dead one."""
        opening = home.locks / "00ff.writer"
        opening.touch()
        assert Idleness(home, ALWAYS).interruption() is None
        assert opening.exists()

    def test_two_chats_are_counted(self, home: Paths) -> None:
        with chat_process(), chat_process():
            idleness = Idleness(home, ALWAYS)
            _wait_until(
                lambda: idleness.interruption() == Reason(Obstacle.CHAT, "2 chats are open")
            )

    def test_a_poll_costs_less_than_a_millisecond(self, home: Paths) -> None:
        with chat_process():
            idleness = Idleness(home, LearnSettings(hours="00:00-00:00"))
            _wait_until(lambda: idleness.interruption() is not None)
            began, polls = time.process_time(), 2000
            for _ in range(polls):
                idleness.interruption()
            assert (time.process_time() - began) / polls < 0.001


class TestHours:
    @pytest.mark.parametrize(
        ("hour", "expected"),
        [
            ((22, 59), "it is not between 23:00–07:00 yet"),
            ((23, 0), ""),
            ((2, 30), ""),
            ((6, 59), ""),
            ((7, 0), "it is not between 23:00–07:00 yet"),
        ],
    )
    def test_only_the_given_hours(self, hour: tuple[int, int], expected: str) -> None:
        found = wrong_hour(LearnSettings(hours="23:00-07:00"), datetime(2026, 5, 1, *hour))
        assert (found.words if found else "") == expected

    def test_quiet_hours_win(self) -> None:
        settings = LearnSettings(hours="20:00-08:00", quiet_hours="23:00 - 6:00")
        night = wrong_hour(settings, datetime(2026, 5, 1, 1, 0))
        assert night == Reason(Obstacle.HOURS, "the machine stays quiet from 23:00–06:00")
        assert wrong_hour(settings, datetime(2026, 5, 1, 21, 0)) is None

    def test_an_interruption_looks_at_the_clock_too(self, home: Paths) -> None:
        clock = Clock(datetime(2026, 5, 1, 1, 0))
        settings = LearnSettings(hours="00:00-02:00", on_battery=True)
        assert Idleness(home, settings, now=clock).interruption() is None
        clock.at = datetime(2026, 5, 1, 2, 0)
        found = Idleness(home, settings, now=clock).interruption()
        assert found is not None and found.obstacle is Obstacle.HOURS

    @pytest.mark.parametrize("text", ["", "  "])
    def test_no_hours_are_any_hours(self, text: str) -> None:
        assert hours_of(text) is None
        assert wrong_hour(LearnSettings(), datetime(2026, 5, 1, 12, 0)) is None

    @pytest.mark.parametrize(
        ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("1 h 5 min", 3900)]
    )
    def test_durations(self, text: str, seconds: int) -> None:
        assert seconds_of(text) == seconds

    @pytest.mark.parametrize("text", ["2", "h", "0h", "two hours", "1h70", "-1h"])
    def test_what_is_no_duration_is_refused(self, text: str) -> None:
        with pytest.raises(InputError, match="not a length of time"):
            seconds_of(text)

    @pytest.mark.parametrize("text", ["24:00", "2:60", "half past two", "", "2"])
    def test_what_is_no_time_is_refused(self, text: str) -> None:
        with pytest.raises(InputError, match="not a time of day"):
            time_of(text)


class TestMachine:
    def test_load_is_compared_with_the_setting(self) -> None:
        if os.getloadavg()[0] == 0.0:
            pytest.skip("nothing at all runs here")
        busy = high_load(LearnSettings(max_load=0.0))
        assert busy is not None and busy.obstacle is Obstacle.LOAD
        assert "per core" in busy.words
        assert high_load(LearnSettings(max_load=1000.0)) is None

    @pytest.mark.skipif(sys.platform != "linux", reason="the battery is read from sysfs")
    def test_a_battery_in_use_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """psutil itself reads a power supply as the kernel writes it."""
        _battery(tmp_path, status="Discharging", plugged="0")
        monkeypatch.setattr("psutil._pslinux.POWER_SUPPLY_PATH", str(tmp_path))
        assert low_power(LearnSettings()) == Reason(
            Obstacle.BATTERY, "the machine runs on its battery (61 %)"
        )
        assert low_power(LearnSettings(on_battery=True)) is None
        _battery(tmp_path, status="Charging", plugged="1")
        assert low_power(LearnSettings()) is None

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            ("97, 81559, 70000", "the GPU is busy (97 %)"),
            ("3, 81559, 8155", "other programs hold 90% of the GPU's memory"),
            ("0, 24576, 24000", ""),
            ("95, 24576, 100\\n1, 24576, 24000", ""),
            ("[N/A], [N/A], [N/A]", ""),
        ],
    )
    def test_a_gpu_is_free_when_it_is_hardly_used(
        self, lines: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _program(tmp_path / "nvidia-smi", f"printf '{lines}\\n'")
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        found = busy_gpu()
        assert (found.words if found else "") == words

    def test_a_broken_driver_is_not_waited_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _program(tmp_path / "nvidia-smi", "echo 'driver mismatch' >&2; exit 9")
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        assert busy_gpu() is None

    def test_lines_of_other_shapes_are_skipped(self) -> None:
        assert parse_gpus("5, 100\nall fine\n\n5, 100, 50\n")[0].free == 50 << 20


class TestWaiting:
    def test_it_tells_what_it_waits_for_and_returns_when_idle(self, home: Paths) -> None:
        clock, told, waited = Clock(datetime(2026, 5, 1, 22, 59, 57)), [], []
        idleness = Idleness(home, replace(ALWAYS, hours="23:00-07:00"), now=clock)

        def pause(seconds: float) -> None:
            waited.append(seconds)
            clock.at = datetime.fromtimestamp(clock.at.timestamp() + seconds)

        idleness.wait_until_idle(told.append, pause)
        assert told == ["Waiting: it is not between 23:00–07:00 yet.", "The machine is idle."]
        assert 3.0 + CALM_SECONDS - 1.0 <= sum(waited) <= 3.0 + CALM_SECONDS

    def test_a_chat_that_closes_lets_it_begin(self, home: Paths) -> None:
        told: list[str] = []
        with chat_process() as chat:
            [lock] = home.locks.glob("*.writer")
            _age(home, lock.stem)

            def pause(seconds: float) -> None:
                if told:
                    chat.kill()
                    chat.wait()
                time.sleep(seconds)

            Idleness(home, ALWAYS).wait_until_idle(told.append, pause)
        assert told == ["Waiting: a chat is open.", "The machine is idle."]

    def test_several_reasons_make_one_sentence(self) -> None:
        reasons = [Reason(Obstacle.CHAT, "a chat is open"), Reason(Obstacle.GPU, "it is hot")]
        assert waiting_for(reasons) == "Waiting: a chat is open, and it is hot."


class TestSettings:
    def test_hours_and_budget_are_set_and_checked(self, home: Paths) -> None:
        set_value(home, "learn.hours", "23:00-07:00")
        set_value(home, "learn.budget", "1h30m")
        assert load_settings(home).learn.hours == "23:00-07:00"
        for key, raw in [("learn.hours", "at night"), ("learn.budget", "ages")]:
            with pytest.raises(ConfigError, match=r"HH:MM-HH:MM|1h30m"):
                set_value(home, key, raw)
        assert load_settings(home).learn.budget == "1h30m"

    @pytest.mark.parametrize("hours", ["23:00-07:00", "0:00 - 6:30", "23:00–07:00"])
    def test_what_the_settings_allow_can_be_read(self, hours: str) -> None:
        assert hours_of(LearnSettings(hours=hours).hours) is not None

    @pytest.mark.parametrize("budget", ["2h", "90m", "1h30m", "45min"])
    def test_what_the_budget_allows_can_be_read(self, budget: str) -> None:
        assert seconds_of(LearnSettings(budget=budget).budget)


def _age(home: Paths, name: str) -> None:
    """Make a lock look as if its program had started a while ago."""
    before = time.time() - 60
    os.utime(home.locks / f"{name}.writer", (before, before))


def _wait_until(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def _battery(folder: Path, status: str, plugged: str) -> None:
    files = {
        "BAT0/status": status,
        "BAT0/capacity": "61",
        "BAT0/energy_now": "30500000",
        "BAT0/energy_full": "50000000",
        "BAT0/power_now": "9000000",
        "AC0/online": plugged,
    }
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{content}\n")
