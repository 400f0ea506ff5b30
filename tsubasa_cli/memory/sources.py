"""What of the database the search index holds, and in which words.

An observation is found by its statement, by what was said when it was learned, by the words that
its attribute is asked for with, and by its days. A turn of the user's is found by its words and by
those of the turn it answers; one that tells nothing is an entry without words, which no question
finds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from tsubasa_cli.memory.asked_with import asked_with
from tsubasa_cli.memory.guard import danger_in
from tsubasa_cli.memory.language import language_of
from tsubasa_cli.memory.log_rows import in_chunks, marks, observations
from tsubasa_cli.memory.question import only_asks
from tsubasa_cli.memory.text import day_marks, stems
from tsubasa_cli.memory.values import Observation, Status
from tsubasa_cli.memory.words_index import Entry, Tier
from tsubasa_cli.storage.rows import turn
from tsubasa_cli.storage.values import Instant, Turn

MOST_CHARACTERS = 2_000
"""Of a turn or a statement, as many are indexed: a pasted file is not what somebody said."""
MOST_CONTEXT = 400
"""Characters taken of the turn that was answered."""
TURN_PREFIX = "turn:"

_TIERS = {Status.ACTIVE: Tier.ACTIVE, Status.SUPERSEDED: Tier.HISTORIC}
_IS_SEARCHED = (
    "turns.role = 'user' AND turns.text != '' AND sessions.memory AND sessions.deleted_ms IS NULL"
)


@dataclass(frozen=True, slots=True)
class Source:
    """An index entry and the text whose vector stands for it; empty: it has none."""

    entry: Entry
    text: str = ""


def turn_key(turn_id: int | str) -> str:
    """The id under which a turn is indexed."""
    return f"{TURN_PREFIX}{turn_id}"


def is_dense(key: str) -> bool:
    """Whether what goes by ``key`` has a vector."""
    return not key.startswith(TURN_PREFIX)


def observation_sources(connection: sqlite3.Connection, ids: Sequence[str]) -> list[Source]:
    """Those of the observations ``ids`` that are searched: active and superseded ones."""
    found: list[Source] = []
    for chunk in in_chunks(ids):
        rows = connection.execute(
            f"SELECT * FROM observations WHERE id IN ({marks(chunk)})"
            " AND status IN ('active', 'superseded')",
            chunk,
        ).fetchall()
        items = observations(connection, rows)
        said = _said(connection, items)
        found += [_observation_source(item, said) for item in items]
    return found


def turn_sources(connection: sqlite3.Connection, ids: Sequence[str]) -> list[Source]:
    """Those of the turns ``ids`` that are searched: the user's, where memory is on."""
    found: list[Source] = []
    for chunk in in_chunks(ids):
        rows = connection.execute(
            "SELECT turns.*, before.text AS context FROM turns JOIN sessions ON sessions.id ="
            " turns.session_id LEFT JOIN turns AS before ON before.id = turns.parent_id"
            f" WHERE {_IS_SEARCHED} AND turns.id IN ({marks(chunk)})",
            chunk,
        ).fetchall()
        found += [Source(_turn_entry(row)) for row in rows]
    return found


def turns(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[str, Turn]:
    """Those of the turns ``ids`` that are searched, by their index id."""
    found: dict[str, Turn] = {}
    for chunk in in_chunks(ids):
        rows = connection.execute(
            "SELECT turns.* FROM turns JOIN sessions ON sessions.id = turns.session_id"
            f" WHERE {_IS_SEARCHED} AND turns.id IN ({marks(chunk)})",
            chunk,
        ).fetchall()
        found |= {turn_key(row["id"]): turn(row) for row in rows}
    return found


def expected(connection: sqlite3.Connection) -> dict[str, tuple[Tier, int]]:
    """Tier and version of everything that the index must hold, by id."""
    rows = connection.execute(
        "SELECT id, status, version FROM observations WHERE status IN ('active', 'superseded')"
    )
    wanted = {row["id"]: (_TIERS[Status(row["status"])], int(row["version"])) for row in rows}
    turns = connection.execute(
        f"SELECT turns.id FROM turns JOIN sessions ON sessions.id = session_id WHERE {_IS_SEARCHED}"
    )
    wanted |= {turn_key(row["id"]): (Tier.TURNS, 1) for row in turns}
    return wanted


def expected_counts(connection: sqlite3.Connection) -> dict[Tier, int]:
    """How many entries each tier must hold."""
    counts = {
        tier: connection.execute(
            "SELECT count(*) FROM observations WHERE status = ?", (status,)
        ).fetchone()[0]
        for status, tier in _TIERS.items()
    }
    counts[Tier.TURNS] = connection.execute(
        f"SELECT count(*) FROM turns JOIN sessions ON sessions.id = session_id WHERE {_IS_SEARCHED}"
    ).fetchone()[0]
    return counts


def all_refs(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Kind and reference, as the outbox has them, of everything there is."""
    for row in connection.execute("SELECT id FROM observations ORDER BY seq").fetchall():
        yield "observation", row["id"]
    for row in connection.execute("SELECT id FROM turns WHERE role = 'user' ORDER BY id"):
        yield "turn", str(row["id"])


def _observation_source(item: Observation, said: dict[int, str]) -> Source:
    entry = Entry(
        id=item.id,
        tier=_TIERS[item.status],
        version=item.version,
        language=item.language,
        stated=stems(item.statement[:MOST_CHARACTERS], item.language),
        said=[
            *stems(_evidence_text(item, said), item.language),
            *asked_with(item.statement[:MOST_CHARACTERS], item.subject, item.language),
        ],
        days=_days(item),
    )
    return Source(entry, item.statement[:MOST_CHARACTERS])


def _evidence_text(item: Observation, said: dict[int, str]) -> str:
    texts = (said.get(proof.turn_id or 0) or proof.quote for proof in item.evidence)
    return "\n".join(dict.fromkeys(text[:MOST_CHARACTERS] for text in texts))


def _days(item: Observation) -> list[str]:
    recorded = item.recorded_at.local().date()
    found = day_marks(recorded, recorded)
    start, end = item.event_from or item.valid_from, item.event_to or item.event_from
    if start:
        found += day_marks(start, max(start, end or start))
    return list(dict.fromkeys(found))


def _said(connection: sqlite3.Connection, items: Iterable[Observation]) -> dict[int, str]:
    """The words of the turns that support ``items``, where they may be searched."""
    ids = {proof.turn_id for item in items for proof in item.evidence if proof.turn_id}
    found: dict[int, str] = {}
    for chunk in in_chunks(ids):
        rows = connection.execute(
            "SELECT turns.id AS id, text FROM turns JOIN sessions ON sessions.id = session_id"
            f" WHERE {_IS_SEARCHED} AND turns.id IN ({marks(chunk)})",
            chunk,
        ).fetchall()
        found |= {row["id"]: row["text"] for row in rows}
    return found


def tells(text: str) -> bool:
    """A turn that only asks tells nothing; orders and secrets are not for recalling."""
    return not only_asks(text) and danger_in(text) is None


def _turn_entry(row: sqlite3.Row) -> Entry:
    key, text = turn_key(row["id"]), row["text"][:MOST_CHARACTERS]
    language = language_of(text)
    if not tells(row["text"]):
        return Entry(key, Tier.TURNS, 1, language, stated=())
    day = _local_day(row)
    return Entry(
        id=key,
        tier=Tier.TURNS,
        version=1,
        language=language,
        stated=stems(text, language),
        said=stems((row["context"] or "")[-MOST_CONTEXT:], language),
        days=day_marks(day, day),
    )


def _local_day(row: sqlite3.Row) -> date:
    return Instant(row["created_ms"], row["created_offset"]).local().date()
