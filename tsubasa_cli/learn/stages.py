"""The stages of a night up to the trained change. Each writes its file whole, or not at all, and
does nothing when the file is there: so a night that was cut short goes on where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tsubasa_cli.errors import InputError
from tsubasa_cli.learn.base_engine import engine_with
from tsubasa_cli.learn.cache import Cache, key_of
from tsubasa_cli.learn.files import read_json, write_json
from tsubasa_cli.learn.ground import Night, Progress
from tsubasa_cli.learn.lessons import Notes, lessons_of
from tsubasa_cli.learn.plan import memories_that_fit
from tsubasa_cli.learn.prepare import (
    lesson_from_json,
    lessons_to_json,
    question_from_json,
    questions_to_json,
    replay_count,
    replay_for,
    replay_lessons,
)
from tsubasa_cli.learn.snapshot import Snapshot, take_snapshot
from tsubasa_cli.learn.synthesize import synthesize
from tsubasa_cli.learn.tracing import Encoding, encode, read_all, trace_all
from tsubasa_cli.learn.values import Lesson, QuestionAnswer, Stage
from tsubasa_cli.storage.paths import make_private_folder, write_private

if TYPE_CHECKING:
    from tsubasa_cli.learn.device import Device
    from tsubasa_cli.learn.train import StepReport


def snapshot_stage(night: Night) -> Snapshot:
    """What the memory holds now, and the manifest of it."""
    file = night.folder.snapshot
    if not file.exists():
        most = memories_that_fit(night.base.n_params, night.wishes)
        snapshot = take_snapshot(night.ground.connection, most)
        if not snapshot.active:
            raise InputError(
                "There is nothing to learn yet.",
                why="The memory is empty.",
                next_step='Chat for a while, or add something: tsubasa memory add "…"',
            )
        night.ground.runs.note_snapshot(night.run_id, snapshot.event, snapshot.all)
        write_private(file, snapshot.to_json())
    return Snapshot.from_json(file.read_bytes())


def synthesize_stage(night: Night, snapshot: Snapshot) -> list[Lesson]:
    """The questions, and the lessons made of them and of ordinary requests."""
    folder = night.folder
    if not folder.lessons.exists():
        questions = synthesize(snapshot, night.recipe, night.owner)
        write_json(folder.questions, questions_to_json(questions))
        lessons = lessons_of(questions, notes_of(snapshot), night.recipe)
        replay = asyncio.run(_replay(night, len(lessons)))
        write_json(folder.lessons, lessons_to_json([*lessons, *replay]))
    return [lesson_from_json(body) for body in read_json(folder.lessons)]


async def _replay(night: Night, lessons: int) -> list[Lesson]:
    prompts = replay_for(replay_count(lessons, night.recipe), night.recipe)
    cache = Cache(night.ground.paths.learn_cache)
    progress = night.progress(Stage.SYNTHESIZE)
    settings = night.ground.settings.engine
    try:
        async with engine_with(night.ground.paths, settings, night.base.path) as engine:
            return await replay_lessons(
                engine,
                cache,
                night.base_sha256,
                prompts,
                night.system_prompt,
                night.recipe,
                progress,
            )
    finally:
        cache.close()


def questions_of(night: Night) -> list[QuestionAnswer]:
    """All questions of the night, those of the gate too."""
    return [question_from_json(body) for body in read_json(night.folder.questions)]


def notes_of(snapshot: Snapshot) -> Notes:
    """The memories that can be seen beside a question, by id."""
    return {item.id: item for item in snapshot.active}


def trace_stage(night: Night, snapshot: Snapshot, lessons: Sequence[Lesson]) -> None:
    """What the teacher thinks of every answer."""
    folder = night.folder
    if folder.traced.exists():
        return
    make_private_folder(folder.traces)
    encodings = asyncio.run(_encoded(night, snapshot, lessons))
    cache = Cache(night.ground.paths.learn_cache)
    teacher = _Teacher(night)
    try:
        trace_all(
            lessons,
            encodings,
            teacher.ask,
            cache,
            key_of(night.base_sha256, "master" if night.master else ""),
            night.recipe,
            folder.traces,
            night.progress(Stage.TRACE),
        )
    finally:
        cache.close()
        teacher.leave()
    write_json(folder.traced, {"lessons": len(lessons)})


async def _encoded(night: Night, snapshot: Snapshot, lessons: Sequence[Lesson]) -> list[Encoding]:
    settings = night.ground.settings.engine
    async with engine_with(night.ground.paths, settings, night.base.path) as engine:
        return await encode(engine, lessons, notes_of(snapshot), night.system_prompt)


class _Teacher:
    """The base model in torch, loaded when it is first asked: cached opinions need none."""

    def __init__(self, night: Night) -> None:
        self._night = night
        self._loaded: tuple[Any, Device] | None = None

    def ask(self, pairs: Sequence[Any]) -> list[Any]:
        from tsubasa_cli.learn.teacher import opinions

        if self._loaded is None:
            self._loaded = load_base(self._night)
        model, device = self._loaded
        return opinions(model, device, pairs, self._night.recipe.top)

    def leave(self) -> None:
        """Give the device's memory back: the next to need it is llama.cpp."""
        from tsubasa_cli.learn.device import give_back_memory

        if self._loaded is not None:
            device = self._loaded[1]
            self._loaded = None
            give_back_memory(device)


def load_base(night: Night) -> tuple[Any, Device]:
    """The base as a torch model, on the device of the night; from its master where that is here."""
    from tsubasa_cli.learn.device import choose_device
    from tsubasa_cli.learn.forward import suited
    from tsubasa_cli.learn.weights.load import load_model

    device = choose_device(night.wishes.device)
    model = load_model(night.master or night.base.path, device.dtype(), device.torch())
    return suited(model, device), device


def train_stage(night: Night, snapshot: Snapshot) -> None:
    """The change that makes the model know what the memory holds, as an adapter file."""
    from tsubasa_cli.learn.device import choose_device, give_back_memory

    if night.folder.adapter.exists():
        return
    try:
        _train(night, snapshot)
    finally:
        give_back_memory(choose_device(night.wishes.device))
    night.folder.checkpoint.unlink(missing_ok=True)


def _train(night: Night, snapshot: Snapshot) -> None:
    from tsubasa_cli.learn.train import Trainer, with_lora
    from tsubasa_cli.learn.weights.adapter import write_adapter
    from tsubasa_cli.learn.weights.deltas import deltas_of

    folder = night.folder
    model, device = load_base(night)
    student = with_lora(model, night.recipe, len(snapshot.all))
    traces = read_all(folder.traces)
    trainer = Trainer(student, traces, night.recipe, device, folder.checkpoint)
    history = trainer.run(_telling(night), night.hooks.should_stop, _training_budget(night))
    write_json(folder.training, {"kl": history, "lessons": len(traces), "device": device.kind})
    write_adapter(night.base.path, deltas_of(student), folder.adapter)


TRAINING_SHARE = 0.6
"""Of a budget; the rest is for answers before and the gate behind."""


def _training_budget(night: Night) -> float | None:
    budget = night.wishes.budget_seconds
    return budget * TRAINING_SHARE if budget is not None else None


def _telling(night: Night) -> Any:
    def tell(report: StepReport) -> None:
        detail = f"KL {report.kl:.3f}, {report.seconds:.1f} s a step, batch {report.batch}"
        night.hooks.on_progress(
            Progress(Stage.TRAIN, report.step, report.steps, detail, report.kl, report.memory_bytes)
        )

    return tell
