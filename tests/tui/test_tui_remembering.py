"""Distilling in the background: when it begins, when it ends, what is shown of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tui.conftest import Driver, driving, fill

from tsubasa_cli.conversation.workspace import Workspace, open_workspace
from tsubasa_cli.errors import StorageError
from tsubasa_cli.memory.process import Distilled
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings_file import set_value
from tsubasa_cli.storage.values import TurnStatus
from tsubasa_cli.tui import remembering
from tsubasa_cli.tui.screens.help import Help


@pytest.fixture
async def idle_space(quiet_home: Paths, tiny_qwen3: Path) -> Workspace:
    """A workspace that distils what is said as soon as it is left alone for a second."""
    set_value(quiet_home, "memory.idle_seconds", "1")
    set_value(quiet_home, "engine.context_tokens", "4096")
    workspace = open_workspace(quiet_home)
    workspace.models.import_file(tiny_qwen3, in_place=True)
    return workspace


def talk(workspace: Workspace, *texts: str) -> str:
    session = workspace.store.create()
    for text in texts:
        _, reply = workspace.store.ask(session.id, text)
        workspace.store.finish(reply.id, TurnStatus.COMPLETE, "I see.")
    return session.id


def shown(chat: Driver) -> str:
    return chat.screen.status.status.memory


def notes(chat: Driver) -> str:
    return "\n".join(f"{note.title} {note.message}" for note in chat.app._notifications)


class TestIdle:
    async def test_what_was_said_is_learned_once_the_user_is_idle(
        self, idle_space: Workspace
    ) -> None:
        async with driving(idle_space) as chat:
            await chat.send("I live in Bonn and I have a dog called Biscuit.")
            await chat.until_answered()
            await chat.until(lambda: shown(chat).endswith(" learned"))
            assert idle_space.memory.log.pending() == []
            assert idle_space.memory.log.all()
            await chat.write("a")
            assert shown(chat).endswith(" learned")
            await chat.send("b")
            assert shown(chat) == ""

    async def test_nothing_is_distilled_by_itself_when_the_setting_is_zero(
        self, qwen_space: Workspace
    ) -> None:
        talk(qwen_space, "I live in Bonn.")
        async with driving(qwen_space) as chat:
            chat.app.remembering.disturbed()
            chat.app.remembering.chat_left()
            assert chat.app.remembering.idle_seconds == 0
            assert chat.app.remembering._due is None

    async def test_nothing_is_distilled_while_memory_is_off(self, idle_space: Workspace) -> None:
        set_value(idle_space.paths, "memory.enabled", "false")
        await idle_space.close()
        async with driving(open_workspace(idle_space.paths)) as chat:
            assert chat.app.remembering.idle_seconds == 0

    async def test_it_waits_while_a_reply_is_written(self, endless_space: Workspace) -> None:
        await endless_space.close()
        set_value(endless_space.paths, "memory.idle_seconds", "1")
        workspace = open_workspace(endless_space.paths)
        talk(workspace, "I live in Bonn.")
        async with driving(workspace) as chat:
            await chat.send("talk on")
            await chat.until(lambda: chat.replies and len(chat.replies[0].words) > 20)
            await chat.pilot.pause(1.5)
            assert not chat.app.remembering.is_running
            assert chat.screen.conductor.busy
            assert len(workspace.memory.log.pending()) == 2
            await chat.press("escape")
            await chat.until_answered()
            await chat.until(lambda: not workspace.memory.log.pending())

    async def test_leaving_a_chat_is_reason_enough(
        self, idle_space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Long before the user would count as idle."""
        monkeypatch.setattr(remembering, "SOON_SECONDS", 0.1)
        await idle_space.close()
        set_value(idle_space.paths, "memory.idle_seconds", "3600")
        workspace = open_workspace(idle_space.paths)
        session = talk(workspace, "I live in Bonn.")
        async with driving(workspace, session_id=session) as chat:
            await chat.until(lambda: workspace.host.engine)
            await chat.press("ctrl+n")
            await chat.until(lambda: not workspace.memory.log.pending())
            await chat.until(lambda: shown(chat).endswith(" learned"))


class Slow:
    """Holds the distilling up after its first batch, as a slow model would."""

    def __init__(self, workspace: Workspace) -> None:
        self.batches = 0
        self.ended = 0
        self._run = workspace.distilling.run

    async def run(self, session_id: str | None = None) -> AsyncGenerator[Distilled, None]:
        try:
            async for distilled in self._run(session_id):
                self.batches += 1
                yield distilled
                await asyncio.sleep(60)
        finally:
            self.ended += 1


class TestTyping:
    async def test_a_key_press_ends_it_at_once_and_it_goes_on_later(
        self, idle_space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        talk(idle_space, *(f"I live in town number {number}." for number in range(9)))
        slow = Slow(idle_space)
        monkeypatch.setattr(type(idle_space.distilling), "run", slow.run)
        async with driving(idle_space) as chat:
            await chat.until(lambda: slow.batches == 1)
            assert shown(chat) == "remembering…"
            left = len(idle_space.memory.log.pending())
            assert left == 5
            await chat.press("a")
            await chat.until(lambda: slow.ended == 1)
            assert not chat.app.remembering.is_running
            assert shown(chat) != "remembering…"
            await chat.until(lambda: slow.batches == 2)
            assert len(idle_space.memory.log.pending()) == 1

    async def test_quitting_does_not_wait_for_it(
        self, idle_space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        talk(idle_space, *(f"I live in town number {number}." for number in range(9)))
        slow = Slow(idle_space)
        monkeypatch.setattr(type(idle_space.distilling), "run", slow.run)
        async with driving(idle_space) as chat:
            await chat.until(lambda: slow.batches == 1)
            await chat.press("ctrl+q")
            await chat.until(lambda: not chat.app.is_running)
        assert slow.ended == 1

    async def test_keys_on_other_screens_count_as_well(self, idle_space: Workspace) -> None:
        async with driving(idle_space) as chat:
            await chat.press("f1")
            await chat.until(lambda: isinstance(chat.app.screen, Help))
            chat.app.remembering._due = None
            await chat.press("down")
            assert chat.app.remembering._due is not None


async def failing(session_id: str | None = None) -> AsyncGenerator[Distilled, None]:
    """What distilling yields when the model says nothing that can be used."""
    for number in range(3):
        error = f"Batch {number}: the model said nothing usable."
        yield Distilled(session_id or "a", (number,), (), number + 1, 3, error)


class TestTrouble:
    async def test_batches_that_stay_open_are_told_of_once(
        self, idle_space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        talk(idle_space, "I live in Bonn.")
        monkeypatch.setattr(type(idle_space.distilling), "run", staticmethod(failing))
        async with driving(idle_space) as chat:
            await chat.until(lambda: "could not be turned into memories" in notes(chat))
            await chat.until(lambda: not chat.app.remembering.is_running)
            assert notes(chat).count("could not be turned") == 1
            assert "Batch 0" in notes(chat)
            assert shown(chat) == ""

    async def test_trouble_is_told_once_and_ends_nothing(
        self, idle_space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full() -> None:
            raise StorageError("The disk is full.")

        talk(idle_space, "I live in Bonn.")
        monkeypatch.setattr(idle_space.memory.log, "pending", full)
        async with driving(idle_space) as chat:
            await chat.until(lambda: "The disk is full." in notes(chat))
            await chat.until(lambda: not chat.app.remembering.is_running)
            chat.app.clear_notifications()
            await chat.press("a")
            await chat.until(lambda: chat.app.remembering._due is None)
            await chat.until(lambda: not chat.app.remembering.is_running)
            assert "full" not in notes(chat)
            assert shown(chat) == ""

    async def test_what_an_earlier_run_left_behind_is_picked_up_quietly(
        self, idle_space: Workspace
    ) -> None:
        session = fill(idle_space, 1)
        async with driving(idle_space, session_id=session) as chat:
            await chat.until(lambda: idle_space.host.engine)
            await chat.until(lambda: not idle_space.memory.log.pending())
            await chat.until(lambda: shown(chat) == "")
            assert idle_space.memory.log.all() == []
