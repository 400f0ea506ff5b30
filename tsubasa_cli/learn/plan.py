"""What a night would do, before it does it: what is new, how long it takes, whether it fits."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsubasa_cli.errors import InputError
from tsubasa_cli.learn.files import read_json
from tsubasa_cli.learn.prepare import replay_count
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.runs import changed_since
from tsubasa_cli.learn.values import LearnRun, RunState
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.values import Status
from tsubasa_cli.models.model import Model

if TYPE_CHECKING:
    from tsubasa_cli.learn.device import Device
    from tsubasa_cli.learn.ground import Ground, Wishes

MOST_MEMORIES = 2_000
"""Taught in one night; of more, the pinned and lasting ones and the newest (``take_snapshot``)."""
FEWEST_MEMORIES = 8
"""Taught however short the night is; training stops when it is over."""
LESSONS_PER_MEMORY = 12
"""Questions about it and about others; ordinary requests come on top, in the recipe's share."""
TOKENS_PER_LESSON = 75
GATE_TOKENS = 110_000
"""Of the two papers, by the base and by one candidate."""
WORKING = {"cpu": 8e10, "mps": 2e12, "cuda": 4e13}
"""Floating-point operations per second that training reaches (per core on a CPU); rough, and
replaced by what the last night took."""
READING = {"cpu": 3e10, "mps": 2e12, "cuda": 4e13}
"""The same for llama.cpp on a quantized file, which the gate works with."""
PASSES = 8
"""Operations per parameter and token: forward, backward through frozen weights, once again for
what is not kept."""
_JUDGED = (RunState.REFUSED, RunState.PROMOTED, RunState.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class Plan:
    """A night as it would be. Seconds and bytes; ``changed`` are memories that something happened
    to since the last night, of ``memories`` in all, of which ``taught`` fit the night. ``refused``
    is the run that was taught just this, in just this way, and that the gate or the user sent
    back."""

    base: str
    memories: int
    taught: int
    changed: int
    last: LearnRun | None
    lessons: int
    seconds: float
    device: str
    needed_bytes: int
    free_bytes: int
    is_measured: bool
    refused: LearnRun | None = None

    @property
    def fits(self) -> bool:
        return self.needed_bytes <= self.free_bytes

    @property
    def is_needed(self) -> bool:
        """There is something that the last night did not teach, nor tried to in vain."""
        is_new = self.last is None or self.changed > 0
        return self.memories > 0 and is_new and self.refused is None


def make_plan(ground: Ground, base: Model, wishes: Wishes) -> Plan:
    """The plan of a night with ``base``. ``InputError`` when the device is not there."""
    from tsubasa_cli.learn.device import choose_device, needed_bytes

    device = choose_device(wishes.device)
    log = MemoryLog(ground.connection)
    memories = len(log.all(status=(Status.ACTIVE, Status.SUPERSEDED)))
    last = _last_taught(ground, base)
    changed = len(changed_since(ground.connection, last.snapshot_event if last else 0))
    taught = min(memories, memories_that_fit(base.n_params, wishes))
    lessons = _lessons(taught, wishes.recipe)
    report = _last_report(ground, base, device)
    each = _measured_seconds(report) or _seconds_per_lesson(base.n_params, device, wishes.recipe)
    seconds = lessons * each + _gate_seconds(base.n_params, device, report)
    if wishes.budget_seconds is not None:
        seconds = min(seconds, wishes.budget_seconds)
    return Plan(
        base.name,
        memories,
        taught,
        min(changed, memories),
        last,
        lessons,
        seconds,
        device.kind,
        needed_bytes(base.n_params, device),
        device.free_bytes,
        _measured_seconds(report) is not None,
        _refused_before(ground, base, wishes),
    )


def _last_taught(ground: Ground, base: Model) -> LearnRun | None:
    """The newest run on ``base`` whose model is still there."""
    models = {model.name for model in ground.shelf.list()}
    runs = (run for run in ground.runs.promoted() if run.base_model == base.name)
    return next((run for run in runs if run.model in models), None)


def _refused_before(ground: Ground, base: Model, wishes: Wishes) -> LearnRun | None:
    """The newest run, if it was sent back and another one now would be the same."""
    newest = next((run for run in ground.runs.all() if run.state in _JUDGED), None)
    if newest is None or newest.state is RunState.PROMOTED:
        return None
    file = ground.folder(newest.id).wishes
    is_same = (
        file.exists()
        and wishes.would_repeat(read_json(file))
        and newest.base_sha256 == ground.shelf.digest(base.name)
        and not changed_since(ground.connection, newest.snapshot_event)
    )
    return newest if is_same else None


def require_feasible(plan: Plan, base: Model, wishes: Wishes) -> None:
    """Raise ``InputError`` for a night that cannot end well; ``wishes.force`` overrules."""
    from tsubasa_cli.learn.device import MOST_PARAMETERS_ON_CPU

    if wishes.force:
        return
    if plan.device == "cpu" and base.n_params > MOST_PARAMETERS_ON_CPU:
        raise InputError(
            f"{base.name} is too large to learn on a CPU.",
            why=f"It would take about {in_words(plan.seconds)}.",
            next_step="Use a machine with a GPU, or a smaller model (--model NAME); "
            "--force tries it nevertheless.",
        )
    if not plan.fits:
        raise InputError(
            f"{base.name} does not fit the memory while it learns.",
            why=f"It needs about {_gb(plan.needed_bytes)}; {_gb(plan.free_bytes)} are free.",
            next_step="Close other programs, or use a smaller model (--model NAME); "
            "--force tries it nevertheless.",
        )
    if plan.refused is not None:
        raise InputError(
            sent_back(plan.refused),
            why=plan.refused.reason,
            next_step="--force tries it once more, --seed N with another draw.",
        )
    if plan.last is not None and not plan.is_needed:
        raise InputError(
            "There is nothing new to learn.",
            why=f"The memory is as it was on {plan.last.started.local():%-d %B %Y at %H:%M}.",
            next_step="--force learns it once more.",
        )


def sent_back(run: LearnRun) -> str:
    """Why the same is not taught once more, in a sentence."""
    who = "The gate refused" if run.state is RunState.REFUSED else "You rolled back"
    return f"{who} what this memory taught (run {run.id}), and nothing has changed since."


def memories_that_fit(n_params: int, wishes: Wishes) -> int:
    """The most that a night teaches; with a budget, what it has the time for."""
    from tsubasa_cli.learn.device import choose_device

    if wishes.budget_seconds is None:
        return MOST_MEMORIES
    each = _seconds_per_lesson(n_params, choose_device(wishes.device), wishes.recipe)
    wanted = wishes.budget_seconds / each
    counts = range(FEWEST_MEMORIES, MOST_MEMORIES + 1)
    fit = bisect_right(counts, wanted, key=lambda count: _lessons(count, wishes.recipe))
    return counts[max(fit - 1, 0)]


def _lessons(memories: int, recipe: Recipe) -> int:
    own = memories * LESSONS_PER_MEMORY
    return own + replay_count(own, recipe)


def in_words(seconds: float) -> str:
    """A span of time for people."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _seconds_per_lesson(n_params: int, device: Device, recipe: Recipe) -> float:
    work = n_params * TOKENS_PER_LESSON * (PASSES * recipe.epochs + 2)
    return work / _speed(device, WORKING)


def _gate_seconds(n_params: int, device: Device, report: dict[str, Any]) -> float:
    """As long as the last gate took, if that let something through: one that refused was short."""
    measured = report.get("seconds", {}).get("gate") if report.get("model") else None
    return measured or 2 * n_params * GATE_TOKENS / _speed(device, READING)


def _speed(device: Device, of_core: Mapping[str, float]) -> float:
    import psutil

    cores = psutil.cpu_count(logical=False) or 1
    return of_core[device.kind] * (cores if device.is_cpu else 1)


def _last_report(ground: Ground, base: Model, device: Device) -> dict[str, Any]:
    """Of the last night with this model on such a device; empty without one."""
    for run in ground.runs.all():
        report: dict[str, Any] = json.loads(run.report or "{}")
        if run.base_model == base.name and report.get("device") == device.kind:
            return report
    return {}


def _measured_seconds(report: dict[str, Any]) -> float | None:
    """Seconds per lesson."""
    if not report.get("lessons"):
        return None
    seconds = float(report.get("seconds_to_train", math.nan)) / report["lessons"]
    return seconds if math.isfinite(seconds) else None


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
