"""What the chat tells of a night that was arranged and did not take place."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone

import pytest

from tsubasa_cli.conversation.missed_night import missed_night, missed_night_notice
from tsubasa_cli.conversation.workspace import open_workspace
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.night_record import (
    NightRecord,
    note_schedule,
    note_started,
    note_waiting,
    read_night,
)
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant

HERE = timezone(timedelta(hours=2))
MORNING = datetime(2026, 5, 6, 8, 0, tzinfo=HERE)
ASLEEP = (
    "Last night's learning did not take place: at 02:30 this machine was off or asleep. "
    "To do it now: tsubasa learn"
)


def at(day: int, hour: int, minute: int = 0) -> Instant:
    return Instant.from_datetime(datetime(2026, 5, day, hour, minute, tzinfo=HERE))


def record(started: Instant | None = None, waiting: str = "") -> NightRecord:
    return NightRecord(time(2, 30), at(1, 20), started, waiting)


@pytest.mark.parametrize(
    ("night", "now", "expected"),
    [
        (NightRecord(), MORNING, ""),
        (record(at(6, 2, 30)), MORNING, ""),
        (record(at(6, 2, 28)), MORNING, ""),
        (record(), MORNING, ASLEEP),
        (record(at(5, 2, 30)), MORNING, ASLEEP),
        (record(at(5, 2, 30)), MORNING.replace(hour=3), ""),
        (record(at(5, 2, 30)), MORNING.replace(hour=1), ""),
        (record(at(6, 7, 45)), MORNING, ""),
        (
            record(at(6, 2, 30), "Waiting: a chat is open."),
            MORNING,
            "Last night's learning has not begun. Waiting: a chat is open.",
        ),
        (NightRecord(time(2, 30), at(6, 7)), MORNING, ""),
        (NightRecord(time(9, 0), at(5, 10)), MORNING, ""),
        (NightRecord(time(9, 0), at(4, 10)), MORNING, ASLEEP.replace("02:30", "09:00")),
    ],
)
def test_what_is_told(night: NightRecord, now: datetime, expected: str) -> None:
    assert missed_night(night, now) == expected


def test_a_clock_that_was_changed_meanwhile_is_heeded() -> None:
    """Started at 02:30 in another zone, which is 07:30 here: this night's, all the same."""
    west = timezone(timedelta(hours=-3))
    started = Instant.from_datetime(datetime(2026, 5, 6, 2, 30, tzinfo=west))
    assert missed_night(record(started), MORNING) == ""


def test_a_night_is_told_of_once(home: Paths) -> None:
    connection = connect(home)
    note_schedule(connection, time(2, 30), at(1, 20))
    assert missed_night_notice(connection, MORNING) == ASLEEP
    assert missed_night_notice(connection, MORNING) == ""
    assert missed_night_notice(connection, MORNING + timedelta(days=1)) == ASLEEP
    note_schedule(connection, None, at(7, 9))
    assert missed_night_notice(connection, MORNING + timedelta(days=3)) == ""


def test_the_record_is_read_as_it_was_noted(home: Paths) -> None:
    connection = connect(home)
    assert read_night(connection) == NightRecord()
    note_schedule(connection, time(23, 5), at(1, 20))
    note_started(connection, at(2, 23, 5))
    note_waiting(connection, "Waiting: it is hot.")
    expected = NightRecord(time(23, 5), at(1, 20), at(2, 23, 5), "Waiting: it is hot.")
    assert read_night(connection) == expected


async def test_the_next_chat_tells_of_it_and_the_one_after_does_not(home: Paths) -> None:
    ago = datetime.now().astimezone() - timedelta(hours=2)
    note_schedule(connect(home), ago.time(), Instant.from_datetime(ago - timedelta(days=2)))
    for expected in (True, False):
        workspace = open_workspace(home)
        told = [notice for notice in workspace.notices if "did not take place" in notice]
        await workspace.close()
        assert bool(told) is expected
