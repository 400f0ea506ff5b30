"""A nightly run as the platform's own scheduler writes it down: systemd, launchd, or cron.

Everything here is pure: it turns a ``Job`` into text. ``learn.schedulers`` puts the text in place.
"""

from __future__ import annotations

import os
import plistlib
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path

from tsubasa_cli.errors import InputError
from tsubasa_cli.storage.paths import Paths

ARGUMENTS = ("learn", "--when-idle")
"""What runs every night: it waits for idleness, and goes on where an earlier run was stopped."""
CARRIED = ("TSUBASA_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "LD_LIBRARY_PATH")
"""Without the first three a scheduled run would look for another memory than the one that the
command was given for; without the last a GPU build of llama.cpp may not load."""

UNIT = "tsubasa-learn"
LABEL = "dev.tsubasa.learn"
CRON_MARK = "# tsubasa learn"
NICENESS = 10
_WRITTEN = "Written by tsubasa learn schedule; tsubasa learn unschedule removes it."


@dataclass(frozen=True, slots=True)
class Job:
    """What is to run every night ``at`` a local time of day. ``log`` hears of failures only: what
    a run learned stands in its report, which an erasure reaches."""

    at: time
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path


def nightly(at: time, paths: Paths, environment: Mapping[str, str] | None = None) -> Job:
    """The nightly run of this installation, by this Python. ``InputError`` when a path that has
    to be carried along holds a line break."""
    around = os.environ if environment is None else environment
    carried = {name: around[name] for name in CARRIED if around.get(name)}
    if "TSUBASA_HOME" in carried:
        carried["TSUBASA_HOME"] = str(paths.data)
    job = Job(at, (sys.executable, "-m", "tsubasa_cli", *ARGUMENTS), carried, paths.learn_log)
    for text in (*job.command, *carried.values(), str(job.log)):
        if not text.isprintable():
            raise InputError(
                f"{text!r} cannot be scheduled.",
                why="It holds a line break or another character that does not print.",
                next_step="Move it to a folder with an ordinary name.",
            )
    return job


# ---------------------------------------------------------------------- systemd


def systemd_service(job: Job) -> str:
    """The unit that learns once. It is stopped as Ctrl+C stops it, so that it can go on later.

    A shell starts the program, since systemd allows no quotes in the name of what it starts.
    """
    words = " ".join(_quoted(word).replace("$", "$$") for word in job.command)
    lines = [
        f"# {_WRITTEN}",
        "[Unit]",
        "Description=Tsubasa learns from its memory",
        "",
        "[Service]",
        "Type=oneshot",
        *(f"Environment={_quoted(f'{key}={value}')}" for key, value in job.environment.items()),
        rf'ExecStart=/bin/sh -c "exec \"$$0\" \"$$@\"" {words}',
        "StandardOutput=null",
        f"StandardError=append:{str(job.log).replace('%', '%%')}",
        f"Nice={NICENESS}",
        "IOSchedulingClass=idle",
        "KillSignal=SIGINT",
        "TimeoutStopSec=60",
        "SuccessExitStatus=130",
    ]
    return "\n".join(lines) + "\n"


def systemd_timer(job: Job) -> str:
    """The timer. ``Persistent`` catches up after a night that the machine slept through."""
    lines = [
        f"# {_WRITTEN}",
        "[Unit]",
        f"Description=Tsubasa learns every night at {job.at:%H:%M}",
        "",
        "[Timer]",
        f"OnCalendar=*-*-* {job.at:%H:%M}:00",
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join(lines) + "\n"


def time_in_timer(timer: str) -> time | None:
    """The time of day that ``systemd_timer`` wrote; None when there is none."""
    found = re.search(r"^OnCalendar=\*-\*-\* (\d\d):(\d\d):00$", timer, re.MULTILINE)
    return time(int(found[1]), int(found[2])) if found else None


def _quoted(word: str) -> str:
    """A word of a unit file: quoted, and with nothing left for systemd to expand."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{plain}"'


# ---------------------------------------------------------------------- launchd


def launchd_agent(job: Job) -> bytes:
    """The property list. launchd itself catches up when the machine wakes."""
    agent = {
        "Label": LABEL,
        "ProgramArguments": list(job.command),
        "EnvironmentVariables": dict(job.environment),
        "StartCalendarInterval": {"Hour": job.at.hour, "Minute": job.at.minute},
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": NICENESS,
        "StandardOutPath": os.devnull,
        "StandardErrorPath": str(job.log),
    }
    return plistlib.dumps(agent, sort_keys=False)


def time_in_agent(agent: bytes) -> time | None:
    """The time of day that ``launchd_agent`` wrote; None when it cannot be read."""
    try:
        start = plistlib.loads(agent)["StartCalendarInterval"]
        return time(start["Hour"], start["Minute"])
    except (plistlib.InvalidFileException, ValueError, KeyError, TypeError):
        return None


# ---------------------------------------------------------------------- cron


def cron_line(job: Job) -> str:
    """The line of the crontab; ``InputError`` when a path cannot be written in one."""
    words = [f"{key}={shlex.quote(value)}" for key, value in job.environment.items()]
    words += ["nice", "-n", str(NICENESS), *map(shlex.quote, job.command)]
    words += [f">{os.devnull}", f"2>>{shlex.quote(str(job.log))}"]
    command = " ".join(words)
    if "\\" in command:
        raise InputError(
            "cron cannot run a program in a folder with a backslash in its name.",
            why="Crontabs have no way to write it that every cron understands.",
            next_step="Move Tsubasa or its data to a folder without one.",
        )
    escaped = command.replace("%", "\\%")
    return f"{job.at.minute} {job.at.hour} * * * {escaped} {CRON_MARK}"


def with_cron_line(crontab: str, line: str) -> str:
    """``crontab`` with ``line`` in place of the one that was scheduled before; the rest is kept."""
    return without_cron_line(crontab) + f"{line}\n"


def without_cron_line(crontab: str) -> str:
    """``crontab`` without the scheduled line."""
    lines = crontab.removesuffix("\n").split("\n") if crontab else []
    return "".join(f"{line}\n" for line in lines if not line.endswith(CRON_MARK))


def time_in_crontab(crontab: str) -> time | None:
    """The time of day of the scheduled line; None when there is none."""
    for line in crontab.split("\n"):
        found = re.match(r"(\d{1,2}) (\d{1,2}) \* \* \* ", line)
        if found and line.endswith(CRON_MARK):
            return time(int(found[2]), int(found[1]))
    return None
