"""What a night's change is worth in the file that would serve, by the route that brought it there.

    python tests/bench/bench_routes.py RUN [MODEL.gguf] [--questions 40] [--to assets/bench]

RUN is the folder of a night (``tsubasa learn show`` names it); MODEL the file that it began with.
Each route writes its file in a process of its own, which tells its seconds and its peak memory.
Then llama.cpp is asked, as the gate asks: nats per token of the right answers to questions that
were kept for judging, no notes in sight, and perplexity of the gate's ordinary text.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_page import command_line, origin, put_section, starter_model, table
from bench_process import figures_of, measured

from tsubasa_cli.engine.client import GREEDY
from tsubasa_cli.learn.base_engine import engine_with
from tsubasa_cli.learn.files import read_json
from tsubasa_cli.learn.gate.exam import Paper, Part, Result, set_paper, take_exam
from tsubasa_cli.learn.materials import prose
from tsubasa_cli.learn.prepare import question_from_json
from tsubasa_cli.learn.snapshot import Snapshot
from tsubasa_cli.learn.stages import notes_of
from tsubasa_cli.learn.values import About, Purpose
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import EngineSettings

IN_WORDS = {
    "codes": "merged: scales kept, codes rounded stochastically",
    "eight": "merged: Q8_0",
    "naive": "merged: requantized to each tensor's own type",
}
HEAD = (
    "route", "seconds", "peak MB", "file MB", "share of the change left, by type",
    "nats per token", "perplexity",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Served:
    """A file that would serve, with a change beside it or in it."""

    name: str
    model: Path
    adapter: Path | None
    cells: tuple[str, str, str, str]
    """Seconds, peak MB, file MB, shares of the change."""


def write(name: str, run: Path, model: Path, out: Path) -> None:
    """Merge the night's change by one route."""
    import torch

    from tsubasa_cli.learn.weights.adapter import read_adapter
    from tsubasa_cli.learn.weights.merge import merge
    from tsubasa_cli.learn.weights.routes import EightBits, Ordinary, StochasticCodes
    from tsubasa_cli.learn.weights.tensor_file import TensorFile

    torch.set_num_threads(1)
    deltas = read_adapter(run / "adapter.gguf")
    with TensorFile(model) as itself, measured():
        routes = {"codes": StochasticCodes(), "eight": EightBits(), "naive": Ordinary(itself)}
        merge(model, deltas, out, routes[name], torch.device("cpu"))


def served(run: Path, model: Path, work: Path) -> Iterator[Served]:
    """The base, the change beside it, and every merged file."""
    adapter = run / "adapter.gguf"
    yield Served("the base, nothing learned", model, None, ("", "", _size(model), ""))
    beside = ("", "", _size(model, adapter), "1.00")
    yield Served("an adapter beside the base", model, adapter, beside)
    for name, words in IN_WORDS.items():
        out = work / f"{name}.gguf"
        cost = figures_of(__file__, run, model, "--write", name, "--out", out)
        cells = (f"{cost['seconds']:.1f}", f"{cost['peak_mb']:,.0f}", _size(out))
        yield Served(words, out, None, (*cells, _shares(model, out, adapter)))


def _shares(model: Path, out: Path, adapter: Path) -> str:
    import torch

    from tsubasa_cli.learn.weights.adapter import read_adapter
    from tsubasa_cli.learn.weights.projection import project

    found = project(model, out, read_adapter(adapter), torch.device("cpu"))
    return ", ".join(f"{kind} {kept:.2f}" for kind, kept in found.by_type().items())


def _size(*files: Path) -> str:
    return f"{sum(file.stat().st_size for file in files) / 1e6:,.0f}"


async def asked(each: Served, paper: Paper, snapshot: Snapshot, home: Paths) -> Result:
    """What llama.cpp makes of the file."""
    settings = EngineSettings(threads=1)
    async with engine_with(home, settings, each.model, each.adapter) as engine:
        return await take_exam(
            engine, paper, notes_of(snapshot), "", GREEDY, lambda *_: None,
            is_enough=lambda result: Part.ALONE in result.parts,
        )  # fmt: skip


def paper_of(run: Path, questions: int, passages: int) -> Paper:
    """Questions about facts that were kept for judging, and the first passages of the text."""
    every = [question_from_json(body) for body in read_json(run / "questions.json")]
    judged = [qa for qa in every if qa.purpose is Purpose.JUDGE and qa.about is About.FACT]
    text = [piece for passage in prose()[:passages] for piece in passage.pieces()]
    return set_paper(judged, (), text, questions, 0)


def row(each: Served, result: Result) -> Sequence[str]:
    nats = sum(result.nll.values()) / len(result.nll)
    whole, count = (sum(column) for column in zip(*result.prose, strict=True))
    return (each.name, *each.cells, f"{nats:.2f}", f"{math.exp(whole / count):.2f}")


def main(run: Path, model: Path, questions: int, passages: int, to: Path | None) -> None:
    snapshot = Snapshot.from_json((run / "snapshot.json").read_bytes())
    paper = paper_of(run, questions, passages)
    rows, tokens = [], 0
    with tempfile.TemporaryDirectory() as folder:
        home = Paths(Path(folder), Path(folder)).ensure()
        for each in served(run, model, Path(folder)):
            result = asyncio.run(asked(each, paper, snapshot, home))
            tokens = sum(count for _, count in result.prose)
            rows.append(row(each, result))
            print(" | ".join(rows[-1]), flush=True)
    told = (
        f"{origin(command_line(), model)} A night of {len(snapshot.active)} memories;"
        f" {len(paper.questions)} questions; {tokens:,} tokens of text.\n\n{table(HEAD, rows)}"
    )
    if to:
        heading = f"A night's change by route, {model.stem}"
        put_section(to / "learn-speed.md", "Learning: speed, memory and error", heading, told)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("model", type=Path, nargs="?", default=starter_model())
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--passages", type=int, default=24)
    parser.add_argument("--write", choices=list(IN_WORDS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--to", type=Path, help="the folder whose learn-speed.md gets the table")
    given = parser.parse_args()
    if given.write:
        write(given.write, given.run, given.model, given.out)
    else:
        main(given.run, given.model, given.questions, given.passages, given.to)
