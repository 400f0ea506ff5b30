"""A message on its way: taken once, kept until committed, sent to the chat it was meant for."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path

import pytest
from textual import events
from textual._xterm_parser import XTermParser
from textual.widgets import Button
from tui.conftest import Driver, driving, fill

from tsubasa_cli.conversation.chat import Chat
from tsubasa_cli.conversation.events import Overflow
from tsubasa_cli.conversation.workspace import Workspace, open_chat
from tsubasa_cli.errors import InputError
from tsubasa_cli.tui.screens.overflow import OverflowDialog
from tsubasa_cli.tui.widgets.attachment import Attachment
from tsubasa_cli.tui.widgets.composer_input import ALT_ENTER
from tsubasa_cli.tui.widgets.user_message import UserMessage

LARGE = "hills " * 10_000
READ_ALT_ENTER = [key.key for key in XTermParser().feed(ALT_ENTER) if isinstance(key, events.Key)]


def questions(space: Workspace, session: str) -> list[str]:
    return [turn.text for turn in space.store.path(session)][::2]


async def attach(chat: Driver, text: str = LARGE) -> None:
    chat.composer.field.focus()
    chat.composer.field.post_message(events.Paste(text))
    await chat.until(lambda: chat.composer.query(Attachment))


class Measuring:
    """Holds every measurement until ``answer`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: asyncio.Future[Overflow | None] = asyncio.Future()
        self.times = 0
        outer = self

        async def overflow(_self: Chat, _text: str) -> Overflow | None:
            outer.times += 1
            return await outer.answer

        monkeypatch.setattr(Chat, "overflow", overflow)


class TestOrderOfKeys:
    async def test_what_is_typed_after_enter_is_not_sent(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            for key in "abc\rdef":
                name = "enter" if key == "\r" else key
                chat.app.post_message(events.Key(name, key))
            await chat.until(lambda: len(questions(space, session)) == 2)
            await chat.until(lambda: chat.composer.text == "def")
            assert questions(space, session)[-1] == "abc"
            await chat.until(lambda: space.store.get(session).draft == "def")

    async def test_a_line_breaks_where_the_key_was_typed(self, space: Workspace) -> None:
        async with driving(space) as chat:
            for key in ("o", "n", "e", *READ_ALT_ENTER, "t", "w", "o"):
                chat.app.post_message(events.Key(key, key if len(key) == 1 else None))
            await chat.until(lambda: chat.composer.text == "one\ntwo")

    def test_terminals_that_send_esc_and_cr_for_alt_enter_break_the_line(self) -> None:
        assert READ_ALT_ENTER == ["ctrl+j"]


class TestMeasuring:
    async def test_a_message_is_stored_and_taken_once_while_it_is_measured(
        self, space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            measuring = Measuring(monkeypatch)
            await attach(chat)
            await chat.press("enter", "enter", "enter")
            await chat.until(lambda: measuring.times)
            assert space.store.get(session).draft == LARGE
            await chat.write("next")
            await chat.until(lambda: space.store.get(session).draft == f"{LARGE}\n\nnext")
            measuring.answer.set_result(None)
            await chat.until(lambda: len(questions(space, session)) == 2)
            await chat.until(lambda: space.store.get(session).draft == "next")
            assert (measuring.times, chat.composer.text) == (1, "next")
            assert questions(space, session)[-1] == LARGE

    async def test_it_goes_to_its_own_chat(
        self, space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            measuring = Measuring(monkeypatch)
            await attach(chat)
            await chat.press("enter")
            await chat.until(lambda: measuring.times)
            await chat.press("ctrl+n")
            await chat.until(lambda: chat.screen.chat.session.id != session)
            measuring.answer.set_result(None)
            await chat.until(lambda: len(questions(space, session)) == 2)
            assert not chat.transcript.query(UserMessage)
            assert not chat.screen.chat.session.id

    async def test_a_message_of_a_chat_left_behind_becomes_its_draft(
        self, space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            measuring = Measuring(monkeypatch)
            await attach(chat)
            await chat.press("enter")
            await chat.until(lambda: measuring.times)
            await chat.press("ctrl+n")
            await chat.until(lambda: chat.screen.chat.session.id != session)
            measuring.answer.set_result(Overflow(20_000, 3_000))
            await chat.until(lambda: chat.app._notifications)
            assert space.store.get(session).draft == LARGE
            await chat.app.open_session(session)
            assert chat.composer.text == LARGE

    async def test_a_refused_message_comes_back_and_edit_has_the_focus(
        self, space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            measuring = Measuring(monkeypatch)
            await attach(chat)
            await chat.press("enter")
            await chat.until(lambda: measuring.times)
            measuring.answer.set_result(Overflow(20_000, 3_000))
            await chat.until(lambda: isinstance(chat.app.screen, OverflowDialog))
            assert isinstance(chat.app.focused, Button)
            assert chat.app.focused.id == "answer-edit"
            await chat.press("enter")
            await chat.until(lambda: chat.composer.text == LARGE)
            assert space.store.get(session).draft == LARGE
            assert len(questions(space, session)) == 1


class TestEditing:
    async def test_another_chat_ends_editing(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.write("later")
            await chat.press("f4")
            assert chat.composer.editing is not None
            await chat.press("ctrl+n")
            await chat.until(lambda: chat.screen.chat.session.id != session)
            assert chat.composer.editing is None
            assert space.store.get(session).draft == "later"
            await chat.send("hello")
            await chat.until(lambda: chat.screen.chat.session.id)
            await chat.until(lambda: questions(space, chat.screen.chat.session.id) == ["hello"])
            assert not space.store.branches(session)

    async def test_a_turn_of_another_chat_is_refused(self, space: Workspace) -> None:
        first, second = fill(space, 1), fill(space, 1)
        turn = space.store.path(first)[0]
        with pytest.raises(InputError):
            await open_chat(space, second).edit(turn.id, "/no_think other words")
        assert space.store.get(second).thinking is None
        assert not space.store.branches(first)
        await space.close()

    async def test_what_was_set_aside_comes_back_after_an_edit(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.write("half")
            await chat.press("f4")
            assert chat.composer.text == "Question 0 about swallows?"
            await chat.write("?")
            await chat.press("enter")
            await chat.until(lambda: questions(space, session) == ["Question 0 about swallows??"])
            assert chat.composer.text == "half"
            await chat.until(lambda: space.store.get(session).draft == "half")


class TestAttachments:
    async def test_up_keeps_an_attachment(self, space: Workspace) -> None:
        session = fill(space, 2)
        async with driving(space, session_id=session) as chat:
            await attach(chat)
            await chat.press("up")
            assert chat.composer.text == LARGE

    async def test_tab_reaches_it_and_goes_on_to_the_last_message(self, space: Workspace) -> None:
        session = fill(space, 2)
        async with driving(space, session_id=session) as chat:
            await attach(chat)
            await chat.press("tab")
            assert isinstance(chat.app.focused, Attachment)
            await chat.press("shift+tab")
            assert chat.app.focused is chat.composer.field

    async def test_tab_follows_the_cycle_of_the_screen(self, space: Workspace) -> None:
        session = fill(space, 2)
        async with driving(space, session_id=session) as chat:
            await chat.press("tab")
            by_tab = chat.app.focused
            chat.composer.field.focus()
            await chat.pilot.pause()
            chat.screen.action_cycle(1)
            await chat.pilot.pause()
            assert chat.app.focused is by_tab

    async def test_backspace_in_an_empty_field_removes_the_last(self, space: Workspace) -> None:
        async with driving(space) as chat:
            await attach(chat)
            await chat.press("backspace")
            await chat.until(lambda: not chat.composer.query(Attachment))
            assert chat.composer.text == ""

    async def test_no_rows_stay_behind(
        self, space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            Measuring(monkeypatch).answer.set_result(None)
            height = chat.composer.size.height
            await attach(chat)
            await attach(chat)
            await chat.press("ctrl+j", "enter")
            await chat.until(lambda: len(questions(space, session)) == 2)
            await chat.until(lambda: not chat.composer.query(Attachment))
            assert chat.composer.size.height == height


class TestEditor:
    @pytest.mark.parametrize("does", ['rm "$1"', 'rm "$1"; mkdir "$1"; exit 3', "exit 2"])
    async def test_trouble_is_told_and_the_text_kept(
        self, space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str
    ) -> None:
        script = tmp_path / "editor.sh"
        script.write_text(f"#!/bin/sh\n{does}\n")
        script.chmod(0o700)
        monkeypatch.setenv("VISUAL", str(script))
        async with driving(space) as chat:
            monkeypatch.setattr(chat.app, "suspend", nullcontext)
            await chat.write("start")
            await chat.press("ctrl+e")
            await chat.until(lambda: chat.app._notifications)
            assert chat.composer.text == "start"

    async def test_the_loop_goes_on_meanwhile(
        self, space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate = tmp_path / "gate"
        script = tmp_path / "editor.sh"
        script.write_text(
            f'#!/bin/sh\nuntil [ -e "{gate}" ]; do sleep 0.05; done\necho done > "$1"\n'
        )
        script.chmod(0o700)
        monkeypatch.setenv("VISUAL", str(script))
        async with driving(space) as chat:
            monkeypatch.setattr(chat.app, "suspend", nullcontext)
            await chat.press("ctrl+e")
            gate.touch()
            await chat.until(lambda: chat.composer.text == "done")
