"""Who is alive: each program that writes replies holds a lock for as long as it runs.

The operating system drops the lock when the holder dies, however it dies, so a reply whose writer
cannot be found alive is known to be interrupted. Nothing is guessed from process ids. The library
is imported when a lock is needed: it brings asyncio along, which listing sessions can do without.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tsubasa_cli.errors import StorageError
from tsubasa_cli.storage.paths import PRIVATE_FILE

_SUFFIX = ".writer"
SETTLED_SECONDS = 0.5
"""A younger file may be of a program that has not locked it yet: it is not touched."""
TRUSTED_SECONDS = 2.0
"""For so long a program that was seen alive is believed to be."""

_held: set[str] = set()
"""The locks of this very process."""


class WriterLock:
    """A named sign of life, held from construction until ``release`` or the process's end."""

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        self.name = secrets.token_hex(8)
        self._file = folder / f"{self.name}{_SUFFIX}"
        self._lock = FileLock(self._file, mode=PRIVATE_FILE)
        try:
            self._lock.acquire(timeout=0)
        except OSError as error:
            raise StorageError(
                f"Cannot write in the folder {folder}.",
                why=error.strerror or str(error),
                next_step="Check that the disk is not full and the data folder is writable.",
            ) from error
        _held.add(self.name)

    def release(self) -> None:
        _held.discard(self.name)
        self._lock.release()
        self._file.unlink(missing_ok=True)


def is_writer_alive(folder: Path, name: str) -> bool:
    """Whether the program that called itself ``name`` still runs; tidies up after a dead one."""
    from filelock import FileLock, Timeout

    file = folder / f"{name}{_SUFFIX}"
    if not file.exists():
        return False
    lock = FileLock(file, mode=PRIVATE_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    file.unlink(missing_ok=True)
    return False


def living_writers(folder: Path) -> list[str]:
    """The names of all programs that run now; tidies up after the dead ones."""
    names = [file.stem for file in folder.glob(f"*{_SUFFIX}")]
    return [name for name in names if is_writer_alive(folder, name)]


class WriterWatch:
    """Looks again and again for other programs that run, cheaply: a look is one listing of a
    folder, and a program found alive is not asked again for ``TRUSTED_SECONDS``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first_seen: dict[str, float] = {}
        self._seen_alive: dict[str, float] = {}

    def others(self) -> list[str]:
        """The names of the programs that run now, this one left out. One that began within the
        last ``SETTLED_SECONDS`` may still be missing."""
        ages = self._ages()
        now = time.monotonic()
        self._first_seen = {name: self._first_seen.get(name, now) for name in ages}
        self._seen_alive = {n: at for n, at in self._seen_alive.items() if n in ages}
        return sorted(name for name, age in ages.items() if self._is_alive(name, age, now))

    def _ages(self) -> dict[str, float]:
        """Seconds since each lock was made, or, with some versions of filelock, since somebody
        asked whether its holder lives."""
        now = time.time()
        try:
            with os.scandir(self._folder) as entries:
                files = [entry for entry in entries if entry.name.endswith(_SUFFIX)]
                ages = {f.name.removesuffix(_SUFFIX): now - f.stat().st_mtime for f in files}
        except OSError:
            return {}
        return {name: age for name, age in ages.items() if name not in _held}

    def _is_alive(self, name: str, age: float, now: float) -> bool:
        if now - self._seen_alive.get(name, -TRUSTED_SECONDS) < TRUSTED_SECONDS:
            return True
        if max(age, now - self._first_seen[name]) < SETTLED_SECONDS:
            return False
        alive = is_writer_alive(self._folder, name)
        if alive:
            self._seen_alive[name] = now
        return alive


NIGHT = "learn.lock"
PATIENCE = "learn-patience.lock"


@contextmanager
def night_lock(folder: Path) -> Iterator[bool]:
    """Held while a run of ``learn`` is at work; yields whether it could be had."""
    with _held_alone(folder / NIGHT) as is_free:
        yield is_free


@contextmanager
def patience_lock(folder: Path) -> Iterator[bool]:
    """Held by the program that learns when the machine is idle, also while it waits; yields
    whether it could be had."""
    with _held_alone(folder / PATIENCE) as is_free:
        yield is_free


def is_night_at_work(folder: Path) -> bool:
    """Whether a run of ``learn`` is at work now."""
    with night_lock(folder) as is_free:
        return not is_free


def is_night_awaited(folder: Path) -> bool:
    """Whether a program will go on with the run that stopped, once the machine is idle."""
    with patience_lock(folder) as is_free:
        return not is_free


@contextmanager
def _held_alone(file: Path) -> Iterator[bool]:
    from filelock import FileLock, Timeout

    lock = FileLock(file, mode=PRIVATE_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
