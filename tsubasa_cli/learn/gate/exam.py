"""The exam: one model file, asked through the real engine, as a chat would ask it.

What it says, it says as in a chat: drawn with the sampling that suits the model and the user's
settings, from fixed seeds. The likeliest reply alone would tell of a reply that few chats show.

The same exam is taken by the base and by each candidate; what differs between them is what
learning did. Nothing here knows which of them it examines. It comes in parts, so that a candidate
that fails one need not take the others.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Done, Message, Sampling
from tsubasa_cli.learn.cache import key_of
from tsubasa_cli.learn.lessons import NEIGHBOURS, Notes, packed
from tsubasa_cli.learn.materials import Control
from tsubasa_cli.learn.values import About, QuestionAnswer

ANSWER_TOKENS = 40
SEED = 1
REPLIES = 5
"""To each general question in a round: one of them is luck."""
ROUNDS_OF_BASE = 2
"""One to tell what it knows, and one for candidates to be held against, from the seeds that theirs
are drawn from. One for both would flatter it: what is right by luck would count as known."""
THOUGHTFUL = Sampling(temperature=0.6, top_p=0.95, top_k=20, seed=0)
THINKING_TOKENS = 200
AT_ONCE = 8
"""Passages or answers in one request: others are heard between."""
GREETINGS = ("Hello! Answer in one short sentence: how are you?", "Say the word yes, nothing else.")

Progress = Callable[[int, int], None]


class Part(StrEnum):
    """What an exam consists of, in its order: what costs little and tells much comes first."""

    FORM = "form"
    CONTROLS = "controls"
    PROSE = "prose"
    ALONE = "alone"
    """Questions about memories, without notes."""
    NOTED = "noted"
    """The same with the notes in sight."""


@dataclass(frozen=True, slots=True)
class Paper:
    """What is asked. ``spoken`` are those of ``questions`` whose answers are also heard."""

    questions: tuple[QuestionAnswer, ...]
    spoken: tuple[QuestionAnswer, ...]
    controls: tuple[Control, ...]
    prose: tuple[str, ...]

    @property
    def noted(self) -> tuple[QuestionAnswer, ...]:
        """What is asked with notes in sight too, one memory after the other."""
        return _by_memory(qa for qa in self.questions if qa.about in (About.FACT, About.PAST))

    def size(self, rounds: int) -> int:
        """Steps that the exam is counted in."""
        asked = len(self.questions) + len(self.spoken) + len(self.noted)
        return asked + rounds * REPLIES * len(self.controls) + len(self.prose)


@dataclass(frozen=True, slots=True)
class Result:
    """What a model answered. By question id: ``nll`` per token of the right answer without notes,
    ``nll_noted`` with them; ``said`` and ``said_noted`` the model's own answers. ``controls`` by
    place, several replies each, round after round; ``prose`` per passage (nats, tokens). ``form``
    says what is wrong with replies, if anything is. ``parts`` are those that were taken."""

    nll: dict[str, float] = field(default_factory=dict)
    nll_noted: dict[str, float] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    said_noted: dict[str, str] = field(default_factory=dict)
    controls: list[list[str]] = field(default_factory=list)
    prose: list[tuple[float, int]] = field(default_factory=list)
    form: list[str] = field(default_factory=list)
    parts: tuple[str, ...] = tuple(Part)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Result:
        prose = [(float(n), int(c)) for n, c in body["prose"]]
        return cls(**{**body, "prose": prose, "parts": tuple(body["parts"])})


Compute = Callable[[], Awaitable[Any]]
Remember = Callable[[Sequence[str], Compute], Awaitable[Any]]
"""What was computed under this key before, or else is now; values that JSON can hold."""


async def afresh(_key: Sequence[str], compute: Compute) -> Any:
    """A ``Remember`` that remembers nothing."""
    return await compute()


def manner_of(sampling: Sampling) -> str:
    """Eight digits that change with how answers are drawn, and how many."""
    return key_of(str(ROUNDS_OF_BASE), str(REPLIES), str(SEED), str(sampling))[:8]


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


def _by_memory(questions: Iterable[QuestionAnswer]) -> tuple[QuestionAnswer, ...]:
    return tuple(sorted(questions, key=lambda qa: (qa.memories, qa.id)))


async def take_exam(
    engine: Engine,
    paper: Paper,
    notes: Notes,
    system_prompt: str,
    sampling: Sampling,
    progress: Progress,
    remember: Remember = afresh,
    is_enough: Callable[[Result], bool] = lambda _result: False,
    rounds: int = 1,
) -> Result:
    """Put ``paper`` before the model that ``engine`` has loaded, which speaks as ``sampling`` says.
    What no memory bears on is asked through ``remember``. After each part ``is_enough`` may end
    the exam. General questions are asked in ``rounds``, unless replies are the likeliest."""
    drawn = replace(sampling, seed=SEED)
    rounds = rounds if sampling.temperature > 0 else 1
    examiner = _Examiner(engine, paper, notes, system_prompt, drawn, progress, remember, rounds)
    return await examiner.examine(is_enough)


class _Examiner:
    def __init__(
        self,
        engine: Engine,
        paper: Paper,
        notes: Notes,
        system_prompt: str,
        sampling: Sampling,
        progress: Progress,
        remember: Remember,
        rounds: int,
    ) -> None:
        self._engine = engine
        self._paper = paper
        self._notes = notes
        self._system = system_prompt
        self._sampling = sampling
        self._progress = progress
        self._remember = remember
        self._rounds = rounds
        self._size = paper.size(rounds)
        self._done = 0

    async def examine(self, is_enough: Callable[[Result], bool]) -> Result:
        parts: dict[Part, Callable[[], Awaitable[dict[str, Any]]]] = {
            Part.FORM: self._form,
            Part.CONTROLS: self._controls,
            Part.PROSE: self._prose,
            Part.ALONE: self._alone,
            Part.NOTED: self._noted,
        }
        result = Result(parts=())
        for part, take in parts.items():
            result = replace(result, parts=(*result.parts, part), **await take())
            if is_enough(result):
                break
        return result

    # ------------------------------------------------------------------ parts

    async def _prose(self) -> dict[str, Any]:
        prose = self._paper.prose
        weighed = await self._remember(["prose", *prose], self._weighed)
        return {"prose": [(float(nats), int(count)) for nats, count in weighed]}

    async def _weighed(self) -> list[tuple[float, int]]:
        found: list[tuple[float, int]] = []
        for start in range(0, len(self._paper.prose), AT_ONCE):
            some = self._paper.prose[start : start + AT_ONCE]
            weighed = await self._engine.weigh(some)
            found.extend(
                (-nats, count) for nats, count in zip(weighed.sums, weighed.counts, strict=True)
            )
            self._step(len(some))
        return found

    async def _form(self) -> dict[str, Any]:
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
        return {"form": wrong}

    async def _controls(self) -> dict[str, Any]:
        questions = [control.question for control in self._paper.controls]
        key = ["controls", self._system, manner_of(self._sampling), *questions]
        return {"controls": await self._remember(key, lambda: self._repeatedly(questions))}

    async def _repeatedly(self, questions: Sequence[str]) -> list[list[str]]:
        """Per question its replies of all rounds, drawn one by one; the likeliest once."""
        count = REPLIES if self._sampling.temperature > 0 else 1
        asked = [text for text in questions for _ in range(count)]
        found: list[list[str]] = [[] for _ in questions]
        for number in range(self._rounds):
            said = await self._answers(asked, SEED + number * len(asked))
            for place, replies in enumerate(found):
                replies += said[place * count : (place + 1) * count]
        return found

    async def _alone(self) -> dict[str, Any]:
        nll = {qa.id: await self._nll(qa, self._packed(qa)) for qa in self._paper.questions}
        spoken = self._paper.spoken
        answers = await self._answers([qa.question for qa in spoken])
        return {
            "nll": nll,
            "said": {qa.id: text for qa, text in zip(spoken, answers, strict=True)},
        }

    async def _noted(self) -> dict[str, Any]:
        """Both of one question, and all of one memory, in a row: the engine has read the notes."""
        nll, said = dict[str, float](), dict[str, str]()
        spoken = {qa.id for qa in self._paper.spoken}
        for qa in self._paper.noted:
            prompt = self._packed(qa, self._beside(qa))
            nll[qa.id] = await self._nll(qa, prompt)
            if qa.id in spoken:
                done = await self._engine.complete(
                    prompt, max_tokens=ANSWER_TOKENS, sampling=self._sampling
                )
                said[qa.id] = done.text.strip()
        return {"nll_noted": nll, "said_noted": said}

    # ------------------------------------------------------------------ questions

    def _beside(self, qa: QuestionAnswer) -> tuple[str, ...]:
        """The notes that a chat might recall: the right ones and some others, the same for all
        questions about a memory."""
        others = [identity for identity in sorted(self._notes) if identity not in qa.memories]
        chance = random.Random(f"beside {qa.memories}")
        beside = [*qa.memories, *chance.sample(others, min(NEIGHBOURS, len(others)))]
        chance.shuffle(beside)
        return tuple(beside)

    def _packed(self, qa: QuestionAnswer, beside: Sequence[str] = ()) -> tuple[Message, ...]:
        return packed(qa.question, beside, self._notes, self._system)

    async def _nll(self, qa: QuestionAnswer, prompt: Sequence[Message]) -> float:
        scored = await self._engine.score_in_detail(prompt, [qa.answer])
        self._step()
        return -scored.sums[0] / max(scored.counts[0], 1)

    async def _answers(self, questions: Sequence[str], seed: int = SEED) -> list[str]:
        """What the model says to each question, without notes; each reply with a seed of its own,
        from ``seed`` on."""
        said: list[str] = []
        for start in range(0, len(questions), AT_ONCE):
            some = questions[start : start + AT_ONCE]
            prompts = [packed(text, (), self._notes, self._system) for text in some]
            done = await self._engine.complete_all(
                prompts,
                max_tokens=ANSWER_TOKENS,
                sampling=replace(self._sampling, seed=seed + start),
            )
            said.extend(each.text.strip() for each in done)
            self._step(len(some))
        return said

    async def _reply(self, question: str, thinking: bool) -> Done:
        prompt = packed(question, (), self._notes, self._system)
        sampling = THOUGHTFUL if thinking else self._sampling
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
        self._progress(min(self._done, self._size), self._size)
