"""Which batches can be taken back, and what taking one back writes.

Taking a batch back appends, for each of its events in reverse, an ``UNDO`` event that carries the
image from before it. What did not exist before is left ``FORGOTTEN``: the log keeps it, nothing
recalls it. An ``UNDO`` batch is taken back in the same way, which is what redo is; so a batch and
what was done and undone to it form a chain, and only the last link of a chain can be taken back.
What was erased since has no former image and is left out. A turn stays distilled.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tsubasa_cli.errors import ConflictError, NotFoundError
from tsubasa_cli.memory import log_rows
from tsubasa_cli.memory.values import Actor, MemoryEvent, Observation, Op, Status
from tsubasa_cli.storage.values import Instant


@dataclass(frozen=True, slots=True)
class Chain:
    """A batch, and the batches that took it back and did it again.

    ``last_batch`` is the newest of them, ``last_event`` its first event's id.
    """

    first_batch: str
    last_batch: str
    last_event: int
    links: int

    @property
    def is_undone(self) -> bool:
        return self.links % 2 == 0


def chains(connection: sqlite3.Connection) -> list[Chain]:
    """Every batch of which anything is left, in the order in which they last acted."""
    found: dict[str, Chain] = {}
    begun_by: dict[str, str] = {}
    for row in connection.execute(
        "SELECT e.batch_id, min(e.id) AS first_event, u.batch_id AS undone_batch"
        " FROM memory_events e LEFT JOIN memory_events u ON u.id = e.undoes"
        " WHERE json_extract(e.image, '$.status') IS NOT 'erased'"
        " GROUP BY e.batch_id ORDER BY first_event"
    ):
        batch, undone = row["batch_id"], row["undone_batch"]
        root = begun_by.get(undone, undone) if undone else batch
        begun_by[batch] = root
        links = found[root].links + 1 if root in found else 1
        found[root] = Chain(root, batch, row["first_event"], links)
    return sorted(found.values(), key=lambda chain: chain.last_event)


def to_undo(connection: sqlite3.Connection, batch_id: str | None) -> Chain | None:
    """The chain of ``batch_id``, or the one that acted last; None when it is undone already.

    Raises ``NotFoundError`` when there is no such batch.
    """
    known = chains(connection)
    if batch_id is None:
        return next((chain for chain in reversed(known) if not chain.is_undone), None)
    for chain in known:
        if batch_id in (chain.first_batch, chain.last_batch):
            return None if chain.is_undone else chain
    raise NotFoundError(
        f"There is no batch of memories {batch_id!r}.",
        next_step="tsubasa memory log shows what was done, with the batch of each.",
    )


def to_redo(connection: sqlite3.Connection, batch_id: str | None = None) -> Chain | None:
    """The chain of ``batch_id``, or the one that was undone last; None when it is in force."""
    undone = (chain for chain in reversed(chains(connection)) if chain.is_undone)
    return next(
        (c for c in undone if batch_id in (None, c.first_batch, c.last_batch)),
        None,
    )


def take_back(
    connection: sqlite3.Connection, batch_id: str, new_batch: str, reason: str
) -> list[MemoryEvent]:
    """Append what takes ``batch_id`` back; must run inside a transaction.

    Raises ``ConflictError`` when one of its memories has been changed by another batch since.
    """
    rows = connection.execute(
        "SELECT * FROM memory_events WHERE batch_id = ? ORDER BY id DESC", (batch_id,)
    ).fetchall()
    events = [log_rows.event(row) for row in rows]
    events = [event for event in events if event.after.status is not Status.ERASED]
    now = log_rows.by_id(connection, (event.after.id for event in events))
    _require_unchanged(events, now)
    written: list[MemoryEvent] = []
    for event in events:
        version = now[event.after.id].version + 1
        before = replace(_image_before(connection, event.after), version=version)
        written.append(
            log_rows.add_event(
                connection,
                MemoryEvent(
                    id=0,
                    batch_id=new_batch,
                    op=Op.UNDO,
                    actor=Actor.USER,
                    at=Instant.now(),
                    after=before,
                    reason=reason,
                    undoes=event.id,
                ),
            )
        )
        now[before.id] = before
    return written


def content(observation: Observation) -> Observation:
    """``observation`` without what merely says which event wrote it."""
    return replace(observation, version=0, batch_id="")


def _require_unchanged(newest_first: Iterable[MemoryEvent], now: dict[str, Observation]) -> None:
    seen: set[str] = set()
    for event in newest_first:
        memory_id = event.after.id
        if memory_id not in seen and content(now[memory_id]) != content(event.after):
            raise ConflictError(memory_id, event.after.version, now[memory_id].version)
        seen.add(memory_id)


def _image_before(connection: sqlite3.Connection, after: Observation) -> Observation:
    row = connection.execute(
        "SELECT * FROM memory_events WHERE memory_id = ? AND version < ?"
        " ORDER BY version DESC LIMIT 1",
        (after.id, after.version),
    ).fetchone()
    before = log_rows.event(row).after if row else None
    if before is None or before.status is Status.ERASED:
        return replace(after, status=Status.FORGOTTEN)
    return before
