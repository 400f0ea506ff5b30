"""The list of chats, what can be done with them, and chats that go on in the background."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from textual.widgets import Input, OptionList
from tui.conftest import Driver, driving, fill

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.screens.prompt_dialog import LineDialog
from tsubasa_cli.tui.widgets.sidebar import SessionList, Sidebar


def listed(chat: Driver) -> list[str | None]:
    """The ids in the list, without the headings."""
    options = chat.screen.query_one(SessionList).options
    return [option.id for option in options if option.id]


class TestList:
    async def test_search_finds_words_and_enter_opens(self, space: Workspace) -> None:
        birds, bread = fill(space, 2, title="Birds"), fill(space, 2, title="Bread")
        async with driving(space, session_id=birds) as chat:
            await chat.until(lambda: len(listed(chat)) == 2)
            await chat.press("ctrl+s", *"bread")
            await chat.until(lambda: listed(chat) == [bread])
            await chat.press("enter", "enter")
            await chat.until(lambda: chat.screen.chat.session.id == bread)
            assert chat.composer.field.has_focus

    async def test_delete_can_be_undone(self, space: Workspace) -> None:
        keep, lose = fill(space, 1, title="Keep"), fill(space, 1, title="Lose")
        async with driving(space, session_id=keep) as chat:
            await chat.until(lambda: len(listed(chat)) == 2)
            sessions = chat.screen.query_one(SessionList)
            sessions.focus()
            sessions.highlighted = sessions.get_option_index(lose)
            await chat.press("d")
            await chat.until(lambda: listed(chat) == [keep])
            assert any("undo" in note.message for note in chat.app._notifications)
            await chat.press("ctrl+z")
            await chat.until(lambda: set(listed(chat)) == {keep, lose})

    async def test_deleting_the_open_chat_opens_a_new_one(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.until(lambda: listed(chat))
            sessions = chat.screen.query_one(SessionList)
            sessions.focus()
            sessions.highlighted = sessions.get_option_index(session)
            await chat.press("delete")
            await chat.until(lambda: chat.screen.chat.session.id == "")
            assert chat.screen.has_class("-empty")

    async def test_rename_and_export_from_the_list(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.until(lambda: listed(chat))
            sessions = chat.screen.query_one(SessionList)
            sessions.focus()
            sessions.highlighted = sessions.get_option_index(session)
            await chat.press("r")
            await chat.until(lambda: isinstance(chat.app.screen, LineDialog))
            chat.app.screen.query_one(Input).value = "Another name"
            await chat.press("enter")
            await chat.until(lambda: space.store.get(session).title == "Another name")
            sessions.focus()
            await chat.press("x")
            await chat.until(lambda: list(space.paths.exports.glob("*.md")))

    async def test_it_hides_on_a_narrow_terminal_and_comes_when_asked(
        self, space: Workspace
    ) -> None:
        session = fill(space, 1)
        async with driving(space, size=(70, 24), session_id=session) as chat:
            assert not chat.screen.query_one(Sidebar).display
            await chat.press("f3")
            assert chat.screen.query_one(Sidebar).display
            await chat.press("escape")
            assert not chat.screen.query_one(Sidebar).display
            assert chat.composer.field.has_focus

    def test_days(self) -> None:
        now = datetime(2026, 5, 3, 9, 0, tzinfo=UTC)
        groups = [
            wording.day_group(now - timedelta(**ago), now)
            for ago in ({"hours": 1}, {"hours": 10}, {"days": 3}, {"days": 30})
        ]
        assert groups == ["Today", "Yesterday", "This week", "Older"]


class TestBackground:
    async def test_a_reply_goes_on_while_another_chat_is_open(
        self, endless_space: Workspace
    ) -> None:
        other = fill(endless_space, 1)
        async with driving(endless_space) as chat:
            await chat.send("talk on")
            await chat.until(lambda: chat.replies and chat.replies[0].words)
            talking = chat.screen.chat.session.id
            live = chat.screen.conductor.current
            assert live is not None
            await chat.app.open_session(other)
            before = len(live.text)
            await chat.until(lambda: len(live.text) > before + 5)
            await chat.app.open_session(talking)
            await chat.until(lambda: chat.replies and chat.replies[0].words)
            assert chat.screen.conductor.current is live
            await chat.press("escape")
            await chat.until_answered()

    async def test_the_model_can_be_changed_inside_a_chat(self, qwen_space: Workspace) -> None:
        async with driving(qwen_space) as chat:
            await chat.send("hi")
            await chat.until_answered()
            assert chat.replies[0].turn.model == "Tiny-Qwen3"
            await chat.send("/model smollm2-135m")
            await chat.until(lambda: chat.screen.chat.session.model == "smollm2-135m")
            await chat.send("and now?")
            await chat.until_answered(2)
            assert chat.replies[1].turn.model == "smollm2-135m"

    async def test_the_picker_lists_installed_models_and_the_catalogue(
        self, qwen_space: Workspace
    ) -> None:
        async with driving(qwen_space) as chat:
            await chat.press("ctrl+o")
            await chat.until(lambda: chat.app.screen.query(OptionList))
            listing = chat.app.screen.query_one(OptionList)
            await chat.until(lambda: listing.option_count > 4)
            ids = {option.id for option in listing.options}
            assert {"use:Tiny-Qwen3", "use:smollm2-135m", "get:qwen3-4b"} <= ids
