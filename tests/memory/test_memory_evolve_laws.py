"""What holds whatever is told in whatever order: the laws of evolving."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tsubasa_cli.memory.closeness import closeness
from tsubasa_cli.memory.evolve import evolve
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.outcomes import expected_versions
from tsubasa_cli.memory.slots import slot_of
from tsubasa_cli.memory.subjects import subject_of
from tsubasa_cli.memory.values import (
    Actor,
    Change,
    Evidence,
    Kind,
    Observation,
    Op,
    Status,
)
from tsubasa_cli.memory.verdicts import says_all_of
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant

SAID = [
    "The user works at Acme.",
    "The user joined Globex.",
    "The user no longer works at Acme.",
    "The user is unemployed.",
    "The user lives in Ghent.",
    "The user moved to Antwerp.",
    "The user's favourite colour is green.",
    "The user's favourite colour is blue now.",
    "Actually, the user's favourite colour is teal, not blue.",
    "The user loves steak.",
    "The user does not eat meat any more.",
    "The user plans a trip to Japan.",
    "The user cancelled the trip to Japan.",
    "The user's sister Anna lives in Toronto.",
    "The user's sister Anna moved to Montreal.",
    "The user's cousin Anna lives in Vienna.",
    "The user has a dog called Rex.",
    "The user's dog Rex is a beagle.",
]
FIRST = datetime(2026, 1, 1, tzinfo=UTC)

steps = st.lists(
    st.tuples(
        st.lists(st.sampled_from(SAID), min_size=1, max_size=3),
        st.integers(0, 400),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_nothing_is_lost_and_one_value_holds(told: list[tuple[list[str], int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with closing(connect(Paths(home, home).ensure())) as connection:
            log = MemoryLog(connection)
            pinned: dict[str, str] = {}
            for number, (batch, day, is_pinned) in enumerate(told):
                learn(log, number, batch, day)
                if is_pinned and (newest := log.all(limit=1)):
                    fixed = replace(newest[0], pinned=True)
                    log.commit([Change(Op.PIN, fixed)], actor=Actor.USER)
                    pinned[fixed.id] = fixed.statement
            assert_laws(log, told, pinned)


def learn(log: MemoryLog, number: int, batch: list[str], day: int) -> None:
    moment = Instant.from_datetime(FIRST + timedelta(days=day))
    new = [note(f"m{number:04}{place:05}", text, moment) for place, text in enumerate(batch)]

    def similar(statement: str, k: int) -> list[tuple[str, float]]:
        found = [(o.id, closeness(o.statement, statement)) for o in log.all()]
        return sorted(found, key=lambda pair: -pair[1])[:k]

    changes = asyncio.run(evolve(new, log=log, similar=similar, model=None, now=moment))
    log.commit(changes, actor=Actor.MODEL, expect=expected_versions(changes))


def note(name: str, text: str, moment: Instant) -> Observation:
    subject = subject_of(text)
    kind = Kind.PLAN if "plans" in text else Kind.STATE
    return Observation(
        id=name,
        statement=text,
        recorded_at=moment,
        subject=subject,
        kind=kind,
        evidence=(Evidence(None, text),),
        slot=slot_of(text, subject, kind),
    )


def assert_laws(
    log: MemoryLog, told: list[tuple[list[str], int, bool]], pinned: dict[str, str]
) -> None:
    everything = log.all(status=tuple(Status))
    active = [memory for memory in everything if memory.status is Status.ACTIVE]
    held = Counter((memory.subject, memory.slot) for memory in active if memory.slot)
    assert all(count == 1 for count in held.values()), held
    quoted = {evidence.quote for memory in everything for evidence in memory.evidence}
    untouchable = [log.get(id_) for id_ in pinned]
    for text in {text for batch, _, _ in told for text in batch} - quoted:
        repeat = note("repeat", text, Instant.from_datetime(FIRST))
        assert any(says_all_of(memory, repeat) for memory in untouchable), text
    known = {memory.id: memory for memory in everything}
    assert all(known[id_].statement == statement for id_, statement in pinned.items())
    assert all(known[id_].status is Status.ACTIVE for id_ in pinned)
    assert all(m.valid_to for m in everything if m.status is Status.SUPERSEDED)
    assert all(known[old].status is not Status.ACTIVE for m in active for old in m.supersedes)
    assert log.replay() == known
