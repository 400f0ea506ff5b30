"""Models that were taught a memory, and what the teaching left on disk: an erasure reaches them.

Weights cannot be searched for words, so the manifest of each run of ``learn`` says what it was
taught. A model that knows what is erased leaves service and is deleted, with all that its run kept;
what is shared by the runs (answers by key) goes whole.
"""

from __future__ import annotations

import glob
import sqlite3
from collections.abc import Collection
from pathlib import Path

from tsubasa_cli.memory.log_rows import marks
from tsubasa_cli.storage.paths import Paths

IN_SERVICE = "model_in_service"


def personal_name(base: str, run_id: str) -> str:
    """What the model is called that a run made of ``base``."""
    return f"{base}-me-{run_id}"


def files_made(paths: Paths, run_id: str) -> list[Path]:
    """The model files of a run, in service or not: one that was cut short between the file and the
    registry has left a file that the registry does not know."""
    return sorted(paths.models.glob(personal_name("*", glob.escape(run_id)) + ".gguf"))


def runs_taught(connection: sqlite3.Connection, memory_ids: Collection[str]) -> list[str]:
    """The ids of the runs that were taught any of these memories."""
    rows = connection.execute(
        "SELECT DISTINCT run_id FROM learn_manifest"
        f" WHERE memory_id IN ({marks(memory_ids)}) ORDER BY run_id",
        tuple(memory_ids),
    ).fetchall()
    return [row["run_id"] for row in rows]


def files_taught(
    connection: sqlite3.Connection, paths: Paths, memory_ids: Collection[str]
) -> list[Path]:
    """The files that hold it: the personal models, what their runs kept, and the shared answers."""
    runs = runs_taught(connection, memory_ids)
    if not runs:
        return []
    folders = [paths.learn / run for run in runs] + [paths.learn_cache]
    found = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    made = [file for run in runs for file in files_made(paths, run)]
    return sorted({*found, *made, *_model_files(connection, runs)})


def models_taught(connection: sqlite3.Connection, memory_ids: Collection[str]) -> list[str]:
    """The names of the personal models among them."""
    runs = runs_taught(connection, memory_ids)
    rows = connection.execute(
        f"SELECT name FROM models WHERE run_id IN ({marks(runs)}) AND run_id != ''", tuple(runs)
    ).fetchall()
    return [row["name"] for row in rows]


def take_out_of_service(connection: sqlite3.Connection, memory_ids: Collection[str]) -> None:
    """Forget the personal models that know it; where one was in service, its base is again. The
    runs stay as such, without a model and without a report."""
    runs = runs_taught(connection, memory_ids)
    for name in models_taught(connection, memory_ids):
        connection.execute(
            "UPDATE facts SET value = (SELECT base FROM models WHERE name = ?)"
            " WHERE key = ? AND value = ? COLLATE NOCASE",
            (name, IN_SERVICE, name),
        )
        connection.execute("DELETE FROM models WHERE name = ?", (name,))
    connection.execute(
        "UPDATE learn_runs SET state = 'removed', model = '', report = '{}',"
        f" reason = 'It was taught what has been erased.' WHERE id IN ({marks(runs)})",
        tuple(runs),
    )


def _model_files(connection: sqlite3.Connection, runs: Collection[str]) -> list[Path]:
    rows = connection.execute(
        f"SELECT path, adapter FROM models WHERE source = 'learn' AND run_id IN ({marks(runs)})",
        tuple(runs),
    ).fetchall()
    return [Path(row["adapter"] or row["path"]) for row in rows]
