"""The memory's truth: an append-only log of what happened to each observation.

Every event carries the observation as it left it, so the observations on show are the last image
of each (``replay() ==`` the projection) and undoing is writing a former image once more. A batch
is one transaction: its events, their projection, what the index has yet to hear, and the turns
that are distilled by it. A crash leaves all of a batch or nothing; trying again adds nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tsubasa_cli.errors import ConflictError, NotFoundError
from tsubasa_cli.memory import log_rows, refusals, taken_in, undistilled
from tsubasa_cli.memory.names import new_batch, new_id
from tsubasa_cli.memory.undo import Deed, require_no_erasure_since, take_back, to_redo, to_undo
from tsubasa_cli.memory.values import (
    Actor,
    Change,
    Kind,
    MemoryEvent,
    Observation,
    Op,
    Refusal,
    Status,
)
from tsubasa_cli.storage.connection import lock_of
from tsubasa_cli.storage.database import transaction
from tsubasa_cli.storage.values import Instant, Turn

__all__ = ["MemoryLog", "new_id"]

SHORTEST_PREFIX = 3


class MemoryLog:
    """Reads and writes memories. Safe to call from several threads, one at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = lock_of(connection)

    # ------------------------------------------------------------------ writing

    def commit(
        self,
        changes: Sequence[Change],
        *,
        actor: Actor,
        batch_id: str | None = None,
        turns: Sequence[int] = (),
        expect: Mapping[str, int] | None = None,
    ) -> list[MemoryEvent]:
        """Write ``changes`` and mark ``turns`` as distilled: all of it, or nothing.

        Nothing is written and ``[]`` returned when one of ``turns`` is distilled or skipped
        already, is gone, or may not be remembered: the batch was made in vain. A change is left
        out, and kept in ``refusals``, when it was erased before, or when the model would change
        what is pinned or written by hand; what the model puts in such a memory's place is
        quarantined. ``expect`` gives the versions that the changes were made for.

        Raises ``ConflictError`` when a memory is at another version, or an added one exists.
        """
        batch = batch_id or new_batch()
        with self._writing() as connection:
            if turns and not undistilled.may_settle(connection, turns):
                return []
            self._require_versions(changes, expect or {})
            kept = refusals.permitted(connection, changes, actor, batch)
            events = [self._write(change, actor, batch) for change in kept]
            undistilled.settle(connection, turns, batch)
        return events

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """What is read within and what is then written is one transaction: nobody else writes in
        between, and an error takes all of it back."""
        with self._writing():
            yield

    def undo(self, batch_id: str | None = None) -> list[MemoryEvent]:
        """Take a whole batch or import back, by default what was done last; ``[]``: it is undone.

        What the batch had brought is left ``FORGOTTEN``, all else returns to what it was. What has
        been erased since stays so. The turns it was made from are not distilled again.

        Raises ``NotFoundError`` for an unknown batch, ``ConflictError`` when one of its memories
        was changed since by another.
        """
        with self._writing() as connection:
            return self._take_back(to_undo(connection, batch_id), "taken back")

    def undo_last(self) -> list[MemoryEvent]:
        """``undo`` what was done last; ``InputError`` when that cannot be undone: an erasure."""
        with self._writing() as connection:
            deed = to_undo(connection, None)
            require_no_erasure_since(connection, deed)
            return self._take_back(deed, "taken back")

    def redo(self, batch_id: str | None = None) -> list[MemoryEvent]:
        """Do a batch again, by default what was undone last; ``[]`` when there is nothing.

        Raises ``ConflictError`` as ``undo`` does.
        """
        with self._writing() as connection:
            return self._take_back(to_redo(connection, batch_id), "done again")

    def next_undo(self) -> list[MemoryEvent]:
        """The events that ``undo`` would take back, oldest first; ``[]``: none."""
        with self._lock:
            deed = to_undo(self._connection, None)
        return [*deed.events[::-1]] if deed else []

    def deed_of(self, event: MemoryEvent) -> str:
        """The name of what ``event`` was part of, for ``undo``: an import's, or its batch's."""
        with self._lock:
            taken = taken_in.holding(self._connection, event.id)
        return taken.name if taken else event.batch_id

    def _take_back(self, deed: Deed | None, reason: str) -> list[MemoryEvent]:
        return take_back(self._connection, deed, new_batch(), reason) if deed else []

    def _write(self, change: Change, actor: Actor, batch: str) -> MemoryEvent:
        version = self._version(change.after.id) + 1
        after = replace(change.after, version=version, batch_id=batch)
        event = MemoryEvent(0, batch, change.op, actor, Instant.now(), after, change.reason)
        return log_rows.add_event(self._connection, event)

    def _version(self, memory_id: str) -> int:
        row = self._connection.execute(
            "SELECT version FROM observations WHERE id = ?", (memory_id,)
        ).fetchone()
        return row["version"] if row else 0

    def _require_versions(self, changes: Sequence[Change], expect: Mapping[str, int]) -> None:
        added = {change.after.id: 0 for change in changes if change.op is Op.ADD}
        for memory_id, expected in (added | dict(expect)).items():
            found = self._version(memory_id)
            if found != expected:
                raise ConflictError(memory_id, expected, found)

    # ------------------------------------------------------------------ reading

    def get(self, reference: str) -> Observation:
        """The memory with that id, or the only one whose id begins so; ``NotFoundError``."""
        found = self._select("id = ?", (reference,))
        if not found and len(reference) >= SHORTEST_PREFIX:
            found = self._select("id > ? AND id < ? LIMIT 2", (reference, f"{reference}\U0010ffff"))
        if len(found) == 1:
            return found[0]
        raise NotFoundError(
            f"More than one memory begins with {reference!r}."
            if found
            else f"There is no memory {reference!r}.",
            next_step="tsubasa memory list --all shows them with their ids.",
        )

    def many(self, ids: Iterable[str]) -> dict[str, Observation]:
        """Those of ``ids`` that exist, whatever their status."""
        with self._lock:
            return log_rows.by_id(self._connection, ids)

    def all(
        self,
        *,
        status: Collection[Status] = (Status.ACTIVE,),
        kind: Kind | None = None,
        since: Instant | None = None,
        limit: int = -1,
    ) -> list[Observation]:
        """Memories by when they were said, the newest first."""
        return self._select(
            f"status IN ({log_rows.marks(status)}) AND (? IS NULL OR kind = ?)"
            " AND recorded_ms >= ? ORDER BY recorded_ms DESC, seq DESC LIMIT ?",
            (*status, kind, kind, since.epoch_ms if since else -(2**62), limit),
        )

    def stating(self, statement: str) -> list[Observation]:
        """The active memories in exactly these words, but for case; the newest first."""
        return self._select(
            "statement = ? COLLATE NOCASE AND status = 'active' ORDER BY recorded_ms DESC",
            (statement,),
        )

    def naming(self, names: Collection[str], limit: int = 200) -> list[Observation]:
        """Active memories that hold one of ``names``, the newest first."""
        if not names:
            return []
        either = " OR ".join("instr(statement, ?)" for _ in names)
        return self._select(
            f"status = 'active' AND ({either}) ORDER BY recorded_ms DESC LIMIT ?", (*names, limit)
        )

    def by_slot(self, subject: str, slot: str) -> list[Observation]:
        """The active memories that give ``subject``'s ``slot`` a value, the newest first."""
        return self._select(
            "subject = ? AND slot = ? AND slot != '' AND status = 'active'"
            " ORDER BY recorded_ms DESC, seq DESC",
            (subject, slot),
        )

    def said_in(self, turn_ids: Collection[int]) -> list[Observation]:
        """The active memories that rest on words of these turns, the newest first."""
        return self._select(
            "status = 'active' AND id IN (SELECT memory_id FROM memory_evidence"
            f" WHERE turn_id IN ({log_rows.marks(turn_ids)})) ORDER BY recorded_ms DESC, seq DESC",
            tuple(turn_ids),
        )

    def quoting(self, session_id: str) -> list[Observation]:
        """The memories of any status that keep words said in a conversation, the newest first."""
        return self._select(
            "status != 'erased' AND id IN (SELECT memory_id FROM memory_evidence JOIN turns"
            " ON turns.id = turn_id WHERE session_id = ?) ORDER BY recorded_ms DESC, seq DESC",
            (session_id,),
        )

    def _select(self, clause: str, parameters: Sequence[object]) -> list[Observation]:
        with self._lock:
            rows = self._connection.execute(
                f"SELECT * FROM observations WHERE {clause}", parameters
            ).fetchall()
            return log_rows.observations(self._connection, rows)

    def history(self, memory_id: str) -> list[MemoryEvent]:
        """All that happened to one memory, oldest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT * FROM memory_events WHERE memory_id = ? ORDER BY id", (memory_id,)
            ).fetchall()
        return [log_rows.event(row) for row in rows]

    def events(self, limit: int = -1, batch_id: str | None = None) -> list[MemoryEvent]:
        """What happened last, or in one batch; the newest first."""
        where, values = ("batch_id = ?", (batch_id,)) if batch_id is not None else ("1", ())
        with self._lock:
            rows = self._connection.execute(
                f"SELECT * FROM memory_events WHERE {where} ORDER BY id DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [log_rows.event(row) for row in rows]

    def refusals(self, batch_id: str | None = None) -> list[Refusal]:
        """The changes that were left out, of one batch or of all, oldest first."""
        with self._lock:
            return refusals.noted(self._connection, batch_id)

    def replay(self) -> dict[str, Observation]:
        """The memories as the log alone tells them, by id."""
        with self._lock:
            rows = self._connection.execute("SELECT * FROM memory_events ORDER BY id").fetchall()
        events = (log_rows.event(row) for row in rows)
        return {event.after.id: event.after for event in events}

    def rebuild(self) -> int:
        """Make the projection anew from the log; returns how many memories there are."""
        with self._writing() as connection:
            told = self.replay()
            connection.execute("DELETE FROM memory_evidence")
            connection.execute("DELETE FROM observations")
            for after in told.values():
                log_rows.project(connection, after)
                log_rows.tell_index(connection, after.id)
        return len(told)

    # ------------------------------------------------------------------ turns to distil

    def pending(self, session_id: str | None = None) -> list[Turn]:
        """The user's turns that wait to be distilled, oldest first, failed ones among them.

        They stand on the branch on show of a session that is neither deleted nor incognito.
        """
        with self._lock:
            return undistilled.pending(self._connection, session_id)

    def skip(self, turn_ids: Iterable[int]) -> None:
        """Never distil these turns, unless it has happened."""
        with self._writing() as connection:
            undistilled.skip(connection, turn_ids)

    def fail(self, turn_ids: Iterable[int], error: str) -> None:
        """Keep why these turns could not be distilled; they go on waiting."""
        with self._writing() as connection:
            undistilled.fail(connection, turn_ids, error)

    def failures(self) -> list[tuple[Turn, str]]:
        """The turns that could not be distilled, each with why, oldest first."""
        with self._lock:
            return undistilled.failures(self._connection)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, or a part of the one that is under way."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            with transaction(self._connection) as connection:
                yield connection
