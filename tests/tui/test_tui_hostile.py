"""Words that would steer the terminal or the screen; sessions that are deleted; stopping."""

from __future__ import annotations

from textual.widgets import OptionList, Static
from tui.conftest import driving, fill, screen_text

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.models.pull import PullProgress, Stage
from tsubasa_cli.storage.values import TurnStatus
from tsubasa_cli.tui.screens.model_picker import ModelPicker
from tsubasa_cli.tui.widgets.download_bar import DownloadBar
from tsubasa_cli.tui.widgets.sidebar import SessionList
from tsubasa_cli.tui.widgets.thinking import Thinking

STEERING = "\x1b[31mred\x1b[0m \x1b]0;X\x07 \x9b31m \x7f \u202eturned"


def controls(text: str) -> list[str]:
    return [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)]


class TestForeignWords:
    async def test_nothing_said_or_stored_reaches_the_terminal_as_an_escape(
        self, space: Workspace
    ) -> None:
        session = space.store.create()
        _, reply = space.store.ask(session.id, f"user {STEERING}")
        space.store.finish(
            reply.id, TurnStatus.COMPLETE, f"said {STEERING}\n\n```\n{STEERING}\n```", STEERING
        )
        space.store.rename(session.id, f"title {STEERING}")
        async with driving(space, session_id=session.id) as chat:
            await chat.until(lambda: chat.replies)
            chat.replies[0].query_one(Thinking).collapsed = False
            chat.screen.notify("x")
            await chat.pilot.pause()
            shown = screen_text(chat)
            assert "said" in shown
            assert "\ufffd[31mred" in shown
            assert controls(shown) == []
            assert "\u202e" not in str(chat.screen.query_one("#title").render())
            assert chat.replies[0].words.startswith("said \x1b")

    async def test_a_title_like_markup_can_be_deleted_brought_back_and_exported(
        self, space: Workspace
    ) -> None:
        first = fill(space, 1, title="[/b]")
        async with driving(space) as chat:
            await chat.press("ctrl+s", "enter")
            listing = chat.screen.query_one(SessionList)
            await chat.until(lambda: listing.option_count)
            listing.focus()
            await chat.press("d")
            await chat.until(lambda: not space.store.is_kept(first))
            await chat.press("u")
            await chat.until(lambda: space.store.is_kept(first))
            await chat.until(lambda: listing.highlighted is not None or listing.option_count)
            listing.action_first()
            await chat.press("x")
            await chat.until(lambda: list(space.paths.exports.glob("*")))
            assert chat.app.is_running


class TestStopping:
    async def test_a_reply_behind_that_of_another_chat_is_stopped_at_once(
        self, endless_space: Workspace
    ) -> None:
        async with driving(endless_space) as chat:
            await chat.send("talk on")
            await chat.until(lambda: chat.replies and len(chat.replies[0].words) > 20)
            first = chat.screen.conductor
            await chat.press("ctrl+n")
            await chat.until(lambda: chat.screen.conductor is not first)
            await chat.send("and here")
            await chat.until(lambda: chat.replies and chat.screen.conductor.busy)
            await chat.press("escape")
            await chat.until(lambda: not chat.screen.conductor.busy)
            assert first.busy
            turns = await chat.screen.chat.turns()
            assert turns[-1].status is TurnStatus.STOPPED
            await chat.press("ctrl+r")
            await chat.until(lambda: chat.screen.conductor.busy)
            first.stop()
            await chat.until(lambda: chat.replies and len(chat.replies[-1].words) > 20)
            await chat.screen.conductor.stop_all()

    async def test_deleting_a_chat_that_writes_in_the_background_stops_it(
        self, endless_space: Workspace
    ) -> None:
        async with driving(endless_space) as chat:
            await chat.send("talk on")
            await chat.until(lambda: chat.replies and len(chat.replies[0].words) > 20)
            first = chat.screen.conductor
            await chat.press("ctrl+n")
            await chat.until(lambda: chat.screen.conductor is not first)
            listing = chat.screen.query_one(SessionList)
            await chat.press("ctrl+s")
            await chat.until(lambda: listing.option_count > 1)
            listing.focus()
            listing.action_first()
            await chat.press("d")
            await chat.until(lambda: not first.busy)
            assert not endless_space.store.is_kept(first.chat.session.id)


class TestList:
    async def test_after_a_delete_the_neighbour_is_highlighted(self, space: Workspace) -> None:
        for number in range(4):
            fill(space, 1, title=f"talk {number}")
        async with driving(space) as chat:
            listing = chat.screen.query_one(SessionList)
            await chat.press("ctrl+s")
            await chat.until(lambda: listing.option_count == 5)
            listing.focus()
            listing.highlighted = 2
            await chat.press("d")
            await chat.until(lambda: listing.option_count == 4)
            assert listing.highlighted == 2
            assert "talk 1" in str(listing.highlighted_option.prompt)


class TestScreens:
    async def test_esc_closes_the_list_before_it_stops_the_reply(
        self, endless_space: Workspace
    ) -> None:
        async with driving(endless_space, (80, 24)) as chat:
            await chat.send("talk on")
            await chat.until(lambda: chat.replies and len(chat.replies[0].words) > 20)
            await chat.press("ctrl+s")
            assert chat.screen.has_class("-sidebar-asked")
            await chat.press("escape")
            assert not chat.screen.has_class("-sidebar-asked")
            assert chat.screen.conductor.busy
            await chat.press("escape")
            await chat.until_answered()

    async def test_a_chat_that_writes_in_the_background_is_marked_until_it_ends(
        self, endless_space: Workspace
    ) -> None:
        async with driving(endless_space) as chat:
            await chat.send("talk on")
            await chat.until(lambda: chat.replies and len(chat.replies[0].words) > 20)
            first = chat.screen.conductor
            await chat.press("ctrl+n")
            await chat.until(lambda: chat.screen.conductor is not first)
            await chat.press("ctrl+s")
            listing = chat.screen.query_one(SessionList)
            await chat.until(lambda: any("◦" in str(o.prompt) for o in listing.options))
            assert not chat.screen.status.status.speed
            first.stop()
            await chat.until(lambda: not any("◦" in str(o.prompt) for o in listing.options))

    async def test_the_model_picker_shows_its_foot_on_a_small_terminal(
        self, space: Workspace
    ) -> None:
        async with driving(space, (80, 24)) as chat:
            await chat.press("ctrl+o")
            await chat.until(lambda: isinstance(chat.app.screen, ModelPicker))
            await chat.until(lambda: chat.app.screen.query_one(OptionList).option_count > 3)
            bar = chat.app.screen.query_one(DownloadBar)
            bar.follow(PullProgress(Stage.DOWNLOADING, "x", 1, 2, 1.0))
            chat.app.screen.query_one("#picker-trouble", Static).update("It failed.")
            await chat.pilot.pause()
            shown = screen_text(chat)
            assert "Esc closes" in shown
            assert "It failed." in shown
            assert bar.region.bottom < 24

    async def test_an_interrupted_reply_names_a_key_that_works_while_writing(
        self, space: Workspace
    ) -> None:
        session = space.store.create()
        _, reply = space.store.ask(session.id, "hello")
        space.store.finish(reply.id, TurnStatus.INTERRUPTED, "half")
        async with driving(space, session_id=session.id) as chat:
            await chat.until(lambda: chat.replies)
            assert "Ctrl+R answers again" in screen_text(chat)
