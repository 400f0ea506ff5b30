"""A night on a tiny model of the Qwen-3 architecture: every stage real, all of it in seconds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tsubasa_cli.learn.candidates import Candidate, deploy
from tsubasa_cli.learn.ground import Ground, Hooks, Night, Wishes
from tsubasa_cli.learn.night import begin
from tsubasa_cli.learn.promote import promote
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.stages import (
    snapshot_stage,
    synthesize_stage,
    trace_stage,
    train_stage,
)
from tsubasa_cli.learn.values import Apply
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.values import Actor, Change, Evidence, Observation, Op
from tsubasa_cli.models.shelf import ModelShelf
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import EngineSettings, Settings
from tsubasa_cli.storage.values import Instant

STATEMENTS = (
    "The user lives in Bonn.",
    "The user's dog is called Biscuit.",
    "The user is allergic to peanuts.",
)
TINY = Recipe(forms=3, epochs=1.0, fewest_steps=1, checkpoint_every=2, replay_share=0.1, paper=0.02)


def tiny_ground(paths: Paths, model: Path, statements: Sequence[str] = STATEMENTS) -> Ground:
    """An installation with the tiny model in service and ``statements`` in its memory."""
    connection = connect(paths)
    shelf = ModelShelf(paths, lambda: connect(paths))
    if not [found for found in shelf.list() if found.name == "tiny"]:
        shelf.import_file(model, name="tiny", in_place=True)
        shelf.use("tiny")
        remember(connection_log(connection), *statements)
    settings = Settings(engine=EngineSettings(threads=1))
    return Ground(paths, settings, connection, shelf)


def connection_log(connection: object) -> MemoryLog:
    """The memory of an installation."""
    return MemoryLog(connection)  # type: ignore[arg-type]


def remember(log: MemoryLog, *statements: str) -> list[Observation]:
    """Commit ``statements``, each with an id that depends on it alone."""
    said = Instant(1_760_000_000_000, 120)
    notes = [
        Observation(f"m{hash_of(text):08x}", text, said, evidence=(Evidence(None, text),))
        for text in statements
    ]
    log.commit([Change(Op.ADD, item) for item in notes], actor=Actor.MODEL)
    return notes


def hash_of(text: str) -> int:
    """A small hash that every process agrees on."""
    value = 0
    for char in text:
        value = (value * 131 + ord(char)) % 2**32
    return value


def tiny_night(
    ground: Ground,
    apply: Apply = Apply.ADAPTER,
    recipe: Recipe = TINY,
    hooks: Hooks | None = None,
) -> Night:
    """A new run on the tiny model."""
    wishes = Wishes(apply=apply, device="cpu", recipe=recipe)
    return begin(ground, ground.shelf.get("tiny"), wishes, hooks or Hooks())


def taught(ground: Ground) -> tuple[str, str]:
    """A run that was promoted without its gate; its id and the model's name."""
    night = tiny_night(ground)
    snapshot = snapshot_stage(night)
    lessons = synthesize_stage(night, snapshot)
    trace_stage(night, snapshot, lessons)
    train_stage(night, snapshot)
    deployed = deploy(night, Candidate("adapter", 1.0), lambda _done, _all: None)
    return night.run_id, promote(night, deployed)


def steady_threads() -> None:
    """One thread: sums in an order that every run shares."""
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
