"""The dates of a statement: "yesterday" becomes its day, and what happened gets its interval."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from tsubasa_cli.memory.cue_files import found
from tsubasa_cli.memory.values import Kind, Precision
from tsubasa_cli.storage.values import Instant

if TYPE_CHECKING:
    from tsubasa_cli.memory.dates import DateSpan

_LEADS = {
    "en": {"day": "on ", "week": "in ", "month": "in ", "season": "in ", "year": "in "},
    "de": {"day": "am ", "week": "in der ", "month": "im ", "season": "im ", "year": ""},
    "es": {"day": "el ", "week": "en la ", "month": "en ", "season": "en ", "year": "en "},
    "fr": {"day": "le ", "week": "dans la ", "month": "en ", "season": "en ", "year": "en "},
}
_LEAD_BEFORE = re.compile(
    r"(?i)\b(?:on|in|at|during|around|by|for|from|of|to|am|im|zum|vom|el|en|del|al|le|du|au|pour|the|"
    r"den|la)"
    r"\s+$"
)
_OTHER_LEAD = re.compile(
    r"(?i)\b(?:before|after|by|for|from|of|the|vor|nach|antes de|avant|du|del)\s+$"
)
_ABSOLUTE = re.compile(r"\b(?:19|20)\d\d\b")
_TIME_OF_DAY = re.compile(
    r"(?i)\b(?:morning|evening|night|afternoon|noon|tonight|abend|nacht|mittag|noche|tarde|soir|"
    r"nuit|"
    r"matin)\b|früh|\d:\d\d"
)
_YEARS = re.compile(r"(?i)\b(?:years?|jahre?n?|años?|ans)$")
_UNITS = re.compile(
    r"(?i)\b(?:years?|months?|weeks?|days?|jahre?n?|monate?n?|wochen?|tagen?|años?|meses|semanas?|"
    r"días?|"
    r"ans|mois|semaines?|jours?)\b"
)
_SPLITS = re.compile(r"(?i)^(?:['’]s|\s+(?:was|is|will|were|has|had)\b)")


@dataclass(frozen=True, slots=True)
class Dated:
    """``text`` with its relative dates made absolute; ``span`` the one that tells when."""

    text: str
    span: DateSpan | None = None

    def rendered(self, language: str) -> str:
        """The span in absolute words, empty where there is none."""
        from tsubasa_cli.memory.dates import render_span

        span = self.span
        if span is None:
            return ""
        return render_span(span.start, span.end, span.precision, language, bound=span.bound)


def dated(text: str, anchor: Instant, language: str) -> Dated:
    """``text`` with every day that it names resolved against ``anchor``, when it was said."""
    from tsubasa_cli.memory.dates import find_dates

    spans = [span for span in find_dates(text, anchor, language) if not _recurs(span, text)]
    if not spans:
        return Dated(text)
    told, end = "", 0
    for span in sorted(spans, key=lambda span: span.offset):
        told += text[end : span.offset]
        end = span.offset + len(span.text)
        told = _without_article(told, span, language)
        told += _absolute(span, told, text[end:], language, anchor)
    return Dated(told + text[end:], _telling(spans, text))


def _recurs(span: DateSpan, text: str) -> bool:
    """ "My birthday is on 4 May": a day of every year, not one day."""
    if not _YEARLY.search(text) or _ABSOLUTE.search(span.text):
        return False
    return bool(re.search(r"\d", span.text))


_YEARLY = re.compile(
    r"(?i)\b(?:birthday|anniversary|name day|geburtstag|jahrestag|hochzeitstag|namenstag|"
    r"cumpleaños|aniversario|anniversaire)\b"
)


def with_time(when: Dated, time_expr: str, anchor: Instant, language: str) -> Dated:
    """``when`` dated by ``time_expr``, words said elsewhere in the turn, if it has no date yet."""
    from tsubasa_cli.memory.dates import resolve

    if when.span is not None or not time_expr:
        return when
    return replace(when, span=resolve(time_expr, anchor, language))


def _without_article(before: str, span: DateSpan, language: str) -> str:
    """ "El mes pasado" becomes "en octubre": the article goes with the words that it was for."""
    is_day = span.precision in (Precision.DAY, Precision.RANGE)
    if language not in ("es", "fr") or is_day or _ABSOLUTE.search(span.text):
        return before
    return re.sub(r"(?i)(?:^|(?<=[ ,]))(?:el|la|le|l['’])\s*$", "", before)


def _is_duration(span: DateSpan, anchor: Instant) -> bool:
    """ "For five years", up to now."""
    is_range = span.precision is Precision.RANGE and span.start < span.end
    return is_range and span.end == anchor.local().date() and bool(_UNITS.search(span.text))


def _since(span: DateSpan, language: str) -> str:
    from tsubasa_cli.memory.dates import Bound, render_day, render_span

    if not _YEARS.search(span.text):
        return render_span(span.start, span.end, Precision.RANGE, language, bound=Bound.SINCE)
    word = {"de": "seit", "es": "desde", "fr": "depuis"}.get(language, "since")
    return f"{word} {render_day(span.start, Precision.YEAR, language)}"


def _absolute(span: DateSpan, before: str, after: str, language: str, anchor: Instant) -> str:
    from tsubasa_cli.memory.dates import Bound, render_span

    if _ABSOLUTE.search(span.text):
        return span.text
    bound = span.bound if span.text.casefold().split()[0] in _BOUND_WORDS else Bound.AT
    precision = span.precision if bound is Bound.AT else Precision.RANGE
    if _is_duration(span, anchor):
        return f"{span.text} ({_since(span, language)})"
    rendered = render_span(span.start, span.end, precision, language, bound=bound)
    is_odd = _TIME_OF_DAY.search(span.text) or _SPLITS.match(after) or span.bound is not Bound.AT
    if bound is Bound.SINCE and _YEARS.search(span.text):
        return _since(span, language)
    if bound is not Bound.AT:
        return rendered
    if is_odd or _OTHER_LEAD.search(before) or span.precision is Precision.RANGE:
        return f"{span.text} ({rendered})"
    if _LEAD_BEFORE.search(before):
        return rendered
    lead = _LEADS.get(language, {}).get(span.precision.value)
    if lead is None:
        return f"{span.text} ({rendered})"
    return _cased(f"{lead}{rendered}", before)


_BOUND_WORDS = frozenset(
    {"since", "until", "till", "seit", "bis", "desde", "hasta", "depuis", "jusqu'en"}
)


def _cased(text: str, before: str) -> str:
    return text if before.strip() else text[:1].upper() + text[1:]


def _telling(spans: Sequence[DateSpan], text: str) -> DateSpan:
    """The span that dates the whole: of a plan one to come, of the rest one that was."""
    from tsubasa_cli.memory.dates import Tense

    wanted = Tense.FUTURE if found("speech", "plan", text) else Tense.PAST
    return next((span for span in spans if span.direction is wanted), spans[0])


def validity(
    kind: Kind, span: DateSpan | None, text: str, said_on: date
) -> tuple[date | None, date | None]:
    """From which day on (inclusive) and until when (exclusive) it is true, as far as it was said.

    A state is true from the day that it began, the rest from the day of the report.
    """
    from tsubasa_cli.memory.dates import Bound, Tense

    if span is None or kind in (Kind.PLAN, Kind.EVENT, Kind.IDENTITY):
        return said_on, None
    if span.bound is Bound.SINCE:
        return span.start, None
    if span.bound is Bound.UNTIL:
        if span.end < said_on:
            return None, span.end + timedelta(days=1)
        return said_on, span.end + timedelta(days=1)
    began = span.direction is not Tense.FUTURE and found("speech", "event", text)
    return (min(span.start, said_on) if began else said_on), None
