"""Evolving: what new observations do to a real log, decided by code alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count

import pytest

from tsubasa_cli.errors import ConflictError
from tsubasa_cli.memory.closeness import closeness
from tsubasa_cli.memory.evolve import evolve
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.outcomes import changes, expected_versions
from tsubasa_cli.memory.slots import slot_of
from tsubasa_cli.memory.subjects import subject_of
from tsubasa_cli.memory.values import (
    Actor,
    Change,
    Evidence,
    Kind,
    Observation,
    Op,
    Origin,
    Precision,
    Status,
)
from tsubasa_cli.memory.verdicts import Bearing, Verdict
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant

_ids = count()


@pytest.fixture
def log(home: Paths) -> Iterator[MemoryLog]:
    connection: sqlite3.Connection = connect(home)
    yield MemoryLog(connection)
    connection.close()


def at(day: str) -> Instant:
    return Instant.from_datetime(datetime.fromisoformat(day).replace(tzinfo=UTC))


def note(
    statement: str, day: str, kind: Kind = Kind.STATE, language: str = "en", event: str = ""
) -> Observation:
    subject = subject_of(statement)
    happened = date.fromisoformat(event) if event else None
    return Observation(
        id=f"m{next(_ids):09}",
        statement=statement,
        recorded_at=at(day),
        subject=subject,
        kind=kind,
        event_from=happened,
        event_to=happened,
        precision=Precision.DAY if event else None,
        evidence=(Evidence(None, statement),),
        slot=slot_of(statement, subject, kind),
        language=language,
    )


async def learn(log: MemoryLog, *batch: Observation, now: str = "") -> list[Change]:
    def similar(statement: str, k: int) -> list[tuple[str, float]]:
        found = [(o.id, closeness(o.statement, statement)) for o in log.all()]
        return sorted(found, key=lambda pair: -pair[1])[:k]

    moment = at(now) if now else batch[-1].recorded_at
    changes = await evolve(batch, log=log, similar=similar, model=None, now=moment)
    log.commit(changes, actor=Actor.MODEL)
    return changes


def statements(log: MemoryLog, status: Status = Status.ACTIVE) -> list[str]:
    return sorted(o.statement for o in log.all(status=(status,)))


async def test_a_new_fact_is_added(log: MemoryLog) -> None:
    changes = await learn(log, note("The user lives in Ghent.", "2026-01-05"))
    assert [change.op for change in changes] == [Op.ADD]


async def test_a_repeat_adds_evidence_and_nothing_else(log: MemoryLog) -> None:
    await learn(log, note("The user works at Brightwave as a data analyst.", "2026-01-05"))
    changes = await learn(log, note("The user is a data analyst at Brightwave.", "2026-02-05"))
    assert [change.op for change in changes] == [Op.IGNORE]
    (known,) = log.all()
    assert known.statement == "The user works at Brightwave as a data analyst."
    assert len(known.evidence) == 2


async def test_a_repeat_inside_one_batch_is_seen(log: MemoryLog) -> None:
    first = note("The user is allergic to peanuts.", "2026-01-05")
    again = note("The user is really allergic to peanuts.", "2026-01-05")
    changes = await learn(log, first, again)
    assert [change.op for change in changes] == [Op.ADD, Op.IGNORE]
    assert len(log.all()) == 1


async def test_detail_replaces_the_shorter_note(log: MemoryLog) -> None:
    await learn(log, note("The user likes hiking.", "2026-01-05"))
    fuller = "The user likes hiking, most of all in the Dolomites."
    changes = await learn(log, note(fuller, "2026-02-05"))
    assert [change.op for change in changes] == [Op.UPDATE]
    assert statements(log) == [fuller]


async def test_a_new_job_makes_one_dated_narrative(log: MemoryLog) -> None:
    await learn(log, note("The user works at Acme.", "2026-01-05"))
    joined = note("The user joined Globex.", "2026-05-06", Kind.EVENT, event="2026-05-04")
    changes = await learn(log, joined)
    assert [change.op for change in changes] == [Op.SUPERSEDE, Op.RECONCILE]
    (now,) = log.all()
    assert now.statement == (
        "Until 4 May 2026: the user works at Acme; then: the user joined Globex."
    )
    (before,) = log.all(status=(Status.SUPERSEDED,))
    assert (before.statement, before.valid_to) == ("The user works at Acme.", date(2026, 5, 4))
    assert now.supersedes == (before.id,)
    assert log.by_slot("user", "employer") == [now]


async def test_one_value_a_slot_however_often_it_changes(log: MemoryLog) -> None:
    for number in range(5):
        await learn(log, note(f"The user lives in City{number}.", f"2026-0{number + 1}-01"))
    assert len(log.by_slot("user", "home")) == 1
    assert len(log.all(status=(Status.SUPERSEDED,))) == 4


async def test_what_ended_is_told(log: MemoryLog) -> None:
    await learn(log, note("The user works at Acme.", "2026-01-05"))
    await learn(log, note("The user no longer works at Acme.", "2026-05-06"))
    assert statements(log) == [
        "Until 6 May 2026: the user works at Acme; since then: the user no longer works at Acme."
    ]


async def test_a_correction_replaces_the_wrong_word_without_a_narrative(log: MemoryLog) -> None:
    await learn(log, note("The user's daughter is called Maria.", "2026-01-05"))
    right = note("No, the user's daughter is Marta, not Maria.", "2026-01-05")
    changes = await learn(log, right)
    assert [change.op for change in changes] == [Op.UPDATE]
    (known,) = log.all()
    assert known.statement == "The user's daughter is called Marta."
    history = [event.after.statement for event in log.history(known.id)]
    assert "The user's daughter is called Maria." in history


async def test_a_negation_closes_what_it_denies(log: MemoryLog) -> None:
    await learn(log, note("The user loves steak.", "2026-01-05"))
    await learn(log, note("The user does not eat meat any more.", "2026-06-05"))
    assert statements(log, Status.SUPERSEDED) == ["The user loves steak."]


async def test_a_cancelled_plan_is_closed(log: MemoryLog) -> None:
    plan = note("The user plans a trip to Japan in October.", "2026-01-05", Kind.PLAN)
    await learn(log, plan)
    await learn(log, note("The user cancelled the trip to Japan.", "2026-06-05", Kind.EVENT))
    (known,) = log.all()
    assert known.kind is Kind.EVENT
    assert known.statement.startswith("The user cancelled the trip to Japan (planned before:")
    assert statements(log, Status.SUPERSEDED) == ["The user plans a trip to Japan in October."]


async def test_a_plan_that_came_true_is_an_event(log: MemoryLog) -> None:
    await learn(log, note("The user plans to run the Berlin marathon.", "2026-01-05", Kind.PLAN))
    ran = note("The user ran the Berlin marathon.", "2026-09-28", event="2026-09-27")
    await learn(log, ran)
    (known,) = log.all()
    assert (known.kind, known.event_from) == (Kind.EVENT, date(2026, 9, 27))


async def test_what_lies_ahead_changes_nothing_yet(log: MemoryLog) -> None:
    await learn(log, note("The user works at Acme.", "2026-01-05"))
    ahead = note("The user starts at Globex.", "2026-02-05", event="2026-06-01")
    await learn(log, ahead)
    assert "The user works at Acme." in statements(log)
    assert len(log.by_slot("user", "employer")) == 1


async def test_an_older_report_does_not_overwrite_a_newer_value(log: MemoryLog) -> None:
    await learn(log, note("The user works at Globex.", "2026-05-04"))
    await learn(log, note("The user works at Acme.", "2025-02-04"))
    assert statements(log) == ["The user works at Globex."]
    assert statements(log, Status.SUPERSEDED) == ["The user works at Acme."]


async def test_relatives_of_one_name_stay_apart(log: MemoryLog) -> None:
    await learn(log, note("The user's sister Anna lives in Toronto.", "2026-01-05"))
    await learn(log, note("The user's cousin Anna lives in Vienna.", "2026-02-05"))
    await learn(log, note("The user's sister Anna moved to Montreal.", "2026-05-05"))
    assert "The user's cousin Anna lives in Vienna." in statements(log)
    assert statements(log, Status.SUPERSEDED) == ["The user's sister Anna lives in Toronto."]


async def test_the_same_thing_on_two_days_happened_twice(log: MemoryLog) -> None:
    ran = "The user ran 10 kilometres."
    await learn(log, note(ran, "2026-05-04", Kind.EVENT, event="2026-05-03"))
    await learn(log, note(ran, "2026-05-11", Kind.EVENT, event="2026-05-10"))
    assert len(log.all()) == 2


@pytest.mark.parametrize("kept", ["pinned", "by hand"])
async def test_what_the_user_fixed_is_never_changed(log: MemoryLog, kept: str) -> None:
    mine = note("The user lives in Ghent.", "2026-01-05")
    await learn(log, mine)
    fixed = replace(mine, pinned=kept == "pinned")
    if kept == "by hand":
        fixed = replace(fixed, origin=Origin.USER_EDITED)
    log.commit([Change(Op.EDIT, fixed)], actor=Actor.USER)
    changes = await learn(log, note("The user moved to Antwerp.", "2026-05-05"))
    assert [change.op for change in changes] == [Op.ADD]
    assert "only you may change" in changes[0].reason
    assert statements(log) == ["The user lives in Ghent.", "The user moved to Antwerp."]
    assert [o.id for o in log.by_slot("user", "home")] == [mine.id]
    assert await learn(log, note("The user lives in Ghent.", "2026-06-05")) == []


async def test_a_value_that_the_user_fixed_stays_the_only_one(log: MemoryLog) -> None:
    mine = replace(note("The user works at Acme.", "2026-01-05"), pinned=True)
    log.commit([Change(Op.ADD, mine)], actor=Actor.USER)
    gone = note("The user no longer works at Acme.", "2026-01-05")
    await learn(log, gone, note("The user joined Globex.", "2026-01-05"))
    assert [o.id for o in log.by_slot("user", "employer")] == [mine.id]
    assert any("joined Globex" in statement for statement in statements(log))


def test_a_repeat_that_says_more_is_kept_beside_what_the_user_fixed() -> None:
    fixed = replace(note("The user has a dog called Rex.", "2026-01-05"), pinned=True)
    seems_said = Verdict(fixed, Bearing.REPEATS, "80% the same", 0.8)
    more = note("The user's dog called Rex is a beagle.", "2026-02-05")
    assert [change.after for change in changes(more, [seems_said], [fixed])] == [more]
    less = note("The user really has a dog.", "2026-02-05")
    assert changes(less, [seems_said], [fixed]) == []


async def test_quarantine_is_left_to_the_user(log: MemoryLog) -> None:
    await learn(log, note("The user lives in Ghent.", "2026-01-05"))
    doubtful = replace(note("The user lives in Antwerp.", "2026-02-05"), status=Status.QUARANTINED)
    assert [change.op for change in await learn(log, doubtful)] == [Op.ADD]
    assert statements(log) == ["The user lives in Ghent."]


@pytest.mark.parametrize(
    ("language", "old", "new", "gone"),
    [
        ("de", "Der Nutzer wohnt in Köln.", "Der Nutzer ist nach Bremen gezogen.", True),
        ("es", "El usuario vive en Sevilla.", "El usuario se mudó a Bilbao.", True),
        ("fr", "L'utilisateur habite à Nantes.", "L'utilisateur a déménagé à Lille.", True),
        ("de", "Der Nutzer wohnt in Köln.", "Der Nutzer hat eine Katze namens Mia.", False),
    ],
)
async def test_other_languages(
    log: MemoryLog, language: str, old: str, new: str, gone: bool
) -> None:
    await learn(log, note(old, "2026-01-05", language=language))
    await learn(log, note(new, "2026-06-05", language=language))
    assert statements(log, Status.SUPERSEDED) == ([old] if gone else [])


async def test_what_the_user_did_meanwhile_is_not_overruled(log: MemoryLog) -> None:
    known = note("The user lives in Ghent.", "2026-01-05")
    await learn(log, known)
    moved = note("The user moved to Antwerp.", "2026-05-05")
    changes = await evolve(
        [moved],
        log=log,
        similar=lambda _statement, _k: [(known.id, 0.9)],
        model=None,
        now=moved.recorded_at,
    )
    assert expected_versions(changes) == {known.id: 1}
    log.commit([Change(Op.FORGET, replace(known, status=Status.FORGOTTEN))], actor=Actor.USER)
    with pytest.raises(ConflictError):
        log.commit(changes, actor=Actor.MODEL, expect=expected_versions(changes))


async def test_undoing_a_batch_gives_the_old_value_back(log: MemoryLog) -> None:
    await learn(log, note("The user works at Acme.", "2026-01-05"))
    await learn(log, note("The user works at Globex.", "2026-05-06"))
    log.undo()
    assert statements(log) == ["The user works at Acme."]
