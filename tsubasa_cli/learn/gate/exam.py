"""The exam: one model file, asked through the real engine, as a chat would ask it.

The same exam is taken by the base and by each candidate; what differs between them is what
learning did. Nothing here knows which of them it examines.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Done, Sampling
from tsubasa_cli.learn.lessons import NEIGHBOURS, Notes, packed
from tsubasa_cli.learn.materials import Control
from tsubasa_cli.learn.values import About, QuestionAnswer

ANSWER_TOKENS = 40
PLAIN = Sampling(temperature=0.0)
THOUGHTFUL = Sampling(temperature=0.6, top_p=0.95, top_k=20, seed=0)
THINKING_TOKENS = 200
WEIGH_AT_ONCE = 8
GREETINGS = ("Hello! Answer in one short sentence: how are you?", "Say the word yes, nothing else.")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Paper:
    """What is asked. ``spoken`` are those of ``questions`` whose answers are also heard."""

    questions: tuple[QuestionAnswer, ...]
    spoken: tuple[QuestionAnswer, ...]
    controls: tuple[Control, ...]
    prose: tuple[str, ...]

    @property
    def size(self) -> int:
        """Steps that the exam is counted in."""
        return 2 * len(self.questions) + 2 * len(self.spoken) + len(self.controls) + len(self.prose)


@dataclass(frozen=True, slots=True)
class Result:
    """What a model answered. By question id: ``nll`` per token of the right answer without notes,
    ``nll_noted`` with them; ``said`` and ``said_noted`` the model's own answers. ``controls`` by
    place; ``prose`` per passage (nats, tokens). ``form`` says what is wrong with replies, if
    anything is."""

    nll: dict[str, float]
    nll_noted: dict[str, float]
    said: dict[str, str]
    said_noted: dict[str, str]
    controls: list[str]
    prose: list[tuple[float, int]]
    form: list[str]

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Result:
        return cls(**{**body, "prose": [(float(n), int(c)) for n, c in body["prose"]]})


def set_paper(
    questions: Sequence[QuestionAnswer],
    controls: Sequence[Control],
    prose: Sequence[str],
    most_questions: int,
    most_spoken: int,
) -> Paper:
    """Of ``questions`` as many as there is time for, every kind in its share."""
    chosen = _sample(questions, most_questions)
    return Paper(tuple(chosen), tuple(_sample(chosen, most_spoken)), tuple(controls), tuple(prose))


def _sample(questions: Sequence[QuestionAnswer], most: int) -> list[QuestionAnswer]:
    if len(questions) <= most:
        return list(questions)
    chance = random.Random("exam")
    kinds = sorted({qa.about for qa in questions})
    kept: list[QuestionAnswer] = []
    for kind in kinds:
        of_kind = [qa for qa in questions if qa.about is kind]
        share = max(round(most * len(of_kind) / len(questions)), min(len(of_kind), 4))
        kept.extend(chance.sample(of_kind, min(share, len(of_kind))))
    return sorted(kept, key=lambda qa: qa.id)


async def take_exam(
    engine: Engine, paper: Paper, notes: Notes, system_prompt: str, progress: Progress
) -> Result:
    """Put ``paper`` before the model that ``engine`` has loaded."""
    examiner = _Examiner(engine, paper, notes, system_prompt, progress)
    return await examiner.examine()


class _Examiner:
    def __init__(
        self, engine: Engine, paper: Paper, notes: Notes, system_prompt: str, progress: Progress
    ) -> None:
        self._engine = engine
        self._paper = paper
        self._notes = notes
        self._system = system_prompt
        self._progress = progress
        self._done = 0

    async def examine(self) -> Result:
        paper = self._paper
        known = [qa for qa in paper.spoken if qa.about in (About.FACT, About.PAST)]
        return Result(
            nll={qa.id: await self._nll(qa, ()) for qa in paper.questions},
            nll_noted={qa.id: await self._nll(qa, self._beside(qa)) for qa in paper.questions},
            said={qa.id: await self._answer(qa.question, ()) for qa in paper.spoken},
            said_noted={qa.id: await self._answer(qa.question, self._beside(qa)) for qa in known},
            controls=[await self._answer(c.question, ()) for c in paper.controls],
            prose=await self._weigh(),
            form=await self._form(),
        )

    def _beside(self, qa: QuestionAnswer) -> tuple[str, ...]:
        """The notes that a chat might recall: the right ones, if there are, and some others."""
        others = [identity for identity in sorted(self._notes) if identity not in qa.memories]
        chance = random.Random(f"beside {qa.id}")
        beside = [*qa.memories, *chance.sample(others, min(NEIGHBOURS, len(others)))]
        chance.shuffle(beside)
        return tuple(beside)

    async def _nll(self, qa: QuestionAnswer, beside: Sequence[str]) -> float:
        prompt = packed(qa.question, beside, self._notes, self._system)
        scored = await self._engine.score_in_detail(prompt, [qa.answer])
        self._step()
        return -scored.sums[0] / max(scored.counts[0], 1)

    async def _answer(self, question: str, beside: Sequence[str]) -> str:
        prompt = packed(question, beside, self._notes, self._system)
        done = await self._engine.complete(prompt, max_tokens=ANSWER_TOKENS, sampling=PLAIN)
        self._step()
        return done.text.strip()

    async def _weigh(self) -> list[tuple[float, int]]:
        found: list[tuple[float, int]] = []
        for start in range(0, len(self._paper.prose), WEIGH_AT_ONCE):
            some = self._paper.prose[start : start + WEIGH_AT_ONCE]
            weighed = await self._engine.weigh(some)
            found.extend(
                (-nats, count) for nats, count in zip(weighed.sums, weighed.counts, strict=True)
            )
            self._step(len(some))
        return found

    async def _form(self) -> list[str]:
        """What is wrong with how it replies: it does not stop, is mute, or thinks when it should
        not, or does not when it should."""
        wrong: list[str] = []
        thinks = bool(self._engine.loaded and self._engine.loaded.thinks)
        for question in GREETINGS:
            plain = await self._reply(question, False)
            wrong += ["empty"] if not plain.text.strip() else []
            wrong += ["thinks unasked"] if plain.thinking.strip() else []
            wrong += ["marks in text"] if "<think>" in plain.text or "<|im_" in plain.text else []
            if thinks:
                thoughtful = await self._reply(question, True)
                wrong += ["does not think"] if not thoughtful.thinking.strip() else []
        return wrong

    async def _reply(self, question: str, thinking: bool) -> Done:
        prompt = packed(question, (), self._notes, self._system)
        sampling = THOUGHTFUL if thinking else PLAIN
        most = THINKING_TOKENS if thinking else ANSWER_TOKENS
        events = self._engine.generate(
            prompt, sampling, thinking=thinking, max_tokens=most, settle=False
        )
        async for event in events:
            if isinstance(event, Done):
                return event
        raise AssertionError("a reply without an end")

    def _step(self, count: int = 1) -> None:
        self._done += count
        self._progress(min(self._done, self._paper.size), self._paper.size)
