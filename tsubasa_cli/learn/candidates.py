"""The ways in which what was learned can go into service, in the order in which they are tried.

The gate takes the first that passes. From a master of high precision the ordinary quantization
comes first: it keeps what was learned. From a quantized base: stochastic codes with the base's own
scales, then eight bits, then the adapter beside the unchanged base; each at full strength, then at
less and less of it (DESIGN §5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tsubasa_cli.learn.ground import Night
from tsubasa_cli.learn.values import Apply

if TYPE_CHECKING:
    from tsubasa_cli.learn.weights.deltas import Delta
    from tsubasa_cli.learn.weights.routes import Route

SEEDS = (0, 1)
"""Draws of the stochastic codes; more gain less than a hundredth of a nat."""

Written = Callable[[int, int], None]
"""Bytes written, and bytes in all."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route at a scale; ``seed`` matters to stochastic codes alone."""

    route: str
    scale: float
    seed: int = 0

    @property
    def name(self) -> str:
        seed = f"-seed{self.seed}" if self.route == "stochastic" else ""
        return f"{self.route}-{self.scale:g}{seed}"

    @property
    def is_adapter(self) -> bool:
        return self.route == "adapter"

    def in_words(self) -> str:
        """For people."""
        words = {
            "master": "quantized from the master",
            "stochastic": "merged, the file's own type",
            "eight": "merged, changed weights in Q8_0",
            "adapter": "as an adapter beside the base",
        }
        strength = "" if self.scale == 1.0 else f", at {self.scale:.0%} of its strength"
        return f"{words[self.route]}{strength}"


@dataclass(frozen=True, slots=True)
class Deployed:
    """A candidate as files: ``model`` to load, an ``adapter`` over it or none; ``projection`` is
    how much of the change is in it, per tensor type and at the least."""

    candidate: Candidate
    model: Path
    adapter: Path | None
    projection: dict[str, float]

    @property
    def least(self) -> float:
        return min(self.projection.values(), default=0.0)

    @property
    def own_file(self) -> Path:
        """What belongs to the personal model alone."""
        return self.adapter or self.model


def candidates_for(apply: Apply, scales: Sequence[float], has_master: bool) -> Iterator[Candidate]:
    """All there are, the preferred first."""
    merged = ("master", "eight") if has_master else ("stochastic", "eight")
    routes = ("adapter",) if apply is Apply.ADAPTER else (*merged, "adapter")
    for route in routes:
        for scale in scales:
            for seed in SEEDS if route == "stochastic" else (0,):
                yield Candidate(route, scale, seed)


def deploy(night: Night, candidate: Candidate, on_written: Written) -> Deployed:
    """Write the candidate's file into the run's folder. Raises ``ModelError`` or ``StorageError``
    when it cannot be written, or the change has no place in it."""
    from tsubasa_cli.learn.weights.adapter import read_adapter

    deltas = [delta.scaled(candidate.scale) for delta in read_adapter(night.folder.adapter)]
    out = night.folder.root / f"candidate-{candidate.name}.gguf"
    if candidate.is_adapter:
        return _as_adapter(night, candidate, deltas, out)
    return _merged(night, candidate, deltas, out, on_written)


def _as_adapter(night: Night, candidate: Candidate, deltas: Sequence[Delta], out: Path) -> Deployed:
    from tsubasa_cli.learn.weights.adapter import write_adapter

    write_adapter(night.base.path, deltas, out)
    return Deployed(candidate, night.base.path, out, {"adapter": 1.0})


def _merged(
    night: Night, candidate: Candidate, deltas: Sequence[Delta], out: Path, on_written: Written
) -> Deployed:
    from tsubasa_cli.learn.device import choose_device
    from tsubasa_cli.learn.weights.merge import merge
    from tsubasa_cli.learn.weights.projection import project

    device = choose_device(night.wishes.device).torch()
    with _route(night, candidate) as route:
        merge(night.base.path, deltas, out, route, device, on_written)
    found = project(night.base.path, out, deltas, device)
    return Deployed(candidate, out, None, found.by_type())


@contextmanager
def _route(night: Night, candidate: Candidate) -> Iterator[Route]:
    from tsubasa_cli.learn.weights.master import open_master
    from tsubasa_cli.learn.weights.routes import EightBits, Ordinary, StochasticCodes

    if candidate.route == "master" and night.master is not None:
        with open_master(night.master, night.base.path) as source:
            yield Ordinary(source)
    elif candidate.route == "stochastic":
        yield StochasticCodes(candidate.seed)
    else:
        yield EightBits(candidate.seed)
