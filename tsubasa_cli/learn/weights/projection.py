"""How much of a change is left in a file: (deployed − base) projected on the change.

1 means intact, 0 means that the file has forgotten it. Noise that quantization adds is nearly
orthogonal to the change in so many dimensions, so it hardly enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tsubasa_cli.learn.weights.adapter import check_fit
from tsubasa_cli.learn.weights.deltas import Delta
from tsubasa_cli.learn.weights.tensor_file import TensorFile, row_chunks, type_of


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the change of one tensor: ``along`` is ⟨after − before, change⟩, ``whole`` is
    ⟨change, change⟩, ``weights`` the squared norm of the tensor before."""

    tensor: str
    type_name: str
    along: float
    whole: float
    weights: float

    @property
    def projection(self) -> float:
        """1 when the change is intact; NaN when there was none."""
        return self.along / self.whole if self.whole else float("nan")

    @property
    def relative(self) -> float:
        """The norm of the change over that of the weights."""
        return float((self.whole / self.weights) ** 0.5) if self.weights else float("inf")


@dataclass(frozen=True, slots=True)
class Projection:
    """The changes of all tensors of a file."""

    kept: tuple[Kept, ...]

    @property
    def overall(self) -> float:
        """The projection over all tensors at once."""
        return sum(kept.along for kept in self.kept) / sum(kept.whole for kept in self.kept)

    def by_type(self) -> dict[str, float]:
        """The projection over all tensors of each type that the deployed file has."""
        names = sorted({kept.type_name for kept in self.kept})
        return {
            name: Projection(tuple(k for k in self.kept if k.type_name == name)).overall
            for name in names
        }


def project(
    base: Path, deployed: Path, deltas: Sequence[Delta], device: torch.device
) -> Projection:
    """Measure in ``deployed`` what is left of ``deltas``, which were added to ``base``."""
    with TensorFile(base) as before, TensorFile(deployed) as after:
        check_fit(after.header.tensors, deltas, deployed.name)
        check_fit(before.header.tensors, deltas, base.name)
        return Projection(tuple(_kept(before, after, delta, device) for delta in deltas))


def _kept(before: TensorFile, after: TensorFile, delta: Delta, device: torch.device) -> Kept:
    along = whole = weights = 0.0
    for start, stop in row_chunks(before.tensors[delta.tensor], device):
        change = delta.rows(start, stop, device)
        old = before.rows_of(delta.tensor, start, stop, device)
        moved = after.rows_of(delta.tensor, start, stop, device) - old
        along += float((moved * change).sum())
        whole += float(change.square().sum())
        weights += float(old.square().sum())
    return Kept(delta.tensor, type_of(after.tensors[delta.tensor]).name, along, whole, weights)
