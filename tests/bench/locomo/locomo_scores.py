"""What an answer is worth, by the rules of two harnesses that must never share a table.

*LoCoMo* (Maharana et al., ACL 2024): stemmed multiset F1, with rules of its own for each category.
*Mem0*: set F1 without stemming, and BLEU-1; the adversarial category is left out.
"""

from __future__ import annotations

import math
import random
import re
import string
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from locomo_stemmer import stem

MULTI_HOP, TEMPORAL, OPEN_DOMAIN, SINGLE_HOP, ADVERSARIAL = 1, 2, 3, 4, 5
CATEGORIES = {
    MULTI_HOP: "multi-hop",
    TEMPORAL: "temporal",
    OPEN_DOMAIN: "open-domain",
    SINGLE_HOP: "single-hop",
    ADVERSARIAL: "adversarial",
}
NOT_MENTIONED = "Not mentioned in the conversation"
ABSTENTIONS = ("no information available", "not mentioned")
RESAMPLES = 2_000
_ARTICLES = re.compile(r"\b(a|an|the|and)\b")
_MARK = r"[;@#$%&?!,:()\[\]{}<>\"]|\.(?=\s|$)"
_TREEBANK = re.compile(
    rf"n['’]t\b|['’](?:s|m|d|ll|re|ve)\b|{_MARK}|(?:(?!n['’]t\b|['’]|{_MARK})\S)+|['’]"
)
"""Words as the Penn Treebank cuts them: contractions and punctuation stand alone."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the bounds between which 95 % of its resamples lie."""

    mean: float
    low: float
    high: float
    count: int


# ----------------------------------------------------------------------------- LoCoMo


def locomo_score(output: str, gold: str, category: int) -> float:
    """The benchmark's own score of one answer, 0..1; for an adversarial question whether the
    answer abstains."""
    if category == ADVERSARIAL:
        return float(abstains(output))
    if category == MULTI_HOP:
        return _many_f1(output, gold)
    if category == OPEN_DOMAIN:
        return stemmed_f1(output, gold.split(";")[0].strip())
    return stemmed_f1(output, gold)


def abstains(output: str) -> bool:
    """Whether an answer says, in one of the benchmark's two ways, that nothing is known."""
    return any(words in output.lower() for words in ABSTENTIONS)


def posed(question: str, trap: str, category: int, place: int) -> str:
    """A question as the benchmark puts it: an adversarial one offers abstaining beside the wrong
    answer that it suggests, in an order that changes from question to question."""
    if category != ADVERSARIAL:
        return question
    first, second = _choices(trap, place)
    return f"{question} Select the correct answer: (a) {first} (b) {second}."


def picked(output: str, trap: str, category: int, place: int) -> str:
    """What an answer says, where it only gives the letter of a choice."""
    letter = output.strip().lower().strip("().: ")
    if category != ADVERSARIAL or letter not in ("a", "b"):
        return output
    return _choices(trap, place)["ab".index(letter)]


def _choices(trap: str, place: int) -> tuple[str, str]:
    return (NOT_MENTIONED, trap) if place % 2 else (trap, NOT_MENTIONED)


def stemmed_f1(output: str, gold: str) -> float:
    """F1 over the multisets of stemmed words."""
    said, wanted = _stems(output), _stems(gold)
    return _f1(sum((Counter(said) & Counter(wanted)).values()), len(said), len(wanted))


def _many_f1(output: str, gold: str) -> float:
    """Every part of the gold answer against the part of the output that is nearest to it."""
    said = [part.strip() for part in output.split(",")]
    wanted = [part.strip() for part in gold.split(",")]
    return sum(max(stemmed_f1(part, want) for part in said) for want in wanted) / len(wanted)


def _stems(text: str) -> list[str]:
    lowered = text.replace(",", "").lower()
    bare = "".join(c for c in lowered if c not in string.punctuation)
    return [stem(word) for word in _ARTICLES.sub(" ", bare).split()]


def _f1(shared: int, said: int, wanted: int) -> float:
    return 2 * shared / (said + wanted) if shared else 0.0


# ----------------------------------------------------------------------------- Mem0


def mem0_f1(output: str, gold: str) -> float:
    """F1 over the sets of words, as written."""
    said, wanted = _mem0_words(output), _mem0_words(gold)
    return _f1(len(said & wanted), len(said), len(wanted))


def bleu_1(output: str, gold: str) -> float:
    """Clipped unigram precision with the brevity penalty. The smoothing of Mem0's harness
    (method 1) touches only orders above the first: without a shared word BLEU is 0."""
    said, wanted = _TREEBANK.findall(output.lower()), _TREEBANK.findall(gold.lower())
    shared = sum((Counter(said) & Counter(wanted)).values())
    if not shared:
        return 0.0
    brevity = 1.0 if len(said) > len(wanted) else math.exp(1 - len(wanted) / len(said))
    return brevity * shared / len(said)


def _mem0_words(text: str) -> set[str]:
    return set(re.sub(r"[.,!?]", " ", text.lower()).split())


# ----------------------------------------------------------------------------- retrieval


def evidence_recall(covered: Collection[str], evidence: Collection[str]) -> float | None:
    """The share of the evidence turns that the context stands for; None where none is named."""
    return len(set(covered) & set(evidence)) / len(set(evidence)) if evidence else None


# ----------------------------------------------------------------------------- certainty


def interval(clusters: Mapping[str, Sequence[float]], seed: int = 0) -> Interval:
    """The mean over all values, and its bootstrap interval clustered by conversation: clusters
    are drawn with replacement, then values within each. With one conversation only the values
    vary, which says nothing about other conversations. NaN without values."""
    kept = [list(values) for values in clusters.values() if values]
    everything = [value for values in kept for value in values]
    if not everything:
        return Interval(math.nan, math.nan, math.nan, 0)
    dice = random.Random(seed)
    means = sorted(_resampled(kept, dice) for _ in range(RESAMPLES))
    low, high = means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)]
    return Interval(sum(everything) / len(everything), low, high, len(everything))


def difference(
    ours: Mapping[str, Mapping[int, float]], theirs: Mapping[str, Mapping[int, float]]
) -> Interval:
    """Ours minus theirs over the questions that both answered, paired, by ``interval``."""
    return interval(
        {
            name: [
                value - theirs[name][place]
                for place, value in rows.items()
                if place in theirs.get(name, {})
            ]
            for name, rows in ours.items()
        }
    )


def _resampled(clusters: Sequence[Sequence[float]], dice: random.Random) -> float:
    drawn = dice.choices(clusters, k=len(clusters))
    values = [value for cluster in drawn for value in dice.choices(cluster, k=len(cluster))]
    return sum(values) / len(values)
