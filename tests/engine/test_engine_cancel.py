"""Cancel is heard within one token while replying and within one slice while reading."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from engine_helpers import GREEDY, assistant, reply, spec, user
from tiny_models import REPLY

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Done, Event, Message, Prefill, StopReason, TextDelta

SLICE = 128
LONG_PROMPT = "the quick brown fox jumps over the lazy dog and "


async def generate_and_cancel_at(
    engine: Engine, messages: list[Message], at: type[Event], count: int
) -> Done:
    """Cancel when ``count`` events of kind ``at`` have arrived."""
    seen = 0
    async for event in engine.generate(messages, GREEDY, thinking=False):
        seen += isinstance(event, at)
        if seen == count:
            engine.cancel()
    assert isinstance(event, Done)
    return event


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
async def test_while_replying(engine: Engine, endless_qwen3: Path, count: int) -> None:
    await engine.load(spec(endless_qwen3, 16384))
    done = await generate_and_cancel_at(engine, [user("Hi")], TextDelta, count)
    assert done.reason is StopReason.CANCELLED
    assert done.after_cancel <= 1
    assert done.text.startswith("one")


async def test_while_reading_4000_tokens(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 8192))
    messages = [user(LONG_PROMPT * 400)]
    counted = await engine.count(messages)
    assert counted.prompt >= 4000
    done = await generate_and_cancel_at(engine, messages, Prefill, 3)
    assert done.reason is StopReason.CANCELLED
    assert done.after_cancel <= SLICE
    assert done.stats.evaluated <= 6 * SLICE
    assert (done.text, done.stats.generated) == ("", 0)
    totals = await engine.totals(after_settling=True)
    assert totals.prefilled == done.stats.evaluated
    following, _ = await reply(engine, [user("Hello")], max_tokens=4)
    assert following.reason is StopReason.LENGTH


async def test_of_a_reply_that_has_not_begun(engine: Engine, endless_qwen3: Path) -> None:
    await engine.load(spec(endless_qwen3, 16384))
    first = asyncio.create_task(generate_and_cancel_at(engine, [user("Hi")], TextDelta, 3))
    second = asyncio.create_task(reply(engine, [user("Ho")]))
    assert (await first).reason is StopReason.CANCELLED
    done, _ = await second
    assert done.reason is StopReason.CANCELLED


async def test_by_leaving_the_iteration(engine: Engine, endless_qwen3: Path) -> None:
    await engine.load(spec(endless_qwen3, 16384))
    async with aclosing(engine.generate([user("Hi")], GREEDY, thinking=False)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    done, _ = await reply(engine, [user("Ho")], thinking=False, max_tokens=3)
    assert done.text == "one two three"
    totals = await engine.totals()
    assert totals.decoded < 16000


async def test_by_cancelling_the_task_that_reads(engine: Engine, endless_qwen3: Path) -> None:
    await engine.load(spec(endless_qwen3, 16384))
    arrived = asyncio.Event()

    async def read() -> None:
        async for event in engine.generate([user("Hi")], GREEDY, thinking=False):
            if isinstance(event, TextDelta):
                arrived.set()

    task = asyncio.create_task(read())
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    done, _ = await reply(engine, [user("Ho")], thinking=False, max_tokens=3)
    assert done.text == "one two three"


async def test_the_cancelled_reply_is_settled(engine: Engine, endless_qwen3: Path) -> None:
    await engine.load(spec(endless_qwen3, 16384))
    done = await generate_and_cancel_at(engine, [user("Hi")], TextDelta, 4)
    await engine.totals(after_settling=True)
    history = [user("Hi"), assistant(done.text), user("More")]
    following, _ = await reply(engine, history, thinking=False, max_tokens=3)
    assert following.stats.evaluated <= len("More") + 16


async def test_warming_gives_way_to_a_reply(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 8192))
    history = [user(LONG_PROMPT * 400), assistant("Yes.")]
    warming = asyncio.create_task(engine.warm(history))
    await asyncio.sleep(0)
    done, _ = await reply(engine, [user("Hello")], max_tokens=2)
    warmed = await warming
    assert warmed.evaluated < 4000
    assert done.reason is StopReason.LENGTH


async def test_settling_gives_way_to_a_reply(engine: Engine, endless_qwen3: Path) -> None:
    await engine.load(spec(endless_qwen3, 16384))
    first, _ = await reply(engine, [user("Hi")], thinking=True, max_tokens=1000)
    second, _ = await reply(engine, [user("Ho")], thinking=False, max_tokens=3)
    assert second.text == "one two three"
    assert first.stats.generated == 1000


async def test_counting_does_not_wait_for_the_reply(engine: Engine, endless_qwen3: Path) -> None:
    await engine.load(spec(endless_qwen3, 16384))
    counted = None
    async for event in engine.generate([user("Hi")], GREEDY, thinking=False):
        if isinstance(event, TextDelta) and counted is None:
            counted = await engine.count([user("Hi")])
            engine.cancel()
    assert counted is not None
    assert isinstance(event, Done)
    assert event.reason is StopReason.CANCELLED


async def test_cancel_with_nothing_to_cancel(engine: Engine, tiny_qwen3: Path) -> None:
    engine.cancel()
    await engine.load(spec(tiny_qwen3))
    engine.cancel()
    done, _ = await reply(engine, [user("Hi")])
    engine.cancel()
    assert done.text == REPLY
