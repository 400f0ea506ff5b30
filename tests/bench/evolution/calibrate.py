"""Fits how far a model's two yes/no answers are to be trusted, and says what they are worth.

    python tests/bench/evolution/calibrate.py                         # the weights of code alone
    python tests/bench/evolution/calibrate.py --model A.gguf --cache DIR --write DIR

Prints the held-out accuracy of code alone and of code with the model's answers, the area under the
curve of each answer, and writes the weights. Fitting uses three quarters of the pairs.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from evolution_models import CachedModel

from tsubasa_cli.memory.calibration import (
    CODE_ONLY,
    Calibration,
    LabelledPair,
    Relation,
    fit_to,
    labelled_pairs,
    notes_of,
)
from tsubasa_cli.memory.closeness import closeness
from tsubasa_cli.memory.signals import MODEL_SIGNALS, code_signals, model_signals

Row = tuple[LabelledPair, Mapping[str, float]]


async def signals_of(pair: LabelledPair, model: CachedModel | None) -> dict[str, float]:
    old, new = notes_of(pair)
    signals = code_signals(old, new, closeness(pair.old, pair.new))
    return signals | (await model_signals(old, new, model) if model else {})


async def rows(model: CachedModel | None) -> list[Row]:
    found: list[Row] = []
    for number, pair in enumerate(labelled_pairs(), 1):
        found.append((pair, await signals_of(pair, model)))
        if model:
            print(f"\r{number}", end="", file=sys.stderr, flush=True)
    if model:
        await model.close()
    return found


def fitted(table: Sequence[Row], name: str) -> Calibration:
    return fit_to([(pair.relation, s) for pair, s in table if not pair.is_held_out], name)


def accuracy(calibration: Calibration, table: Sequence[Row]) -> tuple[float, float, int]:
    """On the held-out pairs: share right, share right among those above 0.6, and how many."""
    held = [(pair, calibration.probabilities(s)) for pair, s in table if pair.is_held_out]
    right = [max(p, key=lambda r: p[r]) is pair.relation for pair, p in held]
    sure = [ok for ok, (_, p) in zip(right, held, strict=True) if max(p.values()) >= 0.6]
    return sum(right) / len(right), sum(sure) / max(1, len(sure)), len(sure)


def area(table: Sequence[Row], signal: str, wanted: set[Relation], among: set[Relation]) -> float:
    """The chance that a wanted pair scores above another: 0.5 is no signal."""
    plus = [s[signal] for pair, s in table if pair.relation in wanted]
    minus = [s[signal] for pair, s in table if pair.relation in among - wanted]
    wins = sum((a > b) + (a == b) / 2 for a in plus for b in minus)
    return wins / (len(plus) * len(minus))


def without_model(table: Sequence[Row]) -> list[Row]:
    return [(p, {n: v for n, v in s.items() if n not in MODEL_SIGNALS}) for p, s in table]


def report(name: str, table: Sequence[Row], calibration: Calibration) -> None:
    share, sure, count = accuracy(calibration, table)
    print(f"{name:40} held-out {share:.3f}; where sure {sure:.3f} of {count}")


def main() -> None:
    parser = argparse.ArgumentParser(description="fit relation weights")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--write", type=Path, help="folder for the weights")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    cache = given.cache or Path(tempfile.mkdtemp(prefix="evolution-"))
    model = CachedModel(given.model, cache, given.threads) if given.model else None
    table = asyncio.run(rows(model))
    plain = without_model(table)
    report("code alone", plain, fitted(plain, CODE_ONLY))
    name = model.path.stem if model else CODE_ONLY
    calibration = fitted(table, name)
    if model:
        everything = set(Relation)
        related = everything - {Relation.UNRELATED}
        report(name, table, calibration)
        print("heeded: " + (", ".join(sorted(calibration.heeded)) or "none"))
        ended = area(table, MODEL_SIGNALS[0], {Relation.CHANGES}, everything)
        print(f"AUC: ended → changes {ended:.2f}")
        print(f"AUC: same topic → related {area(table, MODEL_SIGNALS[1], related, everything):.2f}")
    if given.write:
        given.write.mkdir(parents=True, exist_ok=True)
        (given.write / f"{name.lower()}.json").write_text(calibration.to_json() + "\n", "utf-8")


if __name__ == "__main__":
    main()
