"""What the memory held when the night began: it may change while the night goes on."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.log_rows import from_dict, to_dict
from tsubasa_cli.memory.values import Kind, Observation, Status


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The memories as of an event of the log, oldest first; ``past`` are those that something
    newer took the place of on a day that is known. What was merged into another by hand may still
    be so, and is taught as that other."""

    event: int
    active: tuple[Observation, ...]
    past: tuple[Observation, ...] = ()

    @property
    def all(self) -> tuple[Observation, ...]:
        return (*self.active, *self.past)

    def to_json(self) -> bytes:
        """As a run keeps it."""
        body = {
            "event": self.event,
            "active": [_dump(item) for item in self.active],
            "past": [_dump(item) for item in self.past],
        }
        return json.dumps(body, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Snapshot:
        body = json.loads(raw)
        active, past = (tuple(map(from_dict, body[name])) for name in ("active", "past"))
        return cls(body["event"], active, past)


def take_snapshot(connection: sqlite3.Connection, most: int) -> Snapshot:
    """The memories of now. Of more than ``most``, the pinned come first, then who and what the
    user is, then what was said last."""
    connection.execute("BEGIN")
    try:
        row = connection.execute("SELECT max(id) FROM memory_events").fetchone()
        log = MemoryLog(connection)
        active = log.all(status=(Status.ACTIVE,))
        superseded = log.all(status=(Status.SUPERSEDED,))
    finally:
        connection.execute("COMMIT")
    kept = sorted(active, key=_weight)[:most]
    past = [item for item in superseded if item.valid_to]
    rest = sorted(past, key=lambda item: -item.recorded_at.epoch_ms)[: max(most - len(kept), 0)]
    return Snapshot(row[0] or 0, tuple(_by_age(kept)), tuple(_by_age(rest)))


_LASTING = (Kind.IDENTITY, Kind.RELATION)


def _weight(item: Observation) -> tuple[bool, bool, int]:
    return not item.pinned, item.kind not in _LASTING, -item.recorded_at.epoch_ms


def _by_age(items: list[Observation]) -> list[Observation]:
    return sorted(items, key=lambda item: (item.recorded_at.epoch_ms, item.id))


def _dump(item: Observation) -> dict[str, object]:
    """Without the user's own words, which training has no use for."""
    body = to_dict(item)
    body.pop("evidence", None)
    return {"id": item.id, "version": item.version, **body}
