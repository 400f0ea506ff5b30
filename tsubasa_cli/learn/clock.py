"""Times of day, hours and durations as people write them: 02:30, 23:00-07:00, 1h30m."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time

from tsubasa_cli.errors import InputError

_TIME = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)")
_DURATION = re.compile(r"(?=\d)(?:(\d+) ?h)? ?(?:(\d+) ?m(?:in)?)?")


@dataclass(frozen=True, slots=True)
class Hours:
    """From ``begin`` (inclusive) to ``end`` (exclusive), across midnight where ``end`` is earlier;
    equal ones mean the whole day."""

    begin: time
    end: time

    def contain(self, moment: time) -> bool:
        """Whether ``moment`` lies within."""
        moment = moment.replace(tzinfo=None)
        if self.begin < self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}–{self.end:%H:%M}"


def time_of(text: str) -> time:
    """The time of day that ``text`` gives (24 hours); ``InputError``."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise InputError(
            f"“{text}” is not a time of day.",
            why="A time looks like 02:30 or 23:15.",
            next_step="Give hours and minutes on the 24-hour clock.",
        )
    return time(int(found[1]), int(found[2]))


def hours_of(text: str) -> Hours | None:
    """The hours that ``text`` gives ("23:00-07:00"), None for an empty one; ``InputError``."""
    if not text.strip():
        return None
    begin, _, end = text.replace("–", "-").partition("-")
    return Hours(time_of(begin), time_of(end))


def seconds_of(text: str) -> int | None:
    """How long "2h", "90m" or "1h30m" is, None for an empty text; ``InputError``."""
    if not text.strip():
        return None
    found = _DURATION.fullmatch(text.strip().lower())
    seconds = 3600 * int(found[1] or 0) + 60 * int(found[2] or 0) if found else 0
    if not seconds:
        raise InputError(
            f"“{text}” is not a length of time.",
            why="It looks like 2h, 90m or 1h30m, and is longer than nothing.",
            next_step="Give hours, minutes or both.",
        )
    return seconds
