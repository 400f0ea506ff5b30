"""Putting a nightly run into the hands of systemd, launchd or cron, and taking it back.

Their own commands are called and nothing else is assumed of them. Each scheduler can say
beforehand what it is going to write and run; doing it twice changes nothing.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from datetime import time
from pathlib import Path

from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.learn import schedule
from tsubasa_cli.learn.schedule import LABEL, UNIT, Job
from tsubasa_cli.storage.paths import write_private

COMMAND_SECONDS = 30.0
_NO_CRONTAB = ("no crontab", "no such file")
SERVICE, TIMER = f"{UNIT}.service", f"{UNIT}.timer"


class ScheduleError(TsubasaError):
    """The platform's scheduler is missing, or did not do what it was asked for."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What scheduling would do: files with their content, commands, and what to know about it."""

    files: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    def in_words(self) -> str:
        """All of it, to be shown before it is done."""
        parts = [f"{name}\n{_indented(content)}" for name, content in self.files]
        if self.commands:
            parts.append("Then:\n" + "\n".join(f"    {shlex.join(c)}" for c in self.commands))
        return "\n\n".join([*parts, *self.notes])


class Scheduler(ABC):
    """One of the platform's schedulers. ``name`` is what people call it."""

    name: str

    @abstractmethod
    def is_available(self) -> bool:
        """Whether it can be used here and now."""

    @abstractmethod
    def propose(self, job: Job) -> Proposal:
        """What ``install`` would do."""

    @abstractmethod
    def install(self, job: Job) -> None:
        """Run ``job`` every night from now on, and no earlier one; ``ScheduleError``."""

    @abstractmethod
    def remove(self) -> bool:
        """Run nothing any more; whether anything was scheduled here. ``ScheduleError``."""

    @abstractmethod
    def scheduled_at(self) -> time | None:
        """When the nightly run is scheduled here; None when it is not."""


class Systemd(Scheduler):
    """A timer of the user's own service manager."""

    name = "systemd"

    def __init__(self) -> None:
        self._folder = _config_home() / "systemd" / "user"
        self._timer = self._folder / TIMER

    def is_available(self) -> bool:
        return _succeeds("systemctl", "--user", "show-environment")

    def propose(self, job: Job) -> Proposal:
        return Proposal(
            files=tuple((str(self._folder / name), text) for name, text in _units(job).items()),
            commands=(_ctl("daemon-reload"), _ctl("enable", TIMER), _ctl("restart", TIMER)),
            notes=(
                "A night that the machine slept through is caught up with when it wakes. While "
                "you are logged out nothing runs, unless you allow it: loginctl enable-linger",
            ),
        )

    def install(self, job: Job) -> None:
        before = {name: _content(self._folder / name) for name in _units(job)}
        try:
            for name, text in _units(job).items():
                _write(self._folder / name, text.encode())
            for command in self.propose(job).commands:
                _run(*command)
        except TsubasaError:
            self._put_back(before)
            raise

    def remove(self) -> bool:
        if not self._timer.exists():
            return False
        _run(*_ctl("disable", "--now", TIMER))
        for name in (TIMER, SERVICE):
            _delete(self._folder / name)
        _run(*_ctl("daemon-reload"))
        return True

    def scheduled_at(self) -> time | None:
        text = _content(self._timer)
        return schedule.time_in_timer(text.decode("utf-8", "replace")) if text else None

    def _put_back(self, before: dict[str, bytes | None]) -> None:
        with suppress(TsubasaError):
            for name, text in before.items():
                if text is None:
                    _delete(self._folder / name)
                else:
                    _write(self._folder / name, text)
            _run(*_ctl("daemon-reload"))


class Launchd(Scheduler):
    """An agent of the user's on macOS."""

    name = "launchd"

    def __init__(self) -> None:
        self._file = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self._domain = f"gui/{os.getuid()}"

    def is_available(self) -> bool:
        return shutil.which("launchctl") is not None

    def propose(self, job: Job) -> Proposal:
        return Proposal(
            files=((str(self._file), schedule.launchd_agent(job).decode()),),
            commands=(("launchctl", "bootstrap", self._domain, str(self._file)),),
            notes=("A night that the machine slept through is caught up with when it wakes.",),
        )

    def install(self, job: Job) -> None:
        before = _content(self._file)
        self._unload()
        _write(self._file, schedule.launchd_agent(job))
        try:
            for command in self.propose(job).commands:
                _run(*command)
        except ScheduleError:
            self._put_back(before)
            raise

    def remove(self) -> bool:
        if not self._file.exists():
            return False
        self._unload()
        _delete(self._file)
        return True

    def scheduled_at(self) -> time | None:
        agent = _content(self._file)
        return schedule.time_in_agent(agent) if agent else None

    def _unload(self) -> None:
        """launchd refuses to load an agent twice, and complains of unloading what is not there."""
        if _succeeds("launchctl", "print", f"{self._domain}/{LABEL}"):
            _run("launchctl", "bootout", f"{self._domain}/{LABEL}")

    def _put_back(self, before: bytes | None) -> None:
        with suppress(TsubasaError):
            if before is None:
                _delete(self._file)
                return
            _write(self._file, before)
            _run("launchctl", "bootstrap", self._domain, str(self._file))


class Cron(Scheduler):
    """A line of the user's crontab."""

    name = "cron"

    def is_available(self) -> bool:
        return shutil.which("crontab") is not None

    def propose(self, job: Job) -> Proposal:
        return Proposal(
            files=(("A line of your crontab (crontab -l shows all of it):", self._line(job)),),
            commands=(),
            notes=("cron does not catch up with a night that the machine slept through.",),
        )

    def install(self, job: Job) -> None:
        _run("crontab", "-", given=schedule.with_cron_line(self._table(), self._line(job)))

    def remove(self) -> bool:
        table = self._table() if self.is_available() else ""
        rest = schedule.without_cron_line(table)
        if rest == table:
            return False
        _run("crontab", "-", given=rest)
        return True

    def scheduled_at(self) -> time | None:
        return schedule.time_in_crontab(self._table()) if self.is_available() else None

    def _line(self, job: Job) -> str:
        return schedule.cron_line(job)

    def _table(self) -> str:
        """The user's crontab; an absent one is empty, and an unreadable one is not overwritten."""
        done = _called("crontab", "-l")
        if not done.returncode:
            return done.stdout
        if any(words in done.stderr.casefold() for words in _NO_CRONTAB):
            return ""
        raise _failed(("crontab", "-l"), done)


def all_schedulers() -> tuple[Scheduler, ...]:
    """Every kind, in the order of preference."""
    return Systemd(), Launchd(), Cron()


def find_scheduler(name: str = "") -> Scheduler:
    """The scheduler called ``name``, or the best one that works here; ``ScheduleError``."""
    known = all_schedulers()
    wanted = [scheduler for scheduler in known if not name or scheduler.name == name]
    for scheduler in wanted:
        if scheduler.is_available():
            return scheduler
    raise ScheduleError(
        _none_works(name, [scheduler.name for scheduler in wanted]),
        why="systemd needs a user session, launchd a Mac, cron the crontab command.",
        next_step="Install cron, or run tsubasa learn --when-idle from a scheduler of yours.",
    )


def _none_works(name: str, tried: list[str]) -> str:
    if not tried:
        return f"There is no scheduler called “{name}”."
    return f"{name} does not work here." if name else f"None of {', '.join(tried)} works here."


def install(job: Job, scheduler: Scheduler) -> None:
    """Have ``scheduler``, and no other one, run ``job`` every night; ``ScheduleError``."""
    scheduler.install(job)
    for other in all_schedulers():
        if other.name != scheduler.name:
            other.remove()


def remove() -> list[str]:
    """Take the nightly run from every scheduler that has it; their names. ``ScheduleError``."""
    return [scheduler.name for scheduler in all_schedulers() if scheduler.remove()]


def scheduled() -> tuple[str, time] | None:
    """Who runs it and when; None when nothing is scheduled."""
    for scheduler in all_schedulers():
        at = scheduler.scheduled_at()
        if at is not None:
            return scheduler.name, at
    return None


# ---------------------------------------------------------------------- the machine


def _units(job: Job) -> dict[str, str]:
    return {SERVICE: schedule.systemd_service(job), TIMER: schedule.systemd_timer(job)}


def _ctl(*words: str) -> tuple[str, ...]:
    return ("systemctl", "--user", *words)


def _config_home() -> Path:
    given = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(given) if given.startswith("/") else Path.home() / ".config"


def _called(*command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """What ``command`` answers, in English. A crontab may hold bytes that are no UTF-8."""
    try:
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env={**os.environ, "LC_ALL": "C"},
            timeout=COMMAND_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ScheduleError(
            f"{command[0]} cannot be run.",
            why=str(error),
            next_step=f"Check that it is installed and answers: {shlex.join(command)}",
        ) from error


def _run(*command: str, given: str = "") -> None:
    done = _called(*command, given=given)
    if done.returncode:
        raise _failed(command, done)


def _succeeds(*command: str) -> bool:
    try:
        return _called(*command).returncode == 0
    except ScheduleError:
        return False


def _failed(command: tuple[str, ...], done: subprocess.CompletedProcess[str]) -> ScheduleError:
    said = (done.stderr or done.stdout).strip() or f"It ended with code {done.returncode}."
    return ScheduleError(
        f"“{shlex.join(command)}” failed.",
        why=said,
        next_step="Run that command by hand to see more, then try again.",
    )


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _write(file: Path, content: bytes) -> None:
    """Write ``file`` and make its folder; the folders of other programs get ordinary modes."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(file.parent, error) from error
    write_private(file, content)


def _delete(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(path: Path, error: OSError) -> ScheduleError:
    return ScheduleError(
        f"Cannot change {path}.",
        why=error.strerror or str(error),
        next_step="Make it writable for you, then try again.",
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip("\n").splitlines())
