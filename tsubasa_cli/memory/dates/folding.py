"""A text made easy to match: accents off, quotes and spaces plain, every character traceable."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_PLAIN = {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "‑": "-", "‐": "-", "−": "-"}
_TO_SHORTEN = re.compile(r"\s\s|[^\S ]")
_SENTENCE_END = re.compile(
    r"\n|(?:[!?…]+|(?<!\b\d)(?<!\b\d\d)(?<!\b[A-Za-z])(?<!\b[A-Za-z]{2})(?<!\b[A-Z][a-z]{2})\.+)"
    r"['\")»”]* (?![\da-z])"
)


@dataclass(frozen=True, slots=True)
class Folded:
    """``plain`` and ``accented`` have one character for each of ``offsets``, which points into the
    text as it was written; the last offset is its length."""

    plain: str
    accented: str
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters ``start``..``end`` (exclusive) of a folded text."""

    start: int
    end: int


@lru_cache(maxsize=4096)
def plain_character(character: str) -> str:
    """The character without its accent; digits of other widths become ASCII."""
    if character in _PLAIN:
        return _PLAIN[character]
    bare = "".join(
        part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)
    )
    return bare if len(bare) == 1 else character


def plain(text: str) -> str:
    """``text`` with every accent gone; as long as the text is composed (NFC), as long as it."""
    return "".join(map(plain_character, unicodedata.normalize("NFC", text)))


def fold(text: str) -> Folded:
    if text.isascii() and not _TO_SHORTEN.search(text):
        return Folded(text.replace("`", "'"), text, tuple(range(len(text) + 1)))
    accented: list[str] = []
    offsets: list[int] = []
    for offset, cluster in _clusters(text):
        for character in unicodedata.normalize("NFC", cluster):
            accented.append(character)
            offsets.append(offset)
    joined = "".join(accented)
    return Folded("".join(map(plain_character, joined)), joined, (*offsets, len(text)))


def sentences(folded: Folded) -> Iterator[Sentence]:
    """The sentences, roughly: abbreviations and "3." do not end one."""
    start = 0
    for stop in _SENTENCE_END.finditer(folded.plain):
        yield Sentence(start, stop.end())
        start = stop.end()
    if start < len(folded.plain):
        yield Sentence(start, len(folded.plain))


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    """Base characters with their combining marks; a run of spaces is one space (or one line end
    where a blank line parts it)."""
    for found in re.finditer(r"\s+|\S[\u0300-\u036f]*", text):
        run = found.group()
        if run[0].isspace():
            run = "\n" if run.count("\n") > 1 else " "
        yield found.start(), run
