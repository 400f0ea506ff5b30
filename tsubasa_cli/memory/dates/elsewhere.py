"""Time expressions in other languages, by ``dateparser`` (slow to import, so only when needed)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tsubasa_cli.memory.dates import intervals
from tsubasa_cli.memory.dates.values import DateSpan, Interval, Tense
from tsubasa_cli.storage.values import Instant

if TYPE_CHECKING:
    from datetime import datetime

_WORTH_READING = re.compile(r"\d.*[^\W\d]|[^\W\d]{3}|[\u3040-\u30ff\u4e00-\u9fff]{2}|\d\D\d", re.S)
"""A bare number or a two-letter word is no date, whatever ``dateparser`` makes of it."""
_CJK_COUNT = re.compile(
    r"[一二三四五六七八九两兩](?=(?:天|日|周|週間?|个?月|個月|[ヶか]月|年)[前后後])"
)
_CJK_DIGITS = str.maketrans("一二两兩三四五六七八九", "12223456789")
_CJK_YEAR = re.compile(r"((?:19|20)\d\d)年?")
_FARTHEST = 150
"""Years from the anchor; what lies beyond was misread."""


def find_elsewhere(text: str, anchor: Instant, tag: str) -> list[DateSpan]:
    """As ``find_dates``, with single days, weeks, months and years only, no ranges."""
    from dateparser.search import search_dates

    code = re.split("[-_]", tag.strip().lower(), maxsplit=1)[0]
    now = anchor.local().replace(tzinfo=None)
    counted = _CJK_COUNT.sub(lambda found: found.group().translate(_CJK_DIGITS), text)
    try:
        hits = search_dates(counted, languages=[code], settings=_settings(now)) or []
    except (ValueError, OverflowError, TypeError, AttributeError, LookupError, RecursionError):
        return []
    spans, position = [], 0
    for hit in hits:
        words = str(hit[0])
        offset = counted.find(words, position)
        interval = _interval(words, code, now) if _WORTH_READING.search(words) else None
        if offset < 0 or interval is None:
            continue
        position = offset + len(words)
        spans.append(_span(interval, text[offset:position], offset, now))
    return spans


def _settings(now: datetime) -> dict[str, object]:
    return {"RELATIVE_BASE": now, "RETURN_AS_TIMEZONE_AWARE": False}


def _interval(words: str, code: str, now: datetime) -> Interval | None:
    """The span that ``dateparser`` means, by the period that it reports."""
    from dateparser.date import DateDataParser

    if year := _CJK_YEAR.fullmatch(words):
        return intervals.year(int(year[1]))
    try:
        data = DateDataParser(languages=[code], settings=_settings(now)).get_date_data(words)
    except (ValueError, OverflowError, TypeError, AttributeError, LookupError, RecursionError):
        return None
    if data.date_obj is None or abs(data.date_obj.year - now.year) > _FARTHEST:
        return None
    unit = data.period if data.period in ("week", "month", "year") else "day"
    return intervals.around(data.date_obj.date(), unit)


def _span(interval: Interval, words: str, offset: int, now: datetime) -> DateSpan:
    direction = Tense.NONE
    if interval.end < now.date():
        direction = Tense.PAST
    elif interval.start > now.date():
        direction = Tense.FUTURE
    return DateSpan(interval.start, interval.end, interval.precision, words, offset, direction)
