"""An expression that a rule matched, and the intervals that it can mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from tsubasa_cli.memory.dates.languages import Language
from tsubasa_cli.memory.dates.values import Bound, Interval, Tense
from tsubasa_cli.memory.values import Precision


@dataclass(frozen=True, slots=True)
class Atom:
    """An expression at ``start``..``end`` of a sentence and the intervals that it can mean."""

    candidates: tuple[Interval, ...]
    start: int = 0
    end: int = 0
    cue: str = ""
    """Which words must stand before it ("in" May): a key of the language's cues."""
    weak: bool = False
    """The word means other things as well (may, fall): not a date by itself."""
    default: Tense = Tense.NONE
    """Where to look when the sentence has no tense; ``NONE`` is the nearest."""
    never_past: bool = False
    bound: Bound = Bound.AT
    weekday: bool = False

    @property
    def is_month(self) -> bool:
        return self.candidates[0].precision is Precision.MONTH

    @property
    def settled(self) -> bool:
        return len(self.candidates) == 1


@dataclass(frozen=True, slots=True)
class Found:
    """A rule that matched: the captured words, and the moment they are read at."""

    match: re.Match[str]
    language: Language
    now: datetime
    month_first: bool | None = None
    """How 3/5/2026 is read; None: not at all."""

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def span(self) -> tuple[int, int]:
        """The expression: all that matched, or the part that the pattern calls its core."""
        return core_span(self.match)

    def words(self, group: str) -> str | None:
        return self.match.groupdict().get(group)

    def key(self, table: str, group: str = "") -> str | None:
        return self.language.key(table, self.words(group or table))

    def number(self, group: str) -> int:
        words = self.words(group)
        if words is None:
            raise ValueError(f"nothing captured as {group}")
        return int(words)

    def entry(self, table: str) -> int:
        return self.language.number(table, self.words(table) or "")

    @property
    def year(self) -> int | None:
        words = self.words("year")
        if words is None:
            return None
        if words.isdecimal():
            return int(words)
        return self.today.year + self.entry_of("relyear", words)

    def entry_of(self, table: str, words: str) -> int:
        return self.language.number(table, words)

    def day_of_month(self, group: str = "day") -> int:
        words = self.words(group) or ""
        digits = re.match(r"\d+", words)
        return int(digits.group()) if digits else self.entry_of("ordinal", words)

    @property
    def shift(self) -> str:
        return self.key("shift") or self.key("post") or "0"

    @property
    def steps(self) -> int:
        """How many units away "last", "next" and their kin are."""
        return 1 if self.shift == "coming" else int(self.shift)

    @property
    def is_plural(self) -> bool:
        """Whether the unit is of many: "the coming weeks" are none in particular."""
        return bool(self.language.plural.fullmatch(self.words("unit") or ""))

    def is_weak(self, group: str) -> bool:
        return bool(self.language.weak.fullmatch(self.words(group) or ""))


def core_span(match: re.Match[str]) -> tuple[int, int]:
    """Where the expression itself stands in a match that needs words around it."""
    return match.span("core" if "core" in match.re.groupindex else 0)
