"""Exports as files: a JSON document, a folder of them, or the ZIP archive as it was downloaded.

Conversations are read one at a time, so that an export of any size fits in memory. What cannot be
read is an ``InputError`` that names the file and the line.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tsubasa_cli.errors import InputError

CHUNK_CHARACTERS = 1 << 20
_CONVERSATIONS = re.compile(r"(?:.*/)?conversations(?:-\d+)?\.json\Z", re.IGNORECASE)
"""Exports of many conversations come in numbered pieces."""
_SPACE = " \t\n\r"
_Broken = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""What ``zipfile`` raises for damaged and truncated members; the last for encrypted ones and those
packed in an unknown way."""


@dataclass(frozen=True, slots=True)
class Element:
    """One value of an export's array, and ``where`` it stands, for people."""

    value: Any
    where: str


def elements(path: Path) -> Iterator[Element]:
    """Every conversation in ``path``: a JSON file, or a folder or ZIP archive that holds
    ``conversations.json``. Raises ``InputError``."""
    name = path.name
    try:
        for name, stream in _documents(path):
            for number, value in enumerate(_array(stream, name), start=1):
                yield Element(value, f"{name}, conversation {number}")
            name = path.name
    except UnicodeDecodeError as error:
        raise not_text(name, error) from error
    except _Broken as error:
        raise InputError(
            f"{name} cannot be unpacked.",
            why=str(error),
            next_step="Download the export again, or unpack it with another program.",
        ) from error


@contextmanager
def opened_text(path: Path) -> Iterator[TextIO]:
    """``path`` as UTF-8 text, with or without a byte order mark. Raises ``InputError``."""
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as stream:
            yield stream
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise not_text(str(path), error) from error


def unreadable(path: Path, error: OSError) -> InputError:
    """``path`` cannot be opened or read."""
    return InputError(
        f"Cannot read {path}.",
        why=error.strerror or str(error),
        next_step="Check the name of the file and that you may read it.",
    )


def not_text(name: str, error: UnicodeDecodeError) -> InputError:
    """``name`` holds something other than UTF-8."""
    return InputError(
        f"{name} is not UTF-8 text.",
        why=f"Byte {error.object[error.start]:#04x} cannot be decoded.",
        next_step="Convert it first, for example: iconv -f latin1 -t utf-8",
    )


def _documents(path: Path) -> Iterator[tuple[str, TextIO]]:
    try:
        if path.is_dir():
            yield from _in_folder(path)
        elif zipfile.is_zipfile(path):
            yield from _in_archive(path)
        else:
            with opened_text(path) as stream:
                yield path.name, stream
    except OSError as error:
        raise unreadable(path, error) from error


def _in_folder(folder: Path) -> Iterator[tuple[str, TextIO]]:
    files = sorted(file for file in folder.iterdir() if _CONVERSATIONS.match(file.name))
    _require_some(files, folder)
    for file in files:
        with opened_text(file) as stream:
            yield file.name, stream


def _in_archive(archive: Path) -> Iterator[tuple[str, TextIO]]:
    with zipfile.ZipFile(archive) as members:
        names = sorted(name for name in members.namelist() if _CONVERSATIONS.match(name))
        _require_some(names, archive)
        for name in names:
            with members.open(name) as raw:
                yield f"{archive.name}:{name}", io.TextIOWrapper(raw, encoding="utf-8-sig")


def _require_some(names: list[Any], path: Path) -> None:
    if not names:
        raise InputError(
            f"{path} holds no conversations.json.",
            next_step="Give the ZIP archive as it was downloaded, or the conversations.json in it.",
        )


def _array(stream: TextIO, name: str) -> Iterator[Any]:
    """The elements of the array that ``stream`` holds; another value is its own only element."""
    reader = _Reader(stream, name)
    if reader.peek() != "[":
        whole = reader.value()
        reader.require_end()
        yield from _wrapped(whole)
        return
    reader.take("[")
    if reader.peek() == "]":
        reader.take("]")
    else:
        yield reader.value()
        while reader.take(",]") == ",":
            yield reader.value()
    reader.require_end()


def _wrapped(whole: Any) -> list[Any]:
    inner = whole.get("conversations") if isinstance(whole, dict) else None
    return inner if isinstance(inner, list) else [whole]


class _Reader:
    """Takes JSON values off the front of a stream, holding little more than one of them."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._line = self._column = 1
        self._ended = False

    def peek(self) -> str:
        """The next character that is not space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or not self._fill():
                return self._text[self._at : self._at + 1]

    def take(self, allowed: str) -> str:
        """The next character, which must be one of ``allowed``."""
        found = self.peek()
        if not found or found not in allowed:
            raise self._broken(f"{' or '.join(allowed)} is missing", self._at)
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._fill():
                    raise self._broken(error.msg, error.pos) from error
                continue
            except RecursionError as error:
                raise self._broken("It is nested too deeply", self._at) from error
            if end == len(self._text) and self._fill():
                continue
            self._at = end
            return value

    def require_end(self) -> None:
        if self.peek():
            raise self._broken("Something follows the end", self._at)

    def _fill(self) -> bool:
        """Read on: at least as much as is held already, so that a long value is tried seldom."""
        more = "" if self._ended else self._stream.read(max(CHUNK_CHARACTERS, len(self._text)))
        self._ended = not more
        if more:
            self._line, self._column = self._place(self._at)
            self._text = self._text[self._at :] + more
            self._at = 0
        return bool(more)

    def _place(self, position: int) -> tuple[int, int]:
        """Line and column, from 1, of a place in the text that is held."""
        breaks = self._text.count("\n", 0, position)
        if not breaks:
            return self._line, self._column + position
        return self._line + breaks, position - self._text.rfind("\n", 0, position)

    def _broken(self, reason: str, position: int) -> InputError:
        line, column = self._place(position)
        cut = position >= len(self._text.rstrip()) or reason.startswith("Unterminated")
        return InputError(
            f"{self._name} is not valid JSON; nothing was imported.",
            why=f"Line {line}, column {column}: {reason}"
            + (" (the file ends here: was it cut off?)." if cut else "."),
            next_step="Download the export again.",
        )
