"""Who is alive: each program that writes replies holds a lock for as long as it runs.

The operating system drops the lock when the holder dies, however it dies, so a reply whose writer
cannot be found alive is known to be interrupted. Nothing is guessed from process ids. The library
is imported when a lock is needed: it brings asyncio along, which listing sessions can do without.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from tsubasa_cli.errors import StorageError
from tsubasa_cli.storage.paths import PRIVATE_FILE


class WriterLock:
    """A named sign of life, held from construction until ``release`` or the process's end."""

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        self.name = secrets.token_hex(8)
        self._file = folder / f"{self.name}.writer"
        self._lock = FileLock(self._file, mode=PRIVATE_FILE)
        try:
            self._lock.acquire(timeout=0)
        except OSError as error:
            raise StorageError(
                f"Cannot write in the folder {folder}.",
                why=error.strerror or str(error),
                next_step="Check that the disk is not full and the data folder is writable.",
            ) from error

    def release(self) -> None:
        self._lock.release()
        self._file.unlink(missing_ok=True)


def is_writer_alive(folder: Path, name: str) -> bool:
    """Whether the program that called itself ``name`` still runs; tidies up after a dead one."""
    from filelock import FileLock, Timeout

    file = folder / f"{name}.writer"
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
    names = [file.stem for file in folder.glob("*.writer")]
    return [name for name in names if is_writer_alive(folder, name)]
