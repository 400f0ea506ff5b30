"""The evolution suite by code alone: the bar that evolving must clear at every model size."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench" / "evolution"))

from evolution_scoring import Tally, score, total
from evolution_suite import PARTS, Case, load_cases, matcher
from evolution_systems import extracted, live

from tsubasa_cli.memory.values import Observation, Status
from tsubasa_cli.storage.values import Instant, Role


async def played(cases: Sequence[Case], system: str, folder: Path) -> Tally:
    tallies: list[Tally] = []
    for number, case in enumerate(cases):
        sessions = await extracted(case, None)
        known = await live(system, sessions, case, None, folder / f"{system}{number}")
        tallies.append(score(case, known))
    return total(tallies)


def one_of_each(cases: Sequence[Case]) -> list[Case]:
    return list({case.family: case for case in cases}.values())


def test_the_suite_is_what_it_says() -> None:
    cases = load_cases()
    assert len(cases) >= 120
    assert len({case.family for case in cases}) >= 12
    assert len({case.label for case in cases}) == len(cases)
    assert all(case.facts and case.turns for case in cases)
    assert all(turn.text for case in cases for turn in case.turns)


def test_what_must_be_known_was_said() -> None:
    """No case asks for words that nobody but the assistant used."""
    for case in (case for part in PARTS.values() for case in load_cases(part)):
        said = " ".join(t.text for t in case.turns if t.role is Role.USER).casefold()
        for fact in case.facts:
            words = [w for options in fact.matcher.needed for w in options if len(w) >= 4]
            assert not words or any(word[:4] in said for word in words), (case.label, words)


def test_matchers() -> None:
    assert matcher("adopted|got cat -dog").finds("The user got a cat.")
    assert not matcher("cat -dog").finds("The user has a cat and a dog.")
    assert not matcher("is 4").finds("The user is 42.")
    assert matcher("not|n't meat").finds("The user doesn't eat meat.")


def test_a_narrative_is_no_contradiction_and_two_notes_are() -> None:
    case = next(case for case in load_cases() if case.label == "move/antwerp")
    old, new = "The user lives in Ghent.", "The user moved to Antwerp."
    story = (
        f"Until 6 April 2026: {old[0].lower()}{old[1:-1]}; since then: the user moved to Antwerp."
    )

    def notes(*statements: str) -> list[Observation]:
        return [Observation(str(n), s, Instant(0)) for n, s in enumerate(statements)]

    assert score(case, notes(story)).contradictions == 0
    assert score(case, notes(old, new)).contradictions == 1
    assert score(case, notes(new, new)).duplicates == 1
    assert score(case, notes(old)).lost == 1
    former = Observation("x", old, Instant(0), status=Status.SUPERSEDED)
    assert score(case, [*notes(new), former]).contradictions == 0
    assert score(case, notes(new)).lost_history == 1


async def test_one_life_a_family_clears_the_bar(tmp_path: Path) -> None:
    cases = one_of_each(load_cases())
    check(await played(cases, "evolving", tmp_path), await played(cases, "static", tmp_path))


@pytest.mark.slow
async def test_all_lives_clear_the_bar(tmp_path: Path) -> None:
    cases = load_cases()
    check(await played(cases, "evolving", tmp_path), await played(cases, "static", tmp_path))


def check(ours: Tally, static: Tally) -> None:
    assert ours.contradictions <= static.contradictions / 3
    assert ours.duplicates <= static.duplicates / 3
    assert (ours.lost - static.lost) / static.facts <= 0.02
    assert ours.false_facts <= static.false_facts
    assert ours.wrong_dates <= static.wrong_dates
    assert ours.lost_history == 0
