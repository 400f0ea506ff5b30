"""The dense half of the index: Chroma collections of ids and vectors, never of text.

Chroma's native code trusts its files, so they are checked before it opens them: the SQLite file by
SQLite, the graph files by checksums that were taken when they were last written. Files that were
being written when a program died count as damaged.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsubasa_cli.memory.unused_slots import overwrite_unused
from tsubasa_cli.memory.words_index import DamagedIndexError, Tier
from tsubasa_cli.storage.paths import make_private_folder, write_private

if TYPE_CHECKING:
    from tsubasa_cli.memory.embedder import Vectors

DENSE_TIERS = (Tier.ACTIVE, Tier.HISTORIC)
"""Turns are searched by words alone: on LoCoMo their vectors add less than a point of recall."""
_NAMES = {Tier.ACTIVE: "observations", Tier.HISTORIC: "superseded"}
_MANIFEST = "checked.json"
_DATABASE = "chroma.sqlite3"
_BLOCK = 1 << 20

FileState = tuple[int, int, int]
"""Size, time of change in ns, CRC-32."""


class VectorIndex:
    """Nearest neighbours by cosine. Raises ``DamagedIndexError``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._states: dict[str, FileState] = {}
        self._states = _sound_states(folder)
        with _in_words():
            self._client = _client(folder)
            self._collections = {tier: self._collection(tier) for tier in DENSE_TIERS}
            for tier in DENSE_TIERS:
                self._load(tier)
        self._note(is_being_written=False)

    def close(self) -> None:
        with suppress(DamagedIndexError), _in_words():
            self._client.close()

    # ------------------------------------------------------------------ writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Everything that changes vectors happens in here; dying in here costs a rebuild."""
        self._note(is_being_written=True)
        yield
        self._note(is_being_written=False)

    def put(self, tier: Tier, ids: Sequence[str], vectors: Vectors) -> None:
        """Write vectors over what the ids held."""
        if ids:
            with _in_words():
                self._collections[tier].upsert(ids=list(ids), embeddings=vectors)

    def remove(self, tier: Tier, ids: Sequence[str]) -> None:
        """Take ids out, whether they are in or not."""
        if ids:
            with _in_words():
                self._collections[tier].delete(ids=list(ids))

    # ------------------------------------------------------------------ reading

    def nearest(self, tier: Tier, vector: Vectors, limit: int) -> list[tuple[str, float]]:
        """Ids and cosines of the nearest ``limit``, best first."""
        with _in_words():
            found = self._collections[tier].query(
                query_embeddings=vector.reshape(1, -1), n_results=limit, include=["distances"]
            )
        return [
            (identity, 1.0 - float(distance))
            for identity, distance in zip(found["ids"][0], found["distances"][0], strict=True)
        ]

    def count(self, tier: Tier) -> int:
        with _in_words():
            return int(self._collections[tier].count())

    def ids(self, tier: Tier) -> set[str]:
        with _in_words():
            return set(self._collections[tier].get(include=[])["ids"])

    # ------------------------------------------------------------------ the files

    def _collection(self, tier: Tier) -> Any:
        return self._client.get_or_create_collection(
            _NAMES[tier], embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )

    def _load(self, tier: Tier) -> None:
        """Make Chroma read its graph now, while nobody writes."""
        found = self._collections[tier].get(limit=1, include=["embeddings"])["embeddings"]
        if len(found):
            self._collections[tier].query(query_embeddings=found, n_results=1, include=[])

    def _note(self, *, is_being_written: bool) -> None:
        if not is_being_written:
            with _in_words():
                overwrite_unused(self.folder)
            self._states = _states(self.folder, self._states)
        content = _manifest(self._states, is_being_written=is_being_written)
        write_private(self.folder / _MANIFEST, content)


def new_vectors(folder: Path) -> VectorIndex:
    """An empty index in a folder that is made here."""
    make_private_folder(folder)
    write_private(folder / _MANIFEST, _manifest({}, is_being_written=False))
    with _in_words():
        _client(folder).close()
    return VectorIndex(folder)


def remove_vectors(folder: Path) -> None:
    """Delete everything that ``VectorIndex`` keeps in ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)


def _client(folder: Path) -> Any:
    import chromadb
    from chromadb.config import Settings

    return chromadb.PersistentClient(
        path=str(folder), settings=Settings(anonymized_telemetry=False)
    )


def _sound_states(folder: Path) -> dict[str, FileState]:
    """The graph files as they are, after making sure that nothing is broken."""
    database = folder / _DATABASE
    known = _read_manifest(folder)
    if known is None:
        raise DamagedIndexError("its vectors are missing or were not written to their end")
    if set(known) != set(_graph_files(folder)) or not database.exists():
        raise DamagedIndexError("files of its vectors are missing")
    states = _states(folder, known)
    for name, (size, _, checksum) in states.items():
        if (size, checksum) != (known[name][0], known[name][2]):
            raise DamagedIndexError(f"{name} is not as it was written")
    _require_sound_database(database)
    return states


def _require_sound_database(file: Path) -> None:
    try:
        with closing(sqlite3.connect(file)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise DamagedIndexError(str(error)) from error
    if found != "ok":
        raise DamagedIndexError(str(found))


def _manifest(states: dict[str, FileState], *, is_being_written: bool) -> bytes:
    return json.dumps({"is_being_written": is_being_written, "files": states}).encode()


def _read_manifest(folder: Path) -> dict[str, FileState] | None:
    """The states of the graph files; None when there are none, or they may not be trusted."""
    try:
        body = json.loads((folder / _MANIFEST).read_bytes())
        if body["is_being_written"]:
            return None
        return {name: (int(a), int(b), int(c)) for name, (a, b, c) in body["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _graph_files(folder: Path) -> dict[str, Path]:
    return {
        str(file.relative_to(folder)): file for file in sorted(folder.glob("*/*")) if file.is_file()
    }


def _states(folder: Path, known: dict[str, FileState]) -> dict[str, FileState]:
    """Size, time and checksum of each graph file; a file of the known size and time keeps its
    known checksum."""
    states = {}
    for name, file in _graph_files(folder).items():
        about = file.stat()
        old = known.get(name)
        is_same = old is not None and old[:2] == (about.st_size, about.st_mtime_ns)
        checksum = old[2] if old and is_same else _checksum(file)
        states[name] = (about.st_size, about.st_mtime_ns, checksum)
    return states


def _checksum(file: Path) -> int:
    checksum = 0
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum


@contextmanager
def _in_words() -> Iterator[None]:
    """Tell every way in which Chroma gives up as ``DamagedIndexError``. A panic of its native code
    is no ``Exception`` and can be told by name only."""
    from chromadb.errors import ChromaError

    try:
        yield
    except (ChromaError, sqlite3.Error, OSError, ValueError, KeyError, RuntimeError) as error:
        raise DamagedIndexError(str(error)) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise DamagedIndexError(str(error)) from error
