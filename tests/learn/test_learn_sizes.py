"""Memories of any size: one, and five thousand of which a night has time for some."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from large_store import fill_large
from night_helpers import tiny_ground, tiny_night
from typer.testing import CliRunner

from tsubasa_cli.cli.commands import app
from tsubasa_cli.learn.ground import Ground, Hooks, Night, Wishes
from tsubasa_cli.learn.lessons import lessons_of
from tsubasa_cli.learn.night import begin, run_night
from tsubasa_cli.learn.plan import MOST_MEMORIES, Plan, make_plan
from tsubasa_cli.learn.stages import notes_of, snapshot_stage
from tsubasa_cli.learn.synthesize import synthesize
from tsubasa_cli.learn.values import RunState
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.values import Kind, Status
from tsubasa_cli.storage.paths import Paths

TWO_HOURS = 7200.0
SMOLLM2_PARAMETERS = 135_000_000
LASTING = (Kind.IDENTITY, Kind.RELATION)


def test_one_memory_is_a_night(home: Paths, tiny_model: Path) -> None:
    ground = tiny_ground(home, tiny_model, ("The user lives in Bonn.",))
    outcome = run_night(tiny_night(ground))
    assert outcome.run.state in (RunState.PROMOTED, RunState.REFUSED)
    assert outcome.report is not None
    assert outcome.report.memories == 1


class TestFiveThousand:
    @pytest.fixture
    def ground(self, home: Paths, tiny_model: Path) -> Ground:
        ground = tiny_ground(home, tiny_model, ())
        fill_large(ground.connection, 5000)
        return ground

    @staticmethod
    def _night(ground: Ground, wishes: Wishes) -> tuple[Night, Plan]:
        """On a base of the size of SmolLM2, or every memory would fit."""
        base = replace(ground.shelf.get("tiny"), n_params=SMOLLM2_PARAMETERS)
        return begin(ground, base, wishes, Hooks()), make_plan(ground, base, wishes)

    def test_two_hours_bound_plan_and_lessons(self, ground: Ground) -> None:
        began = time.perf_counter()
        night, plan = self._night(ground, Wishes(device="cpu", budget_seconds=TWO_HOURS))
        assert plan.memories > 4500
        assert 8 < plan.taught < 0.3 * plan.memories
        assert plan.seconds <= TWO_HOURS

        snapshot = snapshot_stage(night)
        assert len(snapshot.all) == plan.taught
        assert len(ground.runs.manifest(night.run_id)) == plan.taught
        lessons = lessons_of(
            synthesize(snapshot, night.recipe, ""), notes_of(snapshot), night.recipe
        )
        assert len(lessons) <= plan.lessons
        assert time.perf_counter() - began < 60

    def test_who_the_user_is_comes_first_then_what_is_newest(self, ground: Ground) -> None:
        ground.connection.execute("UPDATE observations SET pinned = 1 WHERE id = 'm000000007'")
        night, _ = self._night(ground, Wishes(device="cpu", budget_seconds=TWO_HOURS))
        taught = snapshot_stage(night).active
        left = {item.id: item for item in MemoryLog(ground.connection).all(status=(Status.ACTIVE,))}
        for item in taught:
            del left[item.id]
        assert "m000000007" in {item.id for item in taught}
        lasting = [item.recorded_at.epoch_ms for item in taught if not item.pinned]
        assert len(lasting) == len(taught) - 1
        assert all(item.pinned or item.kind in LASTING for item in taught)
        assert min(lasting) >= max(
            item.recorded_at.epoch_ms for item in left.values() if item.kind in LASTING
        )

    def test_without_a_budget_a_night_is_bounded_too(self, ground: Ground) -> None:
        night, plan = self._night(ground, Wishes(device="cpu"))
        assert plan.taught == MOST_MEMORIES
        assert len(snapshot_stage(night).all) == MOST_MEMORIES

    def test_the_command_says_how_many_fit(self, ground: Ground) -> None:
        del ground
        told = CliRunner().invoke(app, ["learn", "--dry-run", "--budget", "1m"])
        plan = json.loads(
            CliRunner().invoke(app, ["learn", "--dry-run", "--budget", "1m", "--json"]).stdout
        )
        assert plan["seconds"] <= 60
        assert plan["taught"] < plan["memories"]
        assert f"{plan['taught']:,} of them, which fit the night" in " ".join(told.stdout.split())
