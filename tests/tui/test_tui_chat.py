"""The chat driven by keys, answered by real models in the real engine process."""

from __future__ import annotations

import pytest
from textual.widgets import Static
from tui.conftest import driving, fill

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.storage.values import TurnStatus
from tsubasa_cli.tui.live_reply import Stage
from tsubasa_cli.tui.widgets.thinking import Thinking
from tsubasa_cli.tui.widgets.user_message import UserMessage

REPLY = "Hello! The sky is blue 🪽 and birds fly over quiet hills."
THINKING = "Hmm, what do they want?"


class TestAnswering:
    async def test_a_question_is_answered_with_its_thinking_folded(
        self, qwen_space: Workspace
    ) -> None:
        async with driving(qwen_space) as chat:
            await chat.write("hi there")
            await chat.press("enter")
            await chat.until_answered()
            reply = chat.replies[0]
            assert reply.source == REPLY
            assert reply.turn.thinking == THINKING
            block = reply.query_one(Thinking)
            assert block.collapsed
            assert str(block.title).startswith("Thought for")
            assert chat.composer.text == ""

    async def test_enter_unfolds_the_thinking_of_the_focused_reply(
        self, qwen_space: Workspace
    ) -> None:
        async with driving(qwen_space) as chat:
            await chat.send("hi")
            await chat.until_answered()
            await chat.press("shift+tab", "enter")
            block = chat.replies[0].query_one(Thinking)
            assert not block.collapsed
            assert THINKING in str(block.query_one(".thinking-words", Static).render())

    async def test_a_message_sent_before_the_model_is_ready_is_committed_and_queued(
        self, qwen_space: Workspace
    ) -> None:
        async with driving(qwen_space, first_message="Early bird") as chat:
            await chat.until(lambda: chat.replies)
            stored = qwen_space.store.recent()[0]
            assert qwen_space.store.path(stored.id)[0].text == "Early bird"
            await chat.until_answered()
            assert chat.replies[0].source == REPLY

    async def test_no_think_inside_a_message_is_sent_as_text(self, qwen_space: Workspace) -> None:
        async with driving(qwen_space) as chat:
            await chat.send("/no_think hello")
            await chat.until_answered()
            assert chat.screen.chat.session.thinking is False
            assert chat.replies[0].turn.thinking == ""
            assert chat.transcript.query_one(UserMessage).turn.text == "/no_think hello"

    async def test_the_real_starter_model_answers(self, space: Workspace) -> None:
        async with driving(space, first_message="Say hello.") as chat:
            await chat.until_answered()
            assert chat.replies[0].turn.status is TurnStatus.COMPLETE
            assert chat.replies[0].source.strip()


class TestStopping:
    async def test_escape_stops_and_keeps_what_there_is(self, endless_space: Workspace) -> None:
        async with driving(endless_space) as chat:
            await chat.send("go on")
            await chat.until(lambda: chat.replies and len(chat.replies[0].words) > 40)
            await chat.press("escape")
            await chat.until_answered()
            reply = chat.replies[0]
            assert reply.turn.status is TurnStatus.STOPPED
            assert reply.turn.text.startswith("one two three")
            assert "stopped" in str(reply.query_one(".footer", Static).render())
            await chat.send("again")
            await chat.until(lambda: len(chat.replies) == 2 and len(chat.replies[1].words) > 10)
            await chat.press("escape")
            await chat.until_answered(2)

    async def test_messages_sent_meanwhile_wait_their_turn(self, endless_space: Workspace) -> None:
        async with driving(endless_space) as chat:
            await chat.send("first")
            await chat.until(lambda: chat.replies and chat.replies[0].words)
            await chat.send("second")
            await chat.until(lambda: len(chat.replies) == 2)
            second = chat.screen.conductor.live(chat.replies[1].turn.id)
            assert second is not None
            assert second.stage is Stage.QUEUED
            assert chat.screen.status.status.queued == 1
            await chat.press("escape")
            await chat.until(lambda: chat.replies[1].words)
            assert chat.replies[0].turn.status is TurnStatus.STOPPED
            await chat.press("escape")
            await chat.until_answered(2)

    async def test_escape_without_a_reply_comes_back_to_the_composer(
        self, space: Workspace
    ) -> None:
        session = fill(space, 2)
        async with driving(space, session_id=session) as chat:
            await chat.press("shift+tab")
            assert not chat.composer.field.has_focus
            await chat.press("escape")
            assert chat.composer.field.has_focus


class TestBranches:
    async def test_regenerate_adds_a_version_and_brackets_go_between(
        self, qwen_space: Workspace
    ) -> None:
        async with driving(qwen_space) as chat:
            await chat.send("hi")
            await chat.until_answered()
            first = chat.replies[0].turn.id
            await chat.press("ctrl+r")
            await chat.until(lambda: chat.replies and chat.replies[0].turn.id != first)
            await chat.until_answered()
            assert chat.replies[0].branch_label() == "‹ 2/2 ›"
            await chat.press("shift+tab", "left_square_bracket")
            await chat.until(lambda: chat.replies and chat.replies[0].turn.id == first)
            assert chat.replies[0].branch_label() == "‹ 1/2 ›"
            assert chat.replies[0].has_focus

    async def test_edit_and_resend_keeps_the_old_wording(self, qwen_space: Workspace) -> None:
        async with driving(qwen_space) as chat:
            await chat.send("hallo")
            await chat.until_answered()
            await chat.write("unfinished")
            await chat.press("f4")
            assert chat.composer.text == "hallo"
            await chat.press("escape")
            assert chat.composer.text == "unfinished"
            await chat.press("f4")
            await chat.write(" you")
            await chat.press("enter")
            await chat.until(
                lambda: (
                    chat.transcript.query(UserMessage)
                    and chat.transcript.query(UserMessage).first().turn.text == "hallo you"
                )
            )
            await chat.until_answered()
            question = chat.transcript.query(UserMessage).first()
            assert question.branch_label() == "‹ 2/2 ›"
            await chat.press("alt+left")
            await chat.until(
                lambda: chat.transcript.query(UserMessage).first().turn.text == "hallo"
            )


class TestGoingBack:
    async def test_a_long_session_opens_at_its_end_and_grows_upwards(
        self, space: Workspace
    ) -> None:
        session = fill(space, 500)
        async with driving(space, session_id=session) as chat:
            await chat.until(lambda: len(chat.transcript.utterances) >= 30)
            assert chat.transcript.utterances[-1].turn.text.startswith("Answer **499**")
            assert len(chat.transcript.utterances) < 100
            assert len(chat.transcript.items) == 1000
            assert chat.transcript.is_vertical_scroll_end
            top = chat.transcript.mounted_range.start
            for _ in range(7):
                await chat.press("pageup")
            await chat.until(lambda: chat.transcript.mounted_range.start < top)
            assert any(utterance.dozing for utterance in chat.transcript.utterances)
            await chat.press("ctrl+home")
            await chat.until(lambda: chat.transcript.mounted_range.start == 0)
            assert chat.transcript.utterances[0].turn.text.startswith("Question 0 ")
            await chat.press("ctrl+end")
            await chat.until(lambda: chat.transcript.mounted_range.stop == 1000)

    async def test_what_is_far_away_is_let_go_and_comes_back(self, space: Workspace) -> None:
        session = fill(space, 60)
        async with driving(space, session_id=session) as chat:
            transcript = chat.transcript
            transcript.prune_above_lines, transcript.keep_lines = 300, 200
            await chat.until(lambda: len(transcript.utterances) >= 30)
            while transcript.mounted_range.start > 0:
                transcript.scroll_home(animate=False)
                await chat.pilot.pause(0.1)
            await chat.until(lambda: transcript.mounted_range.stop < 120)
            assert transcript.utterances[0].turn.text.startswith("Question 0 ")
            while transcript.mounted_range.stop < 120:
                transcript.scroll_end(animate=False)
                await chat.pilot.pause(0.1)
            await chat.until(lambda: transcript.mounted_range.start > 0)
            ids = [utterance.turn.id for utterance in transcript.utterances]
            assert ids == [item.id for item in transcript.items][transcript.mounted_range.start :]

    async def test_arrows_walk_through_messages(self, space: Workspace) -> None:
        session = fill(space, 3)
        async with driving(space, session_id=session) as chat:
            await chat.press("shift+tab")
            assert chat.replies[-1].has_focus
            await chat.press("up", "up")
            assert chat.replies[-2].has_focus
            await chat.press("down", "down", "down")
            assert chat.composer.field.has_focus

    async def test_copying_a_message_and_a_code_block(self, space: Workspace) -> None:
        session = space.store.create()
        _, reply = space.store.ask(session.id, "code?")
        text = "Here:\n\n```python\nprint(1)\n```\n\nor\n\n```sh\nls\n```\n"
        space.store.finish(reply.id, TurnStatus.COMPLETE, text)
        async with driving(space, session_id=session.id) as chat:
            await chat.press("ctrl+y")
            await chat.until(lambda: chat.app.clipboard)
            assert chat.app.clipboard == text
            await chat.press("shift+tab", "y")
            await chat.press("down", "enter")
            await chat.until(lambda: chat.app.clipboard == "ls")


class TestStatus:
    @pytest.mark.parametrize(("command", "on"), [("/no_think", False), ("/think", True)])
    async def test_thinking_is_switched_by_command(
        self, qwen_space: Workspace, command: str, on: bool
    ) -> None:
        async with driving(qwen_space) as chat:
            await chat.send(command)
            await chat.until(lambda: chat.screen.chat.session.thinking is on)
            assert chat.screen.status.status.thinking is on
            assert not chat.transcript.query(UserMessage)
