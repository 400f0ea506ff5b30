"""Pictures and laughter: what decorates a sentence goes, what a sentence is about stays."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic

import pytest

from tsubasa_cli.memory.by_hand import told_of
from tsubasa_cli.memory.extract import extract_by_rule
from tsubasa_cli.storage.values import Instant, Role, Turn, TurnStatus

WEDNESDAY = Instant.from_datetime(datetime(2026, 11, 18, 10, tzinfo=UTC))


def learned(text: str) -> list[str]:
    turn = Turn(1, "s", None, Role.USER, text, TurnStatus.COMPLETE, WEDNESDAY)
    return [observation.statement for observation in extract_by_rule([turn], [1])]


OBJECTS = [
    ("I love 🍕", "The user loves 🍕."),
    ("I love 🍕.", "The user loves 🍕."),
    ("I really love 🍕!", "The user really loves 🍕."),
    ("I love 🍕 🍕 and 🍝", "The user loves 🍕 🍕 and 🍝."),
    ("My favourite emoji is 🐶.", "The user's favourite emoji is 🐶."),
    ("My emojis are the 🐶 and the 🐱", "The user's emojis are the 🐶 and the 🐱."),
    ("My flag is 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "The user's flag is 🏴󠁧󠁢󠁥󠁮󠁧󠁿."),
    ("My favourite smiley is :)", "The user's favourite smiley is :)."),
    ("My favourite sign is ☯️ .", "The user's favourite sign is ☯️."),
    ("My wifi is called ☕ corner", "The user's wifi is called ☕ corner."),
    ("My wifi is called Coffee ☕ Corner.", "The user's wifi is called Coffee ☕ Corner."),
    ("My name on Discord is ★Nova★", "The user's name on Discord is ★Nova★."),
    ("I drink ☕ every morning", "The user drinks ☕ every morning."),
    ("I have a big 🐕", "The user has a big 🐕."),
    ("I have 3 🐱", "The user has 3 🐱."),
    ("My cat's name is Haha.", "The user's cat's name is Haha."),
    ("My favourite game is LoL.", "The user's favourite game is LoL."),
    ("I play LoL.", "The user plays LoL."),
    ("I play Dota, mostly LoL", "The user plays Dota, mostly LoL."),
    ("LoL is my favourite game.", "LoL is the user's favourite game."),
    ("Ich liebe 🍕", "Der Nutzer liebt 🍕."),
    ("J'adore 🍕", "L'utilisateur adore 🍕."),
    ("Me gusta comer 🍕 en la cama", "Al usuario le gusta comer 🍕 en la cama."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "statement"), OBJECTS)
def test_what_a_sentence_is_about_stays(text: str, statement: str) -> None:
    assert told_of(text, "") == statement


@pytest.mark.parametrize(("text", "statement"), OBJECTS)
def test_it_stays_when_it_is_learned_from_a_chat(text: str, statement: str) -> None:
    assert learned(text) == [statement]


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("My shell prompt ends with ➜", "The user's shell prompt ends with ➜."),
        ("My shell prompt ends with ➜.", "The user's shell prompt ends with ➜."),
        ("My favourite separator is -", "The user's favourite separator is -."),
        ("My prompt ends with :", "The user's prompt ends with :."),
        ("I play lol", "The user plays lol."),
        ("My t-shirt says LOL", "The user's t-shirt says LOL."),
        ("My parrot always says hehe", "The user's parrot always says hehe."),
        ("I ♥ New York", "I ♥ New York"),
        ("My wife and I ❤️ Paris", "My wife and I ❤️ Paris"),
    ],
)
def test_what_is_noted_by_hand_loses_nothing(text: str, statement: str) -> None:
    assert told_of(text, "") == statement


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("I love pizza 🍕", "The user loves pizza."),
        ("I love pizza! 🍕🍕", "The user loves pizza."),
        ("🎉 I got the job at Acme", "The user got the job at Acme."),
        ("I got the job at Acme :)", "The user got the job at Acme."),
        ("I moved to Ghent 🎉 in 2024", "The user moved to Ghent in 2024."),
        ("I have two dogs 🐕🐕", "The user has two dogs."),
        ("I'm vegan 🌱", "The user is vegan."),
        ("I work from home at night 🌙.", "The user works from home at night."),
        ("I am 34 😅", "The user is 34."),
        ("I love hiking 😍", "The user loves hiking."),
        ("My dog Biscuit 🐶 is a poodle", "The user's dog Biscuit is a poodle."),
        ("Ich wohne in Köln 🏠", "Der Nutzer wohnt in Köln."),
        ("J'habite à Lille 🏡", "L'utilisateur habite à Lille."),
        ("Vivo en Bilbao 🏠", "El usuario vive en Bilbao."),
    ],
)
def test_what_decorates_goes(text: str, statement: str) -> None:
    assert told_of(text, "") == statement
    assert learned(text) == [statement]


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("I am always late, haha", "The user is always late."),
        ("I am always late haha!", "The user is always late."),
        ("I am always late, lol.", "The user is always late."),
        ("I am always late. lol", "The user is always late."),
        ("I live in Ghent -", "The user lives in Ghent."),
    ],
)
def test_laughter_goes(text: str, statement: str) -> None:
    assert told_of(text, "") == statement


def test_many_pictures_take_no_time() -> None:
    began = monotonic()
    learned(f"I love {'🍕 ' * 20_000}")
    assert monotonic() - began < 5


def test_a_picture_still_ends_a_sentence() -> None:
    assert learned("I live in Ghent 🏡 My sister is called Anna 🎉 i work at Acme") == [
        "The user lives in Ghent.",
        "The user's sister is called Anna.",
        "The user works at Acme.",
    ]
