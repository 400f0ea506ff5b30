"""Files of a run: whole or not there, and readable by the user alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tsubasa_cli.errors import StorageError
from tsubasa_cli.storage.paths import PRIVATE_FILE, write_private


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """A temporary file to fill, which then takes the place of ``path``; ``StorageError`` when the
    disk refuses."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, PRIVATE_FILE))
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StorageError(
            f"Cannot write {path}.",
            why=error.strerror or str(error),
            next_step="Free some space, then: tsubasa learn --resume.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def unfinished_files(folder: Path) -> list[Path]:
    """What was being written there when its writer was killed."""
    return [file for pattern in (".*.tmp", ".*.part") for file in folder.glob(pattern)]


def write_json(path: Path, body: Any) -> None:
    """``body`` as JSON, atomically."""
    write_private(path, json.dumps(body, ensure_ascii=False, indent=1).encode())


def read_json(path: Path) -> Any:
    """What ``write_json`` wrote."""
    return json.loads(path.read_text("utf-8"))
