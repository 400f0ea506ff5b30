"""Where in the database a memory lives, and what each place becomes without it.

The sessions that a memory came from or went into are looked through closely, all others for its
very words. Nothing is changed here: a survey holds the changes, to be made in one transaction.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from tsubasa_cli.errors import InputError, NotFoundError
from tsubasa_cli.memory import log_rows
from tsubasa_cli.memory.names import new_batch
from tsubasa_cli.memory.telltale import MARK, Telltale, is_telling, redact
from tsubasa_cli.memory.tombstones import folded
from tsubasa_cli.memory.trail import Trail
from tsubasa_cli.memory.values import Actor, MemoryEvent, Observation, Op, Status
from tsubasa_cli.storage.values import Instant

Change = Callable[[sqlite3.Connection], object]


class PlaceKind(StrEnum):
    """What sort of place holds something of a memory."""

    STATEMENT = "statement"
    EVENT = "event"
    QUOTE = "quote"
    OTHER_MEMORY = "other memory"
    """Another memory tells part of it; that part goes."""
    MESSAGE = "message"
    REPLY = "reply"
    THINKING = "thinking"
    JOURNAL = "reply under way"
    CONTEXT = "recalled block"
    RECALL = "record of a recall"
    TITLE = "title"
    DRAFT = "draft"
    SYSTEM_PROMPT = "system prompt"
    SUMMARY = "summary"
    FAILURE = "note of a failure"
    KV_STATE = "saved model state"
    INDEX = "search index"
    BACKUP = "backup"
    EXPORT = "export"
    COPY = "copy"
    LEARNED = "what was learned by heart"


@dataclass(frozen=True, slots=True)
class Place:
    """``where`` is a memory's id, "session/turn", a session's id or a file; ``words`` are what
    goes there, as far as they can be shown."""

    kind: PlaceKind
    where: str
    words: str


@dataclass(frozen=True, slots=True)
class Survey:
    """The places, the changes that clean them, and what they are cleaned of."""

    memory_ids: tuple[str, ...]
    turn_ids: tuple[int, ...]
    session_ids: tuple[str, ...]
    places: tuple[Place, ...]
    changes: tuple[Change, ...]
    words: tuple[str, ...]
    """What must not be learned again: statements, quotes, and what else was redacted."""
    telltale: Telltale


def survey(connection: sqlite3.Connection, memory_ids: Iterable[str], owner: str = "") -> Survey:
    """Look for the memories everywhere.

    Raises ``NotFoundError`` for unknown ones, ``InputError`` for one that is erased already.
    """
    ids = tuple(dict.fromkeys(memory_ids))
    known = log_rows.by_id(connection, ids)
    for memory_id in ids:
        _require_there(memory_id, known.get(memory_id))
    trail = Trail(connection, ids, owner)
    while repeated := trail.repeated():
        trail = Trail(connection, (*trail.ids, *repeated), owner)
    return _Surveyor(connection, trail).survey()


def _require_there(memory_id: str, known: Observation | None) -> None:
    if known is None:
        raise NotFoundError(
            f"There is no memory {memory_id!r}.",
            next_step="tsubasa memory list --all shows them with their ids.",
        )
    if known.status is Status.ERASED:
        raise InputError(
            f"Memory {memory_id} is erased already.",
            next_step="Nothing of it is left in what Tsubasa wrote. Files of your own that held "
            "its words were named when it was erased: they are yours to remove.",
        )


class _Surveyor:
    """Follows one trail through all tables."""

    def __init__(self, connection: sqlite3.Connection, trail: Trail) -> None:
        self._connection = connection
        self._trail = trail
        self._telltale = trail.telltale
        self._places: list[Place] = []
        self._changes: list[Change] = []
        self._redacted: list[str] = []

    def survey(self) -> Survey:
        """Everything, in the order in which it is told."""
        trail = self._trail
        self._look_at_memories()
        self._look_at_other_memories()
        edited = {turn_id for turn_id in trail.turns if self._look_at_turn(turn_id)}
        touched = {trail.turns[turn_id]["session_id"] for turn_id in edited}
        sessions = sorted(trail.sessions | touched)
        self._look_at_journals()
        self._look_at_recalls()
        self._look_at_sessions(sessions)
        self._look_at_summaries(sessions)
        self._look_at_failures(edited)
        return Survey(
            memory_ids=trail.ids,
            turn_ids=tuple(sorted(edited)),
            session_ids=tuple(sessions),
            places=tuple(dict.fromkeys(self._places)),
            changes=tuple(self._changes),
            words=(*trail.statements, *filter(is_telling, [*trail.quotes, *self._redacted])),
            telltale=self._telltale,
        )

    def _found(self, kind: PlaceKind, where: str, words: str) -> None:
        self._places.append(Place(kind, where, words))

    def _run(self, sql: str, *values: object) -> None:
        self._changes.append(partial(_execute, sql=sql, values=values))

    def _sought(self, session_id: str) -> Callable[[str], bool]:
        """How closely to look at what is not the user's own."""
        near = session_id in self._trail.sessions
        return self._telltale.hints if near else self._telltale.tells

    # ------------------------------------------------------------------ memories

    def _look_at_memories(self) -> None:
        newest = {event.after.id: event.after for event in self._trail.own}
        for after in newest.values():
            self._found(PlaceKind.STATEMENT, after.id, after.statement)
        for event in self._trail.own:
            before = event.after
            if before.statement != newest[before.id].statement:
                self._found(PlaceKind.EVENT, before.id, before.statement)
            for said in before.evidence:
                self._found(PlaceKind.QUOTE, before.id, said.quote)
            self._write_image(event, _blank(before, before.version, event.at), "")
        batch = new_batch()
        for after in newest.values():
            self._changes.append(partial(_note_erasure, before=after, batch=batch))

    def _look_at_other_memories(self) -> None:
        others = self._trail.others
        for event in self._trail.events:
            if event.after.id not in others or event.after.status is Status.ERASED:
                continue
            cleaned = self._trail.cleaned(event.after)
            reason = "" if self._telltale.tells(event.reason) else event.reason
            if (cleaned, reason) != (event.after, event.reason):
                self._note_other(event.after, cleaned)
                self._write_image(event, cleaned, reason)
        for other in others.values():
            cleaned = self._trail.cleaned(other)
            if cleaned != other:
                self._changes.append(partial(_project, after=cleaned))

    def _note_other(self, before: Observation, cleaned: Observation) -> None:
        kept = _texts(cleaned)
        for text in (each for each in _texts(before) if each not in kept):
            self._found(PlaceKind.OTHER_MEMORY, before.id, text)
            self._redacted.append(text)

    def _write_image(self, event: MemoryEvent, after: Observation, reason: str) -> None:
        self._run(
            "UPDATE memory_events SET image = ?, reason = ? WHERE id = ?",
            log_rows.to_image(after),
            reason,
            event.id,
        )

    # ------------------------------------------------------------------ conversations

    def _look_at_turn(self, turn_id: int) -> bool:
        """Whether the turn holds something of it."""
        row = self._trail.turns[turn_id]
        quotes = self._trail.said.get(turn_id, ())
        sought = self._sought(row["session_id"])
        if row["role"] == "user" and row["session_id"] in self._trail.sessions and not quotes:
            sought = self._telltale.names_all
        text, thinking = row["text"], row["thinking"]
        if quotes or sought(text):
            text = redact(text, self._telltale, sought, quotes)
        if thinking and sought(thinking):
            thinking = MARK
        self._note_turn(row, text, thinking)
        return (text, thinking) != (row["text"], row["thinking"])

    def _note_turn(self, row: sqlite3.Row, text: str, thinking: str) -> None:
        where = f"{row['session_id']}/{row['id']}"
        if text != row["text"]:
            kind = PlaceKind.MESSAGE if row["role"] == "user" else PlaceKind.REPLY
            self._found(kind, where, _removed(row["text"], text))
            self._run("UPDATE turns SET text = ? WHERE id = ?", text, row["id"])
        if thinking != row["thinking"]:
            self._found(PlaceKind.THINKING, where, row["thinking"])
            self._run("UPDATE turns SET thinking = ? WHERE id = ?", thinking, row["id"])

    def _look_at_journals(self) -> None:
        pieces: dict[int, str] = defaultdict(str)
        for row in self._connection.execute(
            "SELECT turn_id, text, thinking FROM reply_journal ORDER BY turn_id, piece"
        ):
            pieces[row["turn_id"]] += row["text"] + row["thinking"]
        for turn_id, text in pieces.items():
            session_id = self._trail.turns[turn_id]["session_id"]
            if self._sought(session_id)(text):
                self._found(PlaceKind.JOURNAL, f"{session_id}/{turn_id}", text)
                self._run("DELETE FROM reply_journal WHERE turn_id = ?", turn_id)

    def _look_at_recalls(self) -> None:
        trail = self._trail
        rows = self._connection.execute("SELECT turn_id, block FROM turn_context").fetchall()
        for row in rows:
            turn_id, block = row["turn_id"], row["block"]
            rode = turn_id in trail.recalled or turn_id in trail.reread
            if block and (rode or self._telltale.tells(block)):
                self._found(PlaceKind.CONTEXT, self._place_of(turn_id), block)
                self._run("UPDATE turn_context SET block = '' WHERE turn_id = ?", turn_id)
        for turn_id in sorted(trail.recalled):
            self._found(PlaceKind.RECALL, self._place_of(turn_id), "")
        for memory_id in trail.ids:
            self._run("DELETE FROM recalled WHERE memory_id = ?", memory_id)

    def _place_of(self, turn_id: int) -> str:
        return f"{self._trail.turns[turn_id]['session_id']}/{turn_id}"

    def _look_at_sessions(self, near: Sequence[str]) -> None:
        for row in self._connection.execute(
            "SELECT id, title, draft, system_prompt FROM sessions ORDER BY id"
        ).fetchall():
            sought = self._telltale.hints if row["id"] in near else self._telltale.tells
            if sought(row["title"]) or self._is_part(row["title"]):
                self._found(PlaceKind.TITLE, row["id"], row["title"])
                self._run(
                    "UPDATE sessions SET title = '', title_is_users = 0 WHERE id = ?", row["id"]
                )
            if sought(row["draft"]):
                self._found(PlaceKind.DRAFT, row["id"], row["draft"])
                self._run("UPDATE sessions SET draft = '' WHERE id = ?", row["id"])
            if row["system_prompt"] and self._telltale.tells(row["system_prompt"]):
                self._found(PlaceKind.SYSTEM_PROMPT, row["id"], row["system_prompt"])
                self._run("UPDATE sessions SET system_prompt = NULL WHERE id = ?", row["id"])

    def _is_part(self, title: str) -> bool:
        """Whether a title is the beginning of what was said."""
        plain = folded(title)
        return is_telling(title) and any(plain in each for each in self._telltale.phrases)

    def _look_at_summaries(self, near: Sequence[str]) -> None:
        rows = self._connection.execute("SELECT id, session_id, text FROM summaries").fetchall()
        for row in rows:
            if row["session_id"] in near or self._telltale.tells(row["text"]):
                self._found(PlaceKind.SUMMARY, row["session_id"], row["text"])
                self._run("DELETE FROM summaries WHERE id = ?", row["id"])

    def _look_at_failures(self, edited: set[int]) -> None:
        rows = self._connection.execute(
            "SELECT turn_id, error FROM memory_turns WHERE error != ''"
        ).fetchall()
        for row in rows:
            if row["turn_id"] in edited or self._telltale.tells(row["error"]):
                self._found(PlaceKind.FAILURE, str(row["turn_id"]), row["error"])
                self._run(
                    "UPDATE memory_turns SET error = ? WHERE turn_id = ?", MARK, row["turn_id"]
                )


def _texts(observation: Observation) -> list[str]:
    """The texts of an observation that may have to go."""
    return [observation.statement, *(said.quote for said in observation.evidence)]


def _removed(before: str, after: str) -> str:
    """The words of ``before`` that ``after`` has a mark for, as far as the rest tells."""
    kept = [part.strip() for part in after.split(MARK) if part.strip()]
    rest = before
    for part in kept:
        rest = rest.replace(part, " ", 1)
    return " ".join(rest.split())


def _execute(connection: sqlite3.Connection, sql: str, values: Sequence[object]) -> None:
    connection.execute(sql, values)


def _project(connection: sqlite3.Connection, after: Observation) -> None:
    log_rows.project(connection, after)
    log_rows.tell_index(connection, after.id)


def _note_erasure(connection: sqlite3.Connection, before: Observation, batch: str) -> None:
    """The last event of a memory: that there was one."""
    at = Instant.now()
    after = _blank(before, before.version + 1, at)
    log_rows.add_event(connection, MemoryEvent(0, batch, Op.ERASE, Actor.USER, at, after))


def _blank(before: Observation, version: int, at: Instant) -> Observation:
    return Observation(before.id, "", at, subject="", status=Status.ERASED, version=version)
