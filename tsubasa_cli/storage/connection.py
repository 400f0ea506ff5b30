"""A SQLite connection whose own errors are told in the program's words.

Every statement and every fetch passes here, so a full disk or a busy database reaches the user as
a ``StorageError`` wherever it happens.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tsubasa_cli.errors import StorageError

_DAMAGE = ("malformed", "not a database", "disk image", "database corruption")


class DamagedError(StorageError):
    """The database file is broken."""


class Cursor(sqlite3.Cursor):
    """A cursor that raises ``StorageError``."""

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        with _in_words():
            super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> Cursor:
        with _in_words():
            super().executemany(sql, parameters)
        return self

    def fetchone(self) -> Any:
        with _in_words():
            return super().fetchone()

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        with _in_words():
            return super().fetchmany(size)

    def fetchall(self) -> list[Any]:
        with _in_words():
            return super().fetchall()

    def __next__(self) -> Any:
        with _in_words():
            return super().__next__()


class Connection(sqlite3.Connection):
    """A connection whose cursors raise ``StorageError``.

    ``lock`` is held around each transaction by all who share the connection between threads.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.lock = threading.RLock()

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        return self._cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> Cursor:
        return self._cursor().executemany(sql, parameters)

    def _cursor(self) -> Cursor:
        with _in_words():
            return self.cursor(Cursor)


def lock_of(connection: sqlite3.Connection) -> threading.RLock:
    """The lock that all users of ``connection`` share; one of the caller's own if it has none."""
    return connection.lock if isinstance(connection, Connection) else threading.RLock()


def refusal(error: Exception, what: str = "") -> StorageError:
    """What ``error`` means to the user, and what to do about it."""
    why = str(error)
    if any(sign in why for sign in _DAMAGE):
        return DamagedError(
            "The database is damaged.",
            why=why,
            next_step="Run tsubasa doctor --repair: it moves the file aside and saves what it can.",
        )
    if "locked" in why or "busy" in why:
        return StorageError(
            what or "The database is busy.",
            why=why,
            next_step="Another Tsubasa is writing for long; try again in a moment.",
        )
    return StorageError(
        what or "The database cannot be read or written.",
        why=why,
        next_step="Check that the disk is not full and the data folder is writable.",
    )


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise refusal(error) from error
