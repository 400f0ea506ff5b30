"""What each kind of expression can mean: one reading function per rule of the language files.

A reading gives the candidate intervals of an :class:`Atom`: one when the words settle it, several
("in May") when the sentence's tense has to choose. "Last" is the most recent one that ended before
the anchor day, "next" the first that begins after it, both for weekdays and for named months,
seasons and holidays: on a Wednesday "next Friday" is two days away. "Next weekend" is the one of
next week.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta

from tsubasa_cli.memory.dates import intervals
from tsubasa_cli.memory.dates.atoms import Atom, Found
from tsubasa_cli.memory.dates.holidays import holiday
from tsubasa_cli.memory.dates.values import Bound, Interval, Tense

_FEW = (2, 5)
"""How many "a few" are."""


def read(rule: str, found: Found) -> Atom | None:
    """The atom of a match; None when the words name no day that exists."""
    try:
        atom = _READINGS[rule](found)
    except (ValueError, OverflowError, LookupError, StopIteration):
        return None
    if atom is None or not atom.candidates:
        return None
    return replace(atom, start=found.span[0], end=found.span[1])


def _only(interval: Interval) -> Atom:
    return Atom((interval,))


def _iso(found: Found) -> Atom:
    when = date(found.number("year"), found.number("monthnumber"), found.number("daynumber"))
    return _only(intervals.day(when))


def _iso_month(found: Found) -> Atom:
    return Atom((intervals.month(found.number("year"), found.number("monthnumber")),), cue="year")


def _numeric(found: Found) -> Atom | None:
    """3.5.2026 and every order that only one reading fits; else by the language's habit."""
    first, second, year = found.number("first"), found.number("second"), found.number("year")
    if found.words("mark") == "." or first > 12 or first == second:
        return _only(intervals.day(date(year, second, first)))
    if second > 12 or found.month_first:
        return _only(intervals.day(date(year, first, second)))
    if found.month_first is None:
        return None
    return _only(intervals.day(date(year, second, first)))


def _numeric_day(found: Found) -> Atom:
    day, month, year = (found.words("dotted") or "").split(".")
    if year:
        full = int(year) + (0 if len(year) == 4 else found.today.year // 100 * 100)
        return _only(intervals.day(date(full, int(month), int(day))))
    of_year = _dated(int(month), int(day))
    return Atom(intervals.every_year(of_year, found.today))


def _dated(month: int, day: int) -> Callable[[int], Interval]:
    return lambda year: intervals.day(date(year, month, day))


def _two_years(found: Found) -> Atom:
    first, second = found.number("year"), found.number("year2")
    last = second if second > 99 else first // 100 * 100 + second
    if last <= first:
        raise ValueError(f"{first} to {last}")
    return Atom((intervals.years(first, last),), cue="year")


def _day_month(found: Found) -> Atom | None:
    month, day, year = found.entry("month"), found.day_of_month(), found.year
    if year is not None:
        return _only(_week_if_named(found, intervals.day(date(year, month, day))))
    if _counts_things(found):
        return None
    dates = intervals.every_year(_dated(month, day), found.today)
    weekday = found.key("weekday")
    fitting = tuple(each for each in dates if str(each.start.weekday()) == weekday) or dates
    whole = tuple(_week_if_named(found, each) for each in fitting)
    weak = found.is_weak("month")
    return Atom(whole, cue="month" if weak else "", weak=weak)


def _week_if_named(found: Found, day: Interval) -> Interval:
    return intervals.week(day.start) if found.words("weekof") else day


def _counts_things(found: Found) -> bool:
    """Whether the number belongs to what follows, as in "in June 10 people came"."""
    match = found.match
    ends_in_number = match.string[match.end() - 1].isdecimal()
    return ends_in_number and bool(found.language.counted.match(match.string, match.end()))


def _day_range(found: Found) -> Atom | None:
    month, first, last = found.entry("month"), found.day_of_month(), found.day_of_month("day2")

    def of_year(year: int) -> Interval:
        return intervals.days(date(year, month, first), date(year, month, last))

    if found.year is not None:
        return _only(of_year(found.year))
    if _counts_things(found):
        return None
    return Atom(intervals.every_year(of_year, found.today))


def _day_of_month(found: Found) -> Atom:
    day = found.day_of_month("dom")
    if found.words("unit"):
        month = intervals.month_of(found.today, found.steps)
        return _only(intervals.day(month.start.replace(day=day)))
    return Atom(intervals.every_month(day, found.today), default=Tense.FUTURE)


def _month(found: Found) -> Atom:
    return _yearly(found, "month", lambda year: intervals.month(year, found.entry("month")))


def _season(found: Found) -> Atom:
    if pair := found.words("twoyears"):
        return _only(intervals.season(int(pair[:4]), found.entry("season")))
    return _yearly(found, "season", lambda year: intervals.season(year, found.entry("season")))


def _holiday(found: Found) -> Atom:
    name = found.key("holiday") or ""
    return _yearly(found, "holiday", lambda year: holiday(name, year))


def _yearly(found: Found, kind: str, of_year: Callable[[int], Interval]) -> Atom:
    if found.year is not None:
        return _only(of_year(found.year))
    candidates = intervals.every_year(of_year, found.today)
    return Atom(candidates, cue=kind, weak=found.is_weak(kind))


def _weekday(found: Found) -> Atom:
    candidates = intervals.every_week(found.entry("weekday"), found.today)
    weak = found.is_weak("weekday")
    return Atom(
        candidates, cue="weekday" if weak else "", weak=weak, default=Tense.FUTURE, weekday=True
    )


def _named_shift(found: Found) -> Atom | None:
    """Last, this or next weekday, month, season, holiday."""
    kind = next(name for name in ("weekday", "month", "season", "holiday") if found.words(name))
    shift = found.shift
    if kind != "weekday" and found.is_weak(kind) and shift == "0":
        return None
    candidates = _NAMED[kind](found).candidates
    if shift == "0":
        return _this(candidates, found.today, kind)
    steps = found.steps
    if steps > 0:
        return _only([each for each in candidates if each.start > found.today][steps - 1])
    return _only([each for each in candidates if each.end < found.today][steps])


def _this(candidates: tuple[Interval, ...], today: date, kind: str) -> Atom:
    """The one that holds today; else the last and the coming one, tense having the choice."""
    if kind == "weekday":
        coming = next(each for each in candidates if each.start > today)
        if coming.start == today + timedelta(days=7):
            return _only(intervals.day(today))
    inside = [each for each in candidates if each.start <= today <= each.end]
    if inside:
        return _only(inside[0])
    before = [each for each in candidates if each.end < today][-1]
    after = next(each for each in candidates if each.start > today)
    if kind != "weekday" and before.start.year == today.year:
        return _only(before)
    return Atom((before, after), default=Tense.FUTURE)


def _shift_unit(found: Found) -> Atom | None:
    unit = found.key("unit") or ""
    if unit == "weekend":
        return _shifted_weekend(found.today, found.shift)
    if unit not in ("week", "month", "year", "decade") or found.is_plural:
        return None
    return _only(intervals.around(intervals.shifted(found.today, unit, found.steps), unit))


def _shifted_weekend(today: date, shift: str) -> Atom:
    if shift == "0":
        return _this_weekend(today)
    if shift == "coming":
        this = intervals.weekend(today)
        return _only(this if this.start > today else intervals.weekend(today + timedelta(days=7)))
    return _only(intervals.weekend(today + timedelta(weeks=int(shift))))


def _this_weekend(today: date) -> Atom:
    this, before = intervals.weekend(today), intervals.weekend(today - timedelta(days=7))
    return Atom((before, this), default=Tense.FUTURE)


def _weekend(found: Found) -> Atom:
    return _this_weekend(found.today)


def _weekday_week(found: Found) -> Atom:
    monday = intervals.week(found.today + timedelta(weeks=found.steps)).start
    return _only(intervals.day(monday + timedelta(days=found.entry("weekday"))))


def _named_ago(found: Found) -> Atom:
    """Three Sundays, two summers ago."""
    named = _weekday(found) if found.words("weekday") else _season(found)
    past = [each for each in named.candidates if each.end < found.today]
    return _only(past[-int(_count(found))])


def _year(found: Found) -> Atom:
    return Atom((intervals.year(found.number("year")),), cue="year")


def _year_bare(found: Found) -> Atom:
    return _only(intervals.year(found.number("year")))


def _decade(found: Found) -> Atom | None:
    digits = found.words("decade_year")
    if digits is None:
        first = found.entry("decade")
    elif len(digits) == 4:
        first = int(digits)
    else:
        first = _century_of(int(digits)) + int(digits)
    cue = "" if digits and len(digits) == 4 and found.language.code == "en" else "decade"
    return Atom((intervals.years(first, first + 9),), cue=cue)


def _century_of(decade: int) -> int:
    """The 30s to the 90s are the twentieth century's, 00s and 10s ours; "the 20s" is either."""
    if decade == 20:
        raise ValueError("which twenties")
    return 1900 if decade >= 30 else 2000


def _quarter(found: Found) -> Atom:
    number = found.words("quarter") or found.key("nth") or ""
    if found.year is None:
        raise ValueError("a quarter of no year")
    return _only(intervals.quarter(found.year, int(number)))


def _nth(found: Found) -> Atom | None:
    """The first Monday, last weekend or second week of a month."""
    month, nth = found.entry("month"), found.entry("nth")
    weekday, unit = found.key("weekday"), found.key("unit")
    if weekday is None and unit not in ("week", "weekend"):
        return None

    def of_year(year: int) -> Interval:
        if weekday is not None:
            return intervals.day(intervals.nth_weekday(year, month, int(weekday), nth))
        if unit == "weekend":
            return intervals.weekend(intervals.nth_weekday(year, month, 5, nth))
        return intervals.nth_week(intervals.month(year, month), nth)

    if found.year is not None:
        return _only(of_year(found.year))
    return Atom(intervals.every_year(of_year, found.today))


def _relative_day(found: Found) -> Atom:
    days = 1 if found.words("tomorrow") else found.entry("days")
    return _only(intervals.day(found.today + timedelta(days=days)))


def _count(found: Found) -> float:
    words = found.words("number")
    if words is None:
        return 1
    if words.isdecimal():
        return int(words)
    key = found.key("number") or ""
    whole = 0.5 if key == "half" else float(key)
    return whole + (0.5 if found.words("half") or found.words("half2") else 0)


def _moved(found: Found, sign: int) -> tuple[date, str]:
    """The day ``number`` ``unit``s away, and how exact that is: half a year is six months."""
    count, unit = sign * _count(found), found.key("unit") or ""
    if unit == "fortnight":
        count, unit = 2 * count, "week"
    if unit in ("minute", "hour"):
        return (found.now + timedelta(**{f"{unit}s": count})).date(), "day"
    if unit == "weekend":
        return found.today + timedelta(weeks=int(count)), unit
    if not float(count).is_integer():
        parts, finer = {"year": (12, "month"), "month": (30, "day"), "week": (7, "day")}[unit]
        count, unit = round(count * parts), finer
    return intervals.shifted(found.today, unit, int(count)), unit


def _is_few(found: Found) -> bool:
    return found.words("number") is not None and found.key("number") == "few"


def _distant(found: Found, sign: int) -> Interval | None:
    if found.key("unit") is None or (_is_few(found) and found.key("unit") in ("minute", "hour")):
        return None
    if _is_few(found):
        return _few_away(found, sign)
    when, unit = _moved(found, sign)
    if unit == "weekend":
        return intervals.weekend(when)
    return intervals.day(when) if found.words("exact") else intervals.around(when, unit)


def _few_away(found: Found, sign: int) -> Interval:
    unit = found.key("unit") or ""
    near, far = (intervals.shifted(found.today, unit, sign * count) for count in _FEW)
    first, last = sorted((near, far))
    return intervals.days(intervals.around(first, unit).start, intervals.around(last, unit).end)


def _ago(found: Found) -> Atom | None:
    interval = _distant(found, -1)
    return _only(interval) if interval else None


def _ahead(found: Found) -> Atom | None:
    """ "I did it in two weeks" is how long it took, not when."""
    interval = _distant(found, 1)
    return Atom((interval,), never_past=True) if interval else None


def _since_units(found: Found) -> Atom | None:
    """ "Seit drei Jahren": from that day, three years back, on."""
    if _is_few(found):
        return None
    start, _ = _moved(found, -1)
    return Atom((intervals.days(start, found.today),), bound=Bound.SINCE)


def _last_units(found: Found) -> Atom | None:
    if _is_few(found):
        return None
    return _only(intervals.days(_moved(found, -1)[0], found.today))


def _next_units(found: Found) -> Atom | None:
    if _is_few(found):
        return None
    return _only(intervals.days(found.today, _moved(found, 1)[0]))


def _this_unit(found: Found) -> Atom | None:
    unit = found.key("unit") or ""
    if unit not in ("week", "month", "year", "decade"):
        return None
    return Atom((intervals.around(found.today, unit),), cue="portion")


_NAMED: Mapping[str, Callable[[Found], Atom]] = {
    "weekday": _weekday,
    "month": _month,
    "season": _season,
    "holiday": _holiday,
}
_READINGS: Mapping[str, Callable[[Found], Atom | None]] = {
    "iso": _iso,
    "iso_month": _iso_month,
    "numeric": _numeric,
    "numeric_day": _numeric_day,
    "two_years": _two_years,
    "day_month": _day_month,
    "day_range": _day_range,
    "day_of_month": _day_of_month,
    "month": _month,
    "season": _season,
    "holiday": _holiday,
    "weekday": _weekday,
    "named_shift": _named_shift,
    "shift_unit": _shift_unit,
    "weekend": _weekend,
    "weekday_week": _weekday_week,
    "named_ago": _named_ago,
    "year": _year,
    "year_bare": _year_bare,
    "decade": _decade,
    "quarter": _quarter,
    "nth": _nth,
    "relative_day": _relative_day,
    "ago": _ago,
    "ahead": _ahead,
    "since_units": _since_units,
    "last_units": _last_units,
    "next_units": _next_units,
    "this_unit": _this_unit,
}
