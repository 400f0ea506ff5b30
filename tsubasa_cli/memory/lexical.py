"""The words of notes: stems, names, numbers, cues, kinds and opposites; what comparing rests on."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache, lru_cache

from tsubasa_cli.memory import change_cues as cues
from tsubasa_cli.memory.narrative import current_part
from tsubasa_cli.memory.text import content_words, parts
from tsubasa_cli.memory.values import Kind, Observation

_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZÀ-Þ][\wÀ-ÿ'’-]+")
_HEAD_NAME = re.compile(
    r"(?!The |My |His |Her |In |On |Since |Until )([A-ZÀ-Þ][\wÀ-ÿ-]+)(?=['’]s | [a-zß-ÿ])"
)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
USER_WORDS = {"user", "nutzer", "nutzers", "nutzerin", "benutzer", "benutzerin"} | {
    "usuario",
    "usuaria",
    "utilisateur",
    "utilisatrice",
}


@lru_cache(maxsize=4096)
def content_stems(text: str, language: str = "en") -> frozenset[str]:
    """The stems of the words that carry meaning; numbers stay, function words go."""
    words = (word for word in content_words(text, language) if word.casefold() not in USER_WORDS)
    return frozenset(_even(part) for word in words for part in parts(word, language))


def _even(stem: str) -> str:
    """ "allergi" (allergy) and "allerg" (allergic) are one."""
    return stem.rstrip("i") if len(stem) > 5 else stem


def core_stems(text: str, language: str = "en") -> frozenset[str]:
    """``content_stems`` without the words that a repeat may leave out or put in ("really")."""
    return content_stems(text, language) - _light(language)


def with_kinds(stems: frozenset[str]) -> frozenset[str]:
    """``stems`` with one mark for all kinds of a thing: steak and bacon are meat."""
    marks = {f"kind {number}" for number, kind in enumerate(_kinds()) if stems & kind}
    words = stems.difference(*_kinds())
    return words | marks


def names_in(text: str) -> frozenset[str]:
    """Capitalised words inside a sentence, case-folded."""
    found = (name.removesuffix("'s").removesuffix("’s").casefold() for name in _NAME.findall(text))
    return frozenset(found) - {"user"}


def numbers_in(text: str) -> frozenset[str]:
    """Digits, and small numbers in words."""
    return frozenset(_NUMBER.findall(text)) | frozenset(
        word.casefold() for word in _compiled(cues.NUMBER_WORDS).findall(text)
    )


def has_cue(pattern: str, text: str) -> bool:
    """Whether one of ``memory.change_cues``'s patterns occurs in ``text``."""
    return _compiled(pattern).search(text) is not None


def has_new_cue(old: str, new: str, pattern: str = cues.CHANGE) -> bool:
    """Whether ``new`` tells of a change in words that ``old`` does not use."""
    found = _compiled(pattern)
    said = {match.group().casefold() for match in found.finditer(old)}
    return any(match.group().casefold() not in said for match in found.finditer(new))


def is_plan(note: Observation) -> bool:
    return note.kind is Kind.PLAN or has_cue(cues.PLAN, current_part(note.statement))


def is_negated(text: str) -> bool:
    plain = without_aside(_compiled(cues.TWICE_NEGATED).sub(" ", text))
    return has_cue(cues.NEGATION, plain)


def without_aside(text: str) -> str:
    """``text`` without what it adds by denying something else."""
    return _ASIDE.sub("", text)


_ASIDE = re.compile(r"(?i), (?:no|not|without) (?!longer|more|one)[^,;.]{1,30}(?=[.;]?$)")
"""What is added to a statement and does not deny it: "…, no milk"."""


def are_opposite(first: str, second: str) -> bool:
    """Whether the notes hold words of opposite meaning, on one side each."""
    left, right = content_stems(_felt(first)), content_stems(_felt(second))
    if any(_face(left, right, pair) for pair in _opposites(cues.OPPOSITES)):
        return True
    contrary = [p for p in _opposites(cues.CONTRARY_OF_ONE_THING) if _face(left, right, p)]
    return any((left & right) - plus - minus for plus, minus in contrary)


def _felt(text: str) -> str:
    """``text`` with plain words for having come to love or hate something."""
    return _compiled(cues.COOLED).sub("hates", _compiled(cues.WARMED).sub("loves", text))


def neutral(old: Observation, new: Observation) -> tuple[Observation, Observation]:
    """The two notes with "The user" for a name that both begin with: a name that is in every note
    says nothing about what a note is about."""
    name = _HEAD_NAME.match(current_part(new.statement))
    if not name or not re.match(rf"{name[1]}\b", current_part(old.statement)):
        return old, new
    return _unnamed(old, name[1]), _unnamed(new, name[1])


def _unnamed(note: Observation, name: str) -> Observation:
    return replace(note, statement=re.sub(rf"\b{name}\b", "the user", current_part(note.statement)))


def _face(
    left: frozenset[str], right: frozenset[str], pair: tuple[frozenset[str], frozenset[str]]
) -> bool:
    """Each note holds words of one side only, and not of the same."""
    plus, minus = pair
    first = (bool(left & plus), bool(left & minus))
    return first in ((True, False), (False, True)) and first[::-1] == (
        bool(right & plus),
        bool(right & minus),
    )


def topics_of(text: str) -> frozenset[int]:
    """The parts of life (numbers in ``change_cues.TOPICS``) that a text speaks of."""
    stems = content_stems(text)
    return frozenset(number for number, words in enumerate(_topic_words()) if stems & words)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


@cache
def _opposites(
    pairs: tuple[tuple[str, str], ...],
) -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    return tuple((_stems_of(plus), _stems_of(minus)) for plus, minus in pairs)


@cache
def _kinds() -> tuple[frozenset[str], ...]:
    return tuple(_stems_of(words) for words in cues.KINDS)


@cache
def _light(language: str) -> frozenset[str]:
    return content_stems(cues.LIGHT.get(language, ""), language)


@cache
def _topic_words() -> tuple[frozenset[str], ...]:
    return tuple(_stems_of(words) for words in cues.TOPICS)


def _stems_of(words: str) -> frozenset[str]:
    return content_stems(words)
