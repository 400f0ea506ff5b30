"""Into service, and out of it again.

Promotion is one transaction in the registry of models: the file is whole and in its place before,
and a crash on either side leaves a model that works in service.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from tsubasa_cli.errors import ModelError, NotFoundError
from tsubasa_cli.learn.candidates import Deployed
from tsubasa_cli.learn.ground import Ground, Night
from tsubasa_cli.learn.values import LearnRun, RunState
from tsubasa_cli.memory.taught import personal_name
from tsubasa_cli.models.file_copy import bring_in, sha256_of
from tsubasa_cli.models.shelf import IN_SERVICE
from tsubasa_cli.storage.database import transaction
from tsubasa_cli.storage.values import Instant


def promote(night: Night, deployed: Deployed) -> str:
    """Put the personal model on the shelf and into service; its name. The one that was there
    before is kept for ``roll_back``."""
    run = night.ground.runs.get(night.run_id)
    name = personal_name(night.base.name, run.id)
    target = night.ground.paths.models / f"{name}.gguf"
    digest = _moved(deployed.own_file, target)
    model = night.base.path if deployed.adapter else target
    row = (
        name,
        str(model),
        target.stat().st_size,
        digest,
        night.ground.shelf.header_of(model),
        *_at(Instant.now()),
        night.base.name,
        str(target) if deployed.adapter else "",
        night.run_id,
        *_at(run.started),
    )
    with transaction(night.ground.connection) as connection:
        require_clean(night.ground, replace(run, model=name))
        connection.execute(
            "INSERT OR REPLACE INTO models (name, path, source, origin, owns_file, size_bytes,"
            " sha256, header, added_ms, added_offset, base, adapter, run_id, learned_ms,"
            " learned_offset) VALUES (?, ?, 'learn', '', 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        connection.execute(
            "UPDATE learn_runs SET model = ?, state = 'promoted',"
            " replaced = coalesce((SELECT value FROM facts WHERE key = ?), '') WHERE id = ?",
            (name, IN_SERVICE, night.run_id),
        )
        _choose(connection, name)
    return name


def _moved(file: Path, target: Path) -> str:
    """Bring ``file`` into its place, unless that was done before; the SHA-256 of what is there."""
    if file.exists():
        digest = bring_in(file, target)
        file.unlink()
        return digest
    if not target.exists():
        what = f"The file of {target.stem} is gone."
        raise ModelError(what, next_step="Learn again: tsubasa learn.")
    return sha256_of(target)


def roll_back(ground: Ground, reference: str = "") -> str:
    """Take the newest promoted run out of service, or put that of ``reference`` into it; the name
    of the model that answers from now on.

    Raises ``NotFoundError`` when there is no such run, or another model was chosen meanwhile;
    ``ModelError`` when the run's model holds a memory that was erased since, or is gone.
    """
    promoted = ground.runs.promoted()
    if reference:
        wanted = ground.runs.get(reference)
        require_clean(ground, wanted)
        ground.shelf.get(wanted.model).require_usable()
        with transaction(ground.connection) as connection:
            connection.execute(
                "UPDATE learn_runs SET state = 'rolled_back' WHERE state = 'promoted' AND"
                " started_ms > ?",
                (wanted.started.epoch_ms,),
            )
            connection.execute(
                "UPDATE learn_runs SET state = 'promoted' WHERE id = ?", (wanted.id,)
            )
            _choose(connection, wanted.model)
        return wanted.model
    serving = ground.shelf.in_service()
    if not promoted or serving is None or serving.run_id != promoted[0].id:
        raise NotFoundError(
            "What was learned last is not in service.",
            why=f"{serving.name} is." if serving else "No model is.",
            next_step="tsubasa learn history names the runs, and tsubasa learn rollback RUN puts"
            " the model of one into service.",
        )
    return _step_back(ground, promoted)


def _step_back(ground: Ground, promoted: list[LearnRun]) -> str:
    """To what served before, if it may; else to the newest earlier personal model that may, else to
    the base."""
    leaving, *earlier = promoted
    before = next((run for run in earlier if _may_serve(ground, run)), None)
    otherwise = before.model if before else ground.shelf.get(leaving.base_model).name
    name = leaving.replaced if _may_return(ground, leaving.replaced) else otherwise
    with transaction(ground.connection) as connection:
        connection.execute(
            "UPDATE learn_runs SET state = 'rolled_back' WHERE id = ?", (leaving.id,)
        )
        _choose(connection, name)
    return name


def require_clean(ground: Ground, run: LearnRun) -> None:
    """Raise ``ModelError`` when the run's model must not serve or leave this machine any more."""
    if not run.model or run.state is RunState.REMOVED:
        raise ModelError(
            f"The run {run.id} has no model.", next_step="tsubasa learn history shows which have."
        )
    if ground.runs.holds_erased(run.id):
        raise ModelError(
            f"The model of {run.id} knows a memory that was erased.",
            next_step="Learn again without it: tsubasa learn.",
        )


def _may_return(ground: Ground, name: str) -> bool:
    """Whether the model of that name is there, and knows nothing that was erased."""
    try:
        model = ground.shelf.get(name).require_usable() if name else None
    except (ModelError, NotFoundError):
        return False
    return model is not None and not ground.runs.holds_erased(model.run_id)


def _may_serve(ground: Ground, run: LearnRun) -> bool:
    try:
        require_clean(ground, run)
        ground.shelf.get(run.model).require_usable()
    except (ModelError, NotFoundError):
        return False
    return True


def _choose(connection: sqlite3.Connection, name: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (IN_SERVICE, name)
    )


def _at(moment: Instant) -> tuple[int, int]:
    return moment.epoch_ms, moment.offset_minutes
