"""The days that people name instead of dating: fixed ones, and those that move with Easter."""

from __future__ import annotations

from datetime import date, timedelta

from tsubasa_cli.memory.dates import intervals
from tsubasa_cli.memory.dates.values import Interval

_FIXED = {
    "new_year": (1, 1),
    "epiphany": (1, 6),
    "valentine": (2, 14),
    "st_patrick": (3, 17),
    "assumption": (8, 15),
    "german_unity": (10, 3),
    "halloween": (10, 31),
    "all_saints": (11, 1),
    "dead": (11, 2),
    "st_nicholas": (12, 6),
    "christmas_eve": (12, 24),
    "christmas": (12, 25),
    "boxing_day": (12, 26),
    "new_years_eve": (12, 31),
}
_FROM_EASTER = {"good_friday": -2, "easter": 0, "easter_monday": 1, "pentecost": 49}


def holiday(name: str, year: int) -> Interval:
    """The day of a holiday; Holy Week is Palm Sunday to Easter. ``ValueError``: unknown name."""
    if name in _FIXED:
        return intervals.day(date(year, *_FIXED[name]))
    if name in _FROM_EASTER:
        return intervals.day(intervals.easter(year) + timedelta(days=_FROM_EASTER[name]))
    if name == "holy_week":
        sunday = intervals.easter(year)
        return intervals.days(sunday - timedelta(days=7), sunday)
    if name == "thanksgiving":
        return intervals.day(intervals.nth_weekday(year, 11, 3, 4))
    raise ValueError(f"no holiday {name!r}")
