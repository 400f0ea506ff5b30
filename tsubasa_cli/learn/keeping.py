"""What of past nights is kept, and what goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tsubasa_cli.learn.ground import Ground
from tsubasa_cli.learn.values import LearnRun, RunState
from tsubasa_cli.storage.database import transaction

Unlink = Callable[[Path], None]
_ALIVE = (RunState.RUNNING, RunState.PAUSED)


def collect_garbage(ground: Ground, keep: int, unlink: Unlink | None) -> list[tuple[Path, int]]:
    """The files that go, with their bytes: models of all but the ``keep`` newest promoted runs
    and the one in service, and what finished runs left behind. ``unlink`` None only looks."""
    serving = ground.shelf.in_service()
    kept = {run.id for run in ground.runs.promoted()[:keep]}
    kept |= {serving.run_id} if serving else set()
    gone: list[tuple[Path, int]] = []
    for run in ground.runs.all():
        if run.state in _ALIVE:
            continue
        gone.extend(_left_by(ground, run))
        if run.model and run.id not in kept:
            gone.extend(_model_files(ground, run))
            if unlink is not None:
                _forget(ground, run)
    for path, _ in gone:
        if unlink is not None and path.exists():
            unlink(path)
    return gone


def _left_by(ground: Ground, run: LearnRun) -> list[tuple[Path, int]]:
    folder = ground.folder(run.id)
    patterns = ("candidate-*", ".*.tmp", "checkpoint.pt", "traces/*", "exams/*", "lessons.json")
    files = [file for pattern in patterns for file in folder.root.glob(pattern)]
    return [(file, file.stat().st_size) for file in sorted(files) if file.is_file()]


def _model_files(ground: Ground, run: LearnRun) -> list[tuple[Path, int]]:
    own = ground.paths.models / f"{run.model}.gguf"
    adapter = ground.folder(run.id).adapter
    return [(file, file.stat().st_size) for file in (own, adapter) if file.is_file()]


def _forget(ground: Ground, run: LearnRun) -> None:
    with transaction(ground.connection) as connection:
        connection.execute("DELETE FROM models WHERE name = ?", (run.model,))
        connection.execute(
            "UPDATE learn_runs SET state = 'removed', model = '' WHERE id = ?", (run.id,)
        )
