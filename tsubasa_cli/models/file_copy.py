"""Brings a large file into the models folder: whole or not at all, and hashed on the way."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from tsubasa_cli.errors import DiskFullError, InputError, StorageError
from tsubasa_cli.models.amounts import in_words
from tsubasa_cli.storage.paths import PRIVATE_FILE

CHUNK_BYTES = 1 << 20
SPARE_BYTES = 256 << 20
"""Left free on the disk for the database and everything else."""

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all."""


def bring_in(source: Path, target: Path, on_progress: Progress | None = None) -> str:
    """Make ``target`` (in the same folder tree as our data) have the content of ``source``.

    Hard-linked where the file system allows, else copied (mode 0600). Returns the SHA-256.
    Raises ``DiskFullError``, or ``StorageError`` when it cannot be written.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        temporary.unlink(missing_ok=True)
        if _linked(source, temporary):
            digest = sha256_of(temporary, on_progress)
        else:
            require_space(target.parent, source.stat().st_size)
            digest = _copy(source, temporary, on_progress)
        temporary.replace(target)
    except OSError as error:
        raise write_failed(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return digest


def sha256_of(path: Path, on_progress: Progress | None = None) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    total = path.stat().st_size
    with path.open("rb") as file:
        _pump(file, [digest.update], total, on_progress)
    return digest.hexdigest()


def require_space(folder: Path, needed: int) -> None:
    """Raise ``DiskFullError`` unless ``needed`` bytes and some to spare are free at ``folder``."""
    free = shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        raise DiskFullError(
            f"The disk is too full: {in_words(needed)} are needed, {in_words(free)} are free.",
            why=f"Models are kept in {folder}, and {in_words(SPARE_BYTES)} stay free.",
            next_step="Free some space (tsubasa model remove NAME), or move TSUBASA_HOME to a "
            "larger disk.",
        )


def write_failed(target: Path, error: OSError) -> DiskFullError | StorageError:
    """The error for a write that did not go through."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFullError(
            f"The disk became full while writing {target.name}.",
            why=error.strerror or str(error),
            next_step="Free some space and try again.",
        )
    return StorageError(
        f"Cannot write {target}.",
        why=error.strerror or str(error),
        next_step="Make the folder writable, or point TSUBASA_HOME elsewhere.",
    )


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source.resolve(), target)
    except OSError:
        return False
    return True


def _copy(source: Path, target: Path, on_progress: Progress | None) -> str:
    digest = hashlib.sha256()
    total = source.stat().st_size
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as output, source.open("rb") as file:
        _pump(file, [digest.update, output.write], total, on_progress)
        output.flush()
        os.fsync(output.fileno())
        if output.tell() != total:
            raise InputError(
                f"{source.name} changed while it was copied.",
                next_step="Wait until it is complete and try again.",
            )
    return digest.hexdigest()


def _pump(
    file: BinaryIO,
    sinks: list[Callable[[bytes], object]],
    total: int,
    on_progress: Progress | None,
) -> None:
    done = 0
    while chunk := file.read(CHUNK_BYTES):
        for sink in sinks:
            sink(chunk)
        done += len(chunk)
        if on_progress:
            on_progress(done, total)
