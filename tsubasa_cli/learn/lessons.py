"""Lessons: which questions are trained on, what teacher and student see beside them, and how that
is packed: by the code that packs a chat, or the student would train on prompts it never meets."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from tsubasa_cli.conversation.packing import pack
from tsubasa_cli.engine.protocol import Dialogue, Message
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.ring import Ring, place_of
from tsubasa_cli.learn.values import About, Lesson, Purpose, QuestionAnswer, Sight
from tsubasa_cli.memory.block import render_block
from tsubasa_cli.memory.recall import Recalled
from tsubasa_cli.memory.values import Observation
from tsubasa_cli.storage.values import Instant, Role, Turn, TurnStatus

NEIGHBOURS = 2
"""Notes beside the right one: chat recalls several, and few of them matter."""

Notes = Mapping[str, Observation]


def lessons_of(questions: Sequence[QuestionAnswer], notes: Notes, recipe: Recipe) -> list[Lesson]:
    """One lesson per training question; which notes the student sees is drawn by the question."""
    ring = Ring(notes)
    return [_lesson(qa, ring, recipe) for qa in questions if qa.purpose is Purpose.TRAIN]


def _lesson(qa: QuestionAnswer, ring: Ring, recipe: Recipe) -> Lesson:
    others = ring.after(qa.id, 2 * NEIGHBOURS + 1, but=qa.memories)
    right = _shuffled(qa, (*qa.memories, *others[:NEIGHBOURS]))
    wrong = tuple(others[NEIGHBOURS : 2 * NEIGHBOURS + 1])
    draw = random.Random(f"{recipe.seed} {qa.id} sight").random()
    recalled = _recalled_share(qa.about, recipe)
    if draw < recalled:
        return Lesson(qa, Sight.RECALLED, right, right)
    if draw < recalled + recipe.irrelevant_share and wrong:
        seen = qa.memories if qa.about is About.OTHERS else wrong
        return Lesson(qa, Sight.IRRELEVANT, right, seen)
    return Lesson(qa, Sight.NOTHING, right, ())


def _recalled_share(about: About, recipe: Recipe) -> float:
    if about is About.PAST:
        return recipe.past_recalled_share
    if about in (About.FACT, About.PAIR):
        return recipe.known_recalled_share
    return recipe.recalled_share


def _shuffled(qa: QuestionAnswer, ids: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(ids, key=lambda identity: place_of(f"{identity} {qa.id}")))


# ---------------------------------------------------------------------- prompts


def student_prompt(lesson: Lesson, notes: Notes, system_prompt: str) -> tuple[Message, ...]:
    """What the student reads."""
    return packed(lesson.qa.question, lesson.student_notes, notes, system_prompt)


def teacher_prompt(lesson: Lesson, notes: Notes, system_prompt: str) -> tuple[Message, ...]:
    """What the teacher reads: the same question, with the notes that answer it. Where the right
    answer is that it is not known, the teacher is told that this may be."""
    about = lesson.qa.about
    if about in (About.OTHERS, About.UNKNOWN):
        system_prompt = f"{system_prompt} {HONEST}".strip()
    return packed(lesson.qa.question, lesson.teacher_notes, notes, system_prompt)


HONEST = "If the notes do not say it, answer that you don't know."


def packed(
    question: str, note_ids: Sequence[str], notes: Notes, system_prompt: str
) -> tuple[Message, ...]:
    """``question`` as the newest message of a chat, with those notes beside it."""
    seen = [Recalled(1.0, (), notes[identity]) for identity in note_ids if identity in notes]
    turn = Turn(1, "", None, Role.USER, question, TurnStatus.COMPLETE, Instant(0, 0))
    return pack(system_prompt, [turn], blocks={1: render_block(seen)})


def dialogues(lesson: Lesson, notes: Notes, system_prompt: str) -> tuple[Dialogue, Dialogue]:
    """The lesson as the teacher and as the student have it."""
    if lesson.qa.about is About.REPLAY:
        prompt = packed(lesson.qa.question, lesson.student_notes, notes, system_prompt)
        same = Dialogue(prompt, lesson.qa.answer, lesson.thinking)
        return same, same
    answer = lesson.qa.answer
    return (
        Dialogue(teacher_prompt(lesson, notes, system_prompt), answer),
        Dialogue(student_prompt(lesson, notes, system_prompt), answer),
    )
