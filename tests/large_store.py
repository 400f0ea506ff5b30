"""A store of as many memories as wanted, written by plain SQL in seconds, the same each time."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice

from tsubasa_cli.memory import log_rows
from tsubasa_cli.memory.values import Evidence, Kind, Observation, Origin, Status
from tsubasa_cli.storage.database import transaction
from tsubasa_cli.storage.values import Instant

DAY_MS = 86_400_000
NOW = Instant(1_780_000_000_000, 120)
DAYS = 1_500
SESSIONS = 400
CHUNK = 5_000
_PEOPLE, _PLACES, _THINGS, _DEEDS, _MANNERS = (
    tuple(line.split())
    for line in """\
Laura Tom Priya Jonas Mei Carlos Anna Felix Noor Ivan Greta Sam Lucia Omar Ines Theo Marta Kofi
Lisbon Hamburg Toronto Kyoto Porto Graz Leeds Oslo Turin Bergen Quito Malmö Gent Tallinn Lyon
violin kayak bicycle camera garden balcony telescope puzzle marathon recipe novel sweater canoe \
piano drone laptop tent mural aquarium cactus bookshelf pottery tram museum bakery dentist vaccine
bought sold repaired borrowed painted visited started finished cancelled planned missed enjoyed
quickly twice again early late together alone happily nearly finally rarely
""".splitlines()
)
_STATUSES = (Status.ACTIVE,) * 17 + (Status.SUPERSEDED,) * 2 + (Status.FORGOTTEN,)
_TAGS = ("health", "work", "family", "travel", "money")


def fill_large(connection: sqlite3.Connection, count: int, *, seed: int = 7) -> None:
    """Add ``count`` memories with an event, an evidence and a turn each, some of them recalled."""
    chance = random.Random(seed)
    items = _memories(chance, count)
    with transaction(connection):
        connection.executemany(
            "INSERT INTO sessions (id, title, created_ms, created_offset, updated_ms,"
            " updated_offset) VALUES (?, ?, 0, 0, 0, 0)",
            [(f"s{number}", f"Talk {number}") for number in range(SESSIONS)],
        )
        while chunk := list(islice(items, CHUNK)):
            _write(connection, chunk, chance)


def _memories(chance: random.Random, count: int) -> Iterator[Observation]:
    today = NOW.local().date()
    for number in range(count):
        ago = chance.randrange(DAYS)
        day = today - timedelta(days=ago)
        said, status, kind = sentence(chance), chance.choice(_STATUSES), chance.choice(list(Kind))
        yield Observation(
            id=f"m{number:09}",
            statement=f"The user {said}.",
            recorded_at=Instant(NOW.epoch_ms - ago * DAY_MS, 120),
            kind=kind,
            event_from=day if kind is Kind.EVENT else None,
            event_to=day if kind is Kind.EVENT else None,
            valid_from=day if kind is Kind.STATE else None,
            valid_to=_end(day, status),
            evidence=(Evidence(number + 1, f"I {said}"),),
            origin=chance.choice((Origin.USER_SAID, Origin.USER_SAID, Origin.IMPORTED)),
            status=status,
            tags=tuple(chance.sample(_TAGS, chance.randrange(3))),
            batch_id=f"b{number // 4:09}",
        )


def _end(day: date, status: Status) -> date | None:
    return day + timedelta(days=90) if status is Status.SUPERSEDED else None


def sentence(chance: random.Random) -> str:
    one = chance.choice
    return (
        f"{one(_DEEDS)} a {one(_THINGS)} {one(_MANNERS)} with {one(_PEOPLE)} in {one(_PLACES)}"
        f" for {chance.randrange(5, 999)} euros"
    )


def _write(connection: sqlite3.Connection, items: list[Observation], chance: random.Random) -> None:
    connection.executemany(
        "INSERT INTO turns (id, session_id, role, text, status, created_ms, created_offset)"
        " VALUES (?, ?, 'user', ?, 'complete', ?, 120)",
        [_turn(item, chance) for item in items],
    )
    connection.executemany(
        "INSERT INTO memory_events (batch_id, op, actor, memory_id, version, at_ms, at_offset,"
        " image) VALUES (?, 'add', 'model', ?, 1, ?, 120, ?)",
        [(i.batch_id, i.id, i.recorded_at.epoch_ms, log_rows.to_image(i)) for i in items],
    )
    for item in items:
        log_rows.project(connection, item)
    connection.executemany(
        "INSERT INTO memory_outbox (kind, ref) VALUES ('observation', ?)",
        [(item.id,) for item in items],
    )
    used = [item for item in items if chance.random() < 0.05]
    connection.executemany(
        "INSERT OR IGNORE INTO recalled (turn_id, place, memory_id, version, score, channels)"
        " VALUES (?, ?, ?, 1, 0.5, '[]')",
        [(chance.randrange(1, 500), n, item.id) for n, item in enumerate(used)],
    )


def _turn(item: Observation, chance: random.Random) -> tuple[object, ...]:
    said = item.evidence[0]
    session = f"s{chance.randrange(SESSIONS)}"
    return (said.turn_id, session, f"{said.quote}, by the way.", item.recorded_at.epoch_ms)
