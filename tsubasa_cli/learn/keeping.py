"""What of past nights is kept, and what goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tsubasa_cli.errors import StorageError
from tsubasa_cli.learn.files import unfinished_files
from tsubasa_cli.learn.ground import Ground
from tsubasa_cli.learn.values import LearnRun, RunState
from tsubasa_cli.memory.taught import files_made
from tsubasa_cli.storage.database import transaction

Unlink = Callable[[Path], None]
_ALIVE = (RunState.RUNNING, RunState.PAUSED)


def collect_garbage(ground: Ground, keep: int, unlink: Unlink | None) -> list[tuple[Path, int]]:
    """The files that go, with their bytes: models of all but the ``keep`` newest promoted runs
    and the one in service, and what finished runs left behind. ``unlink`` None only looks.

    Raises ``StorageError`` when a file cannot be removed; what is left is found the next time."""
    serving = ground.shelf.in_service()
    kept = {run.id for run in ground.runs.promoted()[:keep]}
    kept |= {serving.run_id} if serving else set()
    gone: list[tuple[Path, int]] = []
    for run in ground.runs.all():
        if run.state in _ALIVE:
            continue
        files = _left_by(ground, run)
        if run.id not in kept:
            files += _model_files(ground, run)
        if unlink is not None:
            _remove(files, unlink)
            if run.model and run.id not in kept:
                _forget(ground, run)
        gone += files
    return gone


def _left_by(ground: Ground, run: LearnRun) -> list[tuple[Path, int]]:
    folder = ground.folder(run.id)
    patterns = ("candidate-*", "checkpoint.pt", "traces/*", "exams/*", "lessons.json")
    files = [file for pattern in patterns for file in folder.root.glob(pattern)]
    return _sized([*unfinished_files(folder.root), *files])


def _model_files(ground: Ground, run: LearnRun) -> list[tuple[Path, int]]:
    return _sized([*files_made(ground.paths, run.id), ground.folder(run.id).adapter])


def _sized(files: Iterable[Path]) -> list[tuple[Path, int]]:
    return [(file, file.stat().st_size) for file in sorted(files) if file.is_file()]


def _remove(files: Iterable[tuple[Path, int]], unlink: Unlink) -> None:
    for file, _ in files:
        try:
            unlink(file)
        except OSError as error:
            raise StorageError(
                f"Cannot remove {file}.",
                why=error.strerror or str(error),
                next_step="Make the folder writable, then: tsubasa learn gc.",
            ) from error


def _forget(ground: Ground, run: LearnRun) -> None:
    with transaction(ground.connection) as connection:
        connection.execute("DELETE FROM models WHERE name = ?", (run.model,))
        connection.execute(
            "UPDATE learn_runs SET state = 'removed', model = '' WHERE id = ?", (run.id,)
        )
