"""RECONCILE's sentences: both halves are kept, dated, in the statement's language, and bounded."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.memory.narrative import (
    LONGEST_PART,
    MOST_PAST,
    after_a_plan,
    current_part,
    past_parts,
    reconciled,
    with_current,
)
from tsubasa_cli.memory.slots import slot_value
from tsubasa_cli.memory.values import Observation, Precision
from tsubasa_cli.storage.values import Instant

DAY = date(2026, 5, 3)


def note(statement: str, language: str = "en") -> Observation:
    return Observation("m", statement, Instant(0), language=language)


@pytest.mark.parametrize(
    ("language", "old", "new", "told"),
    [
        (
            "en",
            "The user works at Acme.",
            "The user works at Globex.",
            "Until 3 May 2026: the user works at Acme; since then: the user works at Globex.",
        ),
        (
            "de",
            "Der Nutzer wohnt in Köln.",
            "Der Nutzer wohnt in Bremen.",
            "Bis 3. Mai 2026: der Nutzer wohnt in Köln; seitdem: der Nutzer wohnt in Bremen.",
        ),
        (
            "es",
            "La usuaria vive en Sevilla.",
            "La usuaria vive en Bilbao.",
            "Hasta el 3 de mayo de 2026: la usuaria vive en Sevilla; desde entonces: la usuaria"
            " vive en Bilbao.",
        ),
        (
            "fr",
            "L'utilisateur habite à Nantes.",
            "L'utilisateur habite à Lille.",
            "Jusqu'au 3 mai 2026: l'utilisateur habite à Nantes ; depuis : l'utilisateur habite à"
            " Lille.",
        ),
    ],
)
def test_the_template(language: str, old: str, new: str, told: str) -> None:
    assert reconciled(note(old, language), note(new, language), DAY, Precision.DAY) == told
    assert current_part(told) == new.rstrip(".") + "."


@pytest.mark.parametrize(
    ("language", "old", "new", "told"),
    [
        (
            "en",
            "The user works at Acme.",
            "The user started at Globex on 3 May 2026.",
            "Until 3 May 2026: the user works at Acme; then: the user started at Globex on 3 May"
            " 2026.",
        ),
        (
            "en",
            "The user moved to Oslo.",
            "The user lives in Rome again.",
            "Before 3 May 2026: the user moved to Oslo; since then: the user lives in Rome again.",
        ),
        (
            "en",
            "The user has lived in Toronto since 2019.",
            "The wedding had to be moved.",
            "Until 3 May 2026: the user has lived in Toronto since 2019; since then: the wedding"
            " had to be moved.",
        ),
        (
            "de",
            "Der Nutzer ist nach Kiel gezogen.",
            "Der Nutzer ist nach Bremen gezogen.",
            "Vor dem 3. Mai 2026: der Nutzer ist nach Kiel gezogen; danach: der Nutzer ist nach"
            " Bremen gezogen.",
        ),
        (
            "es",
            "El usuario vive en Sevilla.",
            "El usuario se mudó a Bilbao.",
            "Hasta el 3 de mayo de 2026: el usuario vive en Sevilla; después: el usuario se mudó a"
            " Bilbao.",
        ),
        (
            "fr",
            "L'utilisateur a démissionné du lycée.",
            "Maintenant l'utilisateur travaille chez un éditeur.",
            "Avant le 3 mai 2026: l'utilisateur a démissionné du lycée ; depuis : maintenant"
            " l'utilisateur travaille chez un éditeur.",
        ),
    ],
)
def test_what_happened_is_told_otherwise_than_what_lasted(
    language: str, old: str, new: str, told: str
) -> None:
    assert reconciled(note(old, language), note(new, language), DAY, Precision.DAY) == told
    assert len(past_parts(told)) == 1
    assert current_part(told).casefold() == new.casefold()


def test_a_month_is_told_as_a_month() -> None:
    told = reconciled(note("The user is A."), note("The user is B."), DAY, Precision.MONTH)
    assert told == "Until May 2026: the user is A; since then: the user is B."


def test_a_name_keeps_its_capital() -> None:
    told = reconciled(note("Mara lives in Ghent."), note("Mara lives in Lier."), DAY, None)
    assert told == "Until 3 May 2026: Mara lives in Ghent; since then: Mara lives in Lier."


def test_a_chain_tells_the_latest_values_in_order() -> None:
    statement = "The user works at A1."
    for number in range(2, 7):
        new = note(f"The user works at A{number}.")
        statement = reconciled(note(statement), new, date(2020 + number, 1, 1), None)
    assert statement == (
        "Until 1 January 2025: the user works at A4; until 1 January 2026: the user works at A5; "
        "since then: the user works at A6."
    )
    assert len(past_parts(statement)) == MOST_PAST
    assert slot_value(statement, "employer") == "a6"


def test_the_current_part_is_replaced_alone() -> None:
    told = reconciled(note("The user is A."), note("The user is B."), DAY, None)
    assert with_current(told, "The user is C.") == (
        "Until 3 May 2026: the user is A; since then: the user is C."
    )
    assert with_current("The user is A.", "The user is C.") == "The user is C."


def test_what_came_of_a_plan_keeps_the_plan() -> None:
    told = after_a_plan(note("The user plans to swim."), note("The user swam."))
    assert told == "The user swam (planned before: the user plans to swim)."
    assert current_part(told) == "The user swam"


@given(st.text(min_size=1, max_size=600), st.text(min_size=1, max_size=600))
def test_any_words_make_a_bounded_narrative(old: str, new: str) -> None:
    told = reconciled(note(f"The user {old}"), note(f"The user {new}"), DAY, None)
    assert told.startswith(("Until 3 May 2026: the user", "Before 3 May 2026: the user"))
    assert len(told) <= LONGEST_PART + len(new) + 80


@given(st.text(max_size=300))
def test_ordinary_sentences_are_current_as_a_whole(text: str) -> None:
    if not any(mark in text for mark in ("since then", "then:", "planned before")):
        assert current_part(text) == text or any(
            mark in text
            for mark in (
                *("seitdem", "desde entonces", "depuis", "geplant", "plane", "prévu"),
                *("danach", "después", "ensuite"),
            )
        )
