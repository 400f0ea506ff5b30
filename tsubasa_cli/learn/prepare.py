"""From the snapshot to lessons: questions about the memory, and ordinary requests between them."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Done, Message, Sampling
from tsubasa_cli.learn.cache import Cache, key_of
from tsubasa_cli.learn.lessons import packed
from tsubasa_cli.learn.materials import ReplayPrompt, replay_prompts
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.values import About, Lesson, Purpose, QuestionAnswer, Sight

MOST_ANSWER_TOKENS = 64
"""Of an ordinary answer: how it begins is what drifts first."""
MOST_THINKING_TOKENS = 256
THINKING_SHARE = 0.15
"""Of the ordinary requests to a model that thinks: its thinking is to stay as it is."""

Progress = Callable[[int, int], None]
Ask = Callable[[Engine, tuple[Message, ...]], Awaitable[tuple[str, str | None]]]


def replay_for(count: int, recipe: Recipe) -> list[ReplayPrompt]:
    """``count`` ordinary prompts, each once as long as there are enough."""
    known = list(replay_prompts())
    random.Random(f"{recipe.seed} replay").shuffle(known)
    rounds = -(-count // max(len(known), 1))
    return (known * rounds)[:count]


def replay_count(lessons: int, recipe: Recipe) -> int:
    """How many ordinary requests stand between so many lessons, each asked once."""
    wanted = round(lessons * recipe.replay_share / (1 - recipe.replay_share))
    return min(wanted, len(replay_prompts()))


async def replay_lessons(
    engine: Engine,
    cache: Cache,
    base_sha256: str,
    prompts: Sequence[ReplayPrompt],
    system_prompt: str,
    recipe: Recipe,
    progress: Progress,
) -> list[Lesson]:
    """The ordinary prompts with what the model answers as it is; cached by model and prompt."""
    thinks = engine.loaded is not None and engine.loaded.thinks
    lessons: list[Lesson] = []
    for place, prompt in enumerate(prompts):
        is_thinking = thinks and _draw(recipe, prompt.text) < THINKING_SHARE
        ask = _thoughtful if is_thinking else _plain
        messages = packed(prompt.text, (), {}, system_prompt)
        key = key_of("replay", base_sha256, system_prompt, prompt.text, ask.__name__)
        known = cache.find([key]).get(key)
        if known is None:
            known = json.dumps(await ask(engine, messages)).encode()
            cache.keep({key: known})
        answer, thinking = json.loads(known)
        if answer:
            lessons.append(_replayed(prompt.text, answer, thinking))
        progress(place + 1, len(prompts))
    return lessons


async def _plain(engine: Engine, messages: tuple[Message, ...]) -> tuple[str, str | None]:
    done = await engine.complete(messages, max_tokens=MOST_ANSWER_TOKENS)
    return done.text.strip(), None


async def _thoughtful(engine: Engine, messages: tuple[Message, ...]) -> tuple[str, str | None]:
    """With its thinking; what does not come to an end is not learned from."""
    sampling = Sampling(temperature=0.6, top_p=0.95, top_k=20, seed=0)
    events = engine.generate(
        messages, sampling, thinking=True, max_tokens=MOST_THINKING_TOKENS, settle=False
    )
    async for event in events:
        if isinstance(event, Done):
            return event.text.strip(), event.thinking
    return "", None


def _replayed(question: str, answer: str, thinking: str | None) -> Lesson:
    identity = key_of("replay", question)[:16]
    qa = QuestionAnswer(identity, (), About.REPLAY, Purpose.TRAIN, "replay", question, answer)
    return Lesson(qa, thinking=thinking)


def _draw(recipe: Recipe, text: str) -> float:
    return random.Random(f"{recipe.seed} thinking {text}").random()


# ---------------------------------------------------------------------- as files


def questions_to_json(questions: Sequence[QuestionAnswer]) -> list[dict[str, object]]:
    """As a run keeps them."""
    return [asdict(qa) for qa in questions]


def question_from_json(body: dict[str, object]) -> QuestionAnswer:
    """The inverse, of one."""
    about, purpose = About(str(body["about"])), Purpose(str(body["purpose"]))
    memories: tuple[str, ...] = tuple(body["memories"])  # type: ignore[arg-type]
    rest = {k: v for k, v in body.items() if k not in ("about", "purpose", "memories")}
    return QuestionAnswer(memories=memories, about=about, purpose=purpose, **rest)  # type: ignore[arg-type]


def lessons_to_json(lessons: Sequence[Lesson]) -> list[dict[str, object]]:
    """As a run keeps them."""
    return [asdict(lesson) for lesson in lessons]


def lesson_from_json(body: dict[str, object]) -> Lesson:
    """The inverse, of one."""
    thinking = body["thinking"]
    return Lesson(
        question_from_json(body["qa"]),  # type: ignore[arg-type]
        Sight(str(body["sight"])),
        tuple(body["teacher_notes"]),  # type: ignore[arg-type]
        tuple(body["student_notes"]),  # type: ignore[arg-type]
        str(thinking) if thinking is not None else None,
    )
