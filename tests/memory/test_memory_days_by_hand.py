"""Days that a user types into a field: all of what was typed is read, or none of it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tsubasa_cli.errors import InputError
from tsubasa_cli.memory.by_hand import span_of
from tsubasa_cli.storage.values import Instant

NOW = Instant.from_datetime(datetime(2026, 11, 25, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    "typed",
    [
        "May 3, 2150",
        "May 3 2150",
        "3 May 9998",
        "3 May 24",
        "3 May '24",
        "30 Feb 2024",
        "99 May 2024",
        "00 May 2024",
        "3 3 May 2024",
        "2024-02-30",
        "not 2024-05-03 but 2025-01-01",
        "not 2024",
        "3 May 2024 2025",
        "2024 May 3",
        "today or tomorrow",
        "the moon in 2024",
        "",
        " ",
    ],
)
def test_what_is_only_partly_a_date_is_none(typed: str) -> None:
    with pytest.raises(InputError) as raised:
        span_of(typed, NOW)
    assert "no date" in raised.value.what
    assert "2024-05-03" in raised.value.next_step


@pytest.mark.parametrize(
    ("typed", "first", "last"),
    [
        ("2024-05-03", date(2024, 5, 3), date(2024, 5, 3)),
        ("1850-01-31", date(1850, 1, 31), date(1850, 1, 31)),
        ("2150-01-31", date(2150, 1, 31), date(2150, 1, 31)),
        ("2024-05", date(2024, 5, 1), date(2024, 5, 31)),
        ("in 2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("around 2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("sometime in May 2024", date(2024, 5, 1), date(2024, 5, 31)),
        ("On May 3rd, 2024.", date(2024, 5, 3), date(2024, 5, 3)),
        ("the 90s", date(1990, 1, 1), date(1999, 12, 31)),
        ("2024-05-03 10:00", date(2024, 5, 3), date(2024, 5, 3)),
        ("3 May 2024 at 10 am", date(2024, 5, 3), date(2024, 5, 3)),
        ("from May to June 2024", date(2024, 5, 1), date(2024, 6, 30)),
        ("am 3. Mai 2024", date(2024, 5, 3), date(2024, 5, 3)),
        ("el 3 de mayo de 2024", date(2024, 5, 3), date(2024, 5, 3)),
        ("2024年5月3日", date(2024, 5, 3), date(2024, 5, 3)),
        ("last Monday", date(2026, 11, 23), date(2026, 11, 23)),
    ],
)
def test_a_date_in_words_is_read_whole(typed: str, first: date, last: date) -> None:
    span = span_of(typed, NOW)
    assert (span.start, span.end) == (first, last)
