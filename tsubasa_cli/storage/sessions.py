"""Sessions and their tree of turns, committed before anything is done with them.

A question and the (still empty) reply to it are one transaction; what a reply says while it
streams goes to a journal; ``finish`` folds it in. Nothing is overwritten: edits and regenerations
add siblings, and deleting a session can be undone until it is purged.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

from tsubasa_cli.errors import InputError, NotFoundError, StorageError
from tsubasa_cli.storage import rows
from tsubasa_cli.storage.connection import lock_of
from tsubasa_cli.storage.database import transaction
from tsubasa_cli.storage.imported import ImportedSession, TakenIn, take_in
from tsubasa_cli.storage.locks import living_writers
from tsubasa_cli.storage.values import (
    Branch,
    Instant,
    Role,
    Session,
    SessionHit,
    Summary,
    Turn,
    TurnStatus,
    Usage,
)

PROVISIONAL_TITLE_WORDS = 7


class SessionStore:
    """Reads and writes conversations. Safe to call from several threads, one at a time."""

    def __init__(self, connection: sqlite3.Connection, writer: str = "") -> None:
        self._connection = connection
        self._lock = lock_of(connection)
        self._writer = writer

    # ------------------------------------------------------------------ sessions

    def create(self, session: Session | None = None) -> Session:
        """Add a session; only the choices (title, persona, model …) of ``session`` are taken."""
        now = Instant.now()
        draft = session or Session("", "", False, now, now)
        identity = secrets.token_hex(5)
        with self._lock:
            self._connection.execute(
                "INSERT INTO sessions (id, title, title_is_users, created_ms, created_offset,"
                " updated_ms, updated_offset, persona, system_prompt, model, thinking, draft,"
                " memory) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    identity,
                    draft.title,
                    draft.title_is_users,
                    now.epoch_ms,
                    now.offset_minutes,
                    now.epoch_ms,
                    now.offset_minutes,
                    draft.persona,
                    draft.system_prompt,
                    draft.model,
                    draft.thinking,
                    draft.draft,
                    draft.memory,
                ),
            )
            return self.get(identity)

    def add_imported(self, session: ImportedSession) -> TakenIn:
        """Take in a session from elsewhere, whole or not at all; what is here already stays."""
        with self._lock, transaction(self._connection):
            return take_in(self._connection, session)

    def get(self, reference: str) -> Session:
        """The session with that id, or the only one whose id begins so; ``NotFoundError``."""
        with self._lock:
            found = self._connection.execute(
                "SELECT * FROM sessions WHERE id = ? OR (length(?) >= 3 AND substr(id, 1,"
                " length(?)) = ?) ORDER BY id = ? DESC LIMIT 2",
                (reference, reference, reference, reference, reference),
            ).fetchall()
        if not found or (len(found) > 1 and found[0]["id"] != reference):
            raise NotFoundError(
                f"There is no session {reference!r}."
                if not found
                else f"More than one session begins with {reference!r}.",
                next_step="tsubasa session list shows them with their ids.",
            )
        return rows.session(found[0])

    def is_kept(self, session_id: str) -> bool:
        """Whether the session exists and is not deleted."""
        try:
            return self.get(session_id).deleted_at is None
        except NotFoundError:
            return False

    def latest(self) -> Session | None:
        """The session last talked in, or None."""
        listed = self.recent(limit=1)
        return listed[0] if listed else None

    def recent(self, limit: int = -1, *, deleted: bool = False) -> list[Session]:
        """Sessions that hold something, newest first; with ``deleted``, the deleted ones."""
        state = "IS NOT NULL" if deleted else "IS NULL"
        with self._lock:
            found = self._connection.execute(
                f"SELECT * FROM sessions WHERE deleted_ms {state} AND (head_id IS NOT NULL OR"
                " draft != '') ORDER BY updated_ms DESC, rowid DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [rows.session(row) for row in found]

    def search(self, query: str, limit: int = 50) -> list[SessionHit]:
        """Sessions whose title or words match every word of ``query``, newest first."""
        with self._lock:
            return rows.search(self._connection, query, limit)

    def rename(self, session_id: str, title: str) -> Session:
        """Give a title that the program no longer changes."""
        clean = as_title(title)
        if not clean:
            raise InputError(
                "A title needs at least one character.", next_step="Give it one or more words."
            )
        return self._update(session_id, title=clean, title_is_users=1)

    def suggest_title(self, session_id: str, title: str) -> Session:
        """Set a title unless the user gave one."""
        with self._lock:
            self._connection.execute(
                "UPDATE sessions SET title = ? WHERE id = ? AND NOT title_is_users",
                (as_title(title), session_id),
            )
            return self.get(session_id)

    def choose(
        self,
        session_id: str,
        *,
        model: str | None = None,
        thinking: bool | None = None,
        persona: str | None = None,
        system_prompt: str | None = None,
    ) -> Session:
        """Set what is not None."""
        given = {
            "model": model,
            "thinking": thinking,
            "persona": persona,
            "system_prompt": system_prompt,
        }
        return self._update(session_id, **{k: v for k, v in given.items() if v is not None})

    def set_memory(self, session_id: str, on: bool) -> Session:
        """Whether the session's words may be remembered and memories recalled in it."""
        return self._update(session_id, memory=on)

    def save_draft(self, session_id: str, text: str) -> None:
        """Keep what is typed but not sent."""
        self._update(session_id, draft=text)

    def delete(self, session_id: str) -> Session:
        """Hide a session; ``restore`` brings it back."""
        now = Instant.now()
        return self._update(session_id, deleted_ms=now.epoch_ms, deleted_offset=now.offset_minutes)

    def restore(self, session_id: str) -> Session:
        """Undo ``delete``."""
        return self._update(session_id, deleted_ms=None, deleted_offset=None)

    def purge(self, session_id: str) -> None:
        """Remove a session and all its words for good, from every page of the file."""
        with self._lock:
            with transaction(self._connection):
                self._connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,))
                self._connection.execute("INSERT INTO turns_fts (turns_fts) VALUES ('rebuild')")
            self._connection.execute("VACUUM")
            is_busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if is_busy:
            raise StorageError(
                "The session is removed, but its words may still be in the database file.",
                why="Another Tsubasa is reading the database.",
                next_step="Close the other one; its last words go when it ends.",
            )

    def _update(self, session_id: str, **columns: Any) -> Session:
        with self._lock:
            if columns:
                assignments = ", ".join(f"{name} = ?" for name in columns)
                self._connection.execute(
                    f"UPDATE sessions SET {assignments} WHERE id = ?",
                    (*columns.values(), session_id),
                )
            return self.get(session_id)

    # ------------------------------------------------------------------ turns

    def turn(self, turn_id: int) -> Turn:
        """One turn; ``NotFoundError``."""
        with self._lock:
            row = self._connection.execute(
                "SELECT * FROM turns WHERE id = ?", (turn_id,)
            ).fetchone()
        if row is None:
            raise NotFoundError(
                f"There is no turn {turn_id}.", next_step="tsubasa session show lists the turns."
            )
        return rows.turn(row)

    def path(self, session_id: str, head_id: int | None = None) -> list[Turn]:
        """The turns from the root to ``head_id`` (default: the head of the branch on show)."""
        with self._lock:
            found = self._connection.execute(
                "WITH RECURSIVE line (id, parent_id, depth) AS ("
                " SELECT id, parent_id, 0 FROM turns WHERE id = coalesce(?, (SELECT head_id FROM"
                " sessions WHERE id = ?)) UNION ALL"
                " SELECT t.id, t.parent_id, depth + 1 FROM turns t JOIN line ON t.id ="
                " line.parent_id) SELECT turns.* FROM line JOIN turns USING (id)"
                " ORDER BY depth DESC",
                (head_id, session_id),
            ).fetchall()
        return [rows.turn(row) for row in found]

    def branches(self, session_id: str) -> dict[int, Branch]:
        """For each turn that has siblings: where it stands among them, oldest first."""
        with self._lock:
            found = self._connection.execute(
                "SELECT id, parent_id FROM turns WHERE session_id = ? ORDER BY id", (session_id,)
            ).fetchall()
        families: dict[int | None, list[int]] = defaultdict(list)
        for row in found:
            families[row["parent_id"]].append(row["id"])
        return {
            member: _place(family, index)
            for family in families.values()
            if len(family) > 1
            for index, member in enumerate(family)
        }

    def ask(self, session_id: str, text: str, model: str = "") -> tuple[Turn, Turn]:
        """Commit a question at the head and the pending reply to it."""
        with self._lock, transaction(self._connection):
            head = self._connection.execute(
                "SELECT head_id FROM sessions WHERE id = ?", (session_id,)
            ).fetchone()
            exchange = self._add_exchange(session_id, head["head_id"], text, model)
            self._connection.execute("UPDATE sessions SET draft = '' WHERE id = ?", (session_id,))
            return exchange

    def edit(self, turn_id: int, text: str, model: str = "") -> tuple[Turn, Turn]:
        """Commit another wording of the question ``turn_id`` as its sibling, with its reply."""
        asked = self.turn(turn_id)
        if asked.role is not Role.USER:
            raise InputError(
                "Only your own messages can be edited.", next_step="Choose one of yours."
            )
        with self._lock, transaction(self._connection):
            return self._add_exchange(asked.session_id, asked.parent_id, text, model)

    def regenerate(self, reply_id: int, model: str = "") -> Turn:
        """Commit a pending sibling of the reply ``reply_id``."""
        old = self.turn(reply_id)
        if old.role is not Role.ASSISTANT:
            raise InputError("Only replies can be regenerated.", next_step="Choose a reply.")
        with self._lock, transaction(self._connection):
            reply = self._add_turn(old.session_id, old.parent_id, Role.ASSISTANT, "", model)
            self._move_head(old.session_id, reply.id)
        return reply

    def show_branch(self, turn_id: int) -> None:
        """Move the head to the newest leaf below ``turn_id``."""
        session_id = self.turn(turn_id).session_id
        with self._lock, transaction(self._connection):
            leaf = turn_id
            while child := self._connection.execute(
                "SELECT max(id) AS id FROM turns WHERE parent_id = ?", (leaf,)
            ).fetchone()["id"]:
                leaf = child
            self._connection.execute(
                "UPDATE sessions SET head_id = ? WHERE id = ?", (leaf, session_id)
            )

    def _add_exchange(
        self, session_id: str, parent_id: int | None, text: str, model: str
    ) -> tuple[Turn, Turn]:
        question = self._add_turn(session_id, parent_id, Role.USER, text, "")
        reply = self._add_turn(session_id, question.id, Role.ASSISTANT, "", model)
        self._move_head(session_id, reply.id)
        self._connection.execute(
            "UPDATE sessions SET title = ? WHERE id = ? AND title = ''",
            (provisional_title(text), session_id),
        )
        return question, reply

    def _add_turn(
        self, session_id: str, parent_id: int | None, role: Role, text: str, model: str
    ) -> Turn:
        now = Instant.now()
        pending = role is Role.ASSISTANT
        status = TurnStatus.PENDING if pending else TurnStatus.COMPLETE
        cursor = self._connection.execute(
            "INSERT INTO turns (session_id, parent_id, role, text, status, created_ms,"
            " created_offset, model, writer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                session_id,
                parent_id,
                role,
                text,
                status,
                now.epoch_ms,
                now.offset_minutes,
                model,
                self._writer if pending else None,
            ),
        )
        identity = cursor.lastrowid or 0
        return Turn(identity, session_id, parent_id, role, text, status, now, model=model)

    def _move_head(self, session_id: str, head_id: int) -> None:
        now = Instant.now()
        self._connection.execute(
            "UPDATE sessions SET head_id = ?, updated_ms = ?, updated_offset = ?,"
            " deleted_ms = NULL, deleted_offset = NULL WHERE id = ?",
            (head_id, now.epoch_ms, now.offset_minutes, session_id),
        )

    # ------------------------------------------------------------------ replies under way

    def begin(self, reply_id: int, model: str) -> None:
        """Mark a reply as streaming, by this writer."""
        with self._lock:
            self._connection.execute(
                "UPDATE turns SET status = 'streaming', model = ?, writer = ? WHERE id = ?",
                (model, self._writer, reply_id),
            )

    def journal(self, reply_id: int, piece: int, text: str, thinking: str) -> None:
        """Keep the next ``piece`` of a streaming reply."""
        with self._lock:
            self._connection.execute(
                "INSERT OR REPLACE INTO reply_journal VALUES (?, ?, ?, ?)",
                (reply_id, piece, text, thinking),
            )

    def finish(
        self,
        reply_id: int,
        status: TurnStatus,
        text: str,
        thinking: str = "",
        usage: Usage | None = None,
    ) -> Turn:
        """Commit a reply as it ended and drop its journal."""
        with self._lock, transaction(self._connection):
            self._connection.execute(
                "UPDATE turns SET status = ?, text = ?, thinking = ?, usage = ?, writer = NULL"
                " WHERE id = ?",
                (status, text, thinking, rows.usage_json(usage), reply_id),
            )
            self._connection.execute("DELETE FROM reply_journal WHERE turn_id = ?", (reply_id,))
        return self.turn(reply_id)

    def recover(self, locks: Path) -> list[Turn]:
        """Fold in what dead programs left of their replies; returns those replies.

        A reply is left alone while the program that writes it holds its lock in ``locks``.
        """
        living = {self._writer, *living_writers(locks)}
        with self._lock:
            open_replies = self._connection.execute(
                "SELECT id, writer FROM turns WHERE status IN ('pending', 'streaming')"
            ).fetchall()
            return [
                self._recover_one(row["id"]) for row in open_replies if row["writer"] not in living
            ]

    def _recover_one(self, reply_id: int) -> Turn:
        pieces = self._connection.execute(
            "SELECT text, thinking FROM reply_journal WHERE turn_id = ? ORDER BY piece",
            (reply_id,),
        ).fetchall()
        text = "".join(piece["text"] for piece in pieces).strip()
        thinking = "".join(piece["thinking"] for piece in pieces).strip()
        return self.finish(reply_id, TurnStatus.INTERRUPTED, text, thinking)

    # ------------------------------------------------------------------ summaries

    def add_summary(self, session_id: str, upto_turn_id: int, text: str, model: str) -> Summary:
        """Keep a stand-in for all turns of the branch up to and including ``upto_turn_id``."""
        now = Instant.now()
        with self._lock:
            cursor = self._connection.execute(
                "INSERT INTO summaries (session_id, upto_turn_id, text, model, created_ms,"
                " created_offset) VALUES (?, ?, ?, ?, ?, ?)",
                (session_id, upto_turn_id, text, model, now.epoch_ms, now.offset_minutes),
            )
        return Summary(cursor.lastrowid or 0, session_id, upto_turn_id, text, now, model)

    def summaries(self, session_id: str) -> list[Summary]:
        """All summaries of a session, oldest first."""
        with self._lock:
            found = self._connection.execute(
                "SELECT * FROM summaries WHERE session_id = ? ORDER BY id", (session_id,)
            ).fetchall()
        return [rows.summary(row) for row in found]


def as_title(text: str) -> str:
    """``text`` on one line, without characters that a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def provisional_title(text: str) -> str:
    """The first words of a message, as a title until there is a better one."""
    words = as_title(text[:1000]).split()
    title = " ".join(words[:PROVISIONAL_TITLE_WORDS])[:60].strip()
    return f"{title}…" if len(words) > PROVISIONAL_TITLE_WORDS else title


def _place(family: list[int], index: int) -> Branch:
    return Branch(
        position=index + 1,
        count=len(family),
        previous_id=family[index - 1] if index else None,
        next_id=family[index + 1] if index + 1 < len(family) else None,
    )
