"""``tsubasa learn`` and its subcommands, as they are typed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import Any

import pytest
from night_helpers import TINY, connection_log, remember, taught, tiny_night
from typer.testing import CliRunner

from tsubasa_cli.cli import learn_commands
from tsubasa_cli.cli.commands import app
from tsubasa_cli.cli.learn_commands import RefusedError
from tsubasa_cli.errors import InputError, TsubasaError
from tsubasa_cli.learn.clock import seconds_of
from tsubasa_cli.learn.device import Device
from tsubasa_cli.learn.gate import passing
from tsubasa_cli.learn.gate.verdict import Check
from tsubasa_cli.learn.ground import Ground, Hooks, Wishes
from tsubasa_cli.learn.plan import make_plan, require_feasible
from tsubasa_cli.learn.values import Apply, RunState


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["learn", *arguments])
    if isinstance(result.exception, TsubasaError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def _json(*arguments: str) -> Any:
    return json.loads(_run(*arguments, "--json"))


@pytest.mark.usefixtures("ground")
class TestPlan:
    def test_a_dry_run_only_plans(self, ground: Ground) -> None:
        plan = _json("--dry-run")
        assert plan["base"] == "tiny"
        assert plan["memories"] == plan["changed"] == 3
        assert plan["needed_bytes"] > 0
        assert plan["seconds"] > 0
        assert not ground.runs.all()
        assert "tiny" in _run("--dry-run")

    def test_it_knows_what_is_new_since_the_last_night(self, ground: Ground) -> None:
        taught(ground)
        assert _json("--dry-run")["changed"] == 0
        with pytest.raises(InputError, match="nothing new"):
            _run()
        remember(connection_log(ground.connection), "The user's bicycle is red.")
        assert _json("--dry-run")["changed"] == 1

    def test_large_models_are_not_taught_on_a_cpu_unless_forced(self, ground: Ground) -> None:
        base = replace(ground.shelf.get("tiny"), n_params=4_000_000_000)
        wishes = Wishes(device="cpu")
        plan = make_plan(ground, base, wishes)
        with pytest.raises(InputError, match="too large to learn on a CPU") as caught:
            require_feasible(plan, base, wishes)
        assert " h" in caught.value.why
        require_feasible(plan, base, replace(wishes, force=True))

    def test_what_does_not_fit_is_told_before(self, ground: Ground) -> None:
        base = ground.shelf.get("tiny")
        wishes = Wishes(device="cpu")
        plan = replace(make_plan(ground, base, wishes), free_bytes=10)
        with pytest.raises(InputError, match="does not fit the memory"):
            require_feasible(plan, base, wishes)

    def test_a_budget_bounds_plan_and_memories(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tsubasa_cli.learn import plan

        monkeypatch.setattr(plan, "_seconds_per_lesson", lambda *_: 2.0)
        assert _json("--dry-run")["seconds"] > 60
        assert _json("--dry-run", "--budget", "1m")["seconds"] == 60
        hour = Wishes(device="cpu", budget_seconds=3600.0)
        fit = plan.memories_that_fit(ground.shelf.get("tiny").n_params, hour)
        one_more = plan._lessons(fit + 1, hour.recipe)
        assert 2.0 * plan._lessons(fit, hour.recipe) <= 3600 < 2.0 * one_more

    def test_an_unknown_device_is_refused(self) -> None:
        with pytest.raises(InputError, match="no device"):
            _run("--dry-run", "--device", "abacus")


class TestRefused:
    """What the gate refused is not taught again, night after night, for nothing."""

    @pytest.fixture
    def refused(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> str:
        """A night by hand that the gate refused, with the recipe and wishes of the command."""
        harmful = [Check("drift", False, 0.2, 0.1, 0.3, 0.04, "perplexity 10 before, 12 now")]
        monkeypatch.setattr(passing, "verdict", lambda *_given: harmful)
        monkeypatch.setattr(learn_commands, "_wishes", _quick_wishes)
        with pytest.raises(RefusedError):
            _run("--apply", "adapter")
        [run] = ground.runs.all()
        assert run.state is RunState.REFUSED
        return run.id

    def test_by_hand_it_says_so_and_force_tries_again(self, ground: Ground, refused: str) -> None:
        with pytest.raises(InputError, match="refused what this memory taught") as caught:
            _run("--apply", "adapter")
        assert "drift" in caught.value.why
        assert refused in caught.value.what
        with pytest.raises(RefusedError):
            _run("--apply", "adapter", "--force")
        assert len(ground.runs.all()) == 2

    def test_the_timer_leaves_it_and_says_why(self, ground: Ground, refused: str) -> None:
        assert refused in _run("--when-idle", "--apply", "adapter")
        assert [run.id for run in ground.runs.all()] == [refused]
        plan = _json("--dry-run", "--apply", "adapter")
        assert (plan["refused_run"], plan["is_needed"]) == (refused, False)

    @pytest.mark.usefixtures("refused")
    def test_anything_new_makes_it_worth_another_night(self, ground: Ground) -> None:
        def plan(*wishes: str) -> Any:
            return _json("--dry-run", *wishes)["is_needed"]

        assert not plan("--apply", "adapter")
        assert plan("--apply", "merge")
        assert plan("--apply", "adapter", "--seed", "1")
        assert plan("--apply", "adapter", "--budget", "2h")
        remember(connection_log(ground.connection), "The user's bicycle is red.")
        assert plan("--apply", "adapter")

    @pytest.mark.usefixtures("refused")
    def test_another_base_file_or_recipe_is_worth_another_night(self, ground: Ground) -> None:
        base = ground.shelf.get("tiny")
        wishes = _quick_wishes(Apply.ADAPTER, "", "auto", 0, False)
        assert make_plan(ground, base, wishes).refused is not None
        other = replace(wishes, recipe=replace(wishes.recipe, fact_label=0.9))
        assert make_plan(ground, base, other).refused is None
        ground.connection.execute("UPDATE learn_runs SET base_sha256 = 'another'")
        assert make_plan(ground, base, wishes).refused is None

    def test_a_run_whose_files_are_gone_is_not_waited_for(
        self, ground: Ground, refused: str
    ) -> None:
        shutil.rmtree(ground.folder(refused).root)
        assert _json("--dry-run", "--apply", "adapter")["is_needed"]


def _quick_wishes(apply: Apply, budget: str, device: str, seed: int, force: bool) -> Wishes:
    return Wishes(apply, seconds_of(budget), device, replace(TINY, seed=seed), force)


def test_a_device_says_what_it_computes_with() -> None:
    import torch

    assert Device("cuda", 1, 1).dtype() is torch.bfloat16
    assert Device("cpu", 1, 1).dtype() is torch.float32


class TestLooking:
    def test_status_history_and_show(self, ground: Ground) -> None:
        assert "knows nothing by heart" in _run("status")
        assert _json("history") == []
        run_id, name = taught(ground)
        assert "knows you as of" in _run("status")
        [listed] = _json("history")
        assert (listed["id"], listed["model"], listed["state"]) == (run_id, name, "promoted")
        assert _json("show", run_id[:8])["id"] == run_id
        remember(connection_log(ground.connection), "The user's bicycle is red.")
        assert "1 memory has changed" in _run("status")

    def test_a_run_that_was_cut_short_is_pointed_at(self, ground: Ground) -> None:
        night = tiny_night(ground, hooks=Hooks(should_stop=lambda: True))
        assert f"The run {night.run_id} stopped" in _run("status")
        with pytest.raises(InputError, match=f"The run {night.run_id} is not at its end"):
            _run("--apply", "adapter")
        assert ground.runs.unfinished() is not None

    @pytest.mark.usefixtures("ground")
    def test_a_memory_that_is_switched_off_is_not_learned(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        off = replace(ground.settings, memory=replace(ground.settings.memory, enabled=False))
        monkeypatch.setattr(learn_commands, "open_ground", lambda: replace(ground, settings=off))
        with pytest.raises(InputError, match="memory is switched off"):
            _run()
        assert "switched off" in CliRunner().invoke(app, ["learn", "--when-idle"]).output
        assert not ground.runs.all()

    def test_rollback(self, ground: Ground) -> None:
        run_id, name = taught(ground)
        _run("rollback")
        assert ground.shelf.require().name == "tiny"
        _run("rollback", run_id)
        assert ground.shelf.require().name == name

    def test_gc_shows_before_it_deletes(self, ground: Ground) -> None:
        _, name = taught(ground)
        taught(ground)
        file = ground.paths.models / f"{name}.gguf"
        _run("gc", "--keep", "0", "--dry-run")
        assert file.exists()
        _run("gc", "--keep", "0")
        assert not file.exists()


def test_resuming_nothing_says_so(ground: Ground) -> None:
    assert not ground.runs.all()
    with pytest.raises(TsubasaError, match="no run to go on with"):
        _run("--resume")


def test_a_new_run_gives_the_old_one_up(ground: Ground) -> None:
    old = tiny_night(ground)
    new = tiny_night(ground)
    assert ground.runs.get(old.run_id).state is RunState.FAILED
    assert ground.runs.unfinished() == ground.runs.get(new.run_id)
