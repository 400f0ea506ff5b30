"""What may come between: another run, a full disk, a base or a model that goes, an erasure."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from night_helpers import STATEMENTS, connection_log, remember, taught, tiny_night

from tsubasa_cli.errors import (
    DiskFullError,
    EngineError,
    InputError,
    ModelError,
    NotFoundError,
    StorageError,
)
from tsubasa_cli.learn import promote, stages
from tsubasa_cli.learn.gate import passing
from tsubasa_cli.learn.ground import Ground, Hooks, Night
from tsubasa_cli.learn.keeping import collect_garbage
from tsubasa_cli.learn.night import resumed, run_night, spend_night
from tsubasa_cli.learn.plan import make_plan
from tsubasa_cli.learn.promote import roll_back
from tsubasa_cli.learn.snapshot import take_snapshot
from tsubasa_cli.learn.status import status_of
from tsubasa_cli.learn.values import RunState
from tsubasa_cli.memory.erase import erase, plan_erase
from tsubasa_cli.memory.values import Actor, Change, Observation, Op, Status
from tsubasa_cli.storage.locks import night_lock


def _paused(ground: Ground) -> Night:
    night = tiny_night(ground, hooks=Hooks(should_stop=lambda: True))
    run_night(night)
    return night


def _erase(ground: Ground, word: str) -> None:
    found = [o for o in connection_log(ground.connection).all() if word in o.statement]
    plan = plan_erase(ground.connection, ground.paths, [o.id for o in found])
    erase(ground.connection, ground.paths, plan, forget_index=lambda *_: None)


class TestAnotherRun:
    def test_the_run_at_work_is_not_taken_over(self, ground: Ground) -> None:
        at_work = tiny_night(ground)
        with night_lock(ground.paths.locks) as is_free:
            assert is_free
            with pytest.raises(InputError, match="Another run is at work"):
                spend_night(ground, lambda: tiny_night(ground))
            told = " ".join(status_of(ground).lines())
        assert [run.id for run in ground.runs.all()] == [at_work.run_id]
        assert ground.runs.get(at_work.run_id).state is RunState.RUNNING
        assert "is at work" in told
        assert "--resume" not in told

    def test_nothing_is_erased_while_it_is(self, ground: Ground) -> None:
        with night_lock(ground.paths.locks), pytest.raises(StorageError, match="is learning"):
            _erase(ground, "Biscuit")

    def test_no_run_begins_while_something_is_erased(self, ground: Ground) -> None:
        refused: list[InputError] = []

        def meanwhile(*_: object) -> None:
            with pytest.raises(InputError, match="Another run is at work") as caught:
                spend_night(ground, lambda: tiny_night(ground))
            refused.append(caught.value)

        [dog] = [o for o in connection_log(ground.connection).all() if "Biscuit" in o.statement]
        plan = plan_erase(ground.connection, ground.paths, [dog.id])
        erase(ground.connection, ground.paths, plan, forget_index=meanwhile)
        assert refused
        assert not ground.runs.all()


class TestWhatPasses:
    def test_a_full_disk_is_no_end(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> object:
            raise StorageError("Cannot write it.", why=os.strerror(errno.ENOSPC))

        night = tiny_night(ground)
        with monkeypatch.context() as patched, pytest.raises(StorageError):
            patched.setattr(stages, "synthesize_stage", full)
            run_night(night)
        run = ground.runs.get(night.run_id)
        assert (run.state, run.reason) == (
            RunState.PAUSED,
            "Cannot write it. No space left on device",
        )
        assert run_night(resumed(ground, Hooks())).run.state is not RunState.PAUSED

    def test_the_gate_does_not_take_a_full_disk_for_a_bad_model(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> object:
            raise DiskFullError("The disk is too full.")

        night = tiny_night(ground)
        with monkeypatch.context() as patched, pytest.raises(DiskFullError):
            patched.setattr(passing, "deploy", full)
            run_night(night)
        assert ground.runs.get(night.run_id).state is RunState.PAUSED
        assert make_plan(ground, night.base, night.wishes).refused is None
        assert run_night(resumed(ground, Hooks())).report is not None

    def test_an_engine_that_fails_alike_twice_ends_it(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> object:
            raise EngineError("The engine stopped.")

        monkeypatch.setattr(stages, "synthesize_stage", broken)
        night = tiny_night(ground)
        for expected in (RunState.PAUSED, RunState.FAILED):
            with pytest.raises(EngineError):
                run_night(night)
            assert ground.runs.get(night.run_id).state is expected

    def test_a_run_whose_base_has_gone_is_not_tried_for_ever(self, ground: Ground) -> None:
        night = _paused(ground)
        ground.connection.execute("DELETE FROM models WHERE name = 'tiny'")
        with pytest.raises(NotFoundError):
            resumed(ground, Hooks())
        assert ground.runs.get(night.run_id).state is RunState.FAILED


class TestUnregistered:
    """A run that was killed between the model's file and the registry of models."""

    @pytest.fixture
    def orphan(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Path:
        def killed(*_: object) -> object:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(promote, "require_clean", killed)
            taught(ground)
        [file] = ground.paths.models.glob("*-me-*.gguf")
        ground.runs.end(ground.runs.all()[0].id, RunState.FAILED)
        return file

    def test_an_erasure_finds_its_file(self, ground: Ground, orphan: Path) -> None:
        _erase(ground, "Biscuit")
        assert not orphan.exists()

    def test_gc_finds_its_file(self, ground: Ground, orphan: Path) -> None:
        collect_garbage(ground, 2, Path.unlink)
        assert not orphan.exists()


def test_what_was_erased_meanwhile_does_not_go_into_service(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = promote.bring_in

    def erased_meanwhile(file: Path, target: Path) -> str:
        ground.connection.execute(
            "UPDATE observations SET status = 'erased' WHERE statement = ?", (STATEMENTS[1],)
        )
        return move(file, target)

    monkeypatch.setattr(promote, "bring_in", erased_meanwhile)
    with pytest.raises(ModelError, match="was erased"):
        taught(ground)
    assert ground.shelf.require().name == "tiny"


def test_a_run_that_an_erasure_removed_stays_removed(ground: Ground) -> None:
    night = _paused(ground)
    ground.runs.end(night.run_id, RunState.REMOVED)
    ground.runs.enter(night.run_id, "train")
    ground.runs.end(night.run_id, RunState.PAUSED)
    assert ground.runs.get(night.run_id).state is RunState.REMOVED


def test_gc_collects_what_a_killed_or_refused_run_left(ground: Ground) -> None:
    night = _paused(ground)
    left = [night.folder.adapter, night.folder.root / ".candidate-eight-1.gguf.7.part"]
    for file in left:
        file.write_bytes(b"weights")
    collect_garbage(ground, 0, Path.unlink)
    assert all(file.exists() for file in left), "it can go on"
    ground.runs.end(night.run_id, RunState.REFUSED)
    collect_garbage(ground, 0, Path.unlink)
    assert not any(file.exists() for file in left)


class TestRollingBack:
    def test_it_goes_back_to_what_served(
        self, ground: Ground, tiny_model: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.gguf"
        other.write_bytes(tiny_model.read_bytes())
        ground.shelf.import_file(other, name="other", in_place=True)
        ground.shelf.use("other")
        taught(ground)
        assert roll_back(ground) == "other"

    def test_it_leaves_what_was_chosen_since(self, ground: Ground) -> None:
        run_id, _ = taught(ground)
        ground.shelf.use("tiny")
        with pytest.raises(NotFoundError, match="not in service"):
            roll_back(ground)
        assert ground.shelf.require().name == "tiny"
        assert ground.runs.get(run_id).state is RunState.PROMOTED

    def test_the_next_night_does_not_undo_it(self, ground: Ground) -> None:
        run_id, _ = taught(ground)
        roll_back(ground)
        night = tiny_night(ground)
        ground.connection.execute("DELETE FROM learn_runs WHERE id = ?", (night.run_id,))
        plan = make_plan(ground, night.base, night.wishes)
        assert plan.refused is not None
        assert (plan.refused.id, plan.is_needed) == (run_id, False)
        remember(connection_log(ground.connection), "The user's bicycle is red.")
        assert make_plan(ground, night.base, night.wishes).is_needed


class TestWhatIsNew:
    def test_what_was_said_again_is_not(self, ground: Ground) -> None:
        taught(ground)
        log = connection_log(ground.connection)
        dog = next(o for o in log.all() if "Biscuit" in o.statement)
        log.commit([Change(Op.IGNORE, dog)], actor=Actor.MODEL)
        log.commit([Change(Op.PIN, replace(log.get(dog.id), pinned=True))], actor=Actor.USER)
        assert status_of(ground).changed == 0

    def test_a_model_that_was_removed_knows_nothing(self, ground: Ground) -> None:
        night = tiny_night(ground)
        _, name = taught(ground)
        assert not make_plan(ground, night.base, night.wishes).is_needed
        ground.shelf.use("tiny")
        ground.shelf.remove(name)
        assert make_plan(ground, night.base, night.wishes).is_needed


@pytest.mark.parametrize(
    ("closed", "is_past"),
    [(lambda o: replace(o, valid_to=date(2026, 5, 4)), True), (lambda o: o, False)],
)
def test_the_past_is_what_ended_on_a_day(
    ground: Ground, closed: Callable[[Observation], Observation], is_past: bool
) -> None:
    log = connection_log(ground.connection)
    dog = next(o for o in log.all() if "Biscuit" in o.statement)
    over = closed(replace(dog, status=Status.SUPERSEDED))
    log.commit([Change(Op.SUPERSEDE, over)], actor=Actor.USER)
    snapshot = take_snapshot(ground.connection, 10)
    assert [item.id for item in snapshot.past] == ([dog.id] if is_past else [])
    assert len(snapshot.active) == len(STATEMENTS) - 1
