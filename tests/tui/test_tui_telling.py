"""A database that is busy for a while, or a disk that is full, is told and survived."""

from __future__ import annotations

import pytest
from tui.conftest import driving, fill

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.errors import StorageError


def refuse(*_: object, **__: object) -> None:
    raise StorageError("The database is busy.", next_step="Try again in a moment.")


@pytest.mark.parametrize("method", ["save_draft", "recent", "search", "get", "delete"])
async def test_a_busy_database_ends_nothing(
    space: Workspace, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(space, 1, title="Second")
    first = fill(space, 1, title="First")
    async with driving(space, session_id=first) as chat:
        with monkeypatch.context() as busy:
            busy.setattr(space.store, method, refuse)
            await chat.write("half a thought")
            await chat.press("f3")
            await chat.press("s", "e", "c")
            await chat.pilot.pause(0.8)
            await chat.press("escape", "f3", "down", "d")
            await chat.pilot.pause(0.3)
        await chat.press("escape")
        assert chat.app.is_running
        assert "half a thought" in chat.composer.text


async def test_quitting_goes_on_when_the_draft_cannot_be_saved(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with driving(space) as chat:
        await chat.write("unsaved")
        monkeypatch.setattr(space.store, "save_draft", refuse)
        await chat.press("ctrl+q")
        await chat.until(lambda: chat.app._exit)
    assert chat.app.return_code == 0
