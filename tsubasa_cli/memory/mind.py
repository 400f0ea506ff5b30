"""A language model at work for the memory, and how far it is to be trusted.

Both measures are taken on labelled examples that ship with the product, in moments in which nobody
waits, and are kept beside the data by the hash of the model's file. Until they are there, rules and
the weights for code alone decide: memory never waits for them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tsubasa_cli.memory.calibration import (
    CODE_ONLY,
    Calibration,
    Relation,
    Row,
    calibration_for,
    fit_to,
    keep,
    labelled_pairs,
    notes_of,
)
from tsubasa_cli.memory.closeness import closeness
from tsubasa_cli.memory.extract_profile import RULES_ONLY, Profile, Profiles
from tsubasa_cli.memory.rewrite import Model
from tsubasa_cli.memory.signals import code_signals, model_signals, prompts_hash


@dataclass(frozen=True, slots=True)
class Mind:
    """``model`` None: rules alone. ``model_hash`` is the SHA-256 of its file."""

    model: Model | None
    model_hash: str
    profile: Profile
    calibration: Calibration


class Minds:
    """What is known about models, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._profiles = Profiles(folder / "extraction.json")

    def of(self, model: Model | None, model_hash: str) -> Mind:
        """``model`` as far as it was measured."""
        profile = self._profiles.known(model_hash) or RULES_ONLY
        return Mind(model, model_hash, profile, calibration_for(model_hash, self._folder))

    def is_measured(self, model_hash: str) -> bool:
        """Whether nothing is left for ``measure`` to do."""
        calibration = calibration_for(model_hash, self._folder)
        return self._profiles.known(model_hash) is not None and calibration.model != CODE_ONLY

    async def measure(self, model: Model, model_hash: str) -> Mind:
        """Take what measures are missing; a matter of minutes with a model of 1.5B on two cores.

        Raises what ``model`` raises, ``PreemptedError`` among it; the pairs that were judged by
        then are kept.
        """
        await self._profiles.of(model, model_hash)
        if calibration_for(model_hash, self._folder).model == CODE_ONLY:
            fitted = fit_to(await self._judged(model, model_hash), model_hash)
            keep(fitted, model_hash, self._folder)
            self._judgements(model_hash).unlink(missing_ok=True)
        return self.of(model, model_hash)

    async def _judged(self, model: Model, model_hash: str) -> list[Row]:
        """The signals of every pair that is not held out, the model's answers among them."""
        file = self._judgements(model_hash)
        known = _read(file)
        rows: list[Row] = []
        for pair in labelled_pairs():
            if pair.is_held_out:
                continue
            old, new = notes_of(pair)
            key = f"{pair.old}\t{pair.new}"
            if key not in known:
                known[key] = await model_signals(old, new, model)
                _append(file, key, known[key])
            near = closeness(old.statement, new.statement)
            rows.append((Relation(pair.relation), code_signals(old, new, near) | known[key]))
        return rows

    def _judgements(self, model_hash: str) -> Path:
        return self._folder / f"judgements-{model_hash}-{prompts_hash()}.jsonl"


def _read(file: Path) -> dict[str, dict[str, float]]:
    """The judgements that are whole: a line that was cut off is judged again."""
    known: dict[str, dict[str, float]] = {}
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError:
        return known
    for line in lines:
        try:
            key, signals = json.loads(line)
        except ValueError:
            continue
        known[key] = signals
    return known


def _append(file: Path, key: str, signals: dict[str, float]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps([key, signals]) + "\n")
