"""KV states on disk for the sessions last used, so that a resumed chat evaluates only new words.

A bounded cache: the oldest files go first. Losing one costs time, never words.
"""

from __future__ import annotations

from pathlib import Path

from tsubasa_cli.storage.paths import Paths

MEGABYTE = 1024 * 1024


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
        """Remove every file of a session's state."""
        for file in self._folder.glob(f"{session_id}.kv*"):
            file.unlink(missing_ok=True)

    def fits(self, size_bytes: int) -> bool:
        """Whether a state of that size may be kept at all."""
        return 0 < size_bytes <= self._limit

    def evict(self) -> None:
        """Remove the states longest unused until the rest fits the limit."""
        files = sorted(self._folder.glob("*.kv"), key=_last_use, reverse=True)
        total = 0
        for file in files:
            total += file.stat().st_size
            if total > self._limit:
                self.forget(file.stem)


def _last_use(file: Path) -> float:
    return file.stat().st_mtime
