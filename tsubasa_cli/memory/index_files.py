"""The files of the search index: opened, made anew, locked against other writers.

Each writing leaves another word in the generation file, which tells other processes to reopen.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tsubasa_cli.errors import StorageError
from tsubasa_cli.memory.vectors import VectorIndex, new_vectors, remove_vectors
from tsubasa_cli.memory.words_index import LAYOUT, DamagedIndexError, WordsIndex
from tsubasa_cli.storage.paths import PRIVATE_FILE, Paths, make_private_folder, write_private

if TYPE_CHECKING:
    from filelock import FileLock

    from tsubasa_cli.memory.embedder import Embedder


class IndexBusyError(StorageError):
    """The index has been written for long, by another process or another thread."""


@dataclass(slots=True)
class Halves:
    """The index while it is open; ``generation`` is what it was then."""

    words: WordsIndex
    vectors: VectorIndex
    generation: str

    def close(self) -> None:
        self.words.close()
        self.vectors.close()


class IndexFiles:
    """Knows where the halves lie and whether they may be trusted."""

    def __init__(self, paths: Paths, embedder: Embedder) -> None:
        self._paths = paths
        self._embedder = embedder
        self._generation_file = paths.index_generation
        self._seen: tuple[tuple[int, int, int], str] = ((0, 0, 0), "")
        self.mutex = threading.RLock()
        """Held by the thread of this process that opens, writes or closes the index."""

    @contextmanager
    def held(self, patience: float) -> Iterator[None]:
        """Be the only writer, in this process and on this machine, or ``IndexBusyError``."""
        from filelock import Timeout

        if not self.mutex.acquire(timeout=patience):
            raise _busy()
        try:
            try:
                lock = self._file_lock.acquire(timeout=patience)
            except Timeout as error:
                raise _busy() from error
            except OSError as error:
                raise refusal(error) from error
            with lock:
                yield
        finally:
            self.mutex.release()

    def open(self) -> Halves:
        """The index as it is; ``DamagedIndexError`` when it cannot be used."""
        make_private_folder(self._paths.index)
        generation = self.generation()
        words = WordsIndex(self._paths.index_words)
        try:
            if words.state("made_with") != self._made_with():
                raise DamagedIndexError("it was made with another embedding model or layout")
            return Halves(words, VectorIndex(self._vectors_folder(words)), generation)
        except BaseException:
            words.close()
            raise

    def make(self) -> Halves:
        """An empty index where another was. Until ``finish``, nobody takes it for one."""
        self._remove()
        make_private_folder(self._paths.index)
        words = WordsIndex(self._paths.index_words)
        words.set_state("vectors", secrets.token_hex(4))
        return Halves(words, new_vectors(self._vectors_folder(words)), self.new_generation())

    def finish(self, halves: Halves) -> None:
        """Say that ``halves`` hold all there is."""
        halves.words.set_state("made_with", self._made_with())

    def generation(self) -> str:
        """What the generation file says; read anew only when another file stands in its place."""
        try:
            about = self._generation_file.stat()
            sign = (about.st_ino, about.st_mtime_ns, about.st_size)
            if sign != self._seen[0]:
                self._seen = (sign, self._paths.index_generation.read_text("ascii"))
        except (OSError, ValueError):
            return ""
        return self._seen[1]

    def new_generation(self) -> str:
        """Tell other processes that what they have open is no longer what there is."""
        generation = secrets.token_hex(8)
        write_private(self._paths.index_generation, generation.encode())
        return generation

    @cached_property
    def _file_lock(self) -> FileLock:
        from filelock import FileLock

        make_private_folder(self._paths.index_lock.parent)
        return FileLock(self._paths.index_lock, mode=PRIVATE_FILE)

    def _remove(self) -> None:
        remove_vectors(self._paths.index_vectors)
        for file in self._paths.index.glob(f"{self._paths.index_words.name}*"):
            with suppress(OSError):
                file.unlink()

    def _vectors_folder(self, words: WordsIndex) -> Path:
        """Each rebuild has a new one: Chroma shares what is open under one path, and a process
        that still reads the old one must not meet the new one's files."""
        return self._paths.index_vectors / words.state("vectors")

    def _made_with(self) -> str:
        return f"{LAYOUT}/{self._embedder.name}/{self._embedder.dimensions}"


def refusal(error: Exception) -> StorageError:
    """The index can be neither used nor rebuilt."""
    return StorageError(
        "The memory index cannot be written.",
        why=str(error),
        next_step="Check that the disk is not full and the data folder is writable.",
    )


def _busy() -> IndexBusyError:
    return IndexBusyError(
        "The memory index is busy.",
        why="Another Tsubasa has been writing it for long.",
        next_step="Try again when the other one is done.",
    )
