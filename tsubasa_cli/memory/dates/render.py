"""Days and spans in words, for narratives: "3 May 2026", "May 2026", "spring 2026"."""

from __future__ import annotations

from datetime import date

from tsubasa_cli.memory.dates import intervals
from tsubasa_cli.memory.dates.languages import Language
from tsubasa_cli.memory.dates.languages import language as find_language
from tsubasa_cli.memory.dates.values import Bound, Interval
from tsubasa_cli.memory.values import Precision


def render_day(day: date, precision: Precision, language: str = "en") -> str:
    """The day, or the week, month, season or year that holds it, in the language of the tag
    (English for those we have no words for)."""
    words = find_language(language) or find_language("en")
    assert words is not None
    match precision:
        case Precision.WEEK:
            return _put(words, "week", intervals.week(day).start)
        case Precision.MONTH:
            return _put(words, "month", day)
        case Precision.SEASON:
            first = intervals.shift_months(day, -(day.month % 3))
            return _put(words, "season", first)
        case Precision.YEAR:
            return str(day.year)
    return _put(words, "day", day)


def render_span(
    start: date,
    end: date,
    precision: Precision = Precision.RANGE,
    language: str = "en",
    *,
    bound: Bound = Bound.AT,
    edge: Precision | None = None,
) -> str:
    """The span, as short as it can be said: whole months, years and decades by their names.

    With a ``bound`` only that end is named, as exactly as ``edge`` says: "since 2019".
    """
    words = find_language(language) or find_language("en")
    assert words is not None
    if bound is Bound.SINCE:
        return _edge(words, "since", start, edge or precision)
    if bound is Bound.UNTIL:
        return _edge(words, "until", end, edge or precision)
    if precision is not Precision.RANGE:
        return render_day(start, precision, language)
    return _range(words, Interval(start, end, precision), language)


def _edge(words: Language, side: str, day: date, precision: Precision) -> str:
    exact = Precision.DAY if precision is Precision.RANGE else precision
    return f"{words.render[side][exact]} {render_day(day, exact, words.code)}"


def _range(words: Language, span: Interval, language: str) -> str:
    start, end = span.start, span.end
    if start == end:
        return render_day(start, Precision.DAY, language)
    if start == intervals.year(start.year).start and end == intervals.year(end.year).end:
        return _years(words, start.year, end.year)
    if start.day == 1 and end == intervals.month_of(end).end:
        if intervals.month_of(start).end == end:
            return _put(words, "month", start)
        first = _put(words, "month", start)
        if start.year == end.year:
            first = words.render["months"][start.month - 1]
        return _join(words, first, _put(words, "month", end))
    return _join(words, _first_day(words, start, end), _put(words, "day", end))


def _years(words: Language, first: int, last: int) -> str:
    if first == last:
        return str(first)
    if last - first == 9 and first % 10 == 0:
        return str(words.render["decade"]).format(year=first)
    return _join(words, str(first), str(last))


def _first_day(words: Language, start: date, end: date) -> str:
    return _put(words, "day_month" if start.year == end.year else "day", start)


def _join(words: Language, start: str, end: str) -> str:
    return str(words.render["range"]).format(start=start, end=end)


def _put(words: Language, form: str, day: date) -> str:
    season = words.render["seasons"][(day.month // 3 - 1) % 4]
    year = (
        f"{day.year}/{(day.year + 1) % 100:02d}"
        if form == "season" and day.month == 12
        else day.year
    )
    return str(words.render[form]).format(
        day=_day_number(words, day),
        month=words.render["months"][day.month - 1],
        year=year,
        season=season,
    )


def _day_number(words: Language, day: date) -> str:
    return "1er" if words.code == "fr" and day.day == 1 else str(day.day)
