"""Forty memories, and two more the next day: a night costs what is new."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from learn_persona import active_facts
from night_helpers import connection_log, tiny_ground, tiny_night

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.learn import teacher
from tsubasa_cli.learn.device import Device
from tsubasa_cli.learn.ground import Ground
from tsubasa_cli.learn.stages import snapshot_stage, synthesize_stage, trace_stage
from tsubasa_cli.learn.values import About, Lesson
from tsubasa_cli.memory.values import Actor, Change, Observation, Op
from tsubasa_cli.storage.paths import Paths

FACTS = [fact.observation for fact in active_facts()]
FIRST, ADDED = FACTS[:40], FACTS[40:42]


@pytest.fixture
def ground(home: Paths, tiny_model: Path) -> Ground:
    ground = tiny_ground(home, tiny_model, statements=())
    _remember(ground, FIRST)
    return ground


class Requests:
    """What the teacher is ``asked``, and what llama.cpp is to reply to (``spoken``)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[object] = []
        self.spoken: list[object] = []
        opinions, complete_all, generate = teacher.opinions, Engine.complete_all, Engine.generate

        def ask(model: Any, device: Device, pairs: Sequence[Any], top: int) -> Any:
            self.asked.extend(pairs)
            return opinions(model, device, pairs, top)

        async def speak(engine: Engine, prompts: Sequence[Any], **limits: Any) -> Any:
            self.spoken.extend(prompts)
            return await complete_all(engine, prompts, **limits)

        def think(engine: Engine, messages: Any, *given: Any, **limits: Any) -> Any:
            self.spoken.append(messages)
            return generate(engine, messages, *given, **limits)

        monkeypatch.setattr(teacher, "opinions", ask)
        monkeypatch.setattr(Engine, "complete_all", speak)
        monkeypatch.setattr(Engine, "generate", think)

    def counted(self) -> tuple[int, int]:
        """How many there were of either since the last time."""
        counts = len(self.asked), len(self.spoken)
        self.asked.clear()
        self.spoken.clear()
        return counts


def test_only_what_is_new_is_asked_about(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch)
    first = _until_it_trains(ground)
    assert requests.counted() == (len(first), _ordinary(first))
    assert _cached(ground) == len(first) + _ordinary(first)

    assert _until_it_trains(ground) == first
    assert requests.counted() == (0, 0)

    _remember(ground, ADDED)
    second = _until_it_trains(ground)
    known = {_as_the_teacher_sees_it(lesson) for lesson in first}
    new = [lesson for lesson in second if _as_the_teacher_sees_it(lesson) not in known]
    assert requests.counted() == (len(new), _ordinary(new))
    assert _cached(ground) == len(first) + _ordinary(first) + len(new) + _ordinary(new)

    added = {item.id for item in ADDED}
    about_them = [lesson for lesson in new if added & set(lesson.qa.memories)]
    assert added <= {identity for lesson in about_them for identity in lesson.qa.memories}
    of_the_whole = [lesson.qa.about for lesson in new if lesson not in about_them]
    assert set(of_the_whole) <= {About.UNKNOWN, About.REPLAY}, "which grow with all the rest"
    assert len(new) <= 0.06 * len(second)


def _remember(ground: Ground, items: Sequence[Observation]) -> None:
    changes = [Change(Op.ADD, item) for item in items]
    connection_log(ground.connection).commit(changes, actor=Actor.MODEL)


def _until_it_trains(ground: Ground) -> list[Lesson]:
    night = tiny_night(ground)
    snapshot = snapshot_stage(night)
    lessons = synthesize_stage(night, snapshot)
    trace_stage(night, snapshot, lessons)
    return lessons


def _as_the_teacher_sees_it(lesson: Lesson) -> tuple[str, tuple[str, ...]]:
    return lesson.qa.id, lesson.teacher_notes


def _ordinary(lessons: Sequence[Lesson]) -> int:
    """Requests that the base answers, as llama.cpp runs it."""
    return sum(lesson.qa.about is About.REPLAY for lesson in lessons)


def _cached(ground: Ground) -> int:
    """Entries in the cache that nights share."""
    with closing(sqlite3.connect(ground.paths.learn_cache / "learn.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM kept").fetchone()[0])
