"""Whether the machine has nothing better to do than to learn, and what is in the way if not.

Before a run begins, everything is asked (``Idleness.obstacles``). While it runs, only what can be
asked within a millisecond and is not caused by the run itself (``Idleness.interruption``): a chat
that was opened, the battery, the hours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tsubasa_cli.learn.clock import hours_of
from tsubasa_cli.storage.locks import WriterWatch
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import LearnSettings

LOOK_SECONDS = 1.0
"""Between two looks while waiting."""
SLOW_SECONDS = 10.0
"""Between two looks at the battery and the clock during a run."""
CALM_SECONDS = 5.0
"""The machine has to be idle for so long before a run begins."""
BUSY_GPU_PERCENT = 20
FREE_GPU_SHARE = 0.5
"""A GPU is free when it computes less than the former and has this share of its memory left."""
GPU_PATIENCE_SECONDS = 3.0


class Obstacle(StrEnum):
    """What can keep a run from running."""

    CHAT = "chat"
    LOAD = "load"
    BATTERY = "battery"
    HOURS = "hours"
    GPU = "gpu"


@dataclass(frozen=True, slots=True)
class Reason:
    """An obstacle, in ``words`` that follow "Waiting: "."""

    obstacle: Obstacle
    words: str


@dataclass(frozen=True, slots=True)
class Gpu:
    """What a driver tells of one GPU: how busy it is (0–100), and bytes of its memory."""

    percent: int
    total: int
    free: int

    @property
    def is_free(self) -> bool:
        return self.percent < BUSY_GPU_PERCENT and self.free >= FREE_GPU_SHARE * self.total


class Idleness:
    """Asks the machine. ``now`` is the local time."""

    def __init__(
        self,
        paths: Paths,
        settings: LearnSettings,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._settings = settings
        self._writers = WriterWatch(paths.locks)
        self._now = now
        self._slow: Reason | None = None
        self._slow_until = 0.0

    def obstacles(self) -> list[Reason]:
        """All that keeps a run from beginning now; nothing when the machine is idle."""
        found = (
            self._open_chat(),
            wrong_hour(self._settings, self._now()),
            low_power(self._settings),
            high_load(self._settings),
            busy_gpu(),
        )
        return [reason for reason in found if reason]

    def interruption(self) -> Reason | None:
        """Why a run should stop for now, or None. Takes less than a millisecond on average."""
        return self._open_chat() or self._looked_at_slowly()

    def wait_until_idle(
        self,
        on_change: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Return once nothing has been in the way for ``CALM_SECONDS``.

        ``on_change`` is told in a sentence what is waited for, whenever the obstacles change.
        """
        told: list[Obstacle] | None = None
        calm = 0.0
        while calm < CALM_SECONDS:
            pause(LOOK_SECONDS if told is not None else 0.0)
            reasons = self.obstacles()
            calm = 0.0 if reasons else calm + LOOK_SECONDS
            met = [reason.obstacle for reason in reasons]
            if met != told:
                on_change(waiting_for(reasons))
                told = met

    def _open_chat(self) -> Reason | None:
        others = len(self._writers.others())
        if not others:
            return None
        words = "a chat is open" if others == 1 else f"{others} chats are open"
        return Reason(Obstacle.CHAT, words)

    def _looked_at_slowly(self) -> Reason | None:
        if time.monotonic() >= self._slow_until:
            self._slow = wrong_hour(self._settings, self._now()) or low_power(self._settings)
            self._slow_until = time.monotonic() + SLOW_SECONDS
        return self._slow


def waiting_for(reasons: list[Reason]) -> str:
    """What is waited for, in a sentence."""
    if not reasons:
        return "The machine is idle."
    return f"Waiting: {', and '.join(reason.words for reason in reasons)}."


def wrong_hour(settings: LearnSettings, now: datetime) -> Reason | None:
    """Whether the settings forbid to learn at this hour."""
    only, quiet = hours_of(settings.hours), hours_of(settings.quiet_hours)
    if quiet and quiet.contain(now.time()):
        return Reason(Obstacle.HOURS, f"the machine stays quiet from {quiet}")
    if only and not only.contain(now.time()):
        return Reason(Obstacle.HOURS, f"it is not between {only} yet")
    return None


def low_power(settings: LearnSettings) -> Reason | None:
    """Whether the machine runs on its battery and should not learn then."""
    if settings.on_battery:
        return None
    import psutil

    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is None or battery.power_plugged is not False:
        return None
    return Reason(Obstacle.BATTERY, f"the machine runs on its battery ({battery.percent:.0f} %)")


def high_load(settings: LearnSettings) -> Reason | None:
    """Whether other programs keep the processor busy."""
    try:
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
    except (OSError, AttributeError):
        return None
    if load <= settings.max_load:
        return None
    words = f"the processor is busy (load {load:.1f} per core, at most {settings.max_load:g})"
    return Reason(Obstacle.LOAD, words)


def busy_gpu() -> Reason | None:
    """Whether there are GPUs that their driver tells of, and every one is in use."""
    gpus = _gpus()
    if not gpus or any(gpu.is_free for gpu in gpus):
        return None
    least = min(gpus, key=lambda gpu: (gpu.percent, -gpu.free))
    if least.percent >= BUSY_GPU_PERCENT:
        return Reason(Obstacle.GPU, f"the GPU is busy ({least.percent} %)")
    share = 1 - least.free / least.total
    return Reason(Obstacle.GPU, f"other programs hold {share:.0%} of the GPU's memory")


def parse_gpus(answer: str) -> list[Gpu]:
    """nvidia-smi's lines of "percent, total, free" (MiB); a line without numbers is skipped."""
    rows = ([cell.strip() for cell in line.split(",")] for line in answer.splitlines())
    numbers = [[int(cell) for cell in row] for row in rows if all(map(str.isdigit, row))]
    return [Gpu(row[0], row[1] << 20, row[2] << 20) for row in numbers if len(row) == 3 and row[1]]


def _gpus() -> list[Gpu]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    fields = "--query-gpu=utilization.gpu,memory.total,memory.free"
    query = [program, fields, "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            query, capture_output=True, text=True, timeout=GPU_PATIENCE_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_gpus(answer.stdout)
