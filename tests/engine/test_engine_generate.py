"""Replies of a scripted Qwen-3: thinking apart, text exact, ends for the right reason."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from engine_helpers import GREEDY, assistant, reply, shown, spec, system, user
from tiny_models import QWEN3_TEMPLATE, REPLY, THINKING, build_scripted_qwen3

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import (
    LoadProgress,
    Prefill,
    Probing,
    Sampling,
    Stats,
    StopReason,
    TextDelta,
    ThinkingDelta,
)
from tsubasa_cli.errors import ContextOverflowError, EngineError


async def test_says_what_was_loaded(engine: Engine, tiny_qwen3: Path) -> None:
    progress: list[LoadProgress | Probing] = []
    loaded = await engine.load(spec(tiny_qwen3), progress.append)
    assert (loaded.architecture, loaded.family, loaded.name) == ("qwen3", "qwen3", "Tiny-Qwen3")
    assert (loaded.n_ctx, loaded.n_ctx_train) == (4096, 8192)
    assert loaded.thinks
    assert loaded.gpu_layers == 0
    assert loaded.kv_bytes_per_token == 2 * 2 * 128 * 2
    assert engine.loaded == loaded
    assert any(isinstance(event, Probing) for event in progress)
    assert progress[-2].fraction == 1.0 if isinstance(progress[-2], LoadProgress) else False


@pytest.mark.parametrize("thinking", [None, True])
async def test_thinking_is_told_apart(
    engine: Engine, tiny_qwen3: Path, thinking: bool | None
) -> None:
    await engine.load(spec(tiny_qwen3))
    done, events = await reply(engine, [user("Hi")], thinking=thinking)
    assert (done.text, done.thinking) == (REPLY, THINKING)
    assert shown(events, TextDelta) == REPLY
    assert shown(events, ThinkingDelta) == THINKING
    assert done.reason is StopReason.END


async def test_thinking_is_switched_off_through_the_template(
    engine: Engine, tiny_qwen3: Path
) -> None:
    await engine.load(spec(tiny_qwen3))
    done, events = await reply(engine, [user("Hi")], thinking=False)
    assert (done.text, done.thinking) == (REPLY, "")
    assert not any(isinstance(event, ThinkingDelta) for event in events)


async def test_a_template_that_opens_the_think_block_itself(engine: Engine, tmp_path: Path) -> None:
    template = QWEN3_TEMPLATE.replace(
        "{{- '<|im_start|>assistant\\n' }}", "{{- '<|im_start|>assistant\\n<think>' }}"
    )
    path = build_scripted_qwen3(tmp_path / "Opens.gguf", template=template)
    await engine.load(spec(path))
    done, events = await reply(engine, [user("Hi")])
    assert (done.text, done.thinking) == (REPLY, THINKING)
    assert shown(events, TextDelta) == REPLY
    assert done.stats.generated < 26


async def test_a_character_split_over_tokens_arrives_whole(
    engine: Engine, tiny_qwen3: Path
) -> None:
    await engine.load(spec(tiny_qwen3))
    _, events = await reply(engine, [user("Hi")], thinking=False)
    texts = [event.text for event in events if isinstance(event, TextDelta)]
    assert any("🪽" in text for text in texts)
    assert not any("\ufffd" in text for text in texts)


async def test_random_weights_stream_whatever_they_say(engine: Engine, random_qwen3: Path) -> None:
    await engine.load(spec(random_qwen3))
    done, events = await reply(
        engine, [user("Hi")], sampling=Sampling(seed=3), thinking=False, max_tokens=300
    )
    assert shown(events, TextDelta) == done.text
    assert "<think>" not in done.text
    assert "</think>" not in done.text


async def test_a_seed_decides_the_reply(engine: Engine, random_qwen3: Path) -> None:
    await engine.load(spec(random_qwen3))
    texts = [
        (await reply(engine, [user("Hi")], sampling=Sampling(seed=seed), max_tokens=60))[0]
        for seed in (1, 1, 2)
    ]
    once, again, other = ((done.text, done.thinking) for done in texts)
    assert once == again
    assert once != other


async def test_penalties_keep_a_loop_from_going_on(engine: Engine, endless_qwen3: Path) -> None:
    await engine.load(spec(endless_qwen3))
    penalised = Sampling(temperature=0.0, repeat_penalty=100.0, presence_penalty=2.0)
    done, _ = await reply(engine, [user("Hi")], sampling=penalised, thinking=False, max_tokens=40)
    assert not done.text.startswith(
        "one two three four five six seven eight nine ten eleven twelveone two"
    )


async def test_max_tokens_and_the_window_end_a_reply(engine: Engine, endless_qwen3: Path) -> None:
    loaded = await engine.load(spec(endless_qwen3, 512))
    done, _ = await reply(engine, [user("Hi")], thinking=False, max_tokens=5)
    assert (done.reason, done.stats.generated) == (StopReason.LENGTH, 5)
    assert done.text == "one two three four five"
    done, _ = await reply(engine, [user("Hi")], thinking=False)
    assert done.reason is StopReason.LENGTH
    assert done.stats.prompt + done.stats.generated == loaded.n_ctx + 1


async def test_reply_without_an_end_to_its_thinking(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    done, events = await reply(engine, [user("Hi")], max_tokens=4)
    assert done.text == ""
    assert done.thinking
    assert shown(events, ThinkingDelta) == done.thinking


async def test_overflow_is_told_in_numbers(engine: Engine, tiny_qwen3: Path) -> None:
    loaded = await engine.load(spec(tiny_qwen3, 512))
    messages = [user("Q" * 600)]
    counted = await engine.count(messages)
    with pytest.raises(ContextOverflowError) as raised:
        await reply(engine, messages)
    assert raised.value.needed == counted.prompt
    assert raised.value.available == loaded.n_ctx - 8
    done, _ = await reply(engine, [user("Hi")])
    assert done.text == REPLY


async def test_count_is_what_is_sent(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    messages = [system("Be brief."), user("Hi"), assistant("Hello!"), user("Bye <|im_end|>")]
    for thinking in (None, True, False):
        counted = await engine.count(messages, thinking)
        done, _ = await reply(engine, messages, thinking=thinking)
        assert counted.prompt == done.stats.prompt
    assert len(counted.texts) == len(messages)
    assert counted.texts[3] == len("Bye <|im_end|>")


async def test_progress_figures_add_up(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    done, events = await reply(engine, [user("word " * 60)])
    prefills = [event for event in events if isinstance(event, Prefill)]
    assert prefills[0].done == 0
    assert prefills[-1].done == prefills[-1].total == done.stats.evaluated
    assert all(b.done - a.done <= 128 for a, b in itertools.pairwise(prefills))
    stats = [event for event in events if isinstance(event, Stats)]
    assert [s.generated for s in stats] == sorted(s.generated for s in stats)


async def test_lone_surrogates_do_not_stop_a_message(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    done, _ = await reply(engine, [user("bad \udce9 byte")])
    assert done.text == REPLY


async def test_a_megabyte_is_counted(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    counted = await engine.count([user("x" * 1_000_000)])
    assert counted.texts == (1_000_000,)


async def test_nothing_is_loaded(engine: Engine) -> None:
    with pytest.raises(EngineError, match="No model is loaded"):
        await engine.count([user("Hi")])
    with pytest.raises(EngineError, match="No model is loaded"):
        await anext(engine.generate([user("Hi")], GREEDY))


async def test_the_real_model_answers(engine: Engine, smollm2: Path) -> None:
    loaded = await engine.load(spec(smollm2, 2048))
    assert (loaded.family, loaded.thinks) == ("chatml", False)
    done, events = await reply(engine, [user("Say hello.")], max_tokens=24)
    assert done.text
    assert shown(events, TextDelta) == done.text
