"""Several rankings into one, and near-duplicates apart.

Scores are fused, not ranks: each channel is scaled to 0..1 by its own best (and, for cosines, its
own worst) score of the pool, then weighted. Reciprocal ranks throw away how much better the best
one is; on LoCoMo that costs 2–3 points of recall at 3 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Ranking = Sequence[tuple[str, float]]
"""Ids and scores, best first."""


TWINS = 0.9
"""Likeness from which one of two says nothing new."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each part of recall counts. Fitted on LoCoMo leaving one conversation out at a time
    (tests/bench/bench_retrieval.py); zero takes a part out."""

    dense: float = 1.0
    words: float = 2.0
    stated: float = 1.0
    said: float = 1.0
    days: float = 1.0
    emphasis: int = 0
    turns: float = 0.8
    context: float = 0.5


def scaled(ranking: Ranking, floor: float) -> dict[str, float]:
    """Scores so that the best is 1 and ``floor`` is 0."""
    if not ranking:
        return {}
    width = ranking[0][1] - floor
    return {key: (score - floor) / width if width > 0 else 1.0 for key, score in ranking}


def fuse(channels: Mapping[str, tuple[float, Mapping[str, float]]]) -> list[tuple[str, float]]:
    """The weighted mean of scaled channels, name → (weight, scores), best first. What a channel
    does not have scores 0 in it."""
    total = sum(weight for weight, _ in channels.values()) or 1.0
    sums: dict[str, float] = {}
    for weight, scores in channels.values():
        for key, score in scores.items():
            sums[key] = sums.get(key, 0.0) + weight * score / total
    return sorted(sums.items(), key=lambda item: -item[1])


def reciprocal_ranks(ranking: Ranking, constant: float = 60.0) -> dict[str, float]:
    """Ranks as scores, 1 for the first: what ``fuse`` adds up to reciprocal-rank fusion."""
    return {key: (constant + 1) / (constant + 1 + place) for place, (key, _) in enumerate(ranking)}


def diversify(
    ranking: Ranking,
    likeness: Callable[[str, str], float],
    count: int,
    weight: float,
) -> list[tuple[str, float]]:
    """The best ``count`` by maximal marginal relevance: each is marked down by ``weight`` times
    its likeness (0..1) to the most alike one chosen before. Twins of a chosen one come last."""
    left, chosen = dict(ranking), list[tuple[str, float]]()
    nearest = dict.fromkeys(left, 0.0)
    while left and len(chosen) < count:
        best = max(left, key=lambda key: left[key] - _cost(nearest[key], weight))
        chosen.append((best, left.pop(best)))
        for key in left:
            nearest[key] = max(nearest[key], likeness(best, key))
    return chosen


def _cost(likeness: float, weight: float) -> float:
    return weight * likeness + (likeness >= TWINS)
