"""Which batches can be taken back, and what taking one back writes.

Taking a batch back appends, for each of its events in reverse, an ``UNDO`` event that carries the
image from before it. What did not exist before is left ``FORGOTTEN``: the log keeps it, nothing
recalls it. An ``UNDO`` batch is taken back in the same way, which is what redo is; so a batch and
what was done and undone to it form a chain, and only the last link of a chain can be taken back.
What was erased since has no former image and is left out. A turn stays distilled.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tsubasa_cli.errors import ConflictError, InputError, NotFoundError
from tsubasa_cli.memory import log_rows, taken_in
from tsubasa_cli.memory.taken_in import TakenIn
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


@dataclass(frozen=True, slots=True)
class Deed:
    """What is taken back as one: a batch, or an import. ``events`` are the newest first, never
    empty; ``since`` is the event before which an import found its memories."""

    name: str
    events: tuple[MemoryEvent, ...]
    since: int | None = None


def chain_of(connection: sqlite3.Connection, batch_id: str) -> Chain | None:
    """The chain that a batch is a link of; None when nothing of the batch is left."""
    first = last = _first_event(connection, batch_id)
    if first is None or last is None:
        return None
    links = 1
    while before := _undone_by(connection, first):
        first, links = before, links + 1
    while after := _undoing(connection, last):
        last, links = after, links + 1
    return Chain(first["batch_id"], last["batch_id"], last["id"], links)


def newest_chains(connection: sqlite3.Connection, which: str = "1") -> Iterator[Chain]:
    """Every chain with an event of ``which`` (SQL) of which anything is left, the one that acted
    last first. The log is read as far back as anybody asks."""
    roots: set[str] = set()
    row: sqlite3.Row | None = None
    while row := _event_before(connection, which, row):
        chain = chain_of(connection, row["batch_id"])
        if chain and chain.first_batch not in roots:
            roots.add(chain.first_batch)
            yield chain


def _event_before(
    connection: sqlite3.Connection, which: str, row: sqlite3.Row | None
) -> sqlite3.Row | None:
    """The newest event of ``which`` in the log, or the newest before ``row`` of another batch."""
    before = "AND id < ? AND batch_id != ?" if row else ""
    found: sqlite3.Row | None = connection.execute(
        f"SELECT id, batch_id FROM memory_events WHERE {which} {before} ORDER BY id DESC LIMIT 1",
        tuple(row) if row else (),
    ).fetchone()
    return found


def _first_event(connection: sqlite3.Connection, batch_id: str) -> sqlite3.Row | None:
    """The first of a batch's events that is not erased. A batch takes back one other batch, so
    its first event tells which."""
    row: sqlite3.Row | None = connection.execute(
        "SELECT id, batch_id, memory_id, version, undoes FROM memory_events WHERE batch_id = ?"
        " AND json_extract(image, '$.status') IS NOT 'erased' ORDER BY id LIMIT 1",
        (batch_id,),
    ).fetchone()
    return row


def _undone_by(connection: sqlite3.Connection, event: sqlite3.Row) -> sqlite3.Row | None:
    """The first event of the batch that ``event``'s batch has taken back, if any."""
    row = connection.execute(
        "SELECT batch_id FROM memory_events WHERE id = ?", (event["undoes"],)
    ).fetchone()
    return _first_event(connection, row["batch_id"]) if row else None


def _undoing(connection: sqlite3.Connection, event: sqlite3.Row) -> sqlite3.Row | None:
    """The first event of the batch that has taken ``event``'s batch back, if any."""
    row = connection.execute(
        "SELECT batch_id FROM memory_events WHERE memory_id = ? AND version > ? AND undoes = ?",
        (event["memory_id"], event["version"], event["id"]),
    ).fetchone()
    return _first_event(connection, row["batch_id"]) if row else None


def to_undo(connection: sqlite3.Connection, batch_id: str | None) -> Deed | None:
    """What ``batch_id`` names, a batch or an import, or what was done last; None when it is undone
    already.

    Raises ``NotFoundError`` when there is no such batch.
    """
    if batch_id is None:
        return _last_deed(connection)
    if taken := taken_in.named(connection, batch_id):
        return _import_in_force(connection, taken)
    chain = chain_of(connection, batch_id)
    if chain and batch_id in (chain.first_batch, chain.last_batch):
        return None if chain.is_undone else _batch(connection, chain)
    raise NotFoundError(
        f"There is no batch of memories {batch_id!r}.",
        next_step="tsubasa memory log shows what was done, with the batch of each.",
    )


def require_no_erasure_since(connection: sqlite3.Connection, deed: Deed | None) -> None:
    """Raises ``InputError`` when something was erased after ``deed``: that was the last thing."""
    row = connection.execute(
        "SELECT id FROM memory_events WHERE op = ? ORDER BY id DESC LIMIT 1", (Op.ERASE,)
    ).fetchone()
    if row is None or (deed and deed.events[0].id > row["id"]):
        return
    raise InputError(
        "What was done last is an erasure, and that cannot be undone.",
        next_step=f"What was done before it: tsubasa memory undo {deed.name}" if deed else "",
    )


def to_redo(connection: sqlite3.Connection, batch_id: str | None = None) -> Deed | None:
    """The chain of ``batch_id``, or the one that was undone last; None when it is in force."""
    if batch_id is None:
        undone = newest_chains(connection, "undoes IS NOT NULL")
        chain = next((chain for chain in undone if chain.is_undone), None)
        return _batch(connection, chain) if chain else None
    chain = chain_of(connection, batch_id)
    is_end = chain is not None and batch_id in (chain.first_batch, chain.last_batch)
    return _batch(connection, chain) if chain and is_end and chain.is_undone else None


def _last_deed(connection: sqlite3.Connection) -> Deed | None:
    chain = next((chain for chain in newest_chains(connection) if not chain.is_undone), None)
    if chain is None:
        return None
    taken = taken_in.holding(connection, chain.last_event)
    return _import_in_force(connection, taken) if taken else _batch(connection, chain)


def _batch(connection: sqlite3.Connection, chain: Chain) -> Deed:
    events = _left(connection, "batch_id = ?", chain.last_batch)
    return Deed(chain.last_batch, tuple(events))


def _import_in_force(connection: sqlite3.Connection, taken: TakenIn) -> Deed | None:
    """What came in, but for what was taken back there already, or has been here since."""
    events = _left(connection, "id BETWEEN ? AND ?", taken.first, taken.last)
    chains = {name: chain_of(connection, name) for name in {event.batch_id for event in events}}
    ends = {chain.last_batch for chain in chains.values() if chain and not chain.is_undone}
    kept = tuple(event for event in events if event.batch_id in ends)
    return Deed(taken.name, kept, taken.first) if kept else None


def _left(connection: sqlite3.Connection, which: str, *values: object) -> list[MemoryEvent]:
    """The events of ``which`` (SQL) that are not erased, the newest first."""
    rows = connection.execute(
        f"SELECT * FROM memory_events WHERE {which} ORDER BY id DESC", values
    ).fetchall()
    events = (log_rows.event(row) for row in rows)
    return [event for event in events if event.after.status is not Status.ERASED]


def take_back(
    connection: sqlite3.Connection, deed: Deed, new_batch: str, reason: str
) -> list[MemoryEvent]:
    """Append what takes ``deed`` back; must run inside a transaction.

    Raises ``ConflictError`` when one of its memories has been changed by another batch since.
    """
    now = log_rows.by_id(connection, (event.after.id for event in deed.events))
    _require_unchanged(deed.events, now)
    written: list[MemoryEvent] = []
    for event in deed.events:
        version = now[event.after.id].version + 1
        before = _image_before(connection, event.after, deed.since or event.id)
        before = replace(before, version=version)
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


def _image_before(connection: sqlite3.Connection, after: Observation, since: int) -> Observation:
    """What a memory was before ``after``, and before the event ``since``."""
    row = connection.execute(
        "SELECT * FROM memory_events WHERE memory_id = ? AND version < ? AND id < ?"
        " ORDER BY version DESC LIMIT 1",
        (after.id, after.version, since),
    ).fetchone()
    before = log_rows.event(row).after if row else None
    if before is None or before.status is Status.ERASED:
        return replace(after, status=Status.FORGOTTEN)
    return before
