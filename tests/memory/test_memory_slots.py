"""Single-valued attributes: which one a statement fills, for whom, and with what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.memory.slots import ended_slots, same_value, slot_of, slot_value, slot_values
from tsubasa_cli.memory.subjects import same_subject, subject_of
from tsubasa_cli.memory.values import Kind

FILLED = [
    ("The user works at Acme as a nurse.", "employer", "acme"),
    ("The user works at Acme as a nurse.", "job", "nurse"),
    ("The user started a new job at Globex last Monday.", "employer", "globex"),
    ("The user has joined Globex in June.", "employer", "globex"),
    ("The user switched from the bank to work at Initech.", "employer", "initech"),
    ("Mara works for the Royal Mail in Leeds.", "employer", "royal mail"),
    ("The user was promoted to head of design.", "job", "head of design"),
    ("The user lives in a small flat in Porto.", "home", "porto"),
    ("The user moved from Rome to New York in May 2024.", "home", "new york"),
    ("i moved to lisbon last month", "home", "lisbon"),
    ("The user's wife is Marta, not Maria.", "partner", "marta"),
    ("The user is married to Ana.", "partner", "ana"),
    ("The user is divorced.", "marital", "divorced"),
    ("The user's name is Jonas.", "name", "jonas"),
    ("The user turned 34 on 3 May 2026.", "age", "34"),
    ("The user's birthday is 7 March.", "birthday", "7 march"),
    ("The user's phone number is +49 123 4567.", "phone", "+49 123 4567"),
    ("The user's e-mail address is jo@example.org.", "email", "jo@example.org"),
    ("The user became vegan in March.", "diet", "vegan"),
    ("The user drives a red Fiat Panda.", "car", "red fiat panda"),
    ("The user bought a Tesla Model 3 last week.", "car", "tesla model 3"),
    ("The user has a dog named Rex.", "pet:dog", "rex"),
    ("The user's cat is called Miso.", "pet:cat", "miso"),
    ("The user's favourite color is dark green.", "favourite:colour", "dark green"),
    ("The user studies law at the University of Ghent.", "school", "university of ghent"),
    ("The user trains at FitLife gym twice a week.", "gym", "fitlife gym"),
    ("The user's dentist is Dr. Okafor.", "dentist", "dr. okafor"),
    ("The user's boss is called Ines.", "boss", "ines"),
    ("The user's shoe size is 43.", "shoe size", "43"),
    ("Der Nutzer arbeitet bei Siemens in München.", "employer", "siemens"),
    ("Der Nutzer ist nach Hamburg gezogen.", "home", "hamburg"),
    ("Der Hund des Nutzers heißt Bello.", "pet:dog", "bello"),
    ("La usuaria vive en Madrid.", "home", "madrid"),
    ("El usuario trabaja en Correos.", "employer", "correos"),
    ("L'utilisateur habite à Lyon.", "home", "lyon"),
    ("L'utilisatrice travaille chez Renault.", "employer", "renault"),
]

EMPTY = [
    "The user wants to move to Berlin.",
    "The user might work at Google one day.",
    "The user used to live in Rome.",
    "The user does not work at Acme.",
    "The user's sister lives in Toronto.",
    "The user's landlord lives in Rome.",
    "The user visited friends who live in Oslo.",
    "The user went hiking on Sunday.",
    "The user also works at a bar on weekends.",
    "Der Nutzer möchte nach Wien ziehen.",
]


@pytest.mark.parametrize(("statement", "slot", "value"), FILLED)
def test_a_statement_fills_its_slot(statement: str, slot: str, value: str) -> None:
    assert slot_value(statement, slot) == value


@pytest.mark.parametrize("statement", EMPTY)
def test_what_is_not_so_today_or_not_the_users_fills_none(statement: str) -> None:
    assert slot_of(statement) == ""


def test_a_plan_has_no_slot() -> None:
    assert slot_of("The user lives in Porto.", kind=Kind.PLAN) == ""


def test_a_relatives_slot_is_the_relatives() -> None:
    statement = "The user's sister Anna lives in Toronto."
    assert slot_of(statement, "sister anna") == "home"
    assert slot_of(statement) == ""


@pytest.mark.parametrize(
    ("statement", "slot", "value"),
    [
        ("The user no longer works at Acme.", "employer", "acme"),
        ("The user quit the job at Acme.", "employer", "acme"),
        ("The user is unemployed.", "employer", ""),
        ("The user sold the Fiat Panda.", "car", "fiat panda"),
        ("The user broke up with Lena.", "partner", "lena"),
        ("Der Nutzer arbeitet nicht mehr bei Siemens.", "employer", "siemens"),
    ],
)
def test_a_statement_empties_a_slot(statement: str, slot: str, value: str) -> None:
    assert ended_slots(statement) == {slot: value}
    assert slot_values(statement) == {}


@pytest.mark.parametrize(
    ("statement", "subject"),
    [
        ("The user works at Acme.", "user"),
        ("Tom works at Acme.", "user"),
        ("Anna works at Acme.", "anna"),
        ("The user's sister Anna works at Acme.", "sister anna"),
        ("My cousin Anna plays chess.", "cousin anna"),
        ("Tom's younger brother lives in Oslo.", "brother"),
        ("Die Schwester des Nutzers lebt in Wien.", "sister"),
        ("Mi hermana Ana vive en Quito.", "sister ana"),
        ("La sœur de l'utilisateur habite à Lyon.", "sister"),
        ("The user's wife is called Marta.", "user"),
        ("Yesterday the user went to the zoo.", "user"),
    ],
)
def test_the_subject_of_a_statement(statement: str, subject: str) -> None:
    assert subject_of(statement, "Tom") == subject


def test_two_relatives_of_one_name_are_two_people() -> None:
    assert same_subject("sister anna", "cousin anna") == 0
    assert same_subject("sister anna", "sister eva") == 0
    assert same_subject("sister anna", "anna") == 0.5
    assert same_subject("user's sister Anna", "sister anna") > 0
    assert same_subject("user", "sister") == 0


def test_values_are_compared_by_their_words() -> None:
    assert same_value("fiat panda", "red fiat panda")
    assert not same_value("fiat panda", "tesla model 3")


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    for slot, value in slot_values(text).items():
        assert slot
        assert value
    assert subject_of(text, "Tom")
