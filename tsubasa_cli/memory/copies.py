"""Files under the data folder that hold copies of what was said.

The program's own (backups, exports, logs, databases that were moved aside) are searched for words
and dropped whole, wherever in the folder an export was put. What somebody else put there is only
told of: it is not ours to remove.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from tsubasa_cli.errors import StorageError
from tsubasa_cli.memory.tombstones import SHORTEST_QUOTE
from tsubasa_cli.storage.paths import Paths

CHUNK_BYTES = 4 * 1024 * 1024
OVERLAP_BYTES = 64 * 1024
"""More than any sentence and any of its encodings take."""

_HEAD_BYTES = 1024
_EXPORT = re.compile(
    r"""\s*\{\s*"format":\s*"tsubasa-(?:memory|session)-\d"""
    r"|# [^\n]+\n\n\*\d{4}-\d\d-\d\d(?: \d\d:\d\d|, \d+ in all)\*\n"
)
"""How the files begin that are written by exporting memories or a session."""
_NUMBERS = (b"GGUF", b"qsgg")
"""How weights begin, and the states of a context that llama.cpp saves."""
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[nrtbf\"\\/])")
_DATABASE = b"SQLite format 3\x00"

Search = Callable[[str], bool]
"""Whether a text holds what is sought."""


def copies(paths: Paths) -> list[Path]:
    """The files that may hold copies of the user's words, but for the database and its index."""
    folders = (paths.backups, paths.exports, paths.logs)
    found = [file for folder in folders for file in _files(folder)]
    found += paths.data.glob(f"{paths.database.name}.damaged-*")
    found += paths.data.glob(f".{paths.database.name}*.tmp")
    return sorted(found)


def live(paths: Paths) -> list[Path]:
    """The files that SQLite or Chroma may have open: the database and the index. They are to be
    read by ``reading_apart`` alone."""
    database = filter(Path.exists, _with_companions(paths.database))
    return sorted([*database, *_files(paths.index)])


def others(paths: Paths) -> list[Path]:
    """The files under the data folder that are neither ``copies`` nor ``live``; no weights and no
    states of a context, which are gigabytes without a word (``kv_files`` finds those states that
    go with a session)."""
    known = {*copies(paths), *_with_companions(paths.database)}
    files = (file for file in _files(paths.data, but=paths.index) if file not in known)
    return sorted(file for file in files if not _is_numbers(file))


def is_ours(file: Path, paths: Paths) -> bool:
    """Whether the program wrote ``file``: an export anywhere, or what it keeps for itself. A link
    is the user's, wherever it leads."""
    kept = {paths.kv_states, paths.learn, paths.calibration}
    if file.is_symlink():
        return False
    return bool(kept & {*file.parents}) or _EXPORT.match(_head(file)) is not None


def kv_files(paths: Paths, session_ids: Iterable[str]) -> list[Path]:
    """The saved model states of these sessions, unfinished ones too."""
    patterns = ("{}.kv*", ".{}.kv.*")
    found = {
        file
        for session_id in session_ids
        for pattern in patterns
        for file in paths.kv_states.glob(pattern.format(session_id))
    }
    return sorted(found)


def holding(files: Iterable[Path], is_in: Search) -> list[Path]:
    """Those of ``files`` that hold what is sought, with the files that belong to them."""
    found = {file for file in files if _holds(file, is_in)}
    companions = {
        companion
        for file in found
        for suffix in ("-wal", "-shm", "")
        if file.name.endswith(suffix)
        for companion in _with_companions(file.with_name(file.name.removesuffix(suffix)))
    }
    return sorted(file for file in found | companions if file.exists())


def remove(files: Iterable[Path]) -> None:
    """Delete the files; ``StorageError`` when one cannot be."""
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"Cannot remove {file}, which holds words that are to be erased.",
                why=error.strerror or str(error),
                next_step="Make the folder writable, then erase again.",
            ) from error


def _files(folder: Path, but: Path | None = None) -> Iterator[Path]:
    """The files in ``folder`` and below, none under ``but``. Others may come and go meanwhile: an
    index is built anew while one looks."""
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(where, name) != but]
        yield from filter(Path.is_file, (Path(where, name) for name in names))


def _with_companions(database: Path) -> list[Path]:
    """A database with the files that SQLite puts beside it."""
    return [database.with_name(database.name + suffix) for suffix in ("", "-wal", "-shm")]


def _is_numbers(file: Path) -> bool:
    return file.suffix == ".safetensors" or _head_bytes(file).startswith(_NUMBERS)


def _head(file: Path) -> str:
    return _head_bytes(file).decode("utf-8", "replace").removeprefix("\ufeff")


def _head_bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> StorageError:
    return StorageError(
        f"Cannot read {file}, which may hold words that are to be erased.",
        why=error.strerror or str(error),
        next_step="Make it readable or remove it, then erase again.",
    )


def _holds(file: Path, is_in: Search) -> bool:
    try:
        return any(is_in(text) for text in _texts(file)) or _is_in_rows(file, is_in)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unreadable(file, error) from error


def _texts(file: Path) -> Iterator[str]:
    """The file as text, in overlapping stretches; escapes as JSON writes them are undone."""
    rest = b""
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            text = (rest + chunk).decode("utf-8", "replace")
            yield text
            if "\\" in text:
                yield _ESCAPE.sub(_unescaped, text)
            rest = chunk[-OVERLAP_BYTES:]


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else " "


def _is_in_rows(file: Path, is_in: Search) -> bool:
    """Look into each row of a database: long texts do not lie in one piece in the file."""
    with file.open("rb") as stream:
        if stream.read(len(_DATABASE)) != _DATABASE:
            return False
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            return any(is_in(text) for text in _cells(connection))
    except sqlite3.Error:
        return False


def _cells(connection: sqlite3.Connection) -> Iterator[str]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in tables:
        quoted = str(name).replace('"', '""')
        for row in connection.execute(f'SELECT * FROM "{quoted}"'):
            for cell in row:
                if isinstance(cell, str) and len(cell.encode()) >= SHORTEST_QUOTE:
                    yield _ESCAPE.sub(_unescaped, cell) if "\\" in cell else cell
