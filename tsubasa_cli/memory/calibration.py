"""How far to trust which signal: a small logistic model, fitted per language model.

Three yes/no questions, each a weighted sum of signals: are the notes related at all; if so, does
the newer one change the older; if not, does it say the same. Their product is the probability of
``same``, ``adds``, ``changes`` and ``unrelated``. A weak model's answers get small weights, so
code decides; a strong one's get large ones. Labelled pairs ship with the product, and so do the
weights of known models; ``fit_to`` makes those of any other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from tsubasa_cli.memory.language import language_of
from tsubasa_cli.memory.signals import MODEL_SIGNALS, SAME_TOPIC, STILL_TRUE, prompts_hash
from tsubasa_cli.memory.subjects import subject_of
from tsubasa_cli.memory.values import Observation
from tsubasa_cli.storage.values import Instant

if TYPE_CHECKING:
    import numpy as np

    Vector = np.ndarray[tuple[int], np.dtype[np.float64]]
    Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

_STRENGTH_OF_PRIOR = 1.0
_STEPS = 60
_CLIP = 3.0
_FOLDS = 5
_GAIN = 0.995
"""A model's answers must lower the surprise by half a hundredth at least."""
_NOTICEABLE = 0.3
CODE_ONLY = "code"


class Relation(StrEnum):
    """How a newer note stands to an older one."""

    SAME = "same"
    ADDS = "adds"
    CHANGES = "changes"
    UNRELATED = "unrelated"


Row = tuple[Relation, Mapping[str, float]]
"""A labelled pair's relation and its signals."""


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two notes and how the newer relates to the older, by a person's judgement."""

    relation: Relation
    old: str
    new: str
    is_held_out: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """The weights for one model. ``questions`` maps question → signal → weight (``""`` is the
    bias); ``scales`` maps a signal to its mean and standard deviation over the labelled pairs."""

    model: str
    questions: Mapping[str, Mapping[str, float]]
    scales: Mapping[str, tuple[float, float]]

    def probabilities(self, signals: Mapping[str, float]) -> dict[Relation, float]:
        """P(relation); signals that are missing count as average."""
        related, changes, same = (self._answer(q, signals) for q in ("related", "changes", "same"))
        return {
            Relation.SAME: related * (1 - changes) * same,
            Relation.ADDS: related * (1 - changes) * (1 - same),
            Relation.CHANGES: related * changes,
            Relation.UNRELATED: 1 - related,
        }

    @property
    def heeded(self) -> frozenset[str]:
        """The model's answers that can tip a decision; the others need not be asked for."""
        return frozenset(
            name
            for name in MODEL_SIGNALS
            if any(abs(w.get(name, 0.0)) >= _NOTICEABLE for w in self.questions.values())
        )

    def _answer(self, question: str, signals: Mapping[str, float]) -> float:
        weights = self.questions[question]
        total = weights[""]
        for name, weight in weights.items():
            if name in signals:
                total += weight * _scaled(signals[name], self.scales[name])
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))

    def to_json(self) -> str:
        return json.dumps(
            {
                "model": self.model,
                "questions": self.questions,
                "scales": self.scales,
            },
            indent=1,
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Raises ``ValueError`` or ``KeyError`` for what ``to_json`` did not write."""
        data = json.loads(text)
        scales = {name: (float(m), float(s)) for name, (m, s) in data["scales"].items()}
        return cls(data["model"], data["questions"], scales)


def labelled_pairs() -> tuple[LabelledPair, ...]:
    """The set that ships with the product; every fourth pair is held out of fitting."""
    rows = _data().joinpath("pairs.tsv").read_text("utf-8").splitlines()[1:]
    return tuple(
        LabelledPair(Relation(relation), old, new, is_held_out=number % 4 == 3)
        for number, (relation, old, new) in enumerate(row.split("\t") for row in rows)
    )


def notes_of(pair: LabelledPair) -> tuple[Observation, Observation]:
    """The pair as observations, so that signals can be read off it."""
    return _note(pair.old, Instant(0)), _note(pair.new, Instant(1))


def calibration_for(model_hash: str, cache_folder: Path | None = None) -> Calibration:
    """The weights fitted for a model: shipped, cached, or else the ones for code alone."""
    cached = cache_folder / _file_of(model_hash) if cache_folder and model_hash else None
    if cached is not None and cached.is_file():
        try:
            return Calibration.from_json(cached.read_text("utf-8"))
        except (ValueError, KeyError, TypeError):
            cached.unlink(missing_ok=True)
    return _shipped().get(model_hash) or _shipped()[CODE_ONLY]


def keep(calibration: Calibration, model_hash: str, cache_folder: Path) -> None:
    """Remembers a fit beside the data, for ``calibration_for``."""
    cache_folder.mkdir(parents=True, exist_ok=True)
    path = cache_folder / _file_of(model_hash)
    partial = path.with_suffix(".partial")
    partial.write_text(calibration.to_json(), "utf-8")
    partial.replace(path)


def fit(rows: Sequence[Row], model: str = CODE_ONLY) -> Calibration:
    """Logistic regression with an L2 prior, by Newton's method: same rows, same weights."""
    names = sorted({name for _, signals in rows for name in signals})
    scales = {name: _scale(name, [signals[name] for _, signals in rows]) for name in names}
    related = [(r is not Relation.UNRELATED, s) for r, s in rows]
    changes = [(r is Relation.CHANGES, s) for r, s in rows if r is not Relation.UNRELATED]
    same = [(r is Relation.SAME, s) for r, s in rows if r in (Relation.SAME, Relation.ADDS)]
    questions = {
        question: _weights(answers, names, scales)
        for question, answers in (("related", related), ("changes", changes), ("same", same))
    }
    return Calibration(model, questions, scales)


def fit_to(rows: Sequence[Row], model: str) -> Calibration:
    """``fit``, with those of the model's answers that foretell pairs which were left out better
    than code does by itself: a model that guesses is not heeded, and need not be asked."""
    plain = _only(rows, ())
    best, least = plain, surprise(plain) * _GAIN
    for kept in ((STILL_TRUE,), (SAME_TOPIC,), MODEL_SIGNALS):
        trial = _only(rows, kept)
        doubt = surprise(trial)
        if doubt < least and _agrees(fit(trial), kept):
            best, least = trial, doubt
    return fit(best, model)


def surprise(rows: Sequence[Row]) -> float:
    """The mean negative log-probability of the true relation, each fold unseen in its turn."""
    total = 0.0
    for fold in range(_FOLDS):
        seen = [row for number, row in enumerate(rows) if number % _FOLDS != fold]
        calibration = fit(seen)
        for relation, signals in rows[fold::_FOLDS]:
            total -= math.log(max(1e-9, calibration.probabilities(signals)[relation]))
    return total / len(rows)


def _only(rows: Sequence[Row], kept: Sequence[str]) -> list[Row]:
    """The rows without those of the model's answers that are not ``kept``."""
    dropped = set(MODEL_SIGNALS) - set(kept)
    return [(r, {n: v for n, v in signals.items() if n not in dropped}) for r, signals in rows]


def _agrees(calibration: Calibration, kept: Sequence[str]) -> bool:
    """Whether a yes means yes; a weight of the wrong sign has learned an accident."""
    meant = {STILL_TRUE: "changes", SAME_TOPIC: "related"}
    return all(calibration.questions[meant[name]][name] > 0 for name in kept)


def _weights(
    answers: Sequence[tuple[bool, Mapping[str, float]]],
    names: Sequence[str],
    scales: Mapping[str, tuple[float, float]],
) -> dict[str, float]:
    import numpy as np

    table = np.array([[1.0, *(_scaled(s[n], scales[n]) for n in names)] for _, s in answers])
    labels = np.array([float(answer) for answer, _ in answers])
    prior = np.diag([0.01] + [_STRENGTH_OF_PRIOR] * len(names))
    found = (round(weight, 4) for weight in _newton(table, labels, prior).tolist())
    return dict(zip(["", *names], found, strict=True))


def _newton(table: Table, labels: Vector, prior: Table) -> Vector:
    import numpy as np

    weights = np.zeros(table.shape[1])
    for _ in range(_STEPS):
        guess = 1 / (1 + np.exp(-np.clip(table @ weights, -30, 30)))
        slope = table.T @ (guess - labels) + prior @ weights
        curvature = (table * (guess * (1 - guess))[:, None]).T @ table + prior
        step = np.linalg.solve(curvature, slope)
        weights = weights - step
        if float(np.abs(step).max()) < 1e-9:
            break
    return weights


def _scale(name: str, values: Sequence[float]) -> tuple[float, float]:
    """Only a model's log-odds need one: code's signals are near 0..1 by themselves."""
    if name not in MODEL_SIGNALS:
        return 0.0, 1.0
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return round(mean, 4), round(spread, 4) or 1.0


def _scaled(value: float, scale: tuple[float, float]) -> float:
    mean, spread = scale
    return max(-_CLIP, min(_CLIP, (value - mean) / spread))


def _note(statement: str, told: Instant) -> Observation:
    subject, language = subject_of(statement), language_of(statement)
    return Observation("", statement, told, subject, language=language)


def _file_of(model_hash: str) -> str:
    return f"relations-{model_hash}-{prompts_hash()}.json"


def _data() -> Traversable:
    return resources.files("tsubasa_cli.memory").joinpath("relations")


@cache
def _shipped() -> dict[str, Calibration]:
    """By model hash; ``code`` is the one that needs no model."""
    index = json.loads(_data().joinpath("models.json").read_text("utf-8"))
    return {
        key: Calibration.from_json(_data().joinpath(name).read_text("utf-8"))
        for key, name in index.items()
    }
