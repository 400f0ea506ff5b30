"""What the inspector works on, opened alone or lent by a chat."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsubasa_cli.memory.memory import Memory
from tsubasa_cli.storage.connection import lock_of
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import Settings
from tsubasa_cli.storage.values import Instant

if TYPE_CHECKING:
    from tsubasa_cli.conversation.workspace import Workspace
    from tsubasa_cli.memory.dossier import Dossier
    from tsubasa_cli.storage.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class Space:
    """The memory and what belongs to it. ``writer`` is the writer lock of the chat that lent it,
    empty without a chat; ``connection`` is for reading."""

    paths: Paths
    settings: Settings
    memory: Memory
    connection: sqlite3.Connection
    writer: str = ""

    @property
    def owner(self) -> str:
        """The user's name, as memories call them; empty: "the user"."""
        return self.settings.memory.owner

    @property
    def store(self) -> SessionStore:
        """The chats, to look things up in."""
        from tsubasa_cli.storage.sessions import SessionStore

        return SessionStore(self.connection)

    def dossier(self, memory_id: str) -> Dossier:
        """All about one memory; ``NotFoundError``."""
        from tsubasa_cli.memory.dossier import dossier

        return dossier(self.connection, memory_id)

    def give_back(self) -> None:
        """Close what is the inspector's own of a space that a chat lent."""
        with lock_of(self.connection):
            self.connection.close()

    def close(self) -> None:
        """Let go of what was opened; only for whoever opened it."""
        self.memory.close()
        self.connection.close()


def open_space(paths: Paths | None = None) -> Space:
    """Open settings and memory, without models or chats; ``ConfigError`` or ``StorageError``."""
    from tsubasa_cli.storage.database import connect
    from tsubasa_cli.storage.settings_file import load_settings

    places = (paths or Paths.from_environment()).ensure()
    settings = load_settings(places)
    connection = connect(places)
    memory = Memory(places, None, settings.memory.embedder)
    memory.finish_erasure()
    return Space(places, settings, memory, connection)


def lent(workspace: Workspace) -> Space:
    """The memory of an open chat."""
    from tsubasa_cli.storage.database import connect

    return Space(
        workspace.paths,
        workspace.settings,
        workspace.memory,
        connect(workspace.paths),
        workspace.writer_name,
    )


def now() -> Instant:
    """Now, for questions to the memory."""
    return Instant.now()
