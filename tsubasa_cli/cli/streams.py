"""The standard streams as every command relies on them: there, able to say anything, and a file
that cannot be written is an error in words.

Installed once, before the first command runs; what is printed by others passes here as well.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from tsubasa_cli.errors import StorageError


class Output(io.TextIOWrapper):
    """Standard output whose failures are ``StorageError``. That nobody reads a pipe to its end is
    none: it stays the ``BrokenPipeError`` that ends a command."""

    failure: StorageError | None = None
    """The first one, for those who were not told: a library may try the stream and go on."""

    def write(self, text: str, /) -> int:
        with self._in_words():
            return super().write(text)

    def flush(self) -> None:
        with self._in_words():
            super().flush()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._drop_the_rest()
            raise
        except OSError as error:
            self._drop_the_rest()
            self.failure = self.failure or StorageError(
                "The output cannot be written.",
                why=error.strerror or str(error),
                next_step="Check that standard output is open, and that the disk is not full.",
            )
            raise self.failure from error

    def _drop_the_rest(self) -> None:
        """What is still in the buffer would be written, and fail, once more at the exit."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def install() -> None:
    """Make the streams so, for the rest of the program."""
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    sys.stdout = _output(sys.stdout)
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def finish() -> None:
    """Write what is still held back; ``StorageError`` when any of the output was not written."""
    sys.stdout.flush()
    if isinstance(sys.stdout, Output) and sys.stdout.failure:
        raise sys.stdout.failure


def _output(stream: TextIO | None) -> TextIO:
    if stream is None:
        return Output(_closed(), encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    return Output(
        stream.buffer,
        encoding=_encoding(stream),
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _encoding(stream: TextIO) -> str:
    """A file or a pipe of ASCII holds UTF-8, so that what is exported can be read in again; a
    terminal is told only what it understands."""
    is_ascii = stream.encoding.lower() in ("ascii", "us-ascii", "ansi_x3.4-1968", "646")
    return "utf-8" if is_ascii and not stream.isatty() else stream.encoding


def _closed() -> BinaryIO:
    """A file that takes the place of a stream that is closed, and refuses to be written."""
    return os.fdopen(os.open(os.devnull, os.O_RDONLY), "wb")
