"""The real SmolLM2-135M learns the life of Maren Oldvik, measured on the file that serves.

Minutes long: 44 memories, real training, the real gate through llama.cpp.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from learn_persona import persona

from tsubasa_cli.learn.ground import Ground, Hooks, Wishes
from tsubasa_cli.learn.night import begin, run_night
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.values import Apply, RunState
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.values import Actor, Change, Op
from tsubasa_cli.models.shelf import STARTER_NAME, ModelShelf
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import Settings

BROKEN = Recipe(
    replay_share=0.0, learning_rate=4e-3, epochs=1.0, fewest_steps=1, scales=(1.0,), paper=0.2
)


def _ground(home: Paths, memories: int) -> Ground:
    connection = connect(home)
    notes = [fact.observation for fact in persona()][:memories]
    MemoryLog(connection).commit([Change(Op.ADD, note) for note in notes], actor=Actor.MODEL)
    return Ground(home, Settings(), connection, ModelShelf(home, lambda: connect(home)))


def _checks(report: object) -> dict[str, dict[str, float]]:
    return {check["name"]: check for check in report.checks}  # type: ignore[attr-defined]


@pytest.mark.long
@pytest.mark.usefixtures("two_threads")
def test_it_learns_a_life_and_loses_nothing(home: Paths) -> None:
    ground = _ground(home, memories=44)
    base = ground.shelf.get(STARTER_NAME)
    wishes = Wishes(Apply.ADAPTER, device="cpu")
    outcome = run_night(begin(ground, base, wishes, Hooks()))
    assert outcome.report is not None
    checks = _checks(outcome.report)
    assert outcome.run.state is RunState.PROMOTED, outcome.report.refusal()
    assert checks["gap closed"]["value"] >= 0.75
    assert checks["gap closed"]["low"] > 0.5
    assert checks["drift"]["high"] <= 0.04
    assert checks["with notes"]["value"] <= 0.05
    assert outcome.report.memories >= 40
    serving = ground.shelf.require()
    assert serving.name == outcome.report.model
    assert serving.adapter is not None


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
def test_a_night_without_replay_at_a_wild_rate_is_refused(home: Paths) -> None:
    ground = _ground(home, memories=8)
    base = ground.shelf.get(STARTER_NAME)
    wishes = Wishes(Apply.ADAPTER, device="cpu", recipe=BROKEN)
    outcome = run_night(begin(ground, base, wishes, Hooks()))
    assert outcome.run.state is RunState.REFUSED
    assert ground.shelf.require().name == STARTER_NAME
    assert not [file for file in Path(home.models).iterdir() if file.suffix == ".gguf"]
    assert "general questions" in outcome.run.reason or "drift" in outcome.run.reason
