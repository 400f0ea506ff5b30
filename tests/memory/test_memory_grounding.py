"""What was not said is not believed: names, numbers, negation, whose life it is, plans."""

from __future__ import annotations

import pytest

from tsubasa_cli.memory.grounding import grounding_of

SOUND = [
    ("The user lives in Porto.", "I live in Porto"),
    ("The user has two cats.", "I've got 2 cats, well, have two cats"),
    ("The user's sister Anna lives in Rome.", "my sister Anna lives in Rome"),
    ("The user does not eat meat.", "I don't eat meat."),
    ("The user is planning to run a marathon.", "I'm planning to run a marathon"),
    ("The user sold their car in May 2026.", "I sold my car in May 2026"),
]
UNSOUND = [
    ("The user lives in Lisbon.", "I live in Porto", "“Lisbon” was not said"),
    ("The user is 43.", "I'm 34 years old", "“43” was not said"),
    ("The user lives in Toronto.", "My sister lives in Toronto", "somebody else's life"),
    ("The user eats meat.", "I don't eat meat", "no into a yes"),
    ("I live in Porto.", "I live in Porto", "first person"),
    ("The user's brother has a red Fiat.", "I drive a red Fiat", "not named"),
    ("The user runs a marathon.", "I'm planning to run a marathon", "plan come true"),
    ("The user admires honesty and values kindness deeply.", "I live in Porto", "not said"),
    ("Does the user live in Porto?", "I live in Porto", "it asks"),
]


@pytest.mark.parametrize(("statement", "evidence"), SOUND)
def test_a_statement_in_the_users_words_is_sound(statement: str, evidence: str) -> None:
    assert grounding_of(statement, evidence).is_sound


@pytest.mark.parametrize(("statement", "evidence", "why"), UNSOUND)
def test_an_invention_is_caught_and_named(statement: str, evidence: str, why: str) -> None:
    grounding = grounding_of(statement, evidence)
    assert not grounding.is_sound
    assert why in f"{grounding.reason} {' '.join(grounding.flaws)}"


def test_the_owners_name_needs_no_evidence() -> None:
    assert grounding_of("Anna lives in Porto.", "I live in Porto", owner="Anna").is_sound


def test_words_that_code_put_in_need_no_evidence() -> None:
    evidence = "She works as a nurse"
    statement = "The user's sister works as a nurse."
    assert not grounding_of(statement, evidence).is_sound
    assert grounding_of(statement, evidence, added=("my sister",)).is_sound
