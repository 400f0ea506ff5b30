"""The runs of ``learn``: what each came to, and which memories went into it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from tsubasa_cli.errors import NotFoundError
from tsubasa_cli.learn.values import Apply, LearnRun, RunState
from tsubasa_cli.memory.values import Observation, Op
from tsubasa_cli.storage.database import transaction
from tsubasa_cli.storage.values import Instant

UNFINISHED = (RunState.RUNNING, RunState.PAUSED)
TEACHES_NOTHING = (Op.IGNORE, Op.PIN, Op.UNPIN, Op.TAG, Op.QUARANTINE, Op.REJECT)
"""What happens to a memory and leaves what is taught of it as it was."""


class RunStore:
    """Reads and writes ``learn_runs`` and the manifests."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # ------------------------------------------------------------------ reading

    def all(self) -> list[LearnRun]:
        """Every run, the newest first."""
        rows = self._connection.execute(
            "SELECT * FROM learn_runs ORDER BY started_ms DESC, id DESC"
        ).fetchall()
        return [_run(row) for row in rows]

    def get(self, reference: str) -> LearnRun:
        """The run with that id, or the only one whose id begins so; ``NotFoundError``."""
        found = [run for run in self.all() if run.id.startswith(reference)] if reference else []
        exact = [run for run in found if run.id == reference]
        if len(exact or found) == 1:
            return (exact or found)[0]
        raise NotFoundError(
            f"There is no run {reference!r}."
            if not found
            else f"More than one run begins with {reference!r}.",
            next_step="tsubasa learn history shows them.",
        )

    def unfinished(self) -> LearnRun | None:
        """The run that stopped on its way, if any: the newest."""
        return next((run for run in self.all() if run.state in UNFINISHED), None)

    def promoted(self) -> list[LearnRun]:
        """The runs whose model was put into service, the newest first."""
        return [run for run in self.all() if run.state is RunState.PROMOTED]

    def manifest(self, run_id: str) -> dict[str, int]:
        """The memories that a run was taught, with the version that each had."""
        rows = self._connection.execute(
            "SELECT memory_id, version FROM learn_manifest WHERE run_id = ?", (run_id,)
        ).fetchall()
        return {row["memory_id"]: row["version"] for row in rows}

    def holds_erased(self, run_id: str) -> bool:
        """Whether a run was taught a memory that has been erased since."""
        row = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM learn_manifest m"
            " JOIN observations o ON o.id = m.memory_id"
            " WHERE m.run_id = ? AND o.status = 'erased')",
            (run_id,),
        ).fetchone()
        return bool(row[0])

    # ------------------------------------------------------------------ writing

    def begin(self, run_id: str, base_model: str, base_sha256: str, apply: Apply) -> LearnRun:
        """Open a run; one that stopped on its way before is given up."""
        now = Instant.now()
        with transaction(self._connection) as connection:
            connection.execute(
                "UPDATE learn_runs SET state = 'failed', reason = 'Given up for a newer run.'"
                " WHERE state IN ('running', 'paused')"
            )
            connection.execute(
                "INSERT INTO learn_runs (id, state, base_model, base_sha256, apply, started_ms,"
                " started_offset) VALUES (?, 'running', ?, ?, ?, ?, ?)",
                (run_id, base_model, base_sha256, apply, now.epoch_ms, now.offset_minutes),
            )
        return self.get(run_id)

    def note_snapshot(self, run_id: str, event: int, memories: Iterable[Observation]) -> None:
        """Keep what the run is taught: erasing a memory must find every model that knows it."""
        rows = [(run_id, item.id, item.version) for item in memories]
        with transaction(self._connection) as connection:
            connection.execute(
                "UPDATE learn_runs SET snapshot_event = ? WHERE id = ?", (event, run_id)
            )
            connection.execute("DELETE FROM learn_manifest WHERE run_id = ?", (run_id,))
            connection.executemany("INSERT INTO learn_manifest VALUES (?, ?, ?)", rows)

    def enter(self, run_id: str, stage: str) -> None:
        """The run is at ``stage`` now."""
        self._connection.execute(
            "UPDATE learn_runs SET state = 'running', stage = ?"
            " WHERE id = ? AND state != 'removed'",
            (stage, run_id),
        )

    def end(
        self, run_id: str, state: RunState, reason: str = "", report: dict[str, Any] | None = None
    ) -> None:
        """The run stopped, for now or for good."""
        now = Instant.now()
        self._connection.execute(
            "UPDATE learn_runs SET state = ?, reason = ?, report = coalesce(?, report),"
            " ended_ms = ?, ended_offset = ? WHERE id = ? AND state != 'removed'",
            (
                state,
                reason,
                json.dumps(report, ensure_ascii=False) if report is not None else None,
                now.epoch_ms,
                now.offset_minutes,
                run_id,
            ),
        )


def changed_since(connection: sqlite3.Connection, event: int) -> Sequence[str]:
    """The memories of which something else is to be taught than at ``event`` of the log: new or
    other ones, and those that a run until then was taught and that are no more."""
    rows = connection.execute(
        "SELECT DISTINCT e.memory_id FROM memory_events e JOIN observations o ON o.id = e.memory_id"
        f" WHERE e.id > ? AND e.op NOT IN ({', '.join('?' * len(TEACHES_NOTHING))})"
        " AND (o.status IN ('active', 'superseded')"
        " OR e.memory_id IN (SELECT memory_id FROM learn_manifest))",
        (event, *TEACHES_NOTHING),
    ).fetchall()
    return [row["memory_id"] for row in rows]


def _run(row: sqlite3.Row) -> LearnRun:
    ended = row["ended_ms"]
    return LearnRun(
        id=row["id"],
        state=RunState(row["state"]),
        stage=row["stage"],
        base_model=row["base_model"],
        base_sha256=row["base_sha256"],
        snapshot_event=row["snapshot_event"],
        apply=Apply(row["apply"]),
        model=row["model"],
        replaced=row["replaced"],
        started=Instant(row["started_ms"], row["started_offset"]),
        ended=Instant(ended, row["ended_offset"]) if ended is not None else None,
        reason=row["reason"],
        report=row["report"],
    )
