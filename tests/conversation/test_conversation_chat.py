"""Conversations on real models: streamed, stopped, resumed, branched, folded, and never lost."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from conversation.conftest import OpenOn

from tsubasa_cli.conversation.chat import Chat, Overrides
from tsubasa_cli.conversation.events import (
    ChatEvent,
    Compacted,
    Compacting,
    EngineRestarted,
    Phase,
    ReplyEnded,
    ReplyFailed,
    Titled,
    Waiting,
)
from tsubasa_cli.conversation.kv_states import KvStates
from tsubasa_cli.conversation.workspace import Workspace, open_chat
from tsubasa_cli.engine.protocol import Message, Prefill, TextDelta, ThinkingDelta
from tsubasa_cli.errors import InputError, ModelError, NotFoundError, StorageError
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings_file import set_value
from tsubasa_cli.storage.values import Turn, TurnStatus


async def say(chat: Chat, text: str) -> list[ChatEvent]:
    exchange = await chat.ask(text)
    return [event async for event in chat.answer(exchange.reply)]


def reply_of(events: list[ChatEvent]) -> Turn:
    return next(event.turn for event in events if isinstance(event, ReplyEnded))


async def next_of(events: object, kind: type) -> object:
    seen = []
    async for event in events:  # type: ignore[attr-defined]
        seen.append(event)
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__} in {seen}")


class TestAnswering:
    async def test_thinking_and_words_are_streamed_apart_and_kept(
        self, open_on: OpenOn, tiny_qwen3: Path
    ) -> None:
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        events = await say(chat, "Hello")
        words = "".join(e.text for e in events if isinstance(e, TextDelta)).strip()
        thoughts = "".join(e.text for e in events if isinstance(e, ThinkingDelta)).strip()
        reply = reply_of(events)
        assert (reply.text, reply.thinking) == (words, thoughts)
        assert words
        assert thoughts
        assert "think>" not in words + thoughts
        assert reply.status is TurnStatus.COMPLETE
        assert workspace.store.turn(reply.id) == reply

    async def test_no_think_goes_through_the_template_and_stays(
        self, open_on: OpenOn, tiny_qwen3: Path
    ) -> None:
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        assert reply_of(await say(chat, "Hello /no_think")).thinking == ""
        assert reply_of(await say(chat, "And again")).thinking == ""
        assert reply_of(await say(chat, "Once more /think")).thinking != ""
        assert open_chat(workspace, chat.session.id).thinking is True

    async def test_the_question_is_committed_before_the_engine_is_even_started(
        self, open_on: OpenOn, tiny_qwen3: Path
    ) -> None:
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        exchange = await chat.ask("Early bird")
        assert workspace.host.state.phase is Phase.OFF
        assert [t.text for t in workspace.store.path(chat.session.id)] == ["Early bird", ""]
        events = [event async for event in chat.answer(exchange.reply)]
        assert isinstance(events[0], Waiting)
        assert reply_of(events).text

    async def test_messages_sent_meanwhile_are_queued_in_order(
        self, open_on: OpenOn, tiny_qwen3: Path
    ) -> None:
        chat = open_chat(await open_on(tiny_qwen3))
        first, second = await chat.ask("one"), await chat.ask("two")
        for exchange in (first, second):
            assert reply_of([event async for event in chat.answer(exchange.reply)]).text
        assert [t.id for t in await chat.turns()] == [
            first.question.id,
            first.reply.id,
            second.question.id,
            second.reply.id,
        ]

    async def test_the_real_starter_model_answers_and_names_the_session(
        self, open_on: OpenOn, smollm2: Path
    ) -> None:
        workspace = await open_on(smollm2)
        chat = open_chat(workspace, None, Overrides(sampling=(("temperature", 0.0),)))
        events = await say(chat, "What is the capital of France?")
        assert "Paris" in reply_of(events).text
        titles = [event.title for event in events if isinstance(event, Titled)]
        assert workspace.store.get(chat.session.id).title in (
            *titles,
            "What is the capital of France?",
        )

    async def test_nothing_is_not_a_message(self, open_on: OpenOn, tiny_qwen3: Path) -> None:
        chat = open_chat(await open_on(tiny_qwen3))
        for text in ("", "  \n", "/no_think"):
            with pytest.raises(InputError):
                await chat.ask(text)


class TestStopping:
    async def test_stop_keeps_the_partial_reply_and_the_next_message_works(
        self, open_on: OpenOn, endless_qwen3: Path
    ) -> None:
        chat = open_chat(await open_on(endless_qwen3))
        exchange = await chat.ask("Go on /no_think")
        events = []
        async for event in chat.answer(exchange.reply):
            events.append(event)
            if len([e for e in events if isinstance(e, TextDelta)]) == 5:
                chat.stop()
        reply = reply_of(events)
        assert reply.status is TurnStatus.STOPPED
        assert reply.text.startswith("one two")
        follow = await chat.ask("Again")
        stream = chat.answer(follow.reply)
        assert await next_of(stream, TextDelta)
        await stream.aclose()

    async def test_stop_is_heard_while_a_long_prompt_is_read(
        self, open_on: OpenOn, endless_qwen3: Path
    ) -> None:
        chat = open_chat(await open_on(endless_qwen3))
        exchange = await chat.ask("word " * 1500)
        events = []
        async for event in chat.answer(exchange.reply):
            events.append(event)
            if isinstance(event, Prefill) and event.done:
                chat.stop()
        reply = reply_of(events)
        assert reply.status is TurnStatus.STOPPED
        assert reply.usage is not None
        assert reply.usage.evaluated < reply.usage.prompt / 2

    async def test_stop_while_the_model_loads(self, open_on: OpenOn, tiny_qwen3: Path) -> None:
        chat = open_chat(await open_on(tiny_qwen3))
        exchange = await chat.ask("Hello")
        events = []
        async for event in chat.answer(exchange.reply):
            events.append(event)
            chat.stop()
        assert reply_of(events).status is TurnStatus.STOPPED
        assert reply_of(await say(chat, "Hello again")).status is TurnStatus.COMPLETE

    async def test_whoever_leaves_the_stream_leaves_a_kept_reply(
        self, open_on: OpenOn, endless_qwen3: Path
    ) -> None:
        workspace = await open_on(endless_qwen3)
        chat = open_chat(workspace)
        exchange = await chat.ask("Go on /no_think")
        stream = chat.answer(exchange.reply)
        await next_of(stream, TextDelta)
        await stream.aclose()
        kept = workspace.store.turn(exchange.reply.id)
        assert kept.status is TurnStatus.STOPPED
        assert kept.text


class TestBranching:
    async def test_regenerating_and_editing_keep_every_version(
        self, open_on: OpenOn, tiny_qwen3: Path
    ) -> None:
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        first = await chat.ask("Hello")
        old = reply_of([event async for event in chat.answer(first.reply)])
        again = await chat.regenerate(old.id)
        new = reply_of([event async for event in chat.answer(again)])
        assert new.usage is not None
        assert new.usage.evaluated <= 16
        edited = await chat.edit(first.question.id, "Hello you")
        assert reply_of([event async for event in chat.answer(edited.reply)]).text
        assert workspace.store.turn(old.id).text == old.text
        await chat.show_branch(old.id)
        assert [t.id for t in await chat.turns()] == [first.question.id, old.id]
        assert (await chat.branches())[old.id].count == 2


class TestTokensEvaluated:
    @pytest.mark.parametrize("switch", ["/think", "/no_think"])
    async def test_a_turn_costs_its_new_words_and_its_reply(
        self, open_on: OpenOn, home: Paths, tiny_qwen3: Path, switch: str
    ) -> None:
        set_value(home, "chat.auto_title", "false")
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        await say(chat, f"Hello {switch}")
        for number in range(2, 12):
            await self.check_one_turn(workspace, chat, f"Question {number} about the sky")

    async def test_the_first_turn_after_quit_and_resume_likewise(
        self, open_on: OpenOn, home: Paths, tiny_qwen3: Path
    ) -> None:
        set_value(home, "chat.auto_title", "false")
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        for number in range(4):
            await say(chat, f"Question {number}")
        await chat.close()
        await workspace.close()
        workspace = await open_on(tiny_qwen3)
        resumed = open_chat(workspace, chat.session.id)
        await self.check_one_turn(workspace, resumed, "Do you remember?")

    @staticmethod
    async def check_one_turn(workspace: Workspace, chat: Chat, text: str) -> None:
        engine = await workspace.host.ready()
        before = await engine.totals(after_settling=True)
        reply = reply_of(await say(chat, text))
        after = await engine.totals(after_settling=True)
        sizes = (
            await engine.count((Message("user", text), Message("assistant", reply.text)))
        ).texts
        assert reply.usage is not None
        assert reply.usage.evaluated <= sizes[0] + 16
        assert after.prefilled - before.prefilled <= sum(sizes) + 16
        assert after.decoded - before.decoded <= reply.usage.generated


class TestCompaction:
    async def test_the_oldest_turns_are_folded_once_and_then_only_new_words_cost(
        self, open_on: OpenOn, home: Paths, tiny_qwen3: Path
    ) -> None:
        set_value(home, "chat.auto_title", "false")
        set_value(home, "engine.context_tokens", "1024")
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        said = []
        folded: Compacted | None = None
        for number in range(40):
            said.append(f"Note {number}: the swallow is number {number}. /no_think")
            events = await say(chat, said[-1])
            reply = reply_of(events)
            assert reply.usage is not None
            assert reply.usage.prompt <= 1024
            if folded:
                engine = await workspace.host.ready()
                [size] = (await engine.count((Message("user", said[-1]),))).texts
                assert reply.usage.evaluated <= size + 16
                break
            if any(isinstance(e, Compacted) for e in events):
                assert reply.usage.evaluated <= reply.usage.prompt
            folded = next((e for e in events if isinstance(e, Compacted)), None)
            if folded:
                assert any(isinstance(e, Compacting) for e in events)
        assert folded is not None
        assert folded.folded >= 2
        turns = await chat.turns()
        assert [t.text for t in turns if t.role == "user"] == said
        assert [s.id for s in await chat.summaries()] == [folded.summary.id]
        assert workspace.store.search("swallow")

    async def test_a_message_that_cannot_fit_is_measured_and_trimmed(
        self, open_on: OpenOn, home: Paths, tiny_qwen3: Path
    ) -> None:
        set_value(home, "engine.context_tokens", "512")
        chat = open_chat(await open_on(tiny_qwen3))
        text = "paste " * 2000
        over = await chat.overflow(text)
        assert over is not None
        assert over.needed > over.available > 0
        shorter = await chat.trim(text)
        assert text.startswith(shorter)
        assert len(shorter) > len(text) * over.available / over.needed / 2
        assert await chat.overflow(shorter) is None
        assert reply_of(await say(chat, shorter)).status is not TurnStatus.INTERRUPTED
        [failure] = [e for e in await say(chat, text) if isinstance(e, ReplyFailed)]
        assert "tokens" in failure.what
        assert (await chat.turns())[-2].text == text

    async def test_stopping_while_folding_stores_no_summary(
        self, open_on: OpenOn, home: Paths, tiny_qwen3: Path
    ) -> None:
        set_value(home, "chat.auto_title", "false")
        set_value(home, "engine.context_tokens", "512")
        chat = open_chat(await open_on(tiny_qwen3))
        for number in range(40):
            exchange = await chat.ask(f"Note {number}: the swallow is number {number}. /no_think")
            events = []
            async for event in chat.answer(exchange.reply):
                events.append(event)
                if isinstance(event, Compacting):
                    chat.stop()
            if any(isinstance(event, Compacting) for event in events):
                break
        assert reply_of(events).status is TurnStatus.STOPPED
        assert await chat.summaries() == []
        events = await say(chat, "Go on /no_think")
        assert any(isinstance(event, Compacted) for event in events)
        assert reply_of(events).text

    async def test_a_smaller_window_still_holds_the_conversation(
        self, open_on: OpenOn, home: Paths, tiny_qwen3: Path
    ) -> None:
        set_value(home, "chat.auto_title", "false")
        set_value(home, "engine.context_tokens", "2048")
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        for number in range(20):
            await say(chat, f"Note {number}: the swallow is number {number}. /no_think")
        turns = await chat.turns()
        workspace.store.add_summary(chat.session.id, turns[1].id, "They met. " * 150, "")
        await workspace.close()
        set_value(home, "engine.context_tokens", "512")
        smaller = open_chat(await open_on(tiny_qwen3), chat.session.id)
        reply = reply_of(await say(smaller, "And now? /no_think"))
        assert reply.text
        assert reply.usage is not None
        assert reply.usage.prompt <= 512

    async def test_a_system_prompt_without_room_is_named(
        self, open_on: OpenOn, home: Paths, tiny_qwen3: Path
    ) -> None:
        set_value(home, "engine.context_tokens", "512")
        chat = open_chat(await open_on(tiny_qwen3), None, Overrides(system_prompt="be kind " * 400))
        with pytest.raises(InputError, match="system prompt"):
            await chat.overflow("hi")
        [failure] = [e for e in await say(chat, "hi") if isinstance(e, ReplyFailed)]
        assert "system prompt" in failure.what


class TestEngineTrouble:
    async def test_an_engine_that_dies_over_the_title_costs_only_the_title(
        self, open_on: OpenOn, tiny_qwen3: Path
    ) -> None:
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        engine = await workspace.host.ready()
        exchange = await chat.ask("Hello")
        events = []
        async for event in chat.answer(exchange.reply):
            events.append(event)
            if isinstance(event, ReplyEnded) and engine.pid:
                os.kill(engine.pid, signal.SIGKILL)
        assert not any(isinstance(event, ReplyFailed) for event in events)
        kept = workspace.store.turn(exchange.reply.id)
        assert kept.status is TurnStatus.COMPLETE
        assert kept.usage is not None
        assert reply_of(await say(chat, "Hello again")).text

    async def test_a_disk_that_refuses_the_journal_costs_no_words(
        self, open_on: OpenOn, endless_qwen3: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workspace = await open_on(endless_qwen3)
        chat = open_chat(workspace)
        exchange = await chat.ask("Go on /no_think")

        def refuse(*_: object) -> None:
            raise StorageError("The disk is full.")

        with monkeypatch.context() as full_disk:
            full_disk.setattr(workspace.store, "journal", refuse)
            events = []
            async for event in chat.answer(exchange.reply):
                events.append(event)
                if len([e for e in events if isinstance(e, TextDelta)]) == 300:
                    chat.stop()
        assert workspace.store.turn(exchange.reply.id).text.startswith("one two")

    async def test_another_chat_with_another_model_waits_for_this_reply(
        self, open_on: OpenOn, endless_qwen3: Path, tiny_qwen3: Path
    ) -> None:
        workspace = await open_on(endless_qwen3)
        workspace.models.import_file(tiny_qwen3, in_place=True)
        first = open_chat(workspace)
        second = open_chat(workspace, None, Overrides(model=tiny_qwen3.stem))
        exchange = await first.ask("Go on /no_think")
        events, asking = [], None
        async for event in first.answer(exchange.reply):
            events.append(event)
            heard = len([e for e in events if isinstance(e, TextDelta)])
            if heard == 5:
                asking = asyncio.create_task(say(second, "Hello"))
            if heard == 60:
                first.stop()
        assert reply_of(events).status is TurnStatus.STOPPED
        assert asking is not None
        assert reply_of(await asking).model == tiny_qwen3.stem

    async def test_a_killed_engine_costs_no_words(
        self, open_on: OpenOn, endless_qwen3: Path
    ) -> None:
        workspace = await open_on(endless_qwen3)
        chat = open_chat(workspace)
        victim = (await workspace.host.ready()).pid
        exchange = await chat.ask("Go on /no_think")
        events: list[ChatEvent] = []
        async for event in chat.answer(exchange.reply):
            events.append(event)
            if len([e for e in events if isinstance(e, TextDelta)]) == 4 and victim:
                os.kill(victim, signal.SIGKILL)
                victim = None
        heard = "".join(e.text for e in events if isinstance(e, TextDelta)).strip()
        failure = next(e for e in events if isinstance(e, ReplyFailed))
        assert failure.turn.status is TurnStatus.INTERRUPTED
        assert failure.turn.text == heard
        assert any(isinstance(e, EngineRestarted) for e in events)
        again = await chat.regenerate(exchange.reply.id)
        stream = chat.answer(again)
        assert await next_of(stream, TextDelta)
        await stream.aclose()

    async def test_a_model_too_big_is_refused_before_loading_with_the_numbers(
        self, open_on: OpenOn, endless_qwen3: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dataclasses import replace

        from tsubasa_cli.conversation import engine_host

        real = engine_host.this_machine()
        small = replace(real, ram_available=50 << 20, ram_total=60 << 20, vram_free=0)
        monkeypatch.setattr(engine_host, "this_machine", lambda: small)
        workspace = await open_on(endless_qwen3)
        with pytest.raises(ModelError, match="too big"):
            await workspace.host.ready()
        assert workspace.host.state.phase is Phase.FAILED
        chat = open_chat(workspace)
        events = await say(chat, "Hello")
        assert any(isinstance(e, ReplyFailed) and "MB" in e.what for e in events)
        assert (await chat.turns())[0].text == "Hello"

    async def test_an_unknown_model_is_not_found(self, open_on: OpenOn, tiny_qwen3: Path) -> None:
        chat = open_chat(await open_on(tiny_qwen3))
        with pytest.raises(NotFoundError):
            await chat.set_model("nothing-of-the-kind")

    async def test_switching_the_model_inside_a_chat(
        self, open_on: OpenOn, tiny_qwen3: Path, smollm2: Path
    ) -> None:
        workspace = await open_on(smollm2)
        workspace.models.import_file(tiny_qwen3, in_place=True)
        chat = open_chat(workspace)
        assert reply_of(await say(chat, "Hello")).model == smollm2.stem
        await chat.set_model(tiny_qwen3.stem)
        assert reply_of(await say(chat, "Hello again")).model == tiny_qwen3.stem
        assert len(await chat.turns()) == 4


async def test_what_streams_is_journalled_within_a_second(
    open_on: OpenOn, endless_qwen3: Path
) -> None:
    workspace = await open_on(endless_qwen3)
    chat = open_chat(workspace)
    exchange = await chat.ask("Go on /no_think")
    heard = kept = ""
    async for event in chat.answer(exchange.reply):
        heard += event.text if isinstance(event, TextDelta) else ""
        journalled = workspace.store._connection.execute(
            "SELECT group_concat(text, '') FROM reply_journal"
        ).fetchone()[0]
        assert heard.startswith(journalled or "")
        if journalled:
            kept = journalled
            chat.stop()
    assert kept.strip().startswith("one two")


class TestKvStates:
    async def test_a_deleted_session_leaves_no_state_behind(
        self, open_on: OpenOn, home: Paths, tiny_qwen3: Path
    ) -> None:
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        await say(chat, "Hello")
        await chat.close()
        assert list(home.kv_states.iterdir())
        workspace.delete_session(chat.session.id)
        await chat.close()
        await workspace.host.focus("another")
        assert list(home.kv_states.iterdir()) == []

    async def test_a_session_never_keeps_the_words_of_another(
        self, open_on: OpenOn, home: Paths, tiny_qwen3: Path
    ) -> None:
        workspace = await open_on(tiny_qwen3)
        first, second = open_chat(workspace), open_chat(workspace)
        await say(first, "A private matter")
        await second.rename("Empty")
        await workspace.host.focus(second.session.id)
        await second.close()
        assert [f.stem for f in home.kv_states.iterdir()] == [first.session.id]

    def test_the_cache_is_bounded_and_tidies_up_after_the_dead(self, home: Paths) -> None:
        states = KvStates(home, limit_mb=1)
        for age, name in enumerate(["old", "middle", "new"]):
            file = states.file_for(name)
            file.write_bytes(bytes(400 * 1024))
            os.utime(file, (age * 1000, age * 1000))
        abandoned = home.kv_states / ".gone.kv.123.tmp"
        abandoned.write_bytes(b"x")
        os.utime(abandoned, (0, 0))
        states.evict()
        assert sorted(f.name for f in home.kv_states.iterdir()) == ["middle.kv", "new.kv"]

    async def test_warming_makes_the_next_message_cheap(
        self, open_on: OpenOn, home: Paths, tiny_qwen3: Path
    ) -> None:
        set_value(home, "engine.kv_cache_mb", "0")
        set_value(home, "chat.auto_title", "false")
        workspace = await open_on(tiny_qwen3)
        chat = open_chat(workspace)
        for number in range(3):
            await say(chat, f"Question {number}")
        await workspace.close()
        workspace = await open_on(tiny_qwen3)
        resumed = open_chat(workspace, chat.session.id)
        await workspace.host.ready()
        await resumed.warm()
        await TestTokensEvaluated.check_one_turn(workspace, resumed, "Do you remember?")
