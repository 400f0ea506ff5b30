"""What may not be done to a memory: the machine's hand stays off what is the user's.

A refused change is left out of its batch, and why is noted without its words. Nothing here opens
or ends a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from tsubasa_cli.memory import log_rows, tombstones
from tsubasa_cli.memory.values import Actor, Change, Observation, Op, Origin, Refusal, Status
from tsubasa_cli.storage.values import Instant

PINNED = "it is pinned"
BY_HAND = "it was written by hand"
FORGOTTEN = "it was forgotten meanwhile"
ERASED = "it was erased"
DISPUTED = "it speaks against a memory that only you may change"


def permitted(
    connection: sqlite3.Connection, changes: Sequence[Change], actor: Actor, batch_id: str
) -> list[Change]:
    """``changes`` without the refused ones, which are noted.

    What was to take the place of a pinned or hand-written memory is kept, quarantined.
    """
    now = log_rows.by_id(connection, (change.after.id for change in changes))
    untouchable: set[str] = set()
    kept: list[Change] = []
    for change in changes:
        reason = _refusal(connection, change, now.get(change.after.id), actor)
        if not reason:
            kept.append(change)
            continue
        _note(connection, Refusal(batch_id, change.after.id, change.op, reason, Instant.now()))
        if reason in (PINNED, BY_HAND):
            untouchable.add(change.after.id)
    return [_disputed(c) if untouchable & {*c.after.supersedes} else c for c in kept]


def noted(connection: sqlite3.Connection, batch_id: str | None) -> list[Refusal]:
    """What was refused, in one batch or in all, oldest first."""
    found = connection.execute(
        "SELECT * FROM memory_refusals WHERE ? IS NULL OR batch_id = ? ORDER BY rowid",
        (batch_id, batch_id),
    ).fetchall()
    return [_refusal_of(row) for row in found]


def _refusal(
    connection: sqlite3.Connection, change: Change, now: Observation | None, actor: Actor
) -> str:
    if now and now.status is Status.ERASED:
        return ERASED
    if tombstones.is_buried(connection, tombstones.words_of(change.after)):
        return ERASED
    return _users(now) if now and actor is Actor.MODEL else ""


def _users(now: Observation) -> str:
    """Why a memory is the user's alone to change; empty when it is not."""
    if now.pinned:
        return PINNED
    if now.origin is Origin.USER_EDITED:
        return BY_HAND
    return FORGOTTEN if now.status is Status.FORGOTTEN else ""


def _disputed(change: Change) -> Change:
    after = replace(change.after, status=Status.QUARANTINED)
    return replace(change, after=after, reason=DISPUTED)


def _note(connection: sqlite3.Connection, refusal: Refusal) -> None:
    connection.execute(
        "INSERT INTO memory_refusals (batch_id, memory_id, op, reason, at_ms, at_offset)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            refusal.batch_id,
            refusal.memory_id,
            refusal.op,
            refusal.reason,
            refusal.at.epoch_ms,
            refusal.at.offset_minutes,
        ),
    )


def _refusal_of(row: sqlite3.Row) -> Refusal:
    at = Instant(row["at_ms"], row["at_offset"])
    return Refusal(row["batch_id"], row["memory_id"], Op(row["op"]), row["reason"], at)
