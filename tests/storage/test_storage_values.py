"""Instants: every one that is let in can be shown, on any clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.storage.values import Instant

UNUSABLE = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59+00:00",
    "2024-05-03T09:30:00+23:59:59",
    "2024-05-03T09:30:00-23:59:59",
)


@pytest.mark.parametrize("text", UNUSABLE)
def test_a_time_that_could_not_be_shown_again_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="calendar"):
        Instant.from_datetime(datetime.fromisoformat(text))


@given(st.datetimes(), st.integers(-1439, 1439))
def test_what_is_let_in_comes_out_to_the_millisecond(moment: datetime, offset: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    try:
        instant = Instant.from_datetime(aware)
    except ValueError:
        assert not 2 < moment.year < 9998
        return
    assert abs(instant.local() - aware) <= timedelta(milliseconds=1)
    assert Instant.from_datetime(instant.local()) == instant


@given(st.integers(-(2**62), 2**62), st.integers(-(2**31), 2**31))
def test_what_a_store_holds_already_can_be_shown(epoch_ms: int, offset: int) -> None:
    instant = Instant(epoch_ms, offset)
    shown = instant.local()
    for other in (shown - timedelta(days=300), shown + timedelta(days=300)):
        assert other.astimezone(UTC)
    assert Instant.from_datetime(datetime.fromisoformat(instant.iso())).local() == shown
