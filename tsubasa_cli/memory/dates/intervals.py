"""Calendar arithmetic: the days that a week, month, season, holiday or decade covers.

Weeks begin on Monday (ISO 8601). Seasons are the meteorological ones of the northern hemisphere:
spring is March to May, and winter 2023 is December 2023 to February 2024. Everything here raises
``ValueError`` or ``OverflowError`` for days that the calendar does not have.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import date, timedelta

from tsubasa_cli.memory.dates.values import Interval
from tsubasa_cli.memory.values import Precision

SPRING, SUMMER, AUTUMN, WINTER = range(4)
_YEARS_AROUND = 9
"""How far a recurring day is looked for; a leap day may be eight years away (1896, 1904)."""


def day(when: date) -> Interval:
    return Interval(when, when, Precision.DAY)


def week(when: date) -> Interval:
    monday = when - timedelta(days=when.weekday())
    return Interval(monday, monday + timedelta(days=6), Precision.WEEK)


def weekend(when: date) -> Interval:
    """Saturday and Sunday of the ISO week that holds ``when``."""
    saturday = when + timedelta(days=5 - when.weekday())
    return Interval(saturday, saturday + timedelta(days=1), Precision.RANGE)


def month(year_number: int, number: int) -> Interval:
    last = monthrange(date(year_number, number, 1).year, number)[1]
    first = date(year_number, number, 1)
    return Interval(first, first.replace(day=last), Precision.MONTH)


def month_of(when: date, shift: int = 0) -> Interval:
    first = shift_months(when.replace(day=1), shift)
    return month(first.year, first.month)


def quarter(year_number: int, number: int) -> Interval:
    first = month(year_number, 3 * number - 2)
    return Interval(first.start, month(year_number, 3 * number).end, Precision.RANGE)


def season(year_number: int, which: int) -> Interval:
    """The season that begins in ``year_number``."""
    first = month(year_number, 3 * which + 3)
    return Interval(first.start, month_of(first.start, 2).end, Precision.SEASON)


def year(number: int) -> Interval:
    return Interval(date(number, 1, 1), date(number, 12, 31), Precision.YEAR)


def years(first: int, last: int) -> Interval:
    return Interval(date(first, 1, 1), date(last, 12, 31), Precision.RANGE)


def days(start: date, end: date) -> Interval:
    if start > end:
        raise ValueError(f"{start} is after {end}")
    return Interval(start, end, Precision.RANGE)


def shift_months(when: date, months: int) -> date:
    """``months`` later (or earlier), on the same day or the month's last: 31 January + 1 month is
    28 or 29 February."""
    index = when.year * 12 + when.month - 1 + months
    target = date(index // 12, index % 12 + 1, 1)
    last = monthrange(target.year, target.month)[1]
    return target.replace(day=min(when.day, last))


def shifted(when: date, unit: str, count: int) -> date:
    """``when`` moved by ``count`` days, weeks, months, years or decades."""
    match unit:
        case "day":
            return when + timedelta(days=count)
        case "week":
            return when + timedelta(weeks=count)
        case "month":
            return shift_months(when, count)
        case "year":
            return shift_months(when, 12 * count)
        case "decade":
            return shift_months(when, 120 * count)
    raise ValueError(f"no calendar unit: {unit}")


def around(when: date, unit: str) -> Interval:
    """The whole calendar unit that holds ``when``."""
    match unit:
        case "day":
            return day(when)
        case "week":
            return week(when)
        case "month":
            return month_of(when)
        case "year":
            return year(when.year)
        case "decade":
            first = when.year // 10 * 10
            return years(first, first + 9)
    raise ValueError(f"no calendar unit: {unit}")


def easter(year_number: int) -> date:
    """Western Easter Sunday, by the anonymous Gregorian computus (Meeus)."""
    golden, (century, rest) = year_number % 19, divmod(year_number, 100)
    skipped, leap = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - skipped - correction + 15) % 30
    quad, odd = divmod(rest, 4)
    weekday_shift = (32 + 2 * leap + 2 * quad - epact - odd) % 7
    late = (golden + 11 * epact + 22 * weekday_shift) // 451
    month_number, day_index = divmod(epact + weekday_shift - 7 * late + 114, 31)
    return date(year_number, month_number, day_index + 1)


def nth_weekday(year_number: int, month_number: int, weekday: int, nth: int) -> date:
    """The ``nth`` (1 first, -1 last) ``weekday`` (0 Monday) of a month."""
    whole = month(year_number, month_number)
    if nth > 0:
        first = whole.start + timedelta(days=(weekday - whole.start.weekday()) % 7)
        found = first + timedelta(weeks=nth - 1)
    else:
        last = whole.end - timedelta(days=(whole.end.weekday() - weekday) % 7)
        found = last + timedelta(weeks=nth + 1)
    if not whole.start <= found <= whole.end:
        raise ValueError(f"no weekday number {nth} in {year_number}-{month_number}")
    return found


def nth_week(whole: Interval, nth: int) -> Interval:
    """Days 1–7, 8–14, … of a month, or its last seven days."""
    if nth > 0:
        start = whole.start + timedelta(weeks=nth - 1)
        return Interval(start, min(start + timedelta(days=6), whole.end), Precision.WEEK)
    return Interval(whole.end - timedelta(days=6), whole.end, Precision.WEEK)


def every_year(of_year: Callable[[int], Interval], today: date) -> tuple[Interval, ...]:
    """What ``of_year`` is in each year around ``today``, in order; missing leap days left out."""
    found = []
    for number in range(today.year - _YEARS_AROUND, today.year + _YEARS_AROUND):
        try:
            found.append(of_year(number))
        except (ValueError, OverflowError):
            continue
    return tuple(found)


def every_month(day_number: int, today: date) -> tuple[Interval, ...]:
    """The days of that number around ``today``, in months that have one."""
    found = []
    for shift in range(-3, 4):
        try:
            found.append(day(shift_months(today.replace(day=1), shift).replace(day=day_number)))
        except (ValueError, OverflowError):
            continue
    return tuple(found)


def every_week(weekday: int, today: date) -> tuple[Interval, ...]:
    """That weekday in the weeks around ``today``, without ``today`` itself."""
    offset = (weekday - today.weekday()) % 7
    shifts = (offset + 7 * step for step in range(-6, 6))
    return tuple(day(today + timedelta(days=shift)) for shift in shifts if shift)


def portion(whole: Interval, which: str) -> Interval:
    """The ``early``, ``mid`` or ``late`` part: a third of a month, season or decade; of a year
    January–March, May–August, October–December; of a week Monday–Tuesday, Wednesday–Thursday,
    Friday–Sunday. A day stays whole."""
    index = ("early", "mid", "late").index(which)
    start = whole.start
    match whole.precision:
        case Precision.DAY:
            return whole
        case Precision.WEEK:
            first, last = ((0, 1), (2, 3), (4, 6))[index]
            return days(start + timedelta(days=first), start + timedelta(days=last))
        case Precision.MONTH:
            last_day = (10, 20, whole.end.day)[index]
            return days(start.replace(day=10 * index + 1), start.replace(day=last_day))
        case Precision.SEASON:
            only = month_of(start, index)
            return days(only.start, only.end)
        case Precision.YEAR:
            first, last = ((1, 3), (5, 8), (10, 12))[index]
            return days(month(start.year, first).start, month(start.year, last).end)
    if (whole.end.year - start.year) == 9:
        first, last = ((0, 3), (4, 6), (7, 9))[index]
        return years(start.year + first, start.year + last)
    return whole
