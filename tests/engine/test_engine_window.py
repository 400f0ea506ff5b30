"""The KV cache is a budget: what a session of 50 turns may cost, in tokens evaluated.

Per turn: from send to first token at most its new tokens + 16; altogether, settling included, at
most new tokens + reply (as history tokenizes it) + 16; decoded at most what was generated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from engine_helpers import assistant, reply, spec, system, user

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Done, Message
from tsubasa_cli.storage.paths import Paths

TURNS = 50
OVERHEAD = 16
QUESTIONS = ("What is {n}?", "Tell me about the number {n} & why.", "und {n}? 🪽 <|im_end|>\nok")


@dataclass(frozen=True)
class Cost:
    """What one turn cost: its new tokens, its reply's, and what was computed."""

    new: int
    reply: int
    before_first_token: int
    prefilled: int
    decoded: int
    generated: int

    def is_within_budget(self) -> bool:
        return (
            self.before_first_token <= self.new + OVERHEAD
            and self.prefilled <= self.new + self.reply + OVERHEAD
            and self.decoded <= self.generated
        )


async def take_turn(
    engine: Engine, history: list[Message], text: str, thinking: bool | None, max_tokens: int
) -> tuple[Cost, Done]:
    """Send ``text``, let the reply settle, append both to ``history``."""
    before = await engine.totals(after_settling=True)
    history.append(user(text))
    done, _ = await reply(engine, history, thinking=thinking, max_tokens=max_tokens)
    after = await engine.totals(after_settling=True)
    counted = await engine.count([*history[:-1], user(text), assistant(done.text)])
    history.append(assistant(done.text))
    cost = Cost(
        counted.texts[-2],
        counted.texts[-1],
        done.stats.evaluated,
        after.prefilled - before.prefilled,
        after.decoded - before.decoded,
        done.stats.generated,
    )
    return cost, done


async def session(
    engine: Engine, thinking: bool | None, max_tokens: int, turns: int = TURNS
) -> tuple[list[Message], list[Cost]]:
    history = [system("You are brief.")]
    await engine.warm(history)
    costs = []
    for n in range(turns):
        text = QUESTIONS[n % len(QUESTIONS)].format(n=n)
        cost, _ = await take_turn(engine, history, text, thinking, max_tokens)
        costs.append(cost)
    return history, costs


@pytest.mark.parametrize("thinking", [None, True, False])
@pytest.mark.parametrize("max_tokens", [200, 20])
async def test_fifty_turns_of_qwen3(
    engine: Engine, tiny_qwen3: Path, thinking: bool | None, max_tokens: int
) -> None:
    await engine.load(spec(tiny_qwen3, 8192))
    _, costs = await session(engine, thinking, max_tokens)
    assert [cost for cost in costs if not cost.is_within_budget()] == []


async def test_fifty_turns_of_whatever_random_weights_say(
    engine: Engine, random_qwen3: Path
) -> None:
    await engine.load(spec(random_qwen3, 32768))
    _, costs = await session(engine, False, 40)
    assert [cost for cost in costs if not cost.is_within_budget()] == []


async def test_fifty_turns_of_the_real_model(engine: Engine, smollm2: Path) -> None:
    await engine.load(spec(smollm2, 8192))
    _, costs = await session(engine, None, 6)
    assert [cost for cost in costs if not cost.is_within_budget()] == []


@pytest.mark.parametrize("thinking", [True, False])
async def test_a_resumed_session_of_qwen3(
    engine: Engine, home: Paths, tiny_qwen3: Path, thinking: bool
) -> None:
    await resume_and_check(engine, home, tiny_qwen3, thinking)


async def test_a_resumed_session_of_the_real_model(
    engine: Engine, home: Paths, smollm2: Path
) -> None:
    await resume_and_check(engine, home, smollm2, None)


async def resume_and_check(engine: Engine, home: Paths, model: Path, thinking: bool | None) -> None:
    await engine.load(spec(model))
    history, _ = await session(engine, thinking, 24, turns=4)
    state = home.kv_states / "session.kv"
    saved = await engine.save_state(state)
    await engine.load(spec(model))
    restored = await engine.restore_state(state)
    assert restored.tokens == saved.tokens > 0
    cost, _ = await take_turn(engine, history, "And then?", thinking, 24)
    assert cost.is_within_budget()


async def test_settling_is_what_makes_the_next_turn_cheap(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    done, _ = await reply(engine, [user("Hi")], thinking=True, settle=False)
    unsettled = await engine.totals(after_settling=True)
    follow_up = [user("Hi"), assistant(done.text), user("More")]
    after, _ = await reply(engine, follow_up, thinking=True)
    assert unsettled.prefilled == done.stats.evaluated
    assert after.stats.evaluated > len("More") + OVERHEAD


async def test_history_is_only_appended_to(engine: Engine, tiny_qwen3: Path) -> None:
    """Also when thinking is switched between turns."""
    await engine.load(spec(tiny_qwen3))
    history = [system("You are brief.")]
    await engine.warm(history)
    for n, thinking in enumerate([True, False, None, False, True]):
        cost, _ = await take_turn(engine, history, f"Question {n}", thinking, 200)
        assert cost.is_within_budget()


async def test_warming_leaves_only_the_question(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    history = [system("Brief."), user("Hi"), assistant("Hello " * 200)]
    warmed = await engine.warm(history)
    assert warmed.cached == warmed.evaluated > 200
    done, _ = await reply(engine, [*history, user("More")])
    assert done.stats.evaluated <= len("More") + OVERHEAD
    assert (await engine.warm(history)).evaluated <= OVERHEAD


async def test_a_branch_reuses_what_it_shares(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    start = [user("Hi " * 100)]
    done, _ = await reply(engine, start)
    await engine.totals(after_settling=True)
    other, _ = await reply(engine, [*start, assistant(done.text), user("A")])
    edited, _ = await reply(engine, [*start, assistant(done.text), user("B")])
    assert edited.stats.evaluated <= 1 + OVERHEAD
    assert other.text == edited.text


async def test_warming_what_does_not_fit_is_left(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3, 512))
    warmed = await engine.warm([user("x" * 600), assistant("y")])
    assert (warmed.cached, warmed.evaluated) == (0, 0)
