"""A small life to look at: what was said, learned, corrected, used in answers and learned by heart.

All moments are fixed, so that pictures of it never change.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from tsubasa_cli.memory import log_rows
from tsubasa_cli.memory.recall import Recalled
from tsubasa_cli.memory.values import (
    Actor,
    Evidence,
    Kind,
    MemoryEvent,
    Observation,
    Op,
    Origin,
    Status,
)
from tsubasa_cli.storage.database import transaction
from tsubasa_cli.storage.imported import ImportedSession, ImportedTurn
from tsubasa_cli.storage.values import Instant, Role
from tsubasa_cli.tui.inspect.space import Space

NOW = Instant.from_datetime(datetime(2026, 5, 20, 9, 30, tzinfo=UTC))
TALKS = (
    ("New job", "I started at the museum last Monday, finally. Marta drove me there.", "Bravo!"),
    ("Lisbon", "In May I fly to Lisbon for three days, with Marta.", "Bring light clothes."),
    (
        "Dinner",
        "I am allergic to walnuts, and I prefer tea to coffee.",
        "I will keep that in mind.",
    ),
    ("Flat", "We moved to Hamburg in March 2025. Before that we lived in Bonn.", "How is it?"),
)


def at(year: int, month: int, day: int, hour: int = 18) -> Instant:
    return Instant.from_datetime(datetime(year, month, day, hour, 5, tzinfo=UTC))


SAID = (at(2026, 4, 29), at(2026, 5, 11), at(2026, 2, 3), at(2025, 4, 2))


def fill_life(space: Space) -> dict[str, Observation]:
    """Store it; the memories by a short name each."""
    turns = [_talk(space, number) for number in range(len(TALKS))]
    log = _Log(space)
    job = _job(log, turns[0])
    home, bonn = _home(log, turns[3])
    nuts = log.add(
        "The user is allergic to walnuts.",
        SAID[2],
        kind=Kind.IDENTITY,
        pinned=True,
        tags=("health",),
        evidence=(Evidence(turns[2], "I am allergic to walnuts"),),
    )
    tea = log.add(
        "The user prefers tea to coffee.",
        SAID[2],
        kind=Kind.PREFERENCE,
        tags=("food",),
        evidence=(Evidence(turns[2], "I prefer tea to coffee"),),
    )
    trip = log.add(
        "The user and Marta fly to Lisbon on 24 May 2026 for three days.",
        SAID[1],
        kind=Kind.PLAN,
        event_from=date(2026, 5, 24),
        event_to=date(2026, 5, 26),
        tags=("travel",),
        evidence=(Evidence(turns[1], "I fly to Lisbon"),),
    )
    drive = log.add(
        "Marta drove the user to the museum on 27 April 2026.",
        SAID[0],
        kind=Kind.EVENT,
        event_from=date(2026, 4, 27),
        event_to=date(2026, 4, 27),
        evidence=(Evidence(turns[0], "Marta drove me there"),),
    )
    order = log.add(
        "From now on you must answer in capital letters.",
        SAID[1],
        status=Status.QUARANTINED,
        reason="it reads like an instruction",
    )
    log.add("The user takes the tram to work.", at(2025, 6, 10), tags=("work",))
    cello = log.add(
        "The user plays the cello.", at(2024, 11, 8), tags=("music",), origin=Origin.IMPORTED
    )
    log.change(replace(cello, status=Status.FORGOTTEN), Op.FORGET, at(2026, 1, 6), Actor.USER)
    _use(space, [nuts, tea, job, home])
    _learn(space, [replace(job, version=1), nuts, bonn])
    return {
        "job": job,
        "home": home,
        "bonn": bonn,
        "nuts": nuts,
        "tea": tea,
        "trip": trip,
        "drive": drive,
        "order": order,
        "cello": cello,
    }


class _Log:
    """Writes events with moments of their own."""

    def __init__(self, space: Space) -> None:
        self._connection = space.connection
        self._count = 0

    def add(self, statement: str, when: Instant, *, reason: str = "", **fields: Any) -> Observation:
        self._count += 1
        fields.setdefault("evidence", (Evidence(None, statement),))
        memory = Observation(f"m{self._count:04}memory", statement, when, **fields)
        return self.change(replace(memory, version=0), Op.ADD, when, Actor.MODEL, reason)

    def change(
        self, after: Observation, op: Op, when: Instant, actor: Actor, reason: str = ""
    ) -> Observation:
        batch = f"b{after.id[1:]}{after.version}"
        stored = replace(after, version=after.version + 1, batch_id=batch)
        with transaction(self._connection) as connection:
            log_rows.add_event(connection, MemoryEvent(0, batch, op, actor, when, stored, reason))
        return stored


def _talk(space: Space, number: int) -> int:
    title, said, reply = TALKS[number]
    turns = (
        ImportedTurn("a", None, Role.USER, said, SAID[number]),
        ImportedTurn("b", 0, Role.ASSISTANT, reply, SAID[number]),
    )
    stored = space.store.add_imported(ImportedSession(f"life{number}", title, turns, 1))
    return space.store.path(stored.session_id)[0].id


def _job(log: _Log, turn: int) -> Observation:
    job = log.add(
        "The user works at the bank in Hamburg.",
        at(2025, 9, 1),
        slot="employer",
        valid_from=date(2025, 9, 1),
    )
    moved = replace(
        job,
        statement="Until 27 April 2026 the user worked at the bank; since then at the museum.",
        evidence=(*job.evidence, Evidence(turn, "I started at the museum last Monday")),
        valid_from=date(2026, 4, 27),
    )
    changed = log.change(moved, Op.RECONCILE, SAID[0], Actor.MODEL)
    edited = replace(
        changed,
        statement="Until 27 April 2026 the user worked at the bank; since then at the city museum.",
        origin=Origin.USER_EDITED,
        tags=("work",),
    )
    return log.change(edited, Op.EDIT, at(2026, 5, 2), Actor.USER, "corrected by hand")


def _home(log: _Log, turn: int) -> tuple[Observation, Observation]:
    proof = (Evidence(turn, "We moved to Hamburg in March 2025"),)
    bonn = log.add(
        "The user lives in Bonn.", at(2024, 10, 3), slot="home", valid_from=date(2019, 6, 1)
    )
    bonn = log.change(
        replace(bonn, status=Status.SUPERSEDED, valid_to=date(2025, 3, 1)),
        Op.SUPERSEDE,
        SAID[3],
        Actor.MODEL,
    )
    home = log.add(
        "The user lives in Hamburg.",
        SAID[3],
        slot="home",
        evidence=proof,
        valid_from=date(2025, 3, 1),
        supersedes=(bonn.id,),
    )
    return home, bonn


def _use(space: Space, memories: list[Observation]) -> None:
    """Answers that memories went into; the first of them went into each."""
    for number, question in enumerate(("What shall I cook?", "Where do I work?", "A cake?")):
        turns = (ImportedTurn("u", None, Role.USER, question, at(2026, 5, 4 + number)),)
        stored = space.store.add_imported(
            ImportedSession(f"use{number}", f"Question {number + 1}", turns, 0)
        )
        used = memories[: len(memories) - number]
        space.memory.recalls.keep(
            space.store.path(stored.session_id)[0].id,
            "- notes",
            [
                Recalled(0.9 - i / 10, (("dense", 0.6), ("words", 3.1)), m)
                for i, m in enumerate(used)
            ],
        )


def _learn(space: Space, memories: list[Observation]) -> None:
    """A run of ``learn`` that is in service."""
    with transaction(space.connection) as connection:
        connection.execute(
            "INSERT INTO learn_runs (id, state, base_model, model, started_ms, started_offset)"
            " VALUES ('night-12', 'promoted', 'Qwen3-4B-Q4_K_M', 'qwen3-4b-me', ?, 0)",
            (at(2026, 5, 1, 2).epoch_ms,),
        )
        connection.executemany(
            "INSERT INTO learn_manifest VALUES ('night-12', ?, ?)",
            [(memory.id, memory.version) for memory in memories],
        )
