"""Writing messages: lines, pastes, drafts, recall, commands, what is too long."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.widgets import Button
from tui.conftest import Driver, driving, fill

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.storage.values import TurnStatus
from tsubasa_cli.tui import commands
from tsubasa_cli.tui.screens.overflow import OverflowDialog
from tsubasa_cli.tui.screens.prompt_dialog import LineDialog, TextDialog
from tsubasa_cli.tui.widgets.attachment import Attachment
from tsubasa_cli.tui.widgets.user_message import UserMessage


async def paste(chat: Driver, text: str) -> None:
    chat.composer.field.focus()
    chat.composer.field.post_message(events.Paste(text))
    await chat.pilot.pause()
    await chat.pilot.pause()


class TestLines:
    @pytest.mark.parametrize("key", ["shift+enter", "ctrl+j", "alt+enter"])
    async def test_other_enters_break_the_line(self, space: Workspace, key: str) -> None:
        async with driving(space) as chat:
            await chat.write("one")
            await chat.press(key)
            await chat.write("two")
            assert chat.composer.text == "one\ntwo"
            assert not chat.transcript.query(UserMessage)

    async def test_the_field_grows_to_eight_lines(self, space: Workspace) -> None:
        async with driving(space) as chat:
            assert chat.composer.field.size.height == 1
            for _ in range(12):
                await chat.press("ctrl+j")
            assert chat.composer.field.size.height == 8

    async def test_a_paste_keeps_its_lines_and_never_sends(self, space: Workspace) -> None:
        async with driving(space) as chat:
            await paste(chat, "a\r\nb\rc\n")
            assert chat.composer.text == "a\nb\nc\n"
            assert not chat.transcript.query(UserMessage)


class TestLargePastes:
    async def test_a_megabyte_becomes_a_chip_that_can_be_shown_or_removed(
        self, space: Workspace
    ) -> None:
        text = "0123456789\n" * 100_000
        async with driving(space) as chat:
            await chat.write("look: ")
            await paste(chat, text)
            await chat.until(lambda: chat.composer.query(Attachment))
            chip = chat.composer.query_one(Attachment)
            assert "1.0 MB" in str(chip.render())
            assert chat.composer.text == f"look: \n\n{text}"
            chip.focus()
            await chat.press("delete")
            await chat.until(lambda: not chat.composer.query(Attachment))
            assert chat.composer.text == "look: "

    async def test_a_chip_can_be_put_into_the_field(self, space: Workspace) -> None:
        async with driving(space) as chat:
            await paste(chat, "x" * 60_000)
            await chat.until(lambda: chat.composer.query(Attachment))
            chat.composer.query_one(Attachment).focus()
            await chat.press("enter")
            await chat.until(lambda: not chat.composer.query(Attachment))
            assert len(chat.composer.field.text) == 60_000

    async def test_too_long_a_message_is_measured_and_can_be_trimmed(
        self, qwen_space: Workspace
    ) -> None:
        text = "sky blue hills " * 10_000
        async with driving(qwen_space) as chat:
            await paste(chat, text)
            await chat.until(lambda: chat.composer.query(Attachment))
            await chat.press("enter")
            await chat.until(lambda: isinstance(chat.app.screen, OverflowDialog))
            await chat.press("escape")
            assert chat.composer.text == text
            await chat.press("enter")
            await chat.until(lambda: isinstance(chat.app.screen, OverflowDialog))
            assert isinstance(chat.app.focused, Button)
            assert chat.app.focused.id == "answer-edit"
            await chat.press("right", "enter")
            await chat.until_answered()
            sent = chat.transcript.query_one(UserMessage).turn.text
            assert 1_000 < len(sent) < len(text)
            assert text.startswith(sent)
            assert chat.composer.text == ""


class TestDrafts:
    async def test_a_draft_survives_leaving(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.write("half a tho")
            await chat.until(lambda: space.store.get(session).draft == "half a tho")
            await chat.write("ught")
            await chat.press("ctrl+n")
            await chat.until(lambda: chat.screen.chat.session.id != session)
            assert chat.composer.text == ""
            assert space.store.get(session).draft == "half a thought"

    async def test_quitting_saves_the_draft(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.write("later")
            await chat.press("ctrl+q")
            await chat.until(lambda: not chat.app.is_running)
        from tsubasa_cli.conversation.workspace import open_workspace

        assert open_workspace(space.paths).store.get(session).draft == "later"

    async def test_up_recalls_what_was_sent(self, space: Workspace) -> None:
        session = fill(space, 3)
        async with driving(space, session_id=session) as chat:
            await chat.press("up")
            assert chat.composer.text == "Question 2 about swallows?"
            await chat.press("up")
            assert chat.composer.text == "Question 1 about swallows?"
            await chat.press("down", "down")
            assert chat.composer.text == ""

    async def test_the_external_editor_gets_and_gives_the_text(
        self, space: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from contextlib import nullcontext

        script = tmp_path / "editor.sh"
        script.write_text('#!/bin/sh\necho " and more" >> "$1"\n')
        script.chmod(0o700)
        monkeypatch.setenv("VISUAL", str(script))
        async with driving(space) as chat:
            monkeypatch.setattr(chat.app, "suspend", nullcontext)
            await chat.write("start")
            await chat.press("ctrl+e")
            await chat.until(lambda: "more" in chat.composer.text)
            assert chat.composer.text == "start and more"


class TestCommands:
    async def test_the_menu_completes(self, space: Workspace) -> None:
        async with driving(space) as chat:
            await chat.write("/ren")
            assert chat.composer.menu.is_open
            await chat.press("tab")
            assert chat.composer.text == "/rename "
            assert not chat.composer.menu.is_open

    async def test_enter_obeys_what_is_written_and_not_what_was_offered_before(
        self, space: Workspace
    ) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.write("/")
            assert chat.composer.menu.chosen is not None
            chat.composer.field.insert("nosuch")
            chat.composer._send()
            assert chat.composer.text == "/nosuch", "it is no command, and stays to be mended"

    async def test_rename_and_export(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.send("/rename Birds of Passage")
            await chat.until(lambda: space.store.get(session).title == "Birds of Passage")
            for kind in ("md", "json"):
                await chat.send(f"/export {kind}")
            await chat.until(lambda: len(list(space.paths.exports.glob("*birds*"))) == 2)
            await chat.send("/rename")
            await chat.until(lambda: isinstance(chat.app.screen, LineDialog))
            await chat.press("escape")

    async def test_system_prompt_and_persona(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.send("/system Speak like a swallow.")
            await chat.until(
                lambda: space.store.get(session).system_prompt == "Speak like a swallow."
            )
            await chat.send("/system")
            await chat.until(lambda: isinstance(chat.app.screen, TextDialog))
            await chat.press("escape")
            await chat.send("/persona nobody")
            await chat.pilot.pause()
            assert space.store.get(session).persona == ""

    async def test_an_unknown_command_is_kept_and_explained(self, space: Workspace) -> None:
        async with driving(space) as chat:
            await chat.send("/exprot")
            assert chat.composer.text == "/exprot"
            assert any("/export" in n.message for n in chat.app._notifications)

    async def test_two_slashes_send_one(self, qwen_space: Workspace) -> None:
        async with driving(qwen_space) as chat:
            await chat.send("//help me")
            await chat.until_answered()
            assert chat.transcript.query_one(UserMessage).turn.text == "/help me"

    def test_reading_lines(self) -> None:
        assert commands.read_line("/usr/bin is a path") == commands.PlainText("/usr/bin is a path")
        assert commands.read_line("/no_think why?") == commands.PlainText("/no_think why?")
        unknown = commands.read_line("/quitt")
        assert isinstance(unknown, commands.Unknown)
        assert unknown.near[0] == "quit"


class TestTrouble:
    async def test_a_reply_that_was_interrupted_says_so_and_r_answers_it(
        self, qwen_space: Workspace
    ) -> None:
        session = qwen_space.store.create()
        _, reply = qwen_space.store.ask(session.id, "hi")
        qwen_space.store.finish(reply.id, TurnStatus.INTERRUPTED, "Hel")
        async with driving(qwen_space, session_id=session.id) as chat:
            assert "interrupted" in str(chat.replies[0]._footer.render())
            await chat.press("shift+tab", "r")
            await chat.until(lambda: chat.replies and chat.replies[0].turn.id != reply.id)
            await chat.until_answered()
            assert chat.replies[0].branch_label() == "‹ 2/2 ›"
