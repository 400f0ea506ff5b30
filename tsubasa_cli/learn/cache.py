"""What was computed once and need not be again: base answers and teacher opinions, by their key.

One SQLite file beside the runs. It holds words of the user's and is dropped whole by an erasure.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from tsubasa_cli.storage.connection import refusal
from tsubasa_cli.storage.paths import PRIVATE_FILE, make_private_folder


def key_of(*parts: str | bytes) -> str:
    """A key that changes with any of ``parts``."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


class Cache:
    """Bytes by key. ``StorageError`` when the disk refuses."""

    def __init__(self, folder: Path) -> None:
        make_private_folder(folder)
        file = folder / "learn.db"
        try:
            file.touch(PRIVATE_FILE)
            self._connection = sqlite3.connect(file, isolation_level=None, timeout=30)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA secure_delete = ON")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, body BLOB NOT NULL)"
                " STRICT, WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise refusal(error, f"Cannot open {file}.") from error

    def find(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Those of ``keys`` that are known."""
        found: dict[str, bytes] = {}
        for key in keys:
            row = self._connection.execute("SELECT body FROM kept WHERE key = ?", (key,)).fetchone()
            if row is not None:
                found[key] = row[0]
        return found

    def keep(self, entries: Mapping[str, bytes]) -> None:
        """Remember ``entries``, all or none."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(
                "INSERT OR REPLACE INTO kept VALUES (?, ?)", entries.items()
            )
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._connection.execute("ROLLBACK")
            raise refusal(error, "Cannot write the cache of learning.") from error

    def close(self) -> None:
        self._connection.close()
