"""Steps per second and peak memory of our training against a plain peft loop, in pairs.

    python tests/bench/bench_learn.py [--model FILE.gguf] [--pairs N] [--steps N] [--to FOLDER]

Both loops take the same lessons with the same LoRA, threads and precision, each in a process of its
own. The plain one does what tutorials do: the teacher (the same model without the adapter) reads
each batch with its notes in every step, student and teacher compute logits of every position, and
everything is padded to the longest. Ours reads what the teacher said beforehand; what that took,
once, is told too.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_page import command_line, origin, put_section, starter_model, table
from bench_process import figures_of, tell

from tsubasa_cli.learn.base_engine import engine_with
from tsubasa_cli.learn.device import choose_device
from tsubasa_cli.learn.forward import suited
from tsubasa_cli.learn.lessons import lessons_of
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.snapshot import Snapshot
from tsubasa_cli.learn.synthesize import synthesize
from tsubasa_cli.learn.teacher import opinions
from tsubasa_cli.learn.traces import TeacherTrace, load_traces, save_traces
from tsubasa_cli.learn.tracing import Encoding, encode
from tsubasa_cli.learn.train import Trainer, with_lora
from tsubasa_cli.learn.weights.load import load_model
from tsubasa_cli.memory.values import Observation
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import EngineSettings, Settings
from tsubasa_cli.storage.values import Instant

PLACES = ("Bonn", "Ghent", "Porto", "Turku", "Cork", "Graz", "Lyon", "Bergen")
DEVICE = choose_device("cpu")
STUDENT, TEACHER = "student.npz", "teacher.npz"
TITLE = "Learning: speed, memory and error"


# ---------------------------------------------------------------------- steps, a process each


def prepare(model: Path, work: Path, steps: int) -> None:
    """The lessons as the student reads them, with the teacher's opinions, and as the teacher does;
    tells the seconds that the opinions took, per lesson."""
    lessons = encodings(model, work, steps)
    base = suited(load_model(model, DEVICE.dtype(), DEVICE.torch()), DEVICE)
    began = time.perf_counter()
    said = opinions(base, DEVICE, [(e.teacher, e.reply) for e in lessons], Recipe().top)
    seconds = time.perf_counter() - began
    for name in (STUDENT, TEACHER):
        traces = [
            TeacherTrace(e.student if name == STUDENT else e.teacher, e.reply, top, log_probs, 0.4)
            for e, (top, log_probs) in zip(lessons, said, strict=True)
        ]
        save_traces(work / name, traces)
    tell(seconds=seconds / len(lessons))


def encodings(model: Path, work: Path, steps: int) -> list[Encoding]:
    """Lessons about a few invented relatives, in the mixture of a night."""
    notes = {
        f"m{n}": Observation(f"m{n}", f"The user's cousin number {n} lives in {place}.", Instant(0))
        for n, place in enumerate(PLACES)
    }
    questions = synthesize(Snapshot(1, tuple(notes.values())), Recipe(), "")
    lessons = lessons_of(questions, notes, Recipe())
    random.Random(0).shuffle(lessons)
    few = lessons[: steps * Recipe().batch]
    if len(few) < steps * Recipe().batch:
        raise SystemExit(f"There are lessons for {len(few) // Recipe().batch} steps only.")
    return asyncio.run(_encoded(Paths(work, work).ensure(), model, few, notes))


async def _encoded(paths: Paths, model: Path, lessons: Any, notes: Any) -> list[Encoding]:
    async with engine_with(paths, EngineSettings(), model) as engine:
        return await encode(engine, lessons, notes, Settings().chat.system_prompt)


def ours(model: Path, work: Path, steps: int) -> None:
    """The product's loop over the traces; tells the seconds of a step."""
    base = suited(load_model(model, DEVICE.dtype(), DEVICE.torch()), DEVICE)
    student, traces = with_lora(base, Recipe(), len(PLACES)), load_traces(work / STUDENT)
    recipe = Recipe(epochs=1.0, fewest_steps=1)
    checkpoint = work / "checkpoint.pt"
    checkpoint.unlink(missing_ok=True)
    taken: list[float] = []
    trainer = Trainer(student, traces, recipe, DEVICE, checkpoint)
    trainer.run(lambda report: taken.append(report.seconds), lambda: False)
    assert len(taken) == steps
    tell(seconds=statistics.median(taken))


def plain(model: Path, work: Path, steps: int) -> None:
    """The plain loop; tells the seconds of a step."""
    base = load_model(model, DEVICE.dtype(), DEVICE.torch())
    student, lessons = with_lora(base, Recipe(), len(PLACES)), _both(work)
    optimizer = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=3e-4)
    student.train()
    taken = []
    for step in range(steps):
        batch = lessons[step * Recipe().batch : (step + 1) * Recipe().batch]
        began = time.perf_counter()
        with DEVICE.autocast():
            with torch.no_grad(), student.disable_adapter():
                told = _log_probs(student, [(teacher, reply) for teacher, _, reply in batch])
            said = _log_probs(student, [(prompt, reply) for _, prompt, reply in batch])
        loss = (told.exp() * (told - said)).sum() / len(said)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        taken.append(time.perf_counter() - began)
    tell(seconds=statistics.median(taken))


def _both(work: Path) -> list[tuple[Any, Any, Any]]:
    """What the teacher reads, what the student reads, and the reply."""
    sides = zip(load_traces(work / TEACHER), load_traces(work / STUDENT), strict=True)
    return [(teacher.prompt, student.prompt, student.reply) for teacher, student in sides]


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


# ---------------------------------------------------------------------- the comparison

STEPS: dict[str, Callable[[Path, Path, int], None]] = {
    step.__name__: step for step in (prepare, ours, plain)
}


def compare(options: argparse.Namespace, work: Path) -> str:
    """Pairs of both loops, as a table and what remains to be said."""
    prepared = _step(prepare, options, work)
    pairs = []
    for number in range(options.pairs):
        pairs.append((_step(ours, options, work), _step(plain, options, work)))
        mine, theirs = (side["seconds"] for side in pairs[-1])
        print(f"pair {number + 1}: {mine:.2f} s a step, plain {theirs:.2f} s", flush=True)
    faster = statistics.median(b["seconds"] / a["seconds"] for a, b in pairs)
    rows = [
        (name, *_figures([pair[side] for pair in pairs]), ratio)
        for side, name, ratio in (
            (0, "ours, the teacher's words read beforehand", "×1"),
            (1, "plain peft loop, the teacher inside", f"×{faster:.2f}"),
        )
    ]
    head = ("loop", "seconds a step", "steps/s", "peak MB", "time against ours (median of pairs)")
    batch, epochs = Recipe().batch, Recipe().epochs
    once = prepared["seconds"] * batch / epochs
    whole = statistics.median(b["seconds"] / (a["seconds"] + once) for a, b in pairs)
    return (
        f"Batches of {batch}, {options.steps} steps, {options.pairs} pair(s), each loop in a"
        f" process of its own; the peak holds the libraries and the model.\n\n{table(head, rows)}"
        f"\n\nReading the teacher beforehand takes {prepared['seconds']:.2f} s a lesson, once"
        f" (peak {prepared['peak_mb']:,.0f} MB); over {epochs} epochs, with that counted in, the"
        f" plain loop takes ×{whole:.2f} of our time."
    )


def _figures(found: Sequence[Any]) -> tuple[str, str, str]:
    seconds = statistics.median(each["seconds"] for each in found)
    peak = statistics.median(each["peak_mb"] for each in found)
    return f"{seconds:.2f}", f"{1 / seconds:.2f}", f"{peak:,.0f}"


def _step(step: Callable[..., None], options: argparse.Namespace, work: Path) -> Any:
    arguments = ("--model", options.model, "--steps", options.steps, "--threads", options.threads)
    return figures_of(__file__, *arguments, "--step", step.__name__, "--work", work)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, default=starter_model())
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--to", type=Path, help="the folder whose learn-speed.md gets the table")
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.step:
        STEPS[options.step](options.model, options.work, options.steps)
        return
    with tempfile.TemporaryDirectory() as folder:
        told = compare(options, Path(folder))
    told = f"{origin(command_line(), options.model)} {told}"
    print(told)
    if options.to:
        page = options.to / "learn-speed.md"
        put_section(page, TITLE, f"Training, {options.model.stem}", told)


if __name__ == "__main__":
    main()
