"""Which memories a list shows and in which order, as values and as SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from tsubasa_cli.memory.log_rows import marks
from tsubasa_cli.memory.values import Kind, Origin, Status

IN_FORCE = frozenset((Status.ACTIVE, Status.QUARANTINED))
"""What a list shows unless more is asked for: what is believed, and what waits for an answer."""
BEGUN = "coalesce(valid_from, event_from, date(recorded_ms / 1000 + recorded_offset * 60,"
BEGUN += " 'unixepoch'))"
"""SQL: the day from which an observation holds, as far as is known; else the day it was said."""
SAID = "date(recorded_ms / 1000 + recorded_offset * 60, 'unixepoch')"
"""SQL: the day on which it was said."""

Clause = tuple[str, tuple[object, ...]]
"""A condition on ``observations``, and its parameters."""


class Mark(StrEnum):
    """What else can be asked of a memory; several are all asked at once."""

    PINNED = "pinned"
    LEARNED = "by heart"
    UNLEARNED = "not by heart"
    RECALLED = "recalled before"
    UNUSED = "never recalled"


class Sort(StrEnum):
    """The order of a list without a search; the words are what the screen calls it."""

    NEWEST = "newest first"
    OLDEST = "oldest first"
    CHANGED = "last changed first"
    RECALLED = "most recalled first"
    WORDS = "by their words"
    BEGUN = "by the day they began"


_ORDERS = {
    Sort.NEWEST: "recorded_ms DESC, seq DESC",
    Sort.OLDEST: "recorded_ms, seq",
    Sort.CHANGED: "(SELECT e.id FROM memory_events e WHERE e.memory_id = observations.id"
    " AND e.version = observations.version) DESC",
    Sort.RECALLED: "(SELECT count(*) FROM recalled r WHERE r.memory_id = observations.id) DESC,"
    " recorded_ms DESC, seq DESC",
    Sort.WORDS: "statement COLLATE NOCASE, seq",
    Sort.BEGUN: f"{BEGUN} DESC, seq DESC",
}
_LEARNED = (
    "EXISTS (SELECT 1 FROM learn_manifest m JOIN learn_runs l ON l.id = m.run_id"
    " WHERE m.memory_id = observations.id AND l.state = 'promoted')"
)
_RECALLED = "EXISTS (SELECT 1 FROM recalled r WHERE r.memory_id = observations.id)"
_MARKS = {
    Mark.PINNED: "pinned",
    Mark.LEARNED: _LEARNED,
    Mark.UNLEARNED: f"NOT {_LEARNED}",
    Mark.RECALLED: _RECALLED,
    Mark.UNUSED: f"NOT {_RECALLED}",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """What a memory must be to be listed. Empty sets ask for nothing; ``tags`` and ``sessions``
    (ids) are met by any of them. ``since``..``until`` are the days it was said on, both inclusive;
    ``true_on`` a day on which it held."""

    statuses: frozenset[Status] = IN_FORCE
    kinds: frozenset[Kind] = field(default=frozenset())
    origins: frozenset[Origin] = field(default=frozenset())
    marks: frozenset[Mark] = field(default=frozenset())
    tags: frozenset[str] = field(default=frozenset())
    sessions: frozenset[str] = field(default=frozenset())
    since: date | None = None
    until: date | None = None
    true_on: date | None = None
    month: date | None = None
    """Any day of the month in which it began, happened or ended."""

    @property
    def is_plain(self) -> bool:
        """Whether it asks for no more than what is in force."""
        return self == Filter()


def order_by(sort: Sort) -> str:
    """The SQL that puts ``observations`` in this order."""
    return _ORDERS[sort]


def condition(wanted: Filter) -> Clause:
    """The filter as SQL on ``observations``; always true of what it lists, and of nothing else."""
    clauses = [_among("status", sorted(wanted.statuses))]
    clauses += [_among("kind", sorted(wanted.kinds))] if wanted.kinds else []
    clauses += [_among("origin", sorted(wanted.origins))] if wanted.origins else []
    clauses += [(_MARKS[mark], ()) for mark in sorted(wanted.marks)]
    clauses += [_any_tag(sorted(wanted.tags))] if wanted.tags else []
    clauses += [_said_in(sorted(wanted.sessions))] if wanted.sessions else []
    clauses += _days(wanted)
    return " AND ".join(sql for sql, _ in clauses), tuple(
        value for _, values in clauses for value in values
    )


def _among(column: str, values: Sequence[object]) -> Clause:
    return f"{column} IN ({marks(values)})", tuple(values)


def _any_tag(tags: Sequence[str]) -> Clause:
    """Tags are a JSON array of strings: each is sought with its quotation marks."""
    sought = tuple(json.dumps(tag, ensure_ascii=False) for tag in tags)
    return f"({' OR '.join('instr(tags, ?)' for _ in sought)})", sought


def _said_in(sessions: Sequence[str]) -> Clause:
    return (
        "id IN (SELECT memory_id FROM turns CROSS JOIN memory_evidence e ON e.turn_id = turns.id"
        f" WHERE turns.session_id IN ({marks(sessions)}))",
        tuple(sessions),
    )


def _days(wanted: Filter) -> Iterator[Clause]:
    if wanted.since:
        yield f"{SAID} >= ?", (wanted.since.isoformat(),)
    if wanted.until:
        yield f"{SAID} <= ?", (wanted.until.isoformat(),)
    if wanted.true_on:
        day = wanted.true_on.isoformat()
        yield f"{BEGUN} <= ? AND (valid_to IS NULL OR valid_to > ?)", (day, day)
    if wanted.month:
        first, end = month_of(wanted.month)
        bounds = (first.isoformat(), end.isoformat())
        yield (
            f"(({BEGUN} >= ? AND {BEGUN} < ?) OR (valid_to >= ? AND valid_to < ?))",
            bounds + bounds,
        )


def month_of(day: date) -> tuple[date, date]:
    """The first day of ``day``'s month, and of the next."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)
