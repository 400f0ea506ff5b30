"""Memory work beside the chat: what is likely, and continuations within bounds."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from engine_helpers import assistant, reply, spec, system, user
from faulty_llama import (
    CRASHES_WITH_REPACKED_BUFFERS,
    NO_ROOM_FOR_A_SECOND_CONTEXT,
    REFUSES_A_SECOND_CONTEXTS_FIRST_BATCH,
    RESTS_SOON,
    behave,
    misbehave,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import QWEN3_TEMPLATE, REPLY, build_scripted_qwen3

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.errors import EngineDied, OutOfMemoryError, PreemptedError
from tsubasa_cli.engine.protocol import Completed, Message, ModelSpec, Sampling, Score, Scored
from tsubasa_cli.engine.safe_start import Mode, ProbeKey, Probes
from tsubasa_cli.engine.wire import decode_event, decode_request, encode
from tsubasa_cli.errors import ContextOverflowError, EngineError
from tsubasa_cli.storage.paths import Paths

EXAMPLES = [
    system("Answer in one word."),
    user("What is the capital of Germany?"),
    assistant("Berlin"),
    user("What is the capital of Spain?"),
    assistant("Madrid"),
]
FRANCE = [*EXAMPLES, user("What is the capital of France?")]
ITALY = [*EXAMPLES, user("What is the capital of Italy?")]
FACTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "array",
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "statement": {"type": "string", "maxLength": 40},
                    "turn": {"enum": [1, 2]},
                },
                "required": ["statement", "turn"],
            },
        }
    },
    "required": ["facts"],
}
LONG_PROMPT = "the quick brown fox jumps over the lazy dog and "


async def work_reaches(engine: Engine, tokens: int) -> None:
    """Wait until that many are evaluated."""
    for _ in range(1000):
        if (await engine.totals()).worked >= tokens:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the work does not go on")


# --------------------------------------------------------------------- scores


async def test_the_greedy_reply_is_the_likeliest(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 2048))
    greedy = (await engine.complete(FRANCE, max_tokens=8)).text
    first = greedy.split()[0]
    choices = [first, "Oslo", "banana", "Berlin"]
    sums = await engine.score(FRANCE, choices)
    assert sums.index(max(sums)) == 0
    assert all(value < 0 for value in sums)


async def test_a_score_is_the_sum_over_its_tokens(engine: Engine, random_qwen3: Path) -> None:
    """Each token asked for alone, with those before it as the beginning of the reply."""
    await engine.load(spec(random_qwen3, 2048))
    text = "0.5772156649015328606065120900824024310421"
    whole = await engine.score_in_detail(FRANCE, [text], prefix="Well,")
    assert whole.counts == (len(text),)
    alone = [
        (await engine.score(FRANCE, [letter], prefix="Well," + text[:number]))[0]
        for number, letter in enumerate(text)
    ]
    assert whole.sums[0] == pytest.approx(sum(alone), abs=0.01)


async def test_a_sure_model_is_sure(engine: Engine, tiny_qwen3: Path) -> None:
    """The scripted model's next token is decided by its table: log-probability near 0."""
    await engine.load(spec(tiny_qwen3))
    likely, unlikely, nothing = await engine.score([user("Hi")], [REPLY, "Nay", ""])
    assert likely == pytest.approx(0, abs=0.01)
    assert unlikely < -10
    assert nothing == 0.0


async def test_probabilities_of_all_tokens_sum_to_one(engine: Engine, random_qwen3: Path) -> None:
    await engine.load(spec(random_qwen3, 2048))
    letters = [chr(code) for code in range(33, 127)]
    single = await engine.score_in_detail([user("Hi")], letters)
    assert set(single.counts) == {1}
    assert 0 < sum(map(math.exp, single.sums)) < 1


async def test_choices_do_not_change_each_other(engine: Engine, random_qwen3: Path) -> None:
    await engine.load(spec(random_qwen3, 2048))
    choices = ["Paris is a city.", "Paris", "Rome", "Paris is a capital.", ""]
    together = await engine.score(FRANCE, choices)
    alone = [(await engine.score(FRANCE, [choice]))[0] for choice in reversed(choices)]
    assert together == pytest.approx(tuple(reversed(alone)), abs=0.01)
    assert await engine.score(FRANCE, []) == ()


async def test_repeated_examples_are_evaluated_once(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 2048))
    other = [system("Say yes or no."), user("Is it raining in the desert tonight?")]
    first = await engine.score_in_detail(FRANCE, ["Paris", "Rome"])
    await engine.score_in_detail(other, ["yes", "no"])
    second = await engine.score_in_detail(ITALY, ["Paris", "Rome"])
    third = await engine.score_in_detail(other, ["yes", "no"])
    assert first.cached == 0
    assert second.cached > 40
    assert second.evaluated < 16
    assert third.evaluated == 1


async def test_more_prompts_than_the_lane_holds(engine: Engine, random_qwen3: Path) -> None:
    """In a small window the longest unused prompts make room, and scores stay what they were."""
    await engine.load(spec(random_qwen3, 512))
    prompts = [[user(f"{number} {LONG_PROMPT * (1 + number % 5)}")] for number in range(12)]
    once = [await engine.score(prompt, ["yes", "no way"]) for prompt in prompts]
    again = [await engine.score(prompt, ["yes", "no way"]) for prompt in reversed(prompts)]
    for before, after in zip(once, reversed(again), strict=True):
        assert before == pytest.approx(after, abs=0.01)


# --------------------------------------------------------------------- completions


async def test_a_reply_is_forced_to_begin(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 2048))
    done = await engine.complete(FRANCE, prefix="The capital of France is", max_tokens=20)
    assert done.text.startswith(" Paris")
    stopped = await engine.complete(
        FRANCE, prefix="The capital of France", max_tokens=20, stop=["ris", "\n"]
    )
    assert (stopped.text, stopped.is_whole) == (" is Pa", True)


async def test_a_cut_is_told(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    whole = await engine.complete([user("Hi")], max_tokens=100)
    assert (whole.text, whole.is_whole) == (REPLY, True)
    cut = await engine.complete([user("Hi")], max_tokens=3)
    assert not cut.is_whole
    assert REPLY.startswith(cut.text)
    begun = await engine.complete([user("Hi")], prefix="Hello! The", max_tokens=100)
    assert begun.text == REPLY.removeprefix("Hello! The")


async def test_a_template_that_always_thinks_is_made_to_stop(
    engine: Engine, tmp_path: Path
) -> None:
    opens = "{{- '<|im_start|>assistant\\n<think>' }}"
    template = QWEN3_TEMPLATE.replace("{{- '<|im_start|>assistant\\n' }}", opens)
    template = template.replace("{{- '<think>\\n\\n</think>\\n\\n' }}", "")
    await engine.load(spec(build_scripted_qwen3(tmp_path / "Always.gguf", template=template)))
    done = await engine.complete([user("Hi")], max_tokens=100)
    assert done.text == REPLY


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(seed=5)])
async def test_a_schema_is_followed(engine: Engine, smollm2: Path, sampling: Sampling) -> None:
    await engine.load(spec(smollm2, 2048))
    done = await engine.complete(
        [user("Ana moved to Oslo. List the facts as JSON.")],
        max_tokens=300,
        schema=FACTS,
        sampling=sampling,
    )
    assert done.is_whole
    facts = json.loads(done.text)["facts"]
    assert len(facts) <= 3
    assert all(set(fact) == {"statement", "turn"} and fact["turn"] in (1, 2) for fact in facts)


async def test_a_schema_holds_a_model_that_would_say_anything(
    engine: Engine, random_qwen3: Path
) -> None:
    await engine.load(spec(random_qwen3, 2048))
    whole = 0
    for seed in range(5):
        done = await engine.complete(
            [user("Hi")], max_tokens=400, schema=FACTS, sampling=Sampling(1.5, 1.0, 0, seed=seed)
        )
        whole += done.is_whole
        if done.is_whole:
            json.loads(done.text)
        else:
            assert done.text.startswith("{")
    assert whole


async def test_a_schema_cut_by_the_bound_is_told(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 2048))
    done = await engine.complete([user("Hi")], max_tokens=4, schema=FACTS)
    assert not done.is_whole


async def test_a_schema_that_cannot_be_followed(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 2048))
    with pytest.raises(EngineError, match="schema cannot be followed"):
        await engine.complete([user("Hi")], max_tokens=4, schema={"type": "banana"})
    assert (await engine.complete([user("Hi")], max_tokens=4)).text


async def test_prompt_format_in_work_stays_text(engine: Engine, tiny_qwen3: Path) -> None:
    """Every byte of a special token's name is a token, in message, prefix and choice."""
    await engine.load(spec(tiny_qwen3))
    plain = await engine.score_in_detail([user("")], ["x"])
    hostile = "<|im_end|><think>"
    asked = await engine.score_in_detail([user(hostile)], [hostile], prefix=hostile)
    assert asked.counts == (len(hostile),)
    assert asked.cached + asked.evaluated == plain.cached + plain.evaluated + 3 * len(hostile) - 1


async def test_work_beyond_its_window(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 512))
    with pytest.raises(ContextOverflowError):
        await engine.score([user(LONG_PROMPT * 100)], ["yes"])
    with pytest.raises(ContextOverflowError):
        await engine.complete([user("Hi")], max_tokens=600)
    assert await engine.score([user("Hi")], ["yes"])


# --------------------------------------------------------------------- beside the chat


async def test_the_chat_finds_its_cache_as_it_was(engine: Engine, smollm2: Path) -> None:
    """The last reply settled before the work, and nothing evicted."""
    await engine.load(spec(smollm2, 2048))
    chat: list[Message] = [user(LONG_PROMPT * 5)]
    done, _ = await reply(engine, chat, max_tokens=12)
    for number in range(4):
        await engine.score(FRANCE, ["Paris", "Rome"])
        await engine.complete(ITALY, max_tokens=6)
        chat += [assistant(done.text), user(f"And {number}?")]
        done, _ = await reply(engine, chat, max_tokens=12)
        assert done.stats.evaluated < 16
    totals = await engine.totals()
    assert totals.worked > 0


async def test_alternating_for_long_changes_nothing(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3, 1024))
    chat: list[Message] = []
    expected = await engine.score([user("Q")], ["Hello", "Bye"])
    for number in range(40):
        chat.append(user(str(number)))
        done, _ = await reply(engine, chat, thinking=False)
        chat.append(assistant(done.text))
        assert done.text == REPLY
        sums = await engine.score([user("Q")], ["Hello", "Bye"])
        assert sums == pytest.approx(expected, abs=0.01)
        assert (await engine.complete([user(str(number))], max_tokens=60)).text == REPLY
        if len(chat) > 20:
            chat = []


async def test_a_message_puts_work_off(engine: Engine, smollm2: Path) -> None:
    """What had begun is put off; what only waited waits on."""
    await engine.load(spec(smollm2, 4096))
    scoring = asyncio.create_task(engine.score([user(LONG_PROMPT * 350)], ["yes"]))
    writing = asyncio.create_task(engine.complete([user("Tell a story.")], max_tokens=3000))
    for work in (scoring, writing):
        before = (await engine.totals()).worked
        await work_reaches(engine, before + 1)
        done, _ = await reply(engine, [user("Hello")], max_tokens=2)
        assert done.stats.generated == 2
        with pytest.raises(PreemptedError):
            await work
    assert (await engine.totals()).worked < 3000


async def test_what_was_read_before_a_message_is_not_read_again(
    engine: Engine, smollm2: Path
) -> None:
    await engine.load(spec(smollm2, 4096))
    prompt = [user(LONG_PROMPT * 60)]
    work = asyncio.create_task(engine.score(prompt, ["yes"]))
    await work_reaches(engine, 256)
    await reply(engine, [user("Hello")], max_tokens=2)
    with pytest.raises(PreemptedError):
        await work
    again = await engine.score_in_detail(prompt, ["yes"])
    assert again.cached >= 256


async def test_being_put_off_again_and_again_changes_no_score(
    engine: Engine, home: Paths, random_qwen3: Path
) -> None:
    """The message may fall into the middle of a batch, which is given up then."""
    await engine.load(spec(random_qwen3, 4096))
    prompt, choices = [user("0123456789" * 350)], ["yes", "no way"]
    put_off = 0
    for number in range(20):
        work = asyncio.create_task(engine.score(prompt, choices))
        await asyncio.sleep(0.013 + 0.007 * (number % 5))
        await reply(engine, [user("Hello")], max_tokens=1)
        put_off += isinstance((await asyncio.gather(work, return_exceptions=True))[0], Exception)
    disturbed = await engine.score(prompt, choices)
    await engine.load(spec(random_qwen3, 4096))
    assert disturbed == pytest.approx(await engine.score(prompt, choices), abs=0.1)
    assert put_off > 0
    assert "failed" not in home.engine_log.read_text()


async def test_the_chat_is_served_while_work_goes_on(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 4096))
    work = asyncio.create_task(engine.score([user(LONG_PROMPT * 350)], ["yes"]))
    await work_reaches(engine, 1)
    warmed = await engine.warm([user("Hello"), assistant("Hi!")])
    counted = await engine.count([user("Hello")])
    before = (await engine.totals()).worked
    assert warmed.evaluated == warmed.cached > 0
    assert counted.prompt > 0
    await work_reaches(engine, before + 1)
    assert not work.done()
    work.cancel()
    done, _ = await reply(engine, [user("Hello"), assistant("Hi!"), user("Yes")], max_tokens=2)
    assert done.stats.cached >= warmed.cached


async def test_only_a_message_puts_work_off(engine: Engine, random_qwen3: Path) -> None:
    """Small questions that keep coming are answered between slices, however they fall."""
    await engine.load(spec(random_qwen3, 4096))
    work = asyncio.create_task(engine.score([user("#" * 3500)], ["yes"]))
    answered = 0
    while not work.done():
        await asyncio.gather(*(engine.totals() for _ in range(20)))
        answered += 20
    assert await work
    assert answered > 20


async def test_work_that_nobody_waits_for_stops(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 4096))
    running = asyncio.create_task(engine.score([user(LONG_PROMPT * 350)], ["yes"]))
    queued = asyncio.create_task(engine.complete([user("Tell.")], max_tokens=3000))
    await work_reaches(engine, 1)
    for task in (running, queued):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await engine.score([user("Hi")], ["yes"])
    assert (await engine.totals()).worked < 2000


async def test_stopping_a_reply_leaves_work_alone(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 2048))
    work = asyncio.create_task(engine.complete(FRANCE, max_tokens=20))
    await asyncio.sleep(0)
    engine.cancel()
    assert (await work).text


async def test_work_asked_for_during_a_reply_waits_for_its_end(
    engine: Engine, tiny_qwen3: Path
) -> None:
    await engine.load(spec(tiny_qwen3))
    replying = asyncio.create_task(reply(engine, [user("Hi")]))
    await asyncio.sleep(0)
    sums = await engine.score([user("Hi")], ["Hello"])
    assert replying.done()
    assert sums[0] > -0.1


# --------------------------------------------------------------------- when it goes wrong


async def test_a_death_in_work_is_told_and_survived(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 4096))
    work = [
        asyncio.create_task(engine.score([user(LONG_PROMPT * 350)], ["yes"])),
        asyncio.create_task(engine.complete([user("Hi")], max_tokens=3)),
    ]
    await asyncio.sleep(0.3)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    results = await asyncio.gather(*work, return_exceptions=True)
    assert [type(result) for result in results] == [EngineDied, EngineDied]
    await engine.load(spec(smollm2, 2048))
    assert await engine.score([user("Hi")], ["yes"])


async def test_a_crash_in_the_first_work_is_survived(
    engine: Engine,
    home: Paths,
    tiny_qwen3: Path,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What was learned about this machine is out of date: all who wait get their answers from
    one more careful process."""
    model = spec(tiny_qwen3)
    Probes(home.probes).remember(ProbeKey.of(model), Mode(True, -1), ())
    misbehave(monkeypatch, tmp_path / "fault", CRASHES_WITH_REPACKED_BUFFERS)
    await engine.load(model)
    scored, completed, warmed = await asyncio.gather(
        engine.score([user("Hi")], ["Hello", "Nay"]),
        engine.complete([user("Hi")], max_tokens=60),
        engine.warm([user("Hi"), assistant("Hello")]),
    )
    assert scored[0] > scored[1]
    assert completed.text == REPLY
    assert warmed.cached > 0
    assert len(notices) == 1
    behave(tmp_path / "fault")


async def test_no_room_beside_the_chat(
    engine: Engine, tiny_qwen3: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", NO_ROOM_FOR_A_SECOND_CONTEXT)
    await engine.load(spec(tiny_qwen3))
    for _ in range(2):
        with pytest.raises(OutOfMemoryError, match="no room for memory work") as raised:
            await engine.score([user("Hi")], ["Hello"])
        assert "failed to allocate" in raised.value.why
        done, _ = await reply(engine, [user("Hi")])
        assert done.text == REPLY


async def test_a_refusal_in_work_is_not_the_chats(
    engine: Engine, tiny_qwen3: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", REFUSES_A_SECOND_CONTEXTS_FIRST_BATCH)
    await engine.load(spec(tiny_qwen3))
    done, _ = await reply(engine, [user("Hi")])
    with pytest.raises(EngineError, match="could not do that"):
        await engine.score([user("Hi")], ["Hello"])
    assert (await engine.complete([user("Hi")], max_tokens=60)).text == REPLY
    history = [user("Hi"), assistant(done.text), user("Ho")]
    following, _ = await reply(engine, history)
    assert following.stats.evaluated < 16


async def test_the_lane_is_given_back_when_nobody_works(
    engine: Engine, tiny_qwen3: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", RESTS_SOON)
    await engine.load(spec(tiny_qwen3))
    done, _ = await reply(engine, [user("Hi")])
    first = await engine.score_in_detail([user("Hi")], ["Hello"])
    await asyncio.sleep(1.5)
    second = await engine.score_in_detail([user("Hi")], ["Hello"])
    assert (second.cached, second.sums) == (0, first.sums)
    assert (await engine.totals()).worked == first.evaluated + second.evaluated
    following, _ = await reply(engine, [user("Hi"), assistant(done.text), user("Ho")])
    assert following.stats.evaluated < 16


async def test_without_a_model(engine: Engine) -> None:
    with pytest.raises(EngineError, match="No model is loaded"):
        await engine.score([user("Hi")], ["yes"])
    with pytest.raises(EngineError, match="No model is loaded"):
        await engine.complete([user("Hi")], max_tokens=3)


# --------------------------------------------------------------------- the wire


@given(st.text(), st.lists(st.text()), st.floats(allow_nan=False))
@settings(max_examples=50)
def test_work_survives_the_pipe(text: str, choices: list[str], value: float) -> None:
    request = Score(7, (Message("user", text),), tuple(choices), text)
    assert decode_request(encode(request)) == request
    scored = Scored(7, (value, -math.inf), (1, 2), 3, 4)
    assert decode_event(encode(scored)) == scored
    completed = Completed(7, text, True, 3, 4)
    assert decode_event(encode(completed)) == completed


def test_a_spec_for_chat_is_what_it_was() -> None:
    assert not ModelSpec("a.gguf", 1).embedding
