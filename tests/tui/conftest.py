"""A chat application on a temporary home, driven by key presses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tsubasa_cli.conversation.workspace import Workspace, open_workspace
from tsubasa_cli.memory.log import new_id
from tsubasa_cli.memory.values import Actor, Change, Observation, Op
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings_file import set_value
from tsubasa_cli.storage.values import Instant
from tsubasa_cli.tui.app import ChatApp
from tsubasa_cli.tui.screens.chat_screen import ChatScreen
from tsubasa_cli.tui.screens.first_run import FirstRun, needs_first_run
from tsubasa_cli.tui.widgets.composer import Composer
from tsubasa_cli.tui.widgets.reply import Reply
from tsubasa_cli.tui.widgets.transcript import Transcript

PATIENCE_SECONDS = 30.0


@dataclass
class Driver:
    """The running application and the keys pressed in it."""

    app: ChatApp
    pilot: Pilot[None]

    @property
    def screen(self) -> ChatScreen:
        return self.app.chat_screen

    @property
    def composer(self) -> Composer:
        return self.screen.composer

    @property
    def transcript(self) -> Transcript:
        return self.screen.transcript

    @property
    def replies(self) -> list[Reply]:
        return list(self.transcript.query(Reply))

    @property
    def workspace(self) -> Workspace:
        return self.app.workspace

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def write(self, text: str) -> None:
        """Type ``text`` as a user does, character by character."""
        self.composer.field.focus()
        for character in text:
            await self.pilot.press({" ": "space", "/": "slash"}.get(character, character))
        await self.pilot.pause()

    async def send(self, text: str) -> None:
        self.composer.field.focus()
        self.composer.field.insert(text)
        await self.pilot.pause()
        await self.press("enter")
        await self.pilot.pause()

    async def until(self, true: Callable[[], Any]) -> None:
        """Wait until ``true`` gives something true."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not true():
                await self.pilot.pause(0.02)
        await self.pilot.pause()

    async def until_answered(self, replies: int = 1) -> None:
        await self.until(lambda: len(self.replies) >= replies and not self.screen.conductor.busy)
        await self.until(lambda: not self.transcript.query(".-live"))


@asynccontextmanager
async def driving(
    workspace: Workspace,
    size: tuple[int, int] = (110, 36),
    *,
    welcome: bool = False,
    **options: Any,
) -> AsyncIterator[Driver]:
    """Run the application on a terminal of ``size``; ``welcome`` stays on the first-run screen."""
    app = ChatApp(workspace, **options)
    app.animation_level = "none"
    async with app.run_test(size=size, notifications=True) as pilot:
        driver = Driver(app, pilot)
        await driver.until(lambda: driver.screen.is_mounted and driver.screen.query(Composer))
        driver.composer.field.cursor_blink = False
        if needs_first_run(workspace) and not options.get("first_message"):
            await driver.until(lambda: isinstance(app.screen, FirstRun))
            if not welcome:
                await driver.press("escape")
                await driver.until(lambda: app.screen is driver.screen)
        await pilot.pause()
        yield driver


@pytest.fixture
def quiet_home(home: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home whose chats are not named by the model and not distilled by themselves, without the
    system's clipboard."""
    set_value(home, "chat.auto_title", "false")
    set_value(home, "memory.idle_seconds", "0")
    monkeypatch.setattr("tsubasa_cli.tui.clipboard._copy_natively", lambda _text: False)
    return home


@pytest.fixture
async def space(quiet_home: Paths) -> Workspace:
    """A workspace without a model of its own: the starter answers, if anything does."""
    return open_workspace(quiet_home)


@pytest.fixture
async def qwen_space(quiet_home: Paths, tiny_qwen3: Path) -> Workspace:
    """A workspace in which the scripted Qwen-3 answers."""
    return _with_model(quiet_home, tiny_qwen3)


@pytest.fixture
async def endless_space(quiet_home: Paths, endless_qwen3: Path) -> Workspace:
    """A workspace in which a reply ends by itself only with the window, after minutes."""
    return _with_model(quiet_home, endless_qwen3, window=32768)


def _with_model(home: Paths, file: Path, window: int = 4096) -> Workspace:
    set_value(home, "engine.context_tokens", str(window))
    workspace = open_workspace(home)
    workspace.models.import_file(file, in_place=True)
    return workspace


def fill(workspace: Workspace, exchanges: int, *, title: str = "A long talk") -> str:
    """Store a session of ``exchanges`` questions with whole replies; returns its id."""
    from tsubasa_cli.storage.values import TurnStatus

    session = workspace.store.create()
    for number in range(exchanges):
        _, reply = workspace.store.ask(session.id, f"Question {number} about swallows?")
        answer = f"Answer **{number}**.\n\n- one\n- two\n\nThat is all about {number}."
        workspace.store.finish(reply.id, TurnStatus.COMPLETE, answer)
    workspace.store.rename(session.id, title)
    return session.id


def learned(workspace: Workspace, *statements: str, **fields: Any) -> list[Observation]:
    """Store memories as one batch of the model's; returns them as they are stored."""
    fields.setdefault("recorded_at", Instant(1_777_800_000_000, 120))
    made = [Observation(new_id(), statement, **fields) for statement in statements]
    changes = [Change(Op.ADD, memory) for memory in made]
    return [event.after for event in workspace.memory.log.commit(changes, actor=Actor.MODEL)]


def screen_text(chat: Driver) -> str:
    """Every character that the terminal gets to show."""
    return "\n".join(strip.text for strip in chat.app.screen._compositor.render_strips())


@pytest.fixture
def moment() -> Callable[[], datetime]:
    """A clock that stands still."""
    from datetime import UTC

    return lambda: datetime(2026, 5, 3, 12, 0, tzinfo=UTC)
