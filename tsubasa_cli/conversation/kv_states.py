"""KV states on disk for the sessions last used, so that a resumed chat evaluates only new words.

A bounded cache: the oldest files go first. Losing one costs time, never words.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tsubasa_cli.storage.paths import Paths

MEGABYTE = 1024 * 1024
ABANDONED_SECONDS = 3600.0
"""No state takes this long to write."""


class KvStates:
    """Names, finds and evicts state files. ``limit_mb`` 0 keeps none."""

    def __init__(self, paths: Paths, limit_mb: int) -> None:
        self._folder = paths.kv_states
        self._limit = limit_mb * MEGABYTE

    @property
    def enabled(self) -> bool:
        return self._limit > 0

    def file_for(self, session_id: str) -> Path:
        """Where the state of a session is kept, whether or not there is one yet."""
        return self._folder / f"{session_id}.kv"

    def forget(self, session_id: str) -> None:
        """Remove every file of a session's state, unfinished ones too."""
        for pattern in (f"{session_id}.kv*", f".{session_id}.kv.*"):
            for file in self._folder.glob(pattern):
                file.unlink(missing_ok=True)

    def fits(self, size_bytes: int) -> bool:
        """Whether a state of that size may be kept at all."""
        return 0 < size_bytes <= self._limit

    def evict(self) -> None:
        """Remove what a killed program left unfinished, and the states longest unused until the
        rest fits the limit. Another program may be tidying up at the same time."""
        for unfinished, at, _ in _files(self._folder.glob(".*.kv.*")):
            if time.time() - at > ABANDONED_SECONDS:
                unfinished.unlink(missing_ok=True)
        total = 0
        for file, _, size in sorted(_files(self._folder.glob("*.kv")), key=_last_use, reverse=True):
            total += size
            if total > self._limit:
                self.forget(file.stem)


def _files(found: Iterable[Path]) -> Iterator[tuple[Path, float, int]]:
    """Each file with its last use and its size; those that vanish meanwhile are left out."""
    for file in found:
        with suppress(FileNotFoundError):
            status = file.stat()
            yield file, status.st_mtime, status.st_size


def _last_use(entry: tuple[Path, float, int]) -> float:
    return entry[1]
