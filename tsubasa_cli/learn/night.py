"""A night from its beginning to its end: one stage after the other, and what to do in between.

Only one night runs at a time. Whatever stops it (Ctrl+C, a chat that opens, a power cut) leaves
the files of the stages that are done, the model in service as it was, and a run to resume.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tsubasa_cli.errors import (
    DiskFullError,
    EngineError,
    InputError,
    ModelError,
    NotFoundError,
    StorageError,
    TsubasaError,
)
from tsubasa_cli.learn import stages
from tsubasa_cli.learn.files import read_json, unfinished_files, write_json
from tsubasa_cli.learn.gate.passing import Gate, Passed
from tsubasa_cli.learn.ground import Ground, Hooks, Night, Progress, Wishes
from tsubasa_cli.learn.promote import promote
from tsubasa_cli.learn.report import Report, write_report
from tsubasa_cli.learn.values import LearnRun, PausedError, RunState, Stage
from tsubasa_cli.models.model import Model
from tsubasa_cli.storage.locks import night_lock
from tsubasa_cli.storage.paths import make_private_folder
from tsubasa_cli.storage.values import Instant

PASSING = (DiskFullError, EngineError, StorageError)
"""What need not be so the next time: the run can go on then."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a night ended: the run as it stands, and its report unless it was paused."""

    run: LearnRun
    report: Report | None = None


def begin(ground: Ground, base: Model, wishes: Wishes, hooks: Hooks) -> Night:
    """A new run on ``base``; a run that stopped on its way before is given up."""
    if base.is_personal:
        raise InputError(
            f"{base.name} is a personal model already.",
            why="Each night begins from the pristine base, or errors would pile up.",
            next_step=f"tsubasa learn --model {base.base}",
        )
    make_private_folder(ground.paths.learn)
    run_id = _new_id(ground)
    make_private_folder(ground.folder(run_id).root)
    write_json(ground.folder(run_id).wishes, wishes.to_json())
    digest = ground.shelf.digest(base.name)
    ground.runs.begin(run_id, base.name, digest, wishes.apply)
    return Night(ground, run_id, base, digest, wishes, hooks)


def resumed(ground: Ground, hooks: Hooks) -> Night:
    """The run that stopped on its way. ``NotFoundError`` when there is none, or its base has
    gone or is another file now."""
    run = ground.runs.unfinished()
    if run is None:
        raise NotFoundError("There is no run to go on with.", next_step="Begin one: tsubasa learn.")
    try:
        base = ground.shelf.get(run.base_model).require_usable()
    except (ModelError, NotFoundError):
        ground.runs.end(run.id, RunState.FAILED, "The base model has gone.")
        raise
    if ground.shelf.digest(base.name) != run.base_sha256:
        ground.runs.end(run.id, RunState.FAILED, "The base model was replaced.")
        raise NotFoundError(
            f"{base.name} is not the file that the run {run.id} began with.",
            next_step="Begin anew: tsubasa learn.",
        )
    wishes = Wishes.from_json(read_json(ground.folder(run.id).wishes))
    return Night(ground, run.id, base, run.base_sha256, wishes, hooks)


def spend_night(ground: Ground, start: Callable[[], Night]) -> Outcome:
    """Do what is left of the run that ``start`` begins or goes on with.

    ``InputError`` when another run is at work, which ``start`` is not called for then: it would
    take that run over. Raises ``TsubasaError`` when a stage fails; the run says why, and can go on
    where that was the disk's or the engine's doing.
    """
    with _alone(ground):
        return run_night(start())


def run_night(night: Night) -> Outcome:
    """``spend_night`` for a caller that sees to it that no other run is at work."""
    runs = night.ground.runs
    try:
        return _through_all_stages(night)
    except PausedError:
        runs.end(night.run_id, RunState.PAUSED, "Stopped; it can go on.")
        return Outcome(runs.get(night.run_id))
    except KeyboardInterrupt:
        runs.end(night.run_id, RunState.PAUSED, "Stopped by Ctrl+C.")
        raise
    except TsubasaError as error:
        told = f"{error.what} {error.why}".strip()
        is_stuck = isinstance(error, EngineError) and told == runs.get(night.run_id).reason
        can_go_on = isinstance(error, PASSING) and not is_stuck
        runs.end(night.run_id, RunState.PAUSED if can_go_on else RunState.FAILED, told)
        raise


def _through_all_stages(night: Night) -> Outcome:
    clock = _Clock(night)
    with clock.at(Stage.SNAPSHOT):
        snapshot = stages.snapshot_stage(night)
    with clock.at(Stage.SYNTHESIZE):
        lessons = stages.synthesize_stage(night, snapshot)
    with clock.at(Stage.TRACE):
        stages.trace_stage(night, snapshot, lessons)
    with clock.at(Stage.TRAIN):
        stages.train_stage(night, snapshot)
    with clock.at(Stage.GATE):
        gate = Gate(night, stages.questions_of(night), stages.notes_of(snapshot))
        passed = gate.pass_through()
    report = Report.of(night, snapshot, lessons, passed, clock.seconds())
    write_report(night.folder, report)
    with clock.at(Stage.PROMOTE):
        return _ended(night, passed, report)


def _ended(night: Night, passed: Passed, report: Report) -> Outcome:
    runs = night.ground.runs
    if passed.winner is None:
        runs.end(night.run_id, RunState.REFUSED, report.refusal(), report.to_json())
    else:
        name = promote(night, passed.winner)
        report = replace(report, model=name)
        write_report(night.folder, report)
        runs.end(night.run_id, RunState.PROMOTED, "", report.to_json())
    tidy(night.ground, night.run_id)
    return Outcome(runs.get(night.run_id), report)


def tidy(ground: Ground, run_id: str) -> None:
    """Remove what only the making of a run needed, and words of the user's with it."""
    folder = ground.folder(run_id)
    shutil.rmtree(folder.traces, ignore_errors=True)
    candidates = folder.root.glob("candidate-*")
    for file in (folder.checkpoint, *candidates, *unfinished_files(folder.root)):
        file.unlink(missing_ok=True)


class _Clock:
    """Seconds per stage, over all sittings of a run; what stage the run is at is told on entry."""

    def __init__(self, night: Night) -> None:
        self._night = night
        self._file = night.folder.root / "seconds.json"
        self._seconds: dict[str, float] = read_json(self._file) if self._file.exists() else {}

    @contextmanager
    def at(self, stage: Stage) -> Iterator[None]:
        if self._night.hooks.should_stop():
            raise PausedError
        self._night.ground.runs.enter(self._night.run_id, stage)
        self._night.hooks.on_progress(Progress(stage, 0, 0))
        began = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - began
            self._seconds[stage] = self._seconds.get(stage, 0.0) + spent
            write_json(self._file, self._seconds)

    def seconds(self) -> dict[str, float]:
        return dict(self._seconds)


@contextmanager
def _alone(ground: Ground) -> Iterator[None]:
    """One night at a time; and while it reads the memory, nothing is erased from it."""
    with night_lock(ground.paths.locks) as is_free:
        if not is_free:
            raise InputError(
                "Another run is at work.", next_step="See how far it is: tsubasa learn status."
            )
        yield


def _new_id(ground: Ground) -> str:
    stem = f"{Instant.now().local():%Y%m%d-%H%M%S}"
    taken = {run.id for run in ground.runs.all()}
    return next(
        name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name not in taken
    )
