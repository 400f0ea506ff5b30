"""Dates in people's words: found, resolved against the day they were said, and written out.

The one place that turns "last Monday" into days (TSUBASA §4.1: temporally grounded memories).
"""

from tsubasa_cli.memory.dates.find import find_dates, resolve
from tsubasa_cli.memory.dates.render import render_day, render_span
from tsubasa_cli.memory.dates.values import Bound, DateSpan, Tense

__all__ = [
    "Bound",
    "DateSpan",
    "Tense",
    "find_dates",
    "render_day",
    "render_span",
    "resolve",
]
