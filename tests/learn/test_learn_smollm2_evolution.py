"""SmolLM2's memory evolves and its weights follow, measured on the files that would serve."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from night_helpers import connection_log, remember

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.learn.base_engine import engine_with
from tsubasa_cli.learn.ground import Ground, Hooks, Night, Wishes
from tsubasa_cli.learn.lessons import packed
from tsubasa_cli.learn.night import begin
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.stages import (
    snapshot_stage,
    synthesize_stage,
    trace_stage,
    train_stage,
)
from tsubasa_cli.learn.values import Apply
from tsubasa_cli.memory.erase import erase, plan_erase
from tsubasa_cli.memory.values import Actor, Change, Observation, Op
from tsubasa_cli.models.shelf import STARTER_NAME, ModelShelf
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import Settings

SHORT = Recipe(learning_rate=1e-3, most_epochs=3.0, replay_share=0.2)
"""A night of three memories, without its gate, in a minute or two."""

WORK = "The user works at Corvex."
WORK_NOW = "Until 4 May 2026: the user worked at Corvex; since then: the user works at Hallendorf."
OTHER_FACTS = ("The user's dog is called Biscotte.", "The user is allergic to buckwheat.")

WHERE_NOW = "I was just wondering where I work. Any idea?"
WHERE_BEFORE = "Where did I work back then, before things changed?"
OLD, NEW = "You work at Corvex.", "You work at Hallendorf."
BEFORE = "Until 4 May 2026, you worked at Corvex."


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Nats per token of the old and the new answer without notes, and of the past beside the
    notes; and what is said of the past beside them."""

    old: float
    new: float
    past: float
    said: str


@pytest.fixture
def ground(home: Paths) -> Ground:
    """An installation whose user works at Corvex."""
    connection = connect(home)
    remember(connection_log(connection), WORK, *OTHER_FACTS)
    return Ground(home, Settings(), connection, ModelShelf(home, lambda: connect(home)))


def _after_a_night(ground: Ground, seed: int = 0) -> Knowledge:
    wishes = Wishes(Apply.ADAPTER, device="cpu", recipe=replace(SHORT, seed=seed))
    night = begin(ground, ground.shelf.get(STARTER_NAME), wishes, Hooks())
    snapshot = snapshot_stage(night)
    trace_stage(night, snapshot, synthesize_stage(night, snapshot))
    train_stage(night, snapshot)
    known = asyncio.run(_examined(night, list(snapshot.active)))
    sys.stdout.write(f"{[note.statement for note in snapshot.active]}: {known}\n")
    return known


async def _examined(night: Night, notes: Sequence[Observation]) -> Knowledge:
    ground = night.ground
    async with engine_with(
        ground.paths, ground.settings.engine, night.base.path, night.folder.adapter
    ) as engine:
        alone = packed(WHERE_NOW, (), {}, night.system_prompt)
        seen = {note.id: note for note in notes}
        noted = packed(WHERE_BEFORE, tuple(seen), seen, night.system_prompt)
        old, new = [(await _nats(engine, alone, answer)) for answer in (OLD, NEW)]
        said = await engine.complete(noted, max_tokens=24)
        return Knowledge(old, new, await _nats(engine, noted, BEFORE), said.text)


async def _nats(engine: Engine, prompt: object, answer: str) -> float:
    scored = await engine.score_in_detail(prompt, [answer])  # type: ignore[arg-type]
    return -scored.sums[0] / scored.counts[0]


def _work(ground: Ground) -> Observation:
    return next(o for o in connection_log(ground.connection).all() if "Corvex" in o.statement)


@pytest.mark.long
@pytest.mark.usefixtures("two_threads")
def test_what_changed_wins_and_what_was_erased_was_never_there(ground: Ground) -> None:
    first = _after_a_night(ground)
    assert first.old < first.new - 1

    moved = replace(_work(ground), statement=WORK_NOW)
    connection_log(ground.connection).commit([Change(Op.EDIT, moved)], actor=Actor.USER)
    changed = _after_a_night(ground)
    assert changed.new < changed.old, "the new answer wins"
    assert changed.old > first.old + 1, "the old one is no longer likely"
    assert "Corvex" in changed.said, "and what was so before is still known"

    plan = plan_erase(ground.connection, ground.paths, [_work(ground).id])
    erase(ground.connection, ground.paths, plan, forget_index=lambda *_: None)
    erased, never = _after_a_night(ground), _after_a_night(ground, seed=1)
    learned = min(never.new, erased.new) - changed.new
    assert learned > 1
    assert abs(erased.new - never.new) < 0.25 * learned, "as if it had never been told"
    assert erased.old > first.old + 1
