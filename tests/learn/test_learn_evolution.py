"""Memory evolves, weights follow: what changed wins, what was erased was never there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from night_helpers import TINY, connection_log, remember, tiny_ground, tiny_night

from tsubasa_cli.learn.base_engine import engine_with
from tsubasa_cli.learn.ground import Ground
from tsubasa_cli.learn.lessons import packed
from tsubasa_cli.learn.stages import (
    snapshot_stage,
    synthesize_stage,
    trace_stage,
    train_stage,
)
from tsubasa_cli.memory.erase import erase, plan_erase
from tsubasa_cli.memory.values import Actor, Change, Op
from tsubasa_cli.storage.paths import Paths

EAGER = replace(TINY, epochs=5.0, learning_rate=4e-3, fact_label=0.8, recalled_share=0.0)


def _trained(ground: Ground) -> Path:
    """The adapter of a night."""
    night = tiny_night(ground, recipe=EAGER)
    snapshot = snapshot_stage(night)
    trace_stage(night, snapshot, synthesize_stage(night, snapshot))
    train_stage(night, snapshot)
    return night.folder.adapter


async def _nats(ground: Ground, adapter: Path | None, answers: list[str]) -> list[float]:
    """Per answer to "Where do I live?" its unlikelihood."""
    base, prompt = ground.shelf.get("tiny").path, packed("Where do I live?", (), {}, "")
    async with engine_with(ground.paths, ground.settings.engine, base, adapter) as engine:
        return [-nats for nats in await engine.score(prompt, answers)]


def test_a_changed_fact_wins_over_the_old_one(ground: Ground) -> None:
    answers = ["You live in Bonn.", "You live in Ghent."]
    bonn_before, ghent_before = asyncio.run(_nats(ground, None, answers))
    bonn, ghent = asyncio.run(_nats(ground, _trained(ground), answers))
    assert bonn < bonn_before - 1
    assert bonn - ghent < bonn_before - ghent_before
    log = connection_log(ground.connection)
    [home] = [o for o in log.all() if "Bonn" in o.statement]
    moved = replace(home, statement="The user lives in Ghent.")
    log.commit([Change(Op.EDIT, moved)], actor=Actor.USER)
    bonn_later, ghent_later = asyncio.run(_nats(ground, _trained(ground), answers))
    assert ghent_later < ghent
    assert ghent_later - bonn_later < ghent - bonn


def test_after_an_erasure_the_weights_are_those_of_a_night_that_never_knew(
    ground: Ground, tiny_model: Path, tmp_path: Path
) -> None:
    [late] = remember(connection_log(ground.connection), "The user's bicycle is red.")
    knowing = _trained(ground).read_bytes()
    plan = plan_erase(ground.connection, ground.paths, [late.id])
    erase(ground.connection, ground.paths, plan, forget_index=lambda *_: None)
    again = _trained(ground).read_bytes()
    elsewhere = tiny_ground(Paths(tmp_path / "b", tmp_path / "b").ensure(), tiny_model)
    assert again == _trained(elsewhere).read_bytes()
    assert again != knowing
