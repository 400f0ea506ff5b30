"""A large file that is there whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tsubasa_cli.models.file_copy import require_space, write_failed


@contextmanager
def written_whole(target: Path, needed: int) -> Iterator[Path]:
    """Gives a path to write ``needed`` bytes to; it becomes ``target`` when the block ends well.

    Raises ``DiskFullError`` when the disk is or becomes that, ``StorageError`` when it cannot be
    written; what was written so far is then deleted, and an older ``target`` is as it was. One
    process at a time may write a target: what a killed one left of it is deleted first.
    """
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        leftover.unlink(missing_ok=True)
    require_space(target.parent, needed)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield temporary
        _settle(temporary)
        temporary.replace(target)
    except OSError as error:
        raise write_failed(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _settle(path: Path) -> None:
    """Make sure that a power cut cannot leave a name without its bytes."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
