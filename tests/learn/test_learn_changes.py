"""The memory goes on living while a night reads it: the night teaches what it saw and says what
came after; what is erased on the way is taught to nobody."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

import pytest
from night_helpers import connection_log, remember, tiny_night

from tsubasa_cli.conversation.chat import Overrides
from tsubasa_cli.conversation.events import ReplyEnded
from tsubasa_cli.conversation.workspace import Workspace, open_chat, open_workspace
from tsubasa_cli.errors import NotFoundError, StorageError
from tsubasa_cli.learn.gate import passing
from tsubasa_cli.learn.gate.verdict import Check
from tsubasa_cli.learn.ground import Ground, Hooks, Progress
from tsubasa_cli.learn.night import resumed, run_night, spend_night
from tsubasa_cli.learn.stages import snapshot_stage
from tsubasa_cli.learn.status import status_of
from tsubasa_cli.learn.values import RunState, Stage
from tsubasa_cli.memory.by_hand import forget
from tsubasa_cli.memory.erase import erase, plan_erase
from tsubasa_cli.memory.values import Actor, Change, Observation, Op, Status

NEW, MOVED = "The user's bicycle is red.", "The user lives in Ghent."


def _one(ground: Ground, word: str) -> Observation:
    return next(o for o in connection_log(ground.connection).all() if word in o.statement)


def _erase(ground: Ground, word: str) -> None:
    plan = plan_erase(ground.connection, ground.paths, [_one(ground, word).id])
    erase(ground.connection, ground.paths, plan, forget_index=lambda *_: None)


class Evening:
    """While the night trains, the user adds, edits and forgets a memory, and tries to erase one."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.refusals: list[StorageError] = []

    def on_progress(self, progress: Progress) -> None:
        if progress.stage is Stage.TRAIN and not self.refusals:
            log = connection_log(self._ground.connection)
            remember(log, NEW)
            moved = replace(_one(self._ground, "Bonn"), statement=MOVED)
            log.commit([Change(Op.EDIT, moved)], actor=Actor.USER)
            forget(log, [_one(self._ground, "Biscuit").id])
            try:
                _erase(self._ground, "peanuts")
            except StorageError as error:
                self.refusals.append(error)


class TestWhileItTrains:
    @pytest.fixture
    def evening(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Evening:
        """A night with such an evening, whose model the gate lets through."""
        let_through = [Check("let through", True, 1, 1, 1, 0, "")]
        monkeypatch.setattr(passing, "verdict", lambda *_given: let_through)
        evening = Evening(ground)
        outcome = spend_night(ground, lambda: tiny_night(ground, hooks=Hooks(evening.on_progress)))
        assert outcome.run.state is RunState.PROMOTED
        return evening

    def test_it_teaches_what_it_saw_and_the_next_night_the_rest(
        self, ground: Ground, evening: Evening
    ) -> None:
        [run] = ground.runs.all()
        known = connection_log(ground.connection).all(status=tuple(Status))
        assert ground.runs.manifest(run.id) == {o.id: 1 for o in known if o.statement != NEW}
        told = ground.folder(run.id).lessons.read_text("utf-8")
        assert "Bonn" in told
        assert "Ghent" not in told
        assert "bicycle" not in told
        assert status_of(ground).changed == 3

        later = snapshot_stage(tiny_night(ground))
        statements = {item.statement for item in later.active}
        assert statements == {NEW, MOVED, "The user is allergic to peanuts."}
        assert len(evening.refusals) == 1

    def test_what_is_read_is_not_erased_before_it_ends(
        self, ground: Ground, evening: Evening
    ) -> None:
        [refusal] = evening.refusals
        assert "is learning" in refusal.what + refusal.why
        knowing = ground.shelf.require()
        assert knowing.is_personal
        _erase(ground, "peanuts")
        assert ground.shelf.require().name == "tiny"
        assert knowing.adapter is not None
        assert not knowing.adapter.exists()

    @pytest.mark.usefixtures("evening")
    async def test_a_chat_says_what_has_changed(self, ground: Ground) -> None:
        workspace = open_workspace(ground.paths)
        try:
            moved = await _beside(workspace, "Tell me the place that the user lives in.")
            assert moved.count("Ghent") == 1
            assert "Bonn" not in moved
            gone = await _beside(workspace, "What is the dog of the user called?")
            assert "no longer holds" in gone
            assert "Biscuit" not in gone
        finally:
            await workspace.close()


async def _beside(workspace: Workspace, question: str) -> str:
    """What the model in service is told beside ``question``."""
    chat = open_chat(workspace, None, Overrides(max_tokens=4))
    exchange = await chat.ask(question)
    async with aclosing(chat.answer(exchange.reply)) as events:
        replies = [event.turn async for event in events if isinstance(event, ReplyEnded)]
    return workspace.memory.recalls.blocks(chat.session.id)[replies[0].parent_id or 0]


def test_what_is_erased_while_it_stands_still_ends_it(ground: Ground) -> None:
    seen: list[Stage] = []
    stopped = Hooks(lambda told: seen.append(told.stage), should_stop=lambda: Stage.TRACE in seen)
    night = tiny_night(ground, hooks=stopped)
    assert run_night(night).run.state is RunState.PAUSED
    assert "Biscuit" in night.folder.lessons.read_text("utf-8")

    _erase(ground, "Biscuit")
    assert ground.runs.get(night.run_id).state is RunState.REMOVED
    assert not [file for file in night.folder.root.rglob("*") if file.is_file()]
    with pytest.raises(NotFoundError, match="no run to go on with"):
        resumed(ground, Hooks())
    again = snapshot_stage(tiny_night(ground))
    assert not any("Biscuit" in item.statement for item in again.all)
