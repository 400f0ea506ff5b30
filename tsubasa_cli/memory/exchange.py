"""Memories as a file: all of them with all that happened to them, to be read in again anywhere.

One JSON object a line: a head, then each of the user's turns that a memory quotes, then each
memory with its history. Turn numbers mean nothing elsewhere, so a turn is told by its session,
its time and its words; where it does not exist, it is taken in with the memory that needs it.
What was erased is not in the file; and only reading a file in brings back what was erased.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tsubasa_cli.memory import log_rows, taken_in, tombstones, undistilled
from tsubasa_cli.memory.exchange_file import FORMAT, MemoryFile
from tsubasa_cli.memory.undo import content
from tsubasa_cli.memory.values import Actor, Evidence, MemoryEvent, Observation, Op, Status
from tsubasa_cli.storage import imported
from tsubasa_cli.storage.connection import lock_of
from tsubasa_cli.storage.database import transaction
from tsubasa_cli.storage.imported import ImportedSession, ImportedTurn
from tsubasa_cli.storage.sessions import provisional_title
from tsubasa_cli.storage.values import Instant, Role

_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
_QUOTED = "memory:"
"""Begins the import key of a session that holds nothing but quoted turns."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What reading a file in did, by memory id. ``conflicts`` went different ways here and there
    and were left as they are here."""

    added: tuple[str, ...] = ()
    continued: tuple[str, ...] = ()
    """Known here; what happened to them since was added."""
    brought_back: tuple[str, ...] = ()
    """Had been erased here."""
    unchanged: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


# ---------------------------------------------------------------------- writing


def export_jsonl(connection: sqlite3.Connection) -> Iterator[str]:
    """The lines of the file, without line ends: all memories as of now but the erased ones."""
    with _snapshot(connection):
        rows = connection.execute("SELECT * FROM memory_events ORDER BY id").fetchall()
        events = [log_rows.event(row) for row in rows]
        now = log_rows.by_id(connection, {event.after.id for event in events})
        live = [e for e in events if e.after.status is not Status.ERASED]
        live = [e for e in live if now[e.after.id].status is not Status.ERASED]
        turns = _quoted_turns(connection, live)
    histories: dict[str, list[MemoryEvent]] = defaultdict(list)
    for event in live:
        histories[event.after.id].append(event)
    yield _line(format=FORMAT, exported_at=Instant.now().iso(), memories=len(histories))
    known = {event.id for event in live}
    numbers = {turn_id: place for place, turn_id in enumerate(turns, 1)}
    for turn_id, turn in turns.items():
        yield _line(turn=numbers[turn_id], **turn)
    for memory_id, history in histories.items():
        told = [_event_dict(event, numbers, known) for event in history]
        yield _line(memory=memory_id, **_observation_dict(now[memory_id], numbers), history=told)


def _quoted_turns(
    connection: sqlite3.Connection, events: Iterable[MemoryEvent]
) -> dict[int, dict[str, Any]]:
    wanted = {said.turn_id for event in events for said in event.after.evidence} - {None}
    found: dict[int, dict[str, Any]] = {}
    for chunk in log_rows.in_chunks(sorted(filter(None, wanted))):
        for row in connection.execute(
            "SELECT t.id, t.session_id, t.import_key AS turn_key, s.import_key AS session_key,"
            " t.created_ms, t.created_offset, t.text, (SELECT count(*) FROM turns b WHERE"
            " b.session_id = t.session_id AND b.role = 'user' AND b.created_ms = t.created_ms"
            " AND b.id < t.id) AS place FROM turns t JOIN sessions s ON s.id = t.session_id"
            f" WHERE t.id IN ({log_rows.marks(chunk)}) ORDER BY t.id",
            chunk,
        ):
            found[row["id"]] = _turn_dict(row)
    return found


def _turn_dict(row: sqlite3.Row) -> dict[str, Any]:
    """``place`` counts the session's turns of the very same time before it."""
    key = row["session_key"] or ""
    is_quoted = key.startswith(_QUOTED)
    body: dict[str, Any] = {
        "session": key.removeprefix(_QUOTED) if is_quoted else row["session_id"],
        "time": Instant(row["created_ms"], row["created_offset"]).iso(),
        "place": int(row["turn_key"].partition("/")[2]) if is_quoted else row["place"],
        "text": row["text"],
    }
    return body | ({"session_key": key} if key and not is_quoted else {})


def _event_dict(event: MemoryEvent, turns: dict[int, int], known: set[int]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "event": event.id,
        "batch": event.batch_id,
        "op": event.op,
        "actor": event.actor,
        "at": event.at.iso(),
        "after": _observation_dict(event.after, turns),
    }
    if event.reason:
        body["reason"] = event.reason
    if event.undoes in known:
        body["undoes"] = event.undoes
    return body


def _observation_dict(observation: Observation, turns: dict[int, int]) -> dict[str, Any]:
    body = log_rows.to_dict(observation)
    body["recorded_at"] = observation.recorded_at.iso()
    body["version"] = observation.version
    if observation.evidence:
        body["evidence"] = [_evidence_dict(said, turns) for said in observation.evidence]
    return body


def _evidence_dict(said: Evidence, turns: dict[int, int]) -> dict[str, Any]:
    number = turns.get(said.turn_id or 0)
    return {"quote": said.quote} | ({"turn": number} if number else {})


def _line(**body: Any) -> str:
    """One line for every reader, those too that know more line ends than JSON does."""
    line = json.dumps(body, ensure_ascii=False)
    return _LINE_ENDS.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """One state of the database for all that is read."""
    with lock_of(connection):
        connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


# ---------------------------------------------------------------------- reading


def import_jsonl(connection: sqlite3.Connection, lines: Iterable[str]) -> ImportReport:
    """Read in what ``export_jsonl`` wrote: all of it, or nothing. Doing so again changes nothing.

    Ids, times and history are kept. What had been erased here comes back. Raises ``InputError``
    when the file is not of that kind or broken, with the number of the line.
    """
    file = MemoryFile.read(lines)
    with lock_of(connection), transaction(connection):
        turns = _take_in_turns(connection, file.turns)
        histories = {
            memory_id: [_with_turns(event, turns) for event in history]
            for memory_id, history in file.histories.items()
        }
        return _write(connection, histories)


# ---------------------------------------------------------------------- turns


def _take_in_turns(
    connection: sqlite3.Connection, turns: dict[int, dict[str, Any]]
) -> dict[int, int]:
    """The id here of each of the file's turns; those that exist nowhere are added, as read."""
    found: dict[int, int] = {}
    missing: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for number, turn in turns.items():
        turn_id = _find_turn(connection, turn)
        if turn_id:
            found[number] = turn_id
        elif not _is_here(connection, turn):
            missing[turn["session"]][number] = turn
    for session_id, absent in missing.items():
        found |= _add_turns(connection, session_id, absent)
    return found


def _find_turn(connection: sqlite3.Connection, turn: dict[str, Any]) -> int | None:
    """The turn of that session and time: by its words, or, when these were changed, its place."""
    rows = connection.execute(
        "SELECT t.id, t.text, t.import_key FROM turns t JOIN sessions s ON s.id = t.session_id"
        " WHERE t.role = 'user' AND t.created_ms = ? AND (s.id = ? OR s.import_key IN (?, ?))"
        " ORDER BY t.id",
        (
            turn["at"].epoch_ms,
            turn["session"],
            f"{_QUOTED}{turn['session']}",
            turn.get("session_key"),
        ),
    ).fetchall()
    likely = [row for row in rows if row["import_key"] == _turn_key(turn)]
    likely += [row for row in rows if row["text"] == turn["text"]]
    likely += rows[turn["place"] :]
    return likely[0]["id"] if likely else None


def _turn_key(turn: dict[str, Any]) -> str:
    return f"{turn['at'].epoch_ms}/{turn['place']}"


def _is_here(connection: sqlite3.Connection, turn: dict[str, Any]) -> bool:
    """Whether the turn's session is one of this store's own, to which nothing may be added."""
    return bool(
        connection.execute(
            "SELECT 1 FROM sessions WHERE id = ? OR import_key = ?",
            (turn["session"], turn.get("session_key")),
        ).fetchone()
    )


def _add_turns(
    connection: sqlite3.Connection, session_id: str, turns: dict[int, dict[str, Any]]
) -> dict[int, int]:
    ordered = sorted(turns.items(), key=lambda item: (item[1]["at"].epoch_ms, item[1]["place"]))
    said = tuple(
        ImportedTurn(
            key=_turn_key(turn),
            parent=place - 1 if place else None,
            role=Role.USER,
            text=turn["text"],
            said_at=turn["at"],
        )
        for place, (_, turn) in enumerate(ordered)
    )
    title = provisional_title(said[0].text)
    session = ImportedSession(
        f"{_QUOTED}{session_id}", title, said, head=len(said) - 1, appends=True
    )
    imported.take_in(connection, session)
    found = {number: _find_turn(connection, turn) or 0 for number, turn in ordered}
    undistilled.skip(connection, found.values())
    return found


def _with_turns(event: MemoryEvent, turns: dict[int, int]) -> MemoryEvent:
    evidence = tuple(
        Evidence(turns.get(said.turn_id or 0), said.quote) for said in event.after.evidence
    )
    return replace(event, after=replace(event.after, evidence=evidence))


# ---------------------------------------------------------------------- memories


def _write(connection: sqlite3.Connection, histories: dict[str, list[MemoryEvent]]) -> ImportReport:
    now = log_rows.by_id(connection, histories)
    fates: dict[str, list[str]] = defaultdict(list)
    new: list[MemoryEvent] = []
    for memory_id, history in histories.items():
        fate, events = _fate(connection, history, now.get(memory_id))
        fates[fate].append(memory_id)
        new += events
    ids: dict[int, int] = {}
    for event in sorted(new, key=lambda event: event.id):
        tombstones.lift(connection, tombstones.words_of(event.after))
        written = log_rows.add_event(connection, replace(event, undoes=ids.get(event.undoes or 0)))
        ids[event.id] = written.id
    if ids:
        taken_in.note(connection, min(ids.values()), max(ids.values()))
    return ImportReport(**{fate: tuple(memory_ids) for fate, memory_ids in fates.items()})


def _fate(
    connection: sqlite3.Connection, history: list[MemoryEvent], now: Observation | None
) -> tuple[str, list[MemoryEvent]]:
    """What becomes of one memory of the file, and the events that this adds."""
    last = history[-1]
    if now is None:
        return "added", history
    if now.status is Status.ERASED:
        after = replace(last.after, version=now.version + 1)
        return "brought_back", [replace(last, op=Op.RESTORE, actor=Actor.USER, after=after)]
    here = _steps(connection, now.id)
    there = [(event.after.version, event.op, event.batch_id) for event in history]
    if content(now) == content(last.after) or here[: len(there)] == there:
        return "unchanged", []
    if there[: len(here)] == here:
        return "continued", history[len(here) :]
    return "conflicts", []


def _steps(connection: sqlite3.Connection, memory_id: str) -> list[tuple[int, Op, str]]:
    """What tells two histories apart: batches have names that no other store gives, while times
    can be the same to the millisecond."""
    rows = connection.execute(
        "SELECT version, op, batch_id FROM memory_events WHERE memory_id = ? ORDER BY version",
        (memory_id,),
    )
    return [(row["version"], Op(row["op"]), row["batch_id"]) for row in rows]
