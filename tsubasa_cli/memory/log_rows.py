"""Observations and events as rows: the log's images, its projection, and back.

An image is JSON of what differs from a plain observation; the id and the version stand in columns
of their own. Nothing here opens or ends a transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import date
from itertools import islice
from typing import Any

from tsubasa_cli.memory.values import (
    Actor,
    Evidence,
    Kind,
    MemoryEvent,
    Observation,
    Op,
    Origin,
    Precision,
    Status,
)
from tsubasa_cli.storage.values import Instant

MOST_PARAMETERS = 500
"""Rows asked for in one statement; SQLite allows 999 parameters in its oldest builds."""

_FIELDS = frozenset(field.name for field in fields(Observation))
_USUAL = {
    field.name: field.default
    for field in fields(Observation)
    if field.name not in ("id", "version", "statement", "recorded_at")
}
_COLUMNS = (
    "id, statement, subject, kind, event_from, event_to, precision, time_expr, valid_from,"
    " valid_to, recorded_ms, recorded_offset, origin, status, slot, language, pinned, tags,"
    " supersedes, version, batch_id, model_hash, prompt_hash"
)
_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])
_MARKS = ", ".join("?" * len(_COLUMNS.split(", ")))


def in_chunks(items: Iterable[Any], size: int = MOST_PARAMETERS) -> Iterator[list[Any]]:
    """``items`` in lists of at most ``size``."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def marks(items: Collection[Any]) -> str:
    """As many ``?`` as there are items."""
    return ", ".join("?" * len(items))


# ---------------------------------------------------------------------- images


def to_image(observation: Observation) -> str:
    """The observation as the log keeps it."""
    return json.dumps(to_dict(observation), ensure_ascii=False, separators=(",", ":"))


def from_image(memory_id: str, version: int, image: str) -> Observation:
    """What ``to_image`` wrote."""
    return from_dict({"id": memory_id, "version": version, **json.loads(image)})


def to_dict(observation: Observation) -> dict[str, Any]:
    """Plain data: statement and time always, other fields where they differ from the usual."""
    body: dict[str, Any] = {
        "statement": observation.statement,
        "recorded_at": [observation.recorded_at.epoch_ms, observation.recorded_at.offset_minutes],
    }
    for name, usual in _USUAL.items():
        value = getattr(observation, name)
        if value != usual:
            body[name] = _plain(value)
    return body


def from_dict(body: dict[str, Any]) -> Observation:
    """The observation that ``to_dict`` described, plus its ``id`` and ``version``.

    Raises ``ValueError``, ``KeyError`` or ``TypeError`` when ``body`` is no such description.
    """
    values = {name: _value(name, value) for name, value in body.items() if name in _FIELDS}
    return Observation(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [
            [item.turn_id, item.quote] if isinstance(item, Evidence) else item for item in value
        ]
    return value


def _value(name: str, value: Any) -> Any:
    if name == "recorded_at":
        return Instant(*value)
    if name == "evidence":
        return tuple(Evidence(turn_id, quote) for turn_id, quote in value)
    if name in ("tags", "supersedes"):
        return tuple(value)
    if value is not None and name in _READERS:
        return _READERS[name](value)
    return value


_READERS: dict[str, Any] = {
    "kind": Kind,
    "origin": Origin,
    "status": Status,
    "precision": Precision,
    "event_from": date.fromisoformat,
    "event_to": date.fromisoformat,
    "valid_from": date.fromisoformat,
    "valid_to": date.fromisoformat,
}


# ---------------------------------------------------------------------- events


def add_event(connection: sqlite3.Connection, event: MemoryEvent) -> MemoryEvent:
    """Append ``event`` (its id is given here), project it, and tell the index."""
    after = event.after
    cursor = connection.execute(
        "INSERT INTO memory_events (batch_id, op, actor, memory_id, version, at_ms, at_offset,"
        " reason, undoes, image) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.batch_id,
            event.op,
            event.actor,
            after.id,
            after.version,
            event.at.epoch_ms,
            event.at.offset_minutes,
            event.reason,
            event.undoes,
            to_image(after),
        ),
    )
    project(connection, after)
    tell_index(connection, after.id)
    return replace(event, id=cursor.lastrowid or 0)


def tell_index(connection: sqlite3.Connection, memory_id: str) -> None:
    """Leave word for the index that an observation has changed."""
    connection.execute(
        "INSERT INTO memory_outbox (kind, ref) VALUES ('observation', ?)", (memory_id,)
    )


def event(row: sqlite3.Row) -> MemoryEvent:
    return MemoryEvent(
        id=row["id"],
        batch_id=row["batch_id"],
        op=Op(row["op"]),
        actor=Actor(row["actor"]),
        at=Instant(row["at_ms"], row["at_offset"]),
        after=from_image(row["memory_id"], row["version"], row["image"]),
        reason=row["reason"],
        undoes=row["undoes"],
    )


# ---------------------------------------------------------------------- projection


def project(connection: sqlite3.Connection, after: Observation) -> None:
    """Make the projection of one observation what ``after`` says."""
    connection.execute(
        f"INSERT INTO observations ({_COLUMNS}) VALUES ({_MARKS})"
        f" ON CONFLICT (id) DO UPDATE SET {_UPDATES}",
        _values(after),
    )
    connection.execute("DELETE FROM memory_evidence WHERE memory_id = ?", (after.id,))
    connection.executemany(
        "INSERT INTO memory_evidence (memory_id, place, turn_id, quote) VALUES (?, ?, ?, ?)",
        [(after.id, place, said.turn_id, said.quote) for place, said in enumerate(after.evidence)],
    )


def observations(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> list[Observation]:
    """The observations of ``rows``, in their order, with their evidence."""
    evidence = _evidence(connection, [row["id"] for row in rows])
    return [_observation(row, tuple(evidence[row["id"]])) for row in rows]


def by_id(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, Observation]:
    """Those of ``ids`` that exist."""
    found: dict[str, Observation] = {}
    for chunk in in_chunks(dict.fromkeys(ids)):
        rows = connection.execute(
            f"SELECT * FROM observations WHERE id IN ({marks(chunk)})", chunk
        ).fetchall()
        found |= {item.id: item for item in observations(connection, rows)}
    return found


def _evidence(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, list[Evidence]]:
    found: dict[str, list[Evidence]] = defaultdict(list)
    for chunk in in_chunks(ids):
        rows = connection.execute(
            f"SELECT * FROM memory_evidence WHERE memory_id IN ({marks(chunk)})"
            " ORDER BY memory_id, place",
            chunk,
        ).fetchall()
        for row in rows:
            found[row["memory_id"]].append(Evidence(row["turn_id"], row["quote"]))
    return found


def _values(item: Observation) -> tuple[Any, ...]:
    return (
        item.id,
        item.statement,
        item.subject,
        item.kind,
        _iso(item.event_from),
        _iso(item.event_to),
        item.precision,
        item.time_expr,
        _iso(item.valid_from),
        _iso(item.valid_to),
        item.recorded_at.epoch_ms,
        item.recorded_at.offset_minutes,
        item.origin,
        item.status,
        item.slot,
        item.language,
        item.pinned,
        json.dumps(item.tags, ensure_ascii=False),
        json.dumps(item.supersedes),
        item.version,
        item.batch_id,
        item.model_hash,
        item.prompt_hash,
    )


def _observation(record: sqlite3.Row, evidence: tuple[Evidence, ...]) -> Observation:
    row = dict(zip(record.keys(), record, strict=True))
    return Observation(
        id=row["id"],
        statement=row["statement"],
        recorded_at=Instant(row["recorded_ms"], row["recorded_offset"]),
        subject=row["subject"],
        kind=Kind(row["kind"]),
        event_from=_day(row["event_from"]),
        event_to=_day(row["event_to"]),
        precision=Precision(row["precision"]) if row["precision"] else None,
        time_expr=row["time_expr"],
        valid_from=_day(row["valid_from"]),
        valid_to=_day(row["valid_to"]),
        evidence=evidence,
        origin=Origin(row["origin"]),
        status=Status(row["status"]),
        slot=row["slot"],
        language=row["language"],
        pinned=bool(row["pinned"]),
        tags=_texts(row["tags"]),
        supersedes=_texts(row["supersedes"]),
        version=row["version"],
        batch_id=row["batch_id"],
        model_hash=row["model_hash"],
        prompt_hash=row["prompt_hash"],
    )


def _texts(listed: str) -> tuple[str, ...]:
    return () if listed == "[]" else tuple(json.loads(listed))


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
