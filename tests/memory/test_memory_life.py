"""Changes that share no word with what they change."""

from __future__ import annotations

from pathlib import Path

import pytest
from memory_helpers import note

from tsubasa_cli.memory.calibration import LabelledPair, Relation, notes_of
from tsubasa_cli.memory.life import parts_changed, parts_held, probes, supersedes
from tsubasa_cli.memory.values import Kind

PAIRS = Path(__file__).parent / "data" / "life_pairs.tsv"
"""What the patterns were written with; tests/bench/evolution has lives that they were not."""


def judged(relation: str) -> list[tuple[str, str, bool]]:
    rows = [line.split("\t") for line in PAIRS.read_text("utf-8").splitlines()[1:]]
    return [
        (old, new, supersedes(*notes_of(LabelledPair(Relation(which), old, new, False))))
        for which, old, new in rows
        if which == relation
    ]


def test_most_changes_are_seen_though_they_share_no_word() -> None:
    found = [is_over for *_, is_over in judged("changes")]
    assert len(found) >= 45
    assert sum(found) >= 0.6 * len(found)


def test_nothing_new_of_the_same_part_of_life_ends_anything() -> None:
    assert len(judged("unrelated")) >= 45
    assert [(old, new) for old, new, is_over in judged("unrelated") if is_over] == []


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ("The user shares a house with three students.", "home"),
        ("The user is a waiter at a beach bar.", "trade"),
        ("The user is out of work.", "post"),
        ("The user has a boyfriend called Milo.", "love"),
        ("The user cycles to the office.", "commute"),
        ("The user listens to music on Spotify.", "music"),
        ("Der Nutzer wohnt in Kiel.", "home"),
        ("El usuario vive en Sevilla.", "home"),
    ],
)
def test_what_a_note_holds(statement: str, part: str) -> None:
    assert part in parts_held(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "The user works out three times a week.",
        "The user lives on pasta.",
        "The user shares an office with Pia.",
        "The user rents a car in summer.",
        "The user has a summer house in Zeeland.",
        "The user stayed in a hotel in Nice.",
        "The user went to Nice for the weekend.",
        "The user plans to open a bakery.",
    ],
)
def test_what_is_no_state_of_a_home_or_a_job(statement: str) -> None:
    assert not {"home", "post", "trade"} & parts_changed(statement)


def test_a_plan_or_an_event_is_not_over_because_something_began() -> None:
    new = note("The user settled in Lyon.", kind=Kind.EVENT)
    assert supersedes(note("The user has a studio in Nice."), new)
    assert not supersedes(note("The user has a studio in Nice.", kind=Kind.EVENT), new)
    assert not supersedes(note("The user has a studio in Nice.", subject="sister"), new)


def test_the_same_thing_in_other_words_is_no_change() -> None:
    old = note("The user is a vegetarian.")
    assert not supersedes(old, note("The user is now a vegetarian for the climate's sake."))
    home = note("The user lives in Ghent.")
    assert not supersedes(home, note("The user lives in Ghent with Ann now."))


def test_what_may_change_is_looked_for_by_its_part() -> None:
    assert probes(note("The user settled in Lyon.")) == ["The user lives in a flat in a town."]
    assert probes(note("The user visited Lyon.")) == []
