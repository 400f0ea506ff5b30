"""What a model is good for in extraction: measured on labelled turns, never taken from its name.

The turns ship with the product. A model whose opinion does not tell facts from talk is not asked
for one; one that cannot rewrite without inventing writes nothing; one that finds the facts of whole
windows in JSON reads windows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from tsubasa_cli.memory.candidates import candidates
from tsubasa_cli.memory.dating import dated
from tsubasa_cli.memory.prompt_files import asking, prompts_hash
from tsubasa_cli.memory.rewrite import Model, by_model
from tsubasa_cli.memory.text import stems
from tsubasa_cli.memory.third_person import told
from tsubasa_cli.memory.windows import ExtractionError, told_in
from tsubasa_cli.storage.values import Instant, Role, Turn, TurnStatus

LEAST_OPINION = 0.8
"""Area under the curve of "worth it?" from which on a model is asked."""
LEAST_REWRITING = 0.85
"""Share of sentences that it rewrites soundly from which on it may write."""
LEAST_READING = 0.75
"""F1 of the facts that it finds in windows from which on it reads them."""
MOST_WEIGHT = 1.5


@dataclass(frozen=True, slots=True)
class Profile:
    """``opinion`` is the weight of the standardised log-odds of "worth it" (0: not asked),
    ``mean`` and ``deviation`` what they are standardised by."""

    reads_windows: bool = False
    rewrites: bool = False
    opinion: float = 0.0
    mean: float = 0.0
    deviation: float = 1.0

    def weighed(self, log_odds: float) -> float:
        """What the model's ``log_odds`` add to the rules' score."""
        z = (log_odds - self.mean) / self.deviation
        return self.opinion * max(-2.0, min(2.0, z))


RULES_ONLY = Profile()


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled turn; ``words`` of its fact, empty where it tells none."""

    text: str
    words: tuple[str, ...]


async def opinion_on(text: str, model: Model) -> float:
    """The log-odds of a note against NONE at the same place."""
    none, note = await model.score(asking("extract_worth", message=text), (" NONE", " The user"))
    return note - none


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, and the profile that follows: ``area`` under the curve of "worth it?",
    the share of sentences rewritten soundly, the F1 of reading windows (0: not tried)."""

    area: float
    rewriting: float
    reading: float
    profile: Profile


async def profile_of(model: Model) -> Profile:
    """Measure ``model``: some fifty short prompts, and long ones if it does well on those."""
    return (await measured(model)).profile


async def measured(model: Model) -> Figures:
    """The figures behind ``profile_of``."""
    samples = _samples()
    opinions = [await opinion_on(sample.text, model) for sample in samples]
    if not all(math.isfinite(opinion) for opinion in opinions):
        return Figures(0.0, 0.0, 0.0, RULES_ONLY)
    area = _area(opinions, [bool(sample.words) for sample in samples])
    rewriting = await _rewriting(model, samples)
    reading = await _reading(model, samples) if area >= LEAST_OPINION else 0.0
    mean = sum(opinions) / len(opinions)
    deviation = math.sqrt(sum((o - mean) ** 2 for o in opinions) / len(opinions)) or 1.0
    profile = Profile(
        reads_windows=reading >= LEAST_READING,
        rewrites=rewriting >= LEAST_REWRITING,
        opinion=max(0.0, MOST_WEIGHT * (area - LEAST_OPINION) / (1 - LEAST_OPINION)),
        mean=mean,
        deviation=deviation,
    )
    return Figures(area, rewriting, reading, profile)


class Profiles:
    """The profiles of models in a file, by the model's and the prompts' hashes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, model_hash: str) -> Profile | None:
        """The profile of a model, None when it was not measured yet."""
        stored = self._read().get(self.key(model_hash))
        return _profile(stored) if stored else None

    async def of(self, model: Model, model_hash: str) -> Profile:
        """The profile of ``model``, measured when it is not known yet."""
        if known := self.known(model_hash):
            return known
        profile = await profile_of(model)
        self._write(self._read() | {self.key(model_hash): asdict(profile)})
        return profile

    @staticmethod
    def key(model_hash: str) -> str:
        """Under which a model's profile stands: it holds for these prompts only."""
        return f"{model_hash}:{_version()}"

    def _read(self) -> dict[str, dict[str, float]]:
        try:
            known = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _write(self, known: dict[str, dict[str, float]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".part")
        draft.write_text(json.dumps(known, indent=1, sort_keys=True), "utf-8")
        draft.replace(self._path)


def _profile(stored: dict[str, float]) -> Profile:
    return Profile(
        reads_windows=bool(stored["reads_windows"]),
        rewrites=bool(stored["rewrites"]),
        opinion=stored["opinion"],
        mean=stored["mean"],
        deviation=stored["deviation"],
    )


def _version() -> str:
    return prompts_hash("extract_worth", "extract_rewrite", "extract_again", "extract_window")


async def _rewriting(model: Model, samples: Sequence[Sample]) -> float:
    """The share soundly told, with every labelled word, of what grammar cannot tell."""
    tried = sound = 0
    for sample in samples:
        turn = _turn(1, sample.text)
        for candidate in candidates([turn], [1])[:1] if sample.words else ():
            when = dated(candidate.text, turn.created_at, candidate.language)
            if told(when.text, candidate.language) is not None:
                continue
            statement = await by_model(candidate, when, "", model)
            tried += 1
            sound += bool(statement) and _holds(statement, sample.words)
    return sound / max(1, tried)


async def _reading(model: Model, samples: Sequence[Sample]) -> float:
    """F1 over the labelled facts when the turns are read in windows."""
    turns = [_turn(number + 1, sample.text) for number, sample in enumerate(samples)]
    try:
        facts = await told_in(turns, [turn.id for turn in turns], model, "The user")
    except ExtractionError:
        return 0.0
    found = {t.turn.id for t in facts if _holds(t.statement, samples[t.turn.id - 1].words)}
    wanted = sum(bool(sample.words) for sample in samples)
    right = sum(bool(samples[place - 1].words) for place in found)
    return 2 * right / (len(facts) + wanted) if facts else 0.0


def _holds(statement: str, words: Sequence[str]) -> bool:
    said = set(stems(statement))
    return all(set(stems(word)) <= said for word in words)


def _area(scores: Sequence[float], labels: Sequence[bool]) -> float:
    pairs = [
        (yes > no) + 0.5 * (yes == no)
        for yes, is_fact in zip(scores, labels, strict=True)
        if is_fact
        for no, is_also in zip(scores, labels, strict=True)
        if not is_also
    ]
    return sum(pairs) / len(pairs)


def _turn(number: int, text: str) -> Turn:
    now = Instant(1_768_471_200_000)
    return Turn(number, "", None, Role.USER, text, TurnStatus.COMPLETE, now)


@cache
def _samples() -> tuple[Sample, ...]:
    text = (resources.files("tsubasa_cli.memory") / "cues" / "labelled.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return tuple(Sample(said, tuple(words.split())) for words, said in rows)
