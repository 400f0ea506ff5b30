"""A model is loaded, asked and trained as on a CUDA card: a tensor that stays on the CPU, or is of
the wrong type, fails here without a card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from paper_card import CARD, CUDA, paper_card
from tiny_families import FAMILIES, Tiny, random_weights, write_model

from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn import forward, loss, teacher, train
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.traces import TeacherTrace
from tsubasa_cli.learn.train import StepReport, Trainer, with_lora
from tsubasa_cli.learn.values import PausedError
from tsubasa_cli.learn.weights.deltas import deltas_of
from tsubasa_cli.learn.weights.load import load_model

RECIPE = Recipe(epochs=2.0, batch=4, fewest_steps=1)
pytestmark = pytest.mark.filterwarnings("ignore:.*non-meta parameter:UserWarning")
EVERY = pytest.mark.parametrize("shape", FAMILIES, ids=lambda shape: shape.architecture)
PAIRS = [
    (np.arange(3, 3 + prompt, dtype=np.int32), np.arange(20, 20 + reply, dtype=np.int32))
    for prompt, reply in ((4, 3), (5, 2), (9, 4), (6, 1))
]


@pytest.fixture(autouse=True)
def on_paper() -> Iterator[None]:
    with paper_card():
        yield


def _file(folder: Path, shape: Tiny = FAMILIES[2]) -> Path:
    small = replace(shape, layers=1)
    return write_model(folder / "base.gguf", small, random_weights(small), "Q4_K")


def _lessons() -> list[TeacherTrace]:
    top, likely = np.arange(5, dtype=np.int32), np.full(5, np.log(0.15), np.float32)
    return [
        TeacherTrace(p, r, np.tile(top, (len(r), 1)), np.tile(likely, (len(r), 1)), 0.5)
        for p, r in PAIRS
    ]


def _student(path: Path) -> Any:
    return with_lora(load_model(path, CARD.dtype(), CARD.torch()), RECIPE, 10)


def _trainer(student: Any, folder: Path) -> Trainer:
    return Trainer(student, _lessons(), RECIPE, CARD, folder / "checkpoint.pt")


def _places(tensors: Any) -> set[tuple[torch.device, torch.dtype]]:
    return {(tensor.device, tensor.dtype) for tensor in tensors}


class Noted:
    """What ``compute`` gave, each time."""

    def __init__(self, compute: Callable[..., Any]) -> None:
        self._compute = compute
        self.seen: list[Any] = []

    def __call__(self, *given: Any) -> Any:
        self.seen.append(self._compute(*given))
        return self.seen[-1]


@EVERY
def test_a_night_stays_on_the_card(
    shape: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = Noted(forward.reply_logits)
    monkeypatch.setattr(train, "reply_logits", logits)
    student = _student(_file(tmp_path, shape))
    _trainer(student, tmp_path).run(lambda _report: None, lambda: False, budget_seconds=1e6)

    frozen = [weight for weight in student.parameters() if not weight.requires_grad]
    trained = [weight for weight in student.parameters() if weight.requires_grad]
    assert _places(frozen) == {(CUDA, torch.bfloat16)}
    assert _places(trained) == {(CUDA, torch.float32)}
    assert _places(logits.seen) == {(CUDA, torch.float32)}
    assert student.get_base_model().model.layers[0].gradient_checkpointing

    changes = deltas_of(student)
    assert len(changes) == 7
    assert _places(part for change in changes for part in (change.a, change.b)) == {
        (torch.device("cpu"), torch.float32)
    }


@EVERY
def test_the_teacher_is_asked_on_the_card_and_answers_beside_it(
    shape: Tiny, tmp_path: Path
) -> None:
    model = load_model(_file(tmp_path, shape), CARD.dtype(), CARD.torch())
    said = teacher.opinions(model, CARD, PAIRS, 5)
    assert [ids.shape for ids, _ in said] == [(len(reply), 5) for _, reply in PAIRS]


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path, steps = _file(tmp_path), []
    with pytest.raises(PausedError):
        _trainer(_student(path), tmp_path).run(lambda _report: None, lambda: True)
    again = _trainer(_student(path), tmp_path)
    again.run(lambda report: steps.append(report.step), lambda: False)
    assert steps == [2]
    kept = [value for state in again._optimizer.state.values() for value in state.values()]
    assert (CUDA, torch.float32) in _places(kept)
    assert _places(value for value in kept if value.dim()) == {(CUDA, torch.float32)}


class TestMemory:
    """The card's allocator says no to more than so many lessons at once."""

    @staticmethod
    def _allow(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        def grudging(model: Any, prompts: Any, replies: Any) -> Any:
            if len(prompts) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return forward.reply_logits(model, prompts, replies)

        monkeypatch.setattr(train, "reply_logits", grudging)

    def test_the_batch_becomes_smaller(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._allow(monkeypatch, 1)
        told: list[StepReport] = []
        _trainer(_student(_file(tmp_path)), tmp_path).run(told.append, lambda: False)
        assert [report.batch for report in told] == [1, 1]

    def test_what_does_not_fit_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._allow(monkeypatch, 0)
        with pytest.raises(ModelError, match="memory of this CUDA"):
            _trainer(_student(_file(tmp_path)), tmp_path).run(lambda _r: None, lambda: False)


MOVES = (
    (forward, "tokens.to(device)"),
    (loss, "[t.top for t in traces]).astype(np.int64)).to(device)"),
    (loss, "[t.reply for t in traces]).astype(np.int64)).to(device)"),
    (loss, "[t.log_probs for t in traces])).to(device)"),
    (loss, ").to(device)[:, None]"),
    (teacher, "best.indices.cpu()"),
    (teacher, "best.values.cpu()"),
)
"""All of a step that matter: the mask is moved by transformers too, indices may be on either."""


@pytest.mark.parametrize(
    ("module", "move"), MOVES, ids=[f"{m.__name__[18:]} {move[-30:]}" for m, move in MOVES]
)
def test_a_move_that_is_left_out_is_noticed(
    module: ModuleType, move: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = _without(module, move)
    for name in ("reply_logits", "distillation_loss", "opinions"):
        for user in (train, teacher):
            if hasattr(user, name) and hasattr(changed, name):
                monkeypatch.setattr(user, name, getattr(changed, name))
    student = _student(_file(tmp_path))
    with pytest.raises((RuntimeError, TypeError), match="device"):
        teacher.opinions(student.get_base_model(), CARD, PAIRS, 5)
        _trainer(student, tmp_path).run(lambda _report: None, lambda: False)


def _without(module: ModuleType, move: str) -> ModuleType:
    """The module as it would be had the move been forgotten."""
    source = Path(module.__file__ or "").read_text("utf-8")
    assert source.count(move) == 1
    forgotten = move.replace(".to(device)", "").replace(".cpu()", "")
    changed = ModuleType(module.__name__)
    exec(compile(source.replace(move, forgotten), module.__name__, "exec"), vars(changed))
    return changed
