"""What search sees of a text: stems, character bigrams, and the names and numbers in it.

Texts are folded to small letters without accents. Scripts that set no blanks between words (and
Korean, whose endings are glued on) are cut into overlapping pairs of characters beside the single
characters: FTS5's own trigrams match nothing below three characters.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable
from datetime import date
from functools import cache, lru_cache
from typing import Any

from tsubasa_cli.memory.function_words import function_words

KNOWN_STEMS = 65_536
"""Words whose stem is kept in mind; stemming one anew takes some 20 µs."""

_GLUED = (
    "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
)
_WORD = re.compile(rf"[{_GLUED}]+|[^\W_{_GLUED}]+")
_IS_GLUED = re.compile(rf"[{_GLUED}]")
_POSSESSIVE = re.compile(r"['’]s\b", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]{2,60})[\"”“»]")
_SENTENCE_START = re.compile(r"(?:^|[.!?:]\s+|\n\s*)[\"'“„«(¿¡]*(?=\w)")
_SNOWBALL = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "fi": "finnish", "fr": "french", "hi": "hindi", "hu": "hungarian",
    "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
_stemming = threading.Lock()


def words(text: str) -> list[str]:
    """The words of ``text`` as written, without English possessive endings."""
    return _WORD.findall(_POSSESSIVE.sub("", text))


def content_words(text: str, language: str = "en") -> list[str]:
    """The words of ``text`` that are no function words of ``language``."""
    little = function_words(language)
    return [word for word in words(text) if word.casefold() not in little]


def stems(text: str, language: str = "en") -> list[str]:
    """What an index keeps of ``text``: the stem of each content word, in order, repeated."""
    return [part for word in content_words(text, language) for part in parts(word, language)]


@lru_cache(maxsize=KNOWN_STEMS)
def parts(word: str, language: str) -> tuple[str, ...]:
    """What one word is searched by: its stem, or its characters and pairs of characters."""
    plain = word.casefold()
    if not _IS_GLUED.match(plain):
        return (fold(_stem(plain, language)),)
    pairs = [plain[i : i + 2] for i in range(len(plain) - 1)]
    return (*plain, *pairs)


def fold(text: str) -> str:
    """``text`` in small letters without accents."""
    small = unicodedata.normalize("NFKD", text).casefold()
    decomposed = unicodedata.normalize("NFKD", small)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def names_and_numbers(text: str) -> set[str]:
    """The words of ``text`` that name something: numbers, words inside quotation marks, and words
    with a capital that no sentence's beginning explains."""
    starts = {found.end() for found in _SENTENCE_START.finditer(text)}
    named = {
        found.group()
        for found in _WORD.finditer(text)
        if any(c.isdigit() for c in found.group())
        or (found.group()[0].isupper() and found.start() not in starts)
    }
    for quoted in _QUOTED.findall(text):
        named.update(words(quoted))
    return {_POSSESSIVE.sub("", name) for name in named}


def day_marks(start: date, end: date) -> list[str]:
    """What the days ``start``..``end`` are searched by: their years, months, and, up to a month,
    each day."""
    years = [f"y{year}" for year in range(start.year, min(end.year, start.year + 10) + 1)]
    first, last = start.year * 12 + start.month - 1, end.year * 12 + end.month - 1
    months = [f"y{m // 12}m{m % 12 + 1:02}" for m in range(first, min(last, first + 11) + 1)]
    span = (end - start).days
    ordinals = range(start.toordinal(), start.toordinal() + span + 1) if span <= 31 else ()
    days = [f"y{d:%Y}m{d:%m}d{d:%d}" for d in map(date.fromordinal, ordinals)]
    return [*years, *months, *days]


def joined(marks: Iterable[str]) -> str:
    """Index words as the one string that FTS5 takes."""
    return " ".join(marks)


def _stem(word: str, language: str) -> str:
    stemmer = _stemmer(language)
    if stemmer is None:
        return word
    with _stemming:
        return str(stemmer.stemWord(word))


@cache
def _stemmer(language: str) -> Any:
    import snowballstemmer

    name = _SNOWBALL.get(language)
    return snowballstemmer.stemmer(name) if name else None
