"""Results on disk, one JSON line each, so that a run that is cut goes on where it stopped.

A record is written whole and synced before the next is begun. What a kill leaves of a last line is
cut off when the file is opened again, and its work is done anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock

Key = tuple[str, ...]


class Records:
    """The records of one file, by key. One process at a time writes; use it as a context."""

    def __init__(self, path: Path, key_fields: tuple[str, ...]) -> None:
        """``key_fields`` name what a record is known by."""
        self.path = path
        self._fields = key_fields
        self._known: dict[Key, dict[str, Any]] = {}
        self._lock = FileLock(path.with_suffix(".lock"), timeout=5)

    def __enter__(self) -> Records:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        cut_torn_line(self.path)
        self._known = {self._key(record): record for record in read_records(self.path)}
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._lock.release()

    def __len__(self) -> int:
        return len(self._known)

    def has(self, **fields: object) -> bool:
        """Whether there is a record with this key."""
        return self._key(fields) in self._known

    def add(self, record: dict[str, Any]) -> None:
        """Write one record, and return when it is on the disk."""
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._known[self._key(record)] = record

    def _key(self, record: Mapping[str, object]) -> Key:
        return tuple(str(record[name]) for name in self._fields)


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """All whole records of a file that may not be there; a torn last line is passed over."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)


def cut_torn_line(path: Path) -> None:
    """Take away what stands behind the last line break."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
