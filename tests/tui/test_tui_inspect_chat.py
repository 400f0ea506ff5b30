"""The inspector opened from a chat: back to what was said, and nothing of what is erased stays."""

from __future__ import annotations

import sqlite3
from threading import Event

import pytest
from textual.widgets import Input
from tui.conftest import Driver, driving, learned, screen_text
from tui.test_tui_memory import notes, said

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.memory import dossier
from tsubasa_cli.memory.values import Evidence, Status
from tsubasa_cli.storage.connection import Connection
from tsubasa_cli.tui.inspect.conversation_view import ConversationView
from tsubasa_cli.tui.inspect.erase_dialog import EraseDialog
from tsubasa_cli.tui.inspect.screen import Inspector


async def inspector_of(chat: Driver, *keys: str) -> Inspector:
    """Open the inspector, with a memory under the cursor."""
    await chat.press(*(keys or ("f2",)))
    await chat.until(lambda: isinstance(chat.app.screen, Inspector))
    inspector = chat.app.screen
    assert isinstance(inspector, Inspector)
    await chat.until(lambda: inspector.memories.lines.entry)
    return inspector


async def test_by_key_and_by_command_and_closed_again(space: Workspace) -> None:
    learned(space, "The user keeps bees.")
    async with driving(space) as chat:
        await inspector_of(chat)
        assert "The user keeps bees." in screen_text(chat)
        await chat.press("f2")
        await chat.until(lambda: chat.app.screen is chat.screen)
        await chat.write("/inspect")
        await inspector_of(chat, "enter")
        await chat.press("q")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert chat.screen.focused is chat.composer.field


async def test_closed_while_a_page_is_being_read(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What still reads when the inspector is closed must not end the chat."""
    learned(space, "The user keeps bees.")
    is_reading, may_read, has_read = Event(), Event(), Event()

    def slowly(connection: Connection, memory_id: str) -> dossier.Dossier:
        is_reading.set()
        try:
            may_read.wait(30)
            return quickly(connection, memory_id)
        finally:
            has_read.set()

    def closed_meanwhile(connection: Connection) -> None:
        sqlite3.Connection.close(connection)
        if is_reading.is_set():
            may_read.set()
            has_read.wait(30)

    quickly = dossier.dossier
    monkeypatch.setattr(dossier, "dossier", slowly)
    monkeypatch.setattr(Connection, "close", closed_meanwhile)
    async with driving(space) as chat:
        await inspector_of(chat)
        await chat.until(is_reading.is_set)
        await chat.press("q")
        await chat.until(lambda: chat.app.screen is chat.screen)
        await chat.until(has_read.is_set)
        await chat.press("h", "i")
        await chat.until(lambda: chat.composer.text == "hi")
        assert not list(chat.app._notifications)


async def test_a_quote_leads_to_its_chat(space: Workspace) -> None:
    turn = said(space, "I started at the museum last Monday.")
    learned(
        space,
        "The user works at the museum.",
        evidence=(Evidence(turn, "I started at the museum"),),
    )
    async with driving(space) as chat:
        await inspector_of(chat)
        await chat.press("g")
        await chat.until(lambda: isinstance(chat.app.screen, ConversationView))
        await chat.press("enter")
        await chat.until(lambda: chat.screen.chat.session.title == "New job")
        await chat.until(lambda: chat.screen.focused is chat.transcript.utterances[0])


async def test_what_is_erased_leaves_the_open_chat_too(space: Workspace) -> None:
    turn = said(space, "My locker at work has the code Zephyrine.", "Lockers")
    [memory] = learned(
        space,
        "The user's locker has the code Zephyrine.",
        evidence=(Evidence(turn, "My locker at work has the code Zephyrine"),),
    )
    session = space.store.turn(turn).session_id
    async with driving(space, session_id=session) as chat:
        await chat.until(lambda: "Zephyrine" in screen_text(chat))
        inspector = await inspector_of(chat)
        await chat.press("x")
        await chat.until(lambda: isinstance(chat.app.screen, EraseDialog))
        assent = chat.app.screen.query_one("#assent", Input)
        await chat.until(lambda: not assent.disabled)
        assent.value = "erase"
        await chat.press("enter")
        await chat.until(lambda: space.memory.log.get(memory.id).status is Status.ERASED)
        await chat.until(lambda: chat.app.screen is inspector)
        await chat.until(lambda: "Erased for good" in screen_text(chat))
        await chat.press("q")
        await chat.until(lambda: chat.app.screen is chat.screen)
        await chat.until(lambda: chat.transcript.utterances)
        await chat.until(lambda: "Zephyrine" not in screen_text(chat))
        assert all("Zephyrine" not in each.turn.text for each in chat.transcript.utterances)


async def test_nothing_is_erased_while_a_reply_is_written(endless_space: Workspace) -> None:
    [memory] = learned(endless_space, "The user keeps bees.")
    async with driving(endless_space) as chat:
        await chat.send("Tell me about bees.")
        await chat.until(lambda: chat.screen.conductor.busy)
        await inspector_of(chat)
        await chat.press("x")
        await chat.until(lambda: "Something is being written now" in notes(chat))
        assert endless_space.memory.log.get(memory.id) == memory
        await chat.press("q")
        await chat.until(lambda: chat.app.screen is chat.screen)
        await chat.press("escape")
        await chat.until(lambda: not chat.screen.conductor.busy)
