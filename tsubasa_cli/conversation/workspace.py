"""Everything a program run needs, opened once and closed once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tsubasa_cli.conversation.chat import Chat, Overrides
from tsubasa_cli.conversation.distilling import Distilling
from tsubasa_cli.conversation.engine_host import EngineHost
from tsubasa_cli.conversation.missed_night import missed_night_notice
from tsubasa_cli.conversation.nights import night_notice
from tsubasa_cli.memory.memory import Memory
from tsubasa_cli.models.shelf import ModelShelf
from tsubasa_cli.storage.database import OpenReport, connect, open_database
from tsubasa_cli.storage.locks import WriterLock
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.settings import Settings
from tsubasa_cli.storage.settings_file import load_settings
from tsubasa_cli.storage.values import Instant, Session, Turn


@dataclass(frozen=True, slots=True)
class Workspace:
    """The open parts of an installation. ``notices`` are to be told to the user once;
    ``recovered`` are replies that a program which died had left unfinished."""

    paths: Paths
    settings: Settings
    store: SessionStore
    models: ModelShelf
    host: EngineHost
    memory: Memory
    distilling: Distilling
    notices: tuple[str, ...]
    recovered: tuple[Turn, ...]
    _connection: sqlite3.Connection
    _writer: WriterLock

    def delete_session(self, session_id: str) -> Session:
        """Hide a session, and drop the copy of its words in the KV cache; ``store.restore``
        brings it back."""
        session = self.store.delete(session_id)
        self.host.forget_state(session_id)
        return session

    @property
    def writer_name(self) -> str:
        """The name under which this program shows that it is alive."""
        return self._writer.name

    async def close(self) -> None:
        """Stop the engine, let go of the database."""
        await self.host.close()
        self.memory.close()
        self._connection.close()
        self._writer.release()


def open_workspace(
    paths: Paths | None = None, on_notice: Callable[[str], None] | None = None
) -> Workspace:
    """Open settings, database, models and engine host, and recover what a crash left behind.

    Raises ``ConfigError`` or ``StorageError``. ``on_notice`` hears what the engine has to tell.
    """
    places = (paths or Paths.from_environment()).ensure()
    settings = load_settings(places)
    connection, report = open_database(places)
    writer = WriterLock(places.locks)
    store = SessionStore(connection, writer.name)
    recovered = tuple(store.recover(places.locks))
    shelf = ModelShelf(places, lambda: connect(places))
    host = EngineHost(places, settings, shelf, on_notice, store.is_kept)
    memory = Memory(places, on_notice, settings.memory.embedder)
    memory.finish_erasure()
    return Workspace(
        paths=places,
        settings=settings,
        store=store,
        models=shelf,
        host=host,
        memory=memory,
        distilling=Distilling(memory, store, host, settings.memory, places.calibration),
        notices=_notices(connection, places, report),
        recovered=recovered,
        _connection=connection,
        _writer=writer,
    )


def _notices(connection: sqlite3.Connection, paths: Paths, report: OpenReport) -> tuple[str, ...]:
    missed = missed_night_notice(connection, datetime.now().astimezone())
    return tuple(filter(None, (report.notice(), night_notice(connection, paths), missed)))


def open_chat(
    workspace: Workspace, session_id: str | None = None, overrides: Overrides | None = None
) -> Chat:
    """Open a session by id, or begin a new one, which is stored once something is said in it."""
    session = workspace.store.get(session_id) if session_id else _unsaved(workspace.settings)
    return Chat(
        workspace.store, workspace.host, workspace.settings, session, overrides, workspace.memory
    )


def _unsaved(settings: Settings) -> Session:
    now = Instant.now()
    return Session("", "", False, now, now, persona=settings.chat.persona)
