"""What questions and requests take for granted, and whom earlier sessions named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tsubasa_cli.memory.people import told_of
from tsubasa_cli.memory.presupposed import presupposed_in

sys.path.append(str(Path(__file__).parents[1] / "bench" / "evolution"))

from evolution_suite import PARTS, load_cases


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A gift for my nephew Jonte?", ["I have a nephew called Jonte"]),
        ("what should i get my sister marta for her 30th?", ["I have a sister called Marta"]),
        ("how do i take a screenshot on my pixel 6?", ["I have a Pixel 6"]),
        ("As a vegetarian, what should I order?", ["I am a vegetarian"]),
        ("As a result, what changed?", []),
        ("What is wrong with my homework 5?", []),
        ("How is my dad doing for his age?", []),
        ("Is my budget 500 euros enough?", []),
    ],
)
def test_what_cannot_be_otherwise(text: str, told: list[str]) -> None:
    found = list(presupposed_in(text))
    assert [each.text for each in found] == told
    assert all(text[each.start : each.end] for each in found)


def test_memories_tell_who_is_who() -> None:
    known = told_of(["The user's son Kuba is in second grade.", "The user likes Berlin."])
    assert known == {"Kuba": "son"}


def test_the_lives_are_told_apart_and_half_of_the_casual_ones_is_held_out() -> None:
    fresh, held_out = load_cases(PARTS["fresh"]), load_cases(PARTS["held_out"])
    labels = {case.label for case in fresh}
    assert len(held_out) >= 40
    assert labels.isdisjoint(case.label for case in held_out)
    assert all(case.facts and case.turns for case in (*fresh, *held_out))
