"""A speaker's own installation of the product: the conversation is imported into it as chats in
which that speaker is the user and the other one the assistant."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from locomo_store import Conversation, instant, session_of

from tsubasa_cli.memory.imports.taking import Source, import_file
from tsubasa_cli.memory.memory import Memory
from tsubasa_cli.storage.database import connect, open_database
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore

_TURNS = (
    "SELECT turns.id, sessions.import_key AS session FROM turns"
    " JOIN sessions ON sessions.id = turns.session_id ORDER BY turns.id"
)


class Home:
    """One speaker's store in ``folder``, made when it is not there yet."""

    def __init__(self, conversation: Conversation, speaker: str, folder: Path) -> None:
        self.conversation, self.speaker = conversation, speaker
        self.paths = Paths(folder, folder).ensure()
        self._connection, _ = open_database(self.paths)
        self.store = SessionStore(self._connection, "bench")
        self.memory = Memory(self.paths)

    def take_in(self) -> int:
        """Import the conversation, as ``tsubasa memory import log`` does; new turns."""
        log = self.paths.data / "conversation.jsonl"
        log.write_text("".join(_lines(self.conversation, self.speaker)), "utf-8")
        return import_file(Source.LOG, log, self.store, lambda _done, _total: None).turns

    @cached_property
    def names(self) -> dict[int, str]:
        """The dialogue id of each turn."""
        connection = connect(self.paths)
        try:
            return dict(self._named(connection.execute(_TURNS).fetchall()))
        finally:
            connection.close()

    def _named(self, rows: Sequence[sqlite3.Row]) -> Iterator[tuple[int, str]]:
        said = {number: iter(names) for number, names in _by_session(self.conversation).items()}
        for row in rows:
            yield row["id"], next(said[int(row["session"].removeprefix("log:"))])

    def close(self) -> None:
        self.memory.close()
        self._connection.close()


def homes_of(conversation: Conversation, folder: Path) -> list[Home]:
    """Both speakers', in the order in which the file names them."""
    return [Home(conversation, name, folder / name) for name in conversation.speakers]


def _by_session(conversation: Conversation) -> dict[int, list[str]]:
    """Dialogue ids of what has words, by session."""
    found: dict[int, list[str]] = {}
    for name, (_, words) in conversation.turns.items():
        if words.strip():
            found.setdefault(session_of(name), []).append(name)
    return found


def _lines(conversation: Conversation, speaker: str) -> Iterator[str]:
    for session, names in sorted(_by_session(conversation).items()):
        time = instant(conversation.dates[session]).local().isoformat()
        for name in names:
            who, words = conversation.turns[name]
            role = "user" if who == speaker else "assistant"
            line = {"session": session, "time": time, "role": role, "text": words}
            yield json.dumps(line, ensure_ascii=False) + "\n"
