"""What a time expression means: a span of local calendar days, and how exactly it is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from tsubasa_cli.memory.values import Precision


class Tense(StrEnum):
    """Which side of the anchor a sentence speaks of."""

    PAST = "past"
    FUTURE = "future"
    NONE = "none"


class Bound(StrEnum):
    """Whether the span itself is meant, or one end of a longer time."""

    AT = "at"
    SINCE = "since"
    """True from the first day on; ``end`` is the anchor day, or the end of what was named when
    that lies in the future."""
    UNTIL = "until"
    """True up to ``end``. With nothing known of the beginning (past, or a deadline) the span is
    what was named."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Days ``start``..``end``, both inclusive."""

    start: date
    end: date
    precision: Precision


@dataclass(frozen=True, slots=True)
class DateSpan:
    """A time expression found in a text: days ``start``..``end`` (inclusive, ``start <= end``).

    ``text`` is the user's own words at ``offset`` (characters) of the text that was read;
    ``direction`` is where the whole span lies from the anchor day, ``NONE`` when it touches it.
    ``edge`` is how exactly the end that ``bound`` speaks of was named ("since 2019": a year).
    """

    start: date
    end: date
    precision: Precision
    text: str
    offset: int
    direction: Tense = Tense.NONE
    bound: Bound = Bound.AT
    edge: Precision | None = None
