"""A whole night on a tiny model: promoted, rolled back, paused, resumed, erased."""

from __future__ import annotations

from pathlib import Path

import pytest
from night_helpers import TINY, connection_log, remember, taught, tiny_night

from tsubasa_cli.errors import InputError, ModelError, NotFoundError
from tsubasa_cli.learn.files import read_json
from tsubasa_cli.learn.ground import Ground, Hooks, Progress
from tsubasa_cli.learn.keeping import collect_garbage
from tsubasa_cli.learn.night import resumed, run_night
from tsubasa_cli.learn.promote import roll_back
from tsubasa_cli.learn.stages import (
    snapshot_stage,
    synthesize_stage,
    trace_stage,
    train_stage,
)
from tsubasa_cli.learn.status import status_of
from tsubasa_cli.learn.values import RunState, Stage


def test_a_night_goes_through_all_stages_and_says_what_it_came_to(ground: Ground) -> None:
    seen: list[Progress] = []
    night = tiny_night(ground, hooks=Hooks(seen.append))
    outcome = run_night(night)

    assert {p.stage for p in seen} >= {Stage.SYNTHESIZE, Stage.TRACE, Stage.TRAIN, Stage.GATE}
    assert outcome.run.state in (RunState.PROMOTED, RunState.REFUSED)
    assert outcome.report is not None
    assert outcome.report.memories == 3
    assert night.folder.report.exists()
    assert "<svg" in night.folder.plot.read_text()
    assert "| Check |" in night.folder.report_text.read_text()
    assert not night.folder.traces.exists()
    assert ground.runs.manifest(night.run_id).keys() == {
        item.id for item in connection_log(ground.connection).all()
    }
    serving = ground.shelf.in_service()
    assert serving is not None
    assert serving.is_personal == (outcome.run.state is RunState.PROMOTED)
    assert not list(ground.paths.models.glob(".*"))


def test_a_promoted_model_knows_since_when_and_steps_back(ground: Ground) -> None:
    run_id, name = taught(ground)
    serving = ground.shelf.in_service()
    assert serving is not None
    assert (serving.name, serving.base, serving.run_id) == (name, "tiny", run_id)
    assert serving.adapter is not None
    assert serving.adapter.is_file()
    assert serving.path == ground.shelf.get("tiny").path
    assert serving.knows_as_of == ground.runs.get(run_id).started
    assert ground.shelf.get("base").name == "tiny"
    assert status_of(ground).changed == 0

    assert roll_back(ground) == "tiny"
    assert ground.shelf.require().name == "tiny"
    assert ground.runs.get(run_id).state is RunState.ROLLED_BACK
    assert roll_back(ground, run_id) == name
    assert ground.shelf.require().name == name


def test_a_second_night_begins_from_the_base_and_steps_back_to_the_first(ground: Ground) -> None:
    _, first = taught(ground)
    remember(connection_log(ground.connection), "The user's bicycle is red.")
    second_run, second = taught(ground)
    assert first != second
    assert len(ground.runs.manifest(second_run)) == 4
    assert roll_back(ground) == first


def test_without_a_memory_there_is_nothing_to_learn(ground: Ground) -> None:
    ground.connection.execute("UPDATE observations SET status = 'forgotten'")
    with pytest.raises(InputError, match="nothing to learn"):
        run_night(tiny_night(ground))
    assert ground.runs.all()[0].state is RunState.FAILED


def test_a_personal_model_is_no_base(ground: Ground) -> None:
    taught(ground)
    with pytest.raises(InputError, match="personal"):
        from tsubasa_cli.learn.ground import Wishes
        from tsubasa_cli.learn.night import begin

        begin(ground, ground.shelf.require(), Wishes(), Hooks())


def test_it_stops_when_asked_and_goes_on_to_the_same_weights(ground: Ground) -> None:
    whole = tiny_night(ground)
    snapshot = snapshot_stage(whole)
    trace_stage(whole, snapshot, synthesize_stage(whole, snapshot))
    train_stage(whole, snapshot)
    expected = whole.folder.adapter.read_bytes()

    seen: list[Progress] = []

    def after_some_steps() -> bool:
        return sum(p.stage is Stage.TRAIN and p.done > 0 for p in seen) >= 3

    night = tiny_night(ground, hooks=Hooks(seen.append, should_stop=after_some_steps))
    outcome = run_night(night)
    assert outcome.run.state is RunState.PAUSED
    assert outcome.report is None
    again = resumed(ground, Hooks())
    assert again.run_id == night.run_id
    assert again.recipe == TINY
    assert again.folder.checkpoint.exists()
    train_stage(again, snapshot_stage(again))
    assert again.folder.adapter.read_bytes() == expected


def test_a_run_whose_base_was_replaced_does_not_go_on(ground: Ground) -> None:
    night = tiny_night(ground, hooks=Hooks(should_stop=lambda: True))
    run_night(night)
    ground.connection.execute("UPDATE models SET sha256 = 'other' WHERE name = 'tiny'")
    with pytest.raises(NotFoundError, match="not the file"):
        resumed(ground, Hooks())


def test_unchanged_memories_cost_no_teacher_the_next_night(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsubasa_cli.learn import teacher

    asked: list[int] = []
    ask = teacher.opinions

    def counting(model: object, device: object, pairs: list[object], top: int) -> object:
        asked.append(len(pairs))
        return ask(model, device, pairs, top)  # type: ignore[arg-type]

    monkeypatch.setattr(teacher, "opinions", counting)
    taught(ground)
    assert sum(asked) > 0
    asked.clear()
    taught(ground)
    assert sum(asked) == 0
    remember(connection_log(ground.connection), "The user's bicycle is red.")
    run_id, _ = taught(ground)
    assert 0 < sum(asked) < len(read_json(ground.folder(run_id).lessons))


def test_garbage_is_what_no_longer_serves(ground: Ground) -> None:
    first_run, first = taught(ground)
    _, second = taught(ground)
    looked = collect_garbage(ground, 0, None)
    assert ground.paths.models / f"{first}.gguf" in [path for path, _ in looked]
    assert (ground.paths.models / f"{first}.gguf").exists()
    collect_garbage(ground, 0, Path.unlink)
    assert not (ground.paths.models / f"{first}.gguf").exists()
    assert ground.runs.get(first_run).state is RunState.REMOVED
    assert ground.shelf.require().name == second


class TestErasure:
    def test_it_takes_models_that_know_it_out_of_service(self, ground: Ground) -> None:
        from tsubasa_cli.memory.erase import erase, plan_erase

        run_id, name = taught(ground)
        [dog] = [o for o in connection_log(ground.connection).all() if "Biscuit" in o.statement]
        plan = plan_erase(ground.connection, ground.paths, [dog.id])
        named = {place.where for place in plan.places}
        assert str(ground.paths.models / f"{name}.gguf") in named

        done = erase(ground.connection, ground.paths, plan, forget_index=lambda *_: None)

        assert not done.left
        assert not (ground.paths.models / f"{name}.gguf").exists()
        assert not list(ground.folder(run_id).root.rglob("*.json"))
        assert not list(ground.paths.learn_cache.rglob("*"))
        assert ground.shelf.require().name == "tiny"
        assert ground.runs.get(run_id).state is RunState.REMOVED
        with pytest.raises(ModelError):
            roll_back(ground, run_id)

    def test_models_that_never_knew_it_stay(self, ground: Ground) -> None:
        from tsubasa_cli.memory.erase import erase, plan_erase

        _, name = taught(ground)
        [late] = remember(connection_log(ground.connection), "The user's bicycle is red.")
        plan = plan_erase(ground.connection, ground.paths, [late.id])
        erase(ground.connection, ground.paths, plan, forget_index=lambda *_: None)
        assert ground.shelf.require().name == name
