"""Training: every lesson in every epoch, memory that runs out, a budget, the same weights again."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn import train
from tsubasa_cli.learn.device import Device, choose_device, is_out_of_memory
from tsubasa_cli.learn.forward import reply_logits
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.teacher import opinions
from tsubasa_cli.learn.traces import (
    TeacherTrace,
    load_traces,
    opinion_from_bytes,
    opinion_to_bytes,
    save_traces,
)
from tsubasa_cli.learn.train import (
    Trainer,
    learning_rate_at,
    lessons_at,
    steps_for,
    together,
    with_lora,
)
from tsubasa_cli.learn.weights.load import load_model

RECIPE = Recipe(epochs=2.0, batch=4, fewest_steps=1, checkpoint_every=3)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def device() -> Device:
    return choose_device("cpu")


@pytest.fixture
def lessons(tiny_model: Path, device: Device) -> list[TeacherTrace]:
    """Ten lessons with the base's own opinions of random replies."""
    generator = np.random.default_rng(0)
    pairs = [
        tuple(
            generator.integers(0, 200, generator.integers(2, size)).astype(np.int32)
            for size in (12, 6)
        )
        for _ in range(10)
    ]
    model = load_model(tiny_model, torch.float32, CPU)
    said = opinions(model, device, pairs, 5)  # type: ignore[arg-type]
    return [
        TeacherTrace(prompt, reply, top, log_probs, 0.5)
        for (prompt, reply), (top, log_probs) in zip(pairs, said, strict=True)
    ]


def _trainer(
    model: Path, lessons: list[TeacherTrace], device: Device, checkpoint: Path, recipe: Recipe
) -> Trainer:
    student = with_lora(load_model(model, torch.float32, CPU), recipe, 10)
    return Trainer(student, lessons, recipe, device, checkpoint)


def test_every_epoch_takes_every_lesson_in_another_order() -> None:
    recipe = Recipe(batch=5)
    epochs = [
        [i for step in range(4 * epoch, 4 * epoch + 4) for i in lessons_at(step, 20, recipe)]
        for epoch in range(3)
    ]
    assert all(sorted(order) == list(range(20)) for order in epochs)
    assert epochs[0] != epochs[1]


def test_steps_follow_the_lessons_and_are_bounded() -> None:
    exact = Recipe(epochs=2, batch=6, fewest_steps=1)
    assert steps_for(60, exact) == 20
    small = replace(exact, fewest_steps=30, most_epochs=4.0)
    assert [steps_for(count, small) for count in (3, 30, 60, 120)] == [2, 20, 30, 40]
    assert steps_for(1, Recipe()) == 1
    assert steps_for(10**6, Recipe(most_steps=77)) == 77


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate_at(step, 100, 1.0, 0.1) for step in range(100)]
    assert rates[0] < rates[5] < rates[9] == max(rates)
    assert 0.1 <= rates[-1] < 0.11


def test_wider_models_are_taught_more_gently() -> None:
    rates = [Recipe().learning_rate_for(width) for width in (64, 576, 896, 2560)]
    assert rates[0] == rates[1] == Recipe().learning_rate
    assert rates[1] > rates[2] > rates[3] > rates[1] / 4


def test_lessons_of_a_similar_length_go_together(lessons: list[TeacherTrace]) -> None:
    groups = list(together(lessons, 3))
    assert sorted(id(t) for g in groups for t in g) == sorted(id(t) for t in lessons)
    assert all(len(g) <= 3 and g[-1].size <= train.SIMILAR * g[0].size for g in groups)


def test_the_kl_falls(
    tiny_model: Path, lessons: list[TeacherTrace], device: Device, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=12.0, batch=5, fewest_steps=1, learning_rate=5e-3)
    trainer = _trainer(tiny_model, lessons, device, tmp_path / "c.pt", recipe)
    history = trainer.run(lambda _report: None, lambda: False)
    assert len(history) == 24
    assert sum(history[-4:]) < 0.7 * sum(history[:4])


class TestMemory:
    """The allocator says no, as one does that has less memory than the batch wants."""

    @pytest.mark.parametrize("fits", [2, 1])
    def test_a_batch_that_does_not_fit_is_halved_until_it_does(
        self,
        tiny_model: Path,
        lessons: list[TeacherTrace],
        device: Device,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        fits: int,
    ) -> None:
        _allow(monkeypatch, fits)
        batches: list[int] = []
        trainer = _trainer(tiny_model, lessons, device, tmp_path / "c.pt", RECIPE)
        trainer.run(lambda report: batches.append(report.batch), lambda: False)
        assert set(batches) == {fits}

    def test_when_nothing_fits_it_is_refused_with_words(
        self,
        tiny_model: Path,
        lessons: list[TeacherTrace],
        device: Device,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        _allow(monkeypatch, 0)
        trainer = _trainer(tiny_model, lessons, device, tmp_path / "c.pt", RECIPE)
        with pytest.raises(ModelError, match="does not fit") as caught:
            trainer.run(lambda _report: None, lambda: False)
        assert caught.value.next_step

    def test_the_halved_batch_has_the_same_gradient(
        self,
        tiny_model: Path,
        lessons: list[TeacherTrace],
        device: Device,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        whole = _trainer(tiny_model, lessons, device, tmp_path / "a.pt", RECIPE)
        first = whole.run(lambda _report: None, lambda: False)
        _allow(monkeypatch, 1)
        halved = _trainer(tiny_model, lessons, device, tmp_path / "b.pt", RECIPE)
        assert halved.run(lambda _r: None, lambda: False) == pytest.approx(first, abs=2e-2)

    def test_a_teacher_with_too_little_memory_asks_fewer_at_once(
        self, tiny_model: Path, device: Device, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tsubasa_cli.learn import teacher

        pairs = [
            (np.arange(3, 9, dtype=np.int32), np.arange(4, 4 + n, dtype=np.int32))
            for n in (2, 3, 4, 5)
        ]
        model = load_model(tiny_model, torch.float32, CPU)
        plenty = opinions(model, device, pairs, 5)
        monkeypatch.setattr(teacher, "reply_logits", _grudging(teacher.reply_logits, 1))
        scarce = opinions(model, device, pairs, 5)
        for (ids, values), (other_ids, other_values) in zip(plenty, scarce, strict=True):
            assert np.array_equal(ids, other_ids)
            assert np.allclose(values, other_values, atol=2e-2)

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what is allocated")
    @pytest.mark.parametrize(
        ("room", "told"), [(450, r"^batch [1-7]$"), (10, r"^The model does not fit the memory")]
    )
    def test_an_allocator_that_really_has_no_more(
        self, tiny_model: Path, tmp_path: Path, room: int, told: str
    ) -> None:
        """Eight lessons of a thousand tokens at once, in so many MiB."""
        done = subprocess.run(
            [sys.executable, "-c", SHORT_OF_MEMORY, str(tiny_model), str(tmp_path), str(room)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert re.search(told, done.stdout), done.stdout + done.stderr[-2000:]

    def test_what_counts_as_out_of_memory(self) -> None:
        assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
        assert is_out_of_memory(MemoryError())
        assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
        assert is_out_of_memory(RuntimeError("could not create a primitive"))
        assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_a_budget_bounds_the_steps(
    tiny_model: Path, lessons: list[TeacherTrace], device: Device, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=400.0, batch=4, fewest_steps=1)
    trainer = _trainer(tiny_model, lessons, device, tmp_path / "c.pt", recipe)
    history = trainer.run(lambda _report: None, lambda: False, budget_seconds=0.5)
    assert 1 <= len(history) < steps_for(len(lessons), recipe)


def test_traces_come_back_as_they_were(lessons: list[TeacherTrace], tmp_path: Path) -> None:
    save_traces(tmp_path / "part.npz", lessons)
    assert (tmp_path / "part.npz").stat().st_mode & 0o077 == 0
    for kept, trace in zip(load_traces(tmp_path / "part.npz"), lessons, strict=True):
        assert np.array_equal(kept.prompt, trace.prompt)
        assert np.array_equal(kept.reply, trace.reply)
        assert np.array_equal(kept.top, trace.top)
        assert np.allclose(kept.log_probs, trace.log_probs, atol=2e-2)
        assert kept.label == trace.label
    raw = opinion_to_bytes((lessons[0].top, lessons[0].log_probs))
    top, log_probs = opinion_from_bytes(raw)
    assert np.array_equal(top, lessons[0].top)
    assert np.allclose(log_probs, lessons[0].log_probs, atol=2e-2)


def test_only_reply_positions_are_computed_and_padding_changes_nothing(
    tiny_model: Path, lessons: list[TeacherTrace]
) -> None:
    model = load_model(tiny_model, torch.float32, CPU)
    with torch.no_grad():
        together_ = reply_logits(model, [t.prompt for t in lessons], [t.reply for t in lessons])
        alone = torch.cat([reply_logits(model, [t.prompt], [t.reply]) for t in lessons])
        whole = np.concatenate([lessons[0].prompt, lessons[0].reply]).astype(np.int64)
        plain = model(input_ids=torch.from_numpy(whole)[None]).logits[0]
    assert torch.allclose(together_, alone, atol=1e-4)
    first = plain[len(lessons[0].prompt) - 1 : -1]
    assert torch.allclose(alone[: len(first)], first, atol=1e-4)


def _allow(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(train, "reply_logits", _grudging(train.reply_logits, most))


def _grudging(compute: object, most: int) -> object:
    """``compute`` on an allocator that has room for ``most`` lessons at once."""

    def grudging(model: object, prompts: list[object], replies: list[object]) -> object:
        if len(prompts) > most:
            raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB")
        return compute(model, prompts, replies)  # type: ignore[operator]

    return grudging


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn.device import choose_device
from tsubasa_cli.learn.forward import suited
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.traces import TeacherTrace
from tsubasa_cli.learn.train import Trainer, with_lora
from tsubasa_cli.learn.weights.load import load_model
torch.set_num_threads(1)
model, folder, room = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) << 20
device, recipe = choose_device("cpu"), Recipe(batch=8, epochs=1.0, fewest_steps=1)
base = suited(load_model(model, torch.float32, torch.device("cpu")), device)
student = with_lora(base, recipe, 9)
reply = np.arange(4, dtype=np.int32)
top, likely = np.tile(np.arange(5, dtype=np.int32), (4, 1)), np.full((4, 5), -2, np.float32)
def train(name, prompt, count, told):
    lessons = [TeacherTrace(np.arange(prompt, dtype=np.int32) % 250, reply, top, likely, 0.5)]
    Trainer(student, lessons * count, recipe, device, folder / name).run(told, lambda: False)
train("first.pt", 8, 1, lambda report: None)
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + room, resource.RLIM_INFINITY))
try:
    train("second.pt", 1000, 8, lambda report: print("batch", report.batch))
except ModelError as error:
    print(error.what)
"""
