"""Is a statement said by its evidence? Numbers, names, most content words, negation, whose it is.

A model that rewrites may leak its examples, hand a sister's city to the user, or make a wish come
true. What fails here is written again, and at last by rule.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tsubasa_cli.memory.cue_files import found
from tsubasa_cli.memory.facts import kind_of
from tsubasa_cli.memory.people import begins_with_person, relations_in
from tsubasa_cli.memory.subjects import USER, subject_of
from tsubasa_cli.memory.text import fold, names_and_numbers, stems
from tsubasa_cli.memory.third_person import THE_USER, speaks_in_first_person
from tsubasa_cli.memory.values import Kind

LEAST_SHARE = 0.6
"""Of the statement's content words, in the evidence. After FIELD measurements of forced "
"rewrites."""
MOST_LENGTH = 2.5
"""Times the evidence's length, plus some room for the user's name and the date."""
_NUMBERS = {
    word: str(number)
    for number, words in enumerate(
        (
            "zero null cero zéro", "one eins uno un", "two zwei dos deux", "three drei tres trois",
            "four vier cuatro quatre", "five fünf cinco cinq", "six sechs seis", "seven sieben "
            "siete sept",
            "eight acht ocho huit", "nine neun nueve neuf", "ten zehn diez dix", "eleven elf once "
            "onze",
            "twelve zwölf doce douze",
        )
    )
    for word in words.split()
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grounding:
    """``missing`` are names and numbers the evidence does not have, ``share`` the share of content
    words it has, ``flaws`` what else is wrong, in short clauses for people."""

    missing: tuple[str, ...]
    share: float
    flaws: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        return not self.missing and not self.flaws and self.share >= LEAST_SHARE

    @property
    def reason(self) -> str:
        """Why the statement is not believed, for people; empty when it is."""
        if self.missing:
            return f"“{self.missing[0]}” was not said"
        if self.flaws:
            return self.flaws[0]
        return "" if self.is_sound else "its words were not said"


def grounding_of(
    statement: str,
    evidence: str,
    *,
    language: str = "en",
    owner: str = "",
    added: Collection[str] = (),
) -> Grounding:
    """How well ``evidence``, the user's words, carries ``statement``. ``added`` are words that code
    put in: the resolved date, a person's name known from before."""
    spared = f"{owner} {THE_USER.get(language, '')} {THE_USER['en']} {' '.join(added)}"
    heard_words = f"{evidence} {' '.join(added)}"
    heard = _keys(f"{evidence} {spared}", language)
    missing = [
        word
        for word in sorted(names_and_numbers(statement) | _first_name(statement))
        if not _keys(word, language) <= heard and not _keys(word, "en") <= heard
    ]
    said = [key for key in _key_list(statement, language) if key not in _keys(spared, language)]
    share = sum(key in heard for key in said) / len(said) if said else 0.0
    return Grounding(tuple(missing), share, tuple(_flaws(statement, heard_words, language, owner)))


def _flaws(statement: str, evidence: str, language: str, owner: str) -> list[str]:
    flaws = []
    if speaks_in_first_person(statement, language):
        flaws.append("it speaks in the first person")
    if _is_negated(statement) != _is_negated(evidence):
        flaws.append("it turns a no into a yes or a yes into a no")
    if len(statement) > MOST_LENGTH * len(evidence) + 40:
        flaws.append("it tells more than was said")
    if statement.rstrip().endswith("?"):
        flaws.append("it asks")
    if _gives_to_the_user(statement, evidence, owner):
        flaws.append("it gives somebody else's life to the user")
    if relations_in(statement) - relations_in(evidence):
        flaws.append("it brings in somebody who was not named")
    if kind_of(evidence) is Kind.PLAN and kind_of(statement) is not Kind.PLAN:
        flaws.append("it makes a plan come true")
    return flaws


def _is_negated(text: str) -> bool:
    return found("speech", "negation", text) is not None


def _gives_to_the_user(statement: str, evidence: str, owner: str) -> bool:
    """Whether the evidence begins with one of the user's people and the statement drops them."""
    if not begins_with_person(evidence) or relations_in(statement):
        return False
    return subject_of(statement, owner) == USER


def _first_name(statement: str) -> set[str]:
    """The word that a statement begins with, where only its place may explain the capital."""
    first = statement.split(maxsplit=1)[0].strip("\"“„«'’,.") if statement.strip() else ""
    plain = first.removesuffix("'s").removesuffix("’s")
    return {plain} if plain[:1].isupper() and stems(plain) else set()


def _keys(text: str, language: str) -> set[str]:
    return set(_key_list(text, language))


def _key_list(text: str, language: str) -> list[str]:
    return [_NUMBERS.get(stem, stem) for stem in stems(text, language)] or [
        fold(word) for word in text.split() if any(c.isdigit() for c in word)
    ]
