"""The personal model in a chat: when it answers, when it must not, and what counters it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

import pytest
from night_helpers import connection_log

from tsubasa_cli.conversation.chat import Chat, Overrides
from tsubasa_cli.conversation.events import ReplyEnded
from tsubasa_cli.conversation.why import BY_HEART, reasons_for
from tsubasa_cli.conversation.workspace import Workspace, open_chat, open_workspace
from tsubasa_cli.learn.ground import Ground
from tsubasa_cli.learn.promote import roll_back
from tsubasa_cli.learn.values import RunState
from tsubasa_cli.memory.by_hand import forget
from tsubasa_cli.memory.values import Actor, Change, Op
from tsubasa_cli.storage.values import Turn

MakePersonal = Callable[[Ground], str]


async def _reply(chat: Chat, text: str) -> Turn:
    exchange = await chat.ask(text)
    async with aclosing(chat.answer(exchange.reply)) as events:
        async for event in events:
            if isinstance(event, ReplyEnded):
                return event.turn
    raise AssertionError("no reply")


def _chat(workspace: Workspace, **wishes: object) -> Chat:
    return open_chat(workspace, None, Overrides(max_tokens=4, **wishes))  # type: ignore[arg-type]


async def test_it_answers_and_says_since_when_it_knows(ground: Ground, personal: str) -> None:
    workspace = open_workspace(ground.paths)
    try:
        reply = await _reply(_chat(workspace), "Hello there!")
        assert reply.model == personal
        assert workspace.host.state.knows_as_of == ground.shelf.get(personal).knows_as_of
        base = await _reply(_chat(workspace, model="base"), "Hello there!")
        assert base.model == "tiny"
    finally:
        await workspace.close()


@pytest.mark.parametrize("chosen", [None, "personal"])
async def test_without_memory_the_base_answers(
    ground: Ground, personal: str, chosen: str | None
) -> None:
    workspace = open_workspace(ground.paths)
    try:
        model = personal if chosen else None
        no_memory = await _reply(_chat(workspace, memory=False, model=model), "Where do I live?")
        assert no_memory.model == "tiny"
        chat = _chat(workspace, model=model)
        await chat.set_memory(False)
        assert (await _reply(chat, "Where do I live?")).model == "tiny"
    finally:
        await workspace.close()


async def test_an_open_chat_changes_over_when_told_to(ground: Ground, personal: str) -> None:
    roll_back(ground)
    workspace = open_workspace(ground.paths)
    try:
        chat = _chat(workspace)
        assert (await _reply(chat, "Hello!")).model == "tiny"
        run = ground.runs.all()[0]
        roll_back(ground, run.id)
        assert (await _reply(chat, "Hello again!")).model == "tiny"
        assert workspace.host.reload() == personal
        assert (await _reply(chat, "And now?")).model == personal
    finally:
        await workspace.close()


@pytest.mark.usefixtures("personal")
async def test_what_was_forgotten_is_countered_without_its_value(ground: Ground) -> None:
    log = connection_log(ground.connection)
    [home] = [o for o in log.all() if "Bonn" in o.statement]
    forget(log, [home.id])
    workspace = open_workspace(ground.paths)
    try:
        chat = _chat(workspace)
        reply = await _reply(chat, "Where is the place that the user lives in?")
        block = workspace.memory.recalls.blocks(chat.session.id)[reply.parent_id or 0]
        assert "no longer holds" in block
        assert "Bonn" not in block
        base = _chat(workspace, model="base")
        asked = await _reply(base, "Where is the place that the user lives in?")
        blocks = workspace.memory.recalls.blocks(base.session.id)
        assert "no longer holds" not in blocks.get(asked.parent_id or 0, "")
    finally:
        await workspace.close()


@pytest.mark.usefixtures("personal")
async def test_what_changed_takes_its_new_wording_along(ground: Ground) -> None:
    from dataclasses import replace

    log = connection_log(ground.connection)
    [home] = [o for o in log.all() if "Bonn" in o.statement]
    moved = replace(home, statement="The user lives in Ghent.")
    log.commit([Change(Op.EDIT, moved)], actor=Actor.USER)
    workspace = open_workspace(ground.paths)
    try:
        chat = _chat(workspace)
        reply = await _reply(chat, "Tell me the place that the user lives in.")
        block = workspace.memory.recalls.blocks(chat.session.id)[reply.parent_id or 0]
        assert block.count("Ghent") == 1
        assert "Bonn" not in block
    finally:
        await workspace.close()


async def test_why_tells_recalled_from_known_by_heart(ground: Ground, personal: str) -> None:
    workspace = open_workspace(ground.paths)
    try:
        chat = _chat(workspace)
        question, pending = workspace.store.ask(
            workspace.store.create().id, "What is my dog called?"
        )
        reply = workspace.store.finish(
            pending.id, pending.status.COMPLETE, "Your dog is called Biscuit."
        )
        run = ground.shelf.get(personal).run_id
        reasons = reasons_for(workspace.memory, workspace.store, reply, run)
        assert [(r.statement, r.channels[0][0]) for r in reasons] == [
            ("The user's dog is called Biscuit.", BY_HEART)
        ]
        assert reasons_for(workspace.memory, workspace.store, reply) == []
        assert chat.remembers
        assert question.id == reply.parent_id
    finally:
        await workspace.close()


async def test_a_night_that_came_to_nothing_is_told_once(ground: Ground) -> None:
    from night_helpers import tiny_night

    night = tiny_night(ground)
    ground.runs.end(night.run_id, RunState.REFUSED, "The gate refused it: drift.")
    first, second = open_workspace(ground.paths), open_workspace(ground.paths)
    assert any("The gate refused it: drift." in notice for notice in first.notices)
    assert not second.notices
    await first.close()
    await second.close()
    open_run = tiny_night(ground)
    workspace = open_workspace(ground.paths)
    assert any("cut short" in notice for notice in workspace.notices)
    assert open_run.run_id
    await workspace.close()


def test_the_status_line_says_since_when_it_knows() -> None:
    from dataclasses import replace

    from tsubasa_cli.conversation.events import EngineState, Phase
    from tsubasa_cli.storage.values import Instant
    from tsubasa_cli.tui.widgets.status_line import Status, render_status

    knowing = EngineState(Phase.READY, "tiny-me", knows_as_of=Instant(1_760_000_000_000, 0))
    status = Status(engine=knowing)
    assert "knows you as of 9 October 2025" in render_status(status, 120).plain
    assert "knows you" not in render_status(replace(status, incognito=True), 120).plain
    assert "knows you" not in render_status(replace(status, model="base"), 120).plain


def test_nothing_is_erased_while_a_night_reads_it(ground: Ground) -> None:
    from tsubasa_cli.errors import StorageError
    from tsubasa_cli.memory.erase import erase, plan_erase
    from tsubasa_cli.storage.locks import night_lock

    [first, *_] = connection_log(ground.connection).all()
    plan = plan_erase(ground.connection, ground.paths, [first.id])
    with night_lock(ground.paths.locks) as is_free:
        assert is_free
        with pytest.raises(StorageError, match="is learning"):
            erase(ground.connection, ground.paths, plan, forget_index=lambda *_: None)
    erase(ground.connection, ground.paths, plan, forget_index=lambda *_: None)
