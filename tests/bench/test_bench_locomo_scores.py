"""What answers are worth: the vectors of both harnesses, and the intervals around them."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "locomo"))

from locomo_scores import (
    ADVERSARIAL,
    MULTI_HOP,
    OPEN_DOMAIN,
    SINGLE_HOP,
    bleu_1,
    difference,
    evidence_recall,
    interval,
    locomo_score,
    mem0_f1,
    picked,
    posed,
)
from locomo_stemmer import stem


@pytest.mark.parametrize(
    ("output", "gold", "category", "locomo", "mem0"),
    [
        ("Adoption agency", "Adoption agencies", SINGLE_HOP, 1.0, 0.5),
        ("red, blue", "red, green, blue, black", MULTI_HOP, 0.5, 2 / 3),
        ("no no no yes", "no", SINGLE_HOP, 0.4, 2 / 3),
        ("The dog and the cat!", "dog, cat", SINGLE_HOP, 1.0, 2 / 3),
        ("", "Rome", SINGLE_HOP, 0.0, 0.0),
        ("the", "a", SINGLE_HOP, 0.0, 0.0),
    ],
)
def test_the_two_f1s(output: str, gold: str, category: int, locomo: float, mem0: float) -> None:
    assert locomo_score(output, gold, category) == pytest.approx(locomo)
    assert mem0_f1(output, gold) == pytest.approx(mem0)


def test_a_gold_list_is_split_for_multi_hop_questions_alone() -> None:
    assert locomo_score("Rome, Oslo", "Oslo, Rome", MULTI_HOP) == 1.0
    assert locomo_score("Rome", "Oslo, Rome", MULTI_HOP) == 0.5
    assert locomo_score("Rome", "Oslo, Rome", SINGLE_HOP) == pytest.approx(2 / 3)


def test_the_reason_behind_a_semicolon_is_not_part_of_an_open_domain_gold() -> None:
    assert locomo_score("Likely no", "Likely no; she prefers the sea", OPEN_DOMAIN) == 1.0
    assert locomo_score("Likely no", "Likely no; she prefers the sea", SINGLE_HOP) < 1.0


@pytest.mark.parametrize(
    ("output", "score"),
    [
        ("Not mentioned in the conversation", 1.0),
        ("There is no information available.", 1.0),
        ("I do not know", 0.0),
        ("Antwerp", 0.0),
    ],
)
def test_an_adversarial_answer_is_right_when_it_abstains(output: str, score: float) -> None:
    assert locomo_score(output, "", ADVERSARIAL) == score


def test_an_adversarial_question_offers_both_choices_in_changing_order() -> None:
    first = posed("Which marathon?", "Antwerp", ADVERSARIAL, 0)
    second = posed("Which marathon?", "Antwerp", ADVERSARIAL, 1)
    assert first.endswith("(a) Antwerp (b) Not mentioned in the conversation.")
    assert second.endswith("(a) Not mentioned in the conversation (b) Antwerp.")
    assert picked("(b)", "Antwerp", ADVERSARIAL, 0) == "Not mentioned in the conversation"
    assert picked("b", "Antwerp", ADVERSARIAL, 1) == "Antwerp"
    assert picked("Antwerp", "Antwerp", ADVERSARIAL, 1) == "Antwerp"
    assert posed("Which marathon?", "Antwerp", SINGLE_HOP, 1) == "Which marathon?"
    assert picked("b", "Antwerp", SINGLE_HOP, 1) == "b"


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [
        ("agencies", "agenc"), ("agency", "agenc"), ("caresses", "caress"), ("ponies", "poni"),
        ("ties", "tie"), ("feed", "feed"), ("agreed", "agre"), ("plastered", "plaster"),
        ("motoring", "motor"), ("conflated", "conflat"), ("hopping", "hop"), ("falling", "fall"),
        ("filing", "file"), ("happy", "happi"), ("enjoy", "enjoy"), ("relational", "relat"),
        ("vietnamization", "vietnam"), ("triplicate", "triplic"), ("hopeful", "hope"),
        ("adjustment", "adjust"), ("adoption", "adopt"), ("probate", "probat"), ("rate", "rate"),
        ("controlling", "control"), ("news", "news"), ("dying", "die"), ("used", "use"),
        ("wonderfully", "wonder"), ("geology", "geolog"), ("as", "as"), ("spied", "spi"),
        ("died", "die"),
    ],
)  # fmt: skip
def test_stems_are_those_of_the_benchmark(word: str, stemmed: str) -> None:
    """Expected values: NLTK 3.9, ``PorterStemmer().stem``."""
    assert stem(word) == stemmed


@pytest.mark.parametrize(
    ("output", "gold", "score"),
    [
        ("the cat", "the cat", 1.0),
        ("the the the", "the cat", 1 / 3),
        ("cat", "the black cat", math.exp(1 - 3)),
        ("dog", "cat", 0.0),
        ("She doesn't.", "She does", 2 / 4),
        ("", "cat", 0.0),
    ],
)
def test_bleu_1(output: str, gold: str, score: float) -> None:
    """Expected values: NLTK 3.9, ``sentence_bleu`` with smoothing method 1 over its words."""
    assert bleu_1(output, gold) == pytest.approx(score)


def test_evidence_recall_is_a_share_and_unknown_without_evidence() -> None:
    assert evidence_recall(["D1:1", "D1:2"], ["D1:2", "D4:4"]) == 0.5
    assert evidence_recall(["D1:1"], []) is None


def test_an_interval_holds_its_mean_and_is_the_same_every_time() -> None:
    values = {"a": [0.0, 1.0] * 20, "b": [0.5] * 10}
    found = interval(values)
    assert found.mean == 0.5
    assert found.low < 0.5 < found.high
    assert found == interval(values)


def test_conversations_that_differ_widen_an_interval_however_many_their_questions() -> None:
    """Clustered: 400 answers out of two conversations are no 400 witnesses."""
    apart = interval({"a": [1.0] * 200, "b": [0.0] * 200})
    mixed = interval({"a": [0.0, 1.0] * 100, "b": [0.0, 1.0] * 100})
    assert (apart.low, apart.high) == (0.0, 1.0)
    assert mixed.high - mixed.low < 0.2


def test_a_difference_is_paired() -> None:
    ours = {"a": {1: 1.0, 2: 0.5, 3: 1.0}}
    theirs = {"a": {1: 0.5, 2: 0.0}}
    gap = difference(ours, theirs)
    assert (gap.mean, gap.low, gap.high, gap.count) == (0.5, 0.5, 0.5, 2)


def test_no_answers_have_no_mean() -> None:
    assert math.isnan(interval({"a": []}).mean)
