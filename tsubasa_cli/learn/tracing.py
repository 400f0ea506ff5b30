"""Teacher traces of all lessons: tokens by the engine, opinions by the teacher, parts on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.learn.cache import Cache, key_of
from tsubasa_cli.learn.lessons import Notes, dialogues
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.traces import (
    Floats,
    Ints,
    TeacherTrace,
    load_traces,
    opinion_from_bytes,
    opinion_to_bytes,
    save_traces,
)
from tsubasa_cli.learn.values import About, Lesson

PART = 256
"""Lessons per file: what is lost when the power fails."""
ENCODE_AT_ONCE = 32
LONGEST = 1024
"""Tokens of a lesson; what is longer would cost the whole batch its memory."""

Progress = Callable[[int, int], None]
Opinion = tuple[Ints, Floats]
Ask = Callable[[Sequence[tuple[Ints, Ints]]], list[Opinion]]
"""The teacher's opinions of (prompt, reply) pairs."""


class Encoding:
    """The tokens of a lesson: what the teacher and the student read, and the reply."""

    __slots__ = ("reply", "student", "teacher")

    def __init__(self, teacher: Ints, student: Ints, reply: Ints) -> None:
        self.teacher, self.student, self.reply = teacher, student, reply

    @property
    def longest(self) -> int:
        return max(len(self.teacher), len(self.student)) + len(self.reply)


async def encode(
    engine: Engine, lessons: Sequence[Lesson], notes: Notes, system_prompt: str
) -> list[Encoding]:
    """The tokens that a chat would use, for each lesson."""
    found: list[Encoding] = []
    for start in range(0, len(lessons), ENCODE_AT_ONCE):
        some = lessons[start : start + ENCODE_AT_ONCE]
        pairs = [dialogues(lesson, notes, system_prompt) for lesson in some]
        encoded = await engine.encode([dialogue for pair in pairs for dialogue in pair])
        prompts = [np.array(prompt, np.int32) for prompt in encoded.prompts]
        replies = [np.array(reply, np.int32) for reply in encoded.replies]
        for place in range(len(some)):
            teacher, student = prompts[2 * place], prompts[2 * place + 1]
            found.append(Encoding(teacher, student, replies[2 * place]))
    return found


def trace_all(
    lessons: Sequence[Lesson],
    encodings: Sequence[Encoding],
    ask: Ask,
    cache: Cache,
    base_key: str,
    recipe: Recipe,
    folder: Path,
    progress: Progress,
) -> None:
    """Write the traces of all lessons into ``folder``, part by part; parts that are there stay.

    ``ask`` gives the teacher's opinions of (prompt, reply) pairs; what it was asked before, by
    any run on the same base, comes from the cache.
    """
    kept = [i for i in range(len(lessons)) if encodings[i].longest <= LONGEST]
    for number, start in enumerate(range(0, len(kept), PART)):
        path = part_path(folder, number)
        chosen = kept[start : start + PART]
        if not path.exists():
            opinions = _opinions([encodings[i] for i in chosen], ask, cache, base_key, recipe)
            traces = [
                TeacherTrace(
                    encodings[i].student,
                    encodings[i].reply,
                    top,
                    log_probs,
                    label_of(lessons[i], recipe),
                )
                for i, (top, log_probs) in zip(chosen, opinions, strict=True)
            ]
            save_traces(path, traces)
        progress(start + len(chosen), len(kept))


def part_path(folder: Path, number: int) -> Path:
    """Where the traces of a part are."""
    return folder / f"part-{number:04}.npz"


def read_all(folder: Path) -> list[TeacherTrace]:
    """The traces of all parts, in order."""
    return [trace for path in sorted(folder.glob("part-*.npz")) for trace in load_traces(path)]


def label_of(lesson: Lesson, recipe: Recipe) -> float:
    """How much of the target is the reply's own token."""
    about = lesson.qa.about
    if about is About.REPLAY:
        return 0.0
    return recipe.unknown_label if about in (About.OTHERS, About.UNKNOWN) else recipe.fact_label


def _opinions(
    encodings: Sequence[Encoding],
    ask: Ask,
    cache: Cache,
    base_key: str,
    recipe: Recipe,
) -> list[Opinion]:
    keys = [
        key_of("opinion", base_key, str(recipe.top), e.teacher.tobytes(), e.reply.tobytes())
        for e in encodings
    ]
    known = cache.find(keys)
    missing = [place for place, key in enumerate(keys) if key not in known]
    said = ask([(encodings[p].teacher, encodings[p].reply) for p in missing]) if missing else []
    fresh = {keys[p]: opinion_to_bytes(o) for p, o in zip(missing, said, strict=True)}
    cache.keep(fresh)
    known |= fresh
    return [opinion_from_bytes(known[key]) for key in keys]
