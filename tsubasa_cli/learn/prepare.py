"""From the snapshot to lessons: questions about the memory, and ordinary requests between them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

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

SHORT = "fact"
"""The task of prompts that ask for one word or two."""

REPLAY_AT_ONCE = 16
"""Ordinary requests that are answered together."""

Progress = Callable[[int, int], None]
Reply = tuple[str, str | None]
"""What was said, and what was thought before it."""


def replay_for(count: int, recipe: Recipe) -> list[ReplayPrompt]:
    """Up to ``count`` ordinary prompts, none twice, short questions their share of them."""
    known = list(replay_prompts())
    random.Random(f"{recipe.seed} replay").shuffle(known)
    short = [prompt for prompt in known if prompt.task == SHORT]
    others = [prompt for prompt in known if prompt.task != SHORT]
    wanted = min(round(count * recipe.short_share), len(short))
    return [*short[:wanted], *others[: count - wanted]]


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
    for start in range(0, len(prompts), REPLAY_AT_ONCE):
        some = [
            _Ordinary(prompt.text, thinks and _draw(recipe, prompt.text) < THINKING_SHARE)
            for prompt in prompts[start : start + REPLAY_AT_ONCE]
        ]
        replies = await _replies(engine, cache, base_sha256, some, system_prompt)
        lessons.extend(
            _replayed(ordinary.text, answer, thinking)
            for ordinary, (answer, thinking) in zip(some, replies, strict=True)
            if answer
        )
        progress(start + len(some), len(prompts))
    return lessons


@dataclass(frozen=True, slots=True)
class _Ordinary:
    """An ordinary request, and whether it is thought about."""

    text: str
    is_thinking: bool


async def _replies(
    engine: Engine,
    cache: Cache,
    base_sha256: str,
    asked: Sequence[_Ordinary],
    system_prompt: str,
) -> list[Reply]:
    """To each the base's reply, those that are not known side by side; kept all at once, so that
    what stood beside them does not depend on when a night was cut short."""
    keys = [key_of("replay", base_sha256, system_prompt, a.text, str(a.is_thinking)) for a in asked]
    known = cache.find(keys)
    missing = [place for place, key in enumerate(keys) if key not in known]
    prompts = {place: packed(asked[place].text, (), {}, system_prompt) for place in missing}
    plain = [place for place in missing if not asked[place].is_thinking]
    done = await engine.complete_all([prompts[p] for p in plain], max_tokens=MOST_ANSWER_TOKENS)
    fresh: dict[int, Reply] = {
        place: (each.text.strip(), None) for place, each in zip(plain, done, strict=True)
    }
    for place in missing:
        if asked[place].is_thinking:
            fresh[place] = await _thoughtful(engine, prompts[place])
    found = {keys[place]: json.dumps(reply).encode() for place, reply in fresh.items()}
    cache.keep(found)
    return [tuple(json.loads((known | found)[key])) for key in keys]


async def _thoughtful(engine: Engine, messages: tuple[Message, ...]) -> Reply:
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
