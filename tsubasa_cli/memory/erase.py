"""Erasing for good: the words of a memory leave every place they have spread to.

First the files that hold copies go, models that were taught it among them, then one transaction
redacts the database, then what it had written before is swept out of the indexes, the free pages
and the WAL. A program that dies on the way is taken up by ``finish_erasure``. Only ids and the
order of events are left; keyed digests keep the words from being learned again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tsubasa_cli.errors import StorageError
from tsubasa_cli.memory import copies, taught, tombstones
from tsubasa_cli.memory.erasure import Place, PlaceKind, Survey, survey
from tsubasa_cli.memory.reading_apart import holding_apart
from tsubasa_cli.memory.unfinished import UNFINISHED
from tsubasa_cli.storage.connection import lock_of
from tsubasa_cli.storage.database import transaction
from tsubasa_cli.storage.locks import living_writers, night_lock
from tsubasa_cli.storage.paths import Paths

ForgetIndex = Callable[[Collection[str], Collection[int]], object]
"""Makes the search index let go of these observations and turns, down to the last byte."""


@dataclass(frozen=True, slots=True)
class ErasePlan:
    """All that would go. ``memory_ids`` are the memories asked for and those that say the same.
    ``stays`` are files that hold it as well and that the program did not write: they are the
    user's to remove."""

    memory_ids: tuple[str, ...]
    places: tuple[Place, ...]
    stays: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """What went, and the sessions whose saved words changed: what is held of them in memory (an
    open chat, a model's state) is to be dropped as well. ``left`` are files under the data folder
    that still hold some of it and that the program did not write, if there were any; ``unswept``
    the program's own, which must not be."""

    memory_ids: tuple[str, ...]
    session_ids: tuple[str, ...]
    places: tuple[Place, ...]
    left: tuple[Path, ...] = ()
    unswept: tuple[Path, ...] = ()


def plan_erase(
    connection: sqlite3.Connection, paths: Paths, memory_ids: Iterable[str], owner: str = ""
) -> ErasePlan:
    """Find every place where the memories live; nothing is changed.

    ``owner`` is the user's name, which gives nothing away. Raises ``NotFoundError`` for unknown
    memories, ``InputError`` for one that is erased already.
    """
    with lock_of(connection):
        found = survey(connection, memory_ids, owner)
    files, stays = _file_places(connection, paths, found)
    return ErasePlan(found.memory_ids, (*found.places, *files, _index(paths)), stays)


def erase(
    connection: sqlite3.Connection,
    paths: Paths,
    plan: ErasePlan,
    *,
    forget_index: ForgetIndex,
    owner: str = "",
    writer: str = "",
) -> Erasure:
    """Carry the plan out, on what there is now. ``writer`` is the caller's own writer lock.

    Raises ``StorageError`` when another Tsubasa is open (it would write the words back), when a
    file cannot be removed, or when words are left in the database file; doing it again helps.
    """
    with _alone(paths, writer), lock_of(connection):
        finish_erasure(connection, paths, forget_index)
        files, _ = _file_places(connection, paths, survey(connection, plan.memory_ids, owner))
        copies.remove(Path(place.where) for place in files)
        with transaction(connection):
            found = survey(connection, plan.memory_ids, owner)
            tombstones.bury(connection, found.words)
            taught.take_out_of_service(connection, _touched(found))
            for change in found.changes:
                change(connection)
            _note_unfinished(connection, found)
        finish_erasure(connection, paths, forget_index)
    return Erasure(
        memory_ids=found.memory_ids,
        session_ids=found.session_ids,
        places=(*found.places, *files, _index(paths)),
        left=tuple(_left(paths, found)),
        unswept=tuple(holding_apart(copies.live(paths), found.telltale.phrases)),
    )


def finish_erasure(connection: sqlite3.Connection, paths: Paths, forget_index: ForgetIndex) -> bool:
    """Do what an erasure that was cut short has left to do; whether there was any.

    Raises ``StorageError`` when the database file cannot be swept now; it stays to be done.
    """
    with lock_of(connection):
        row = connection.execute("SELECT value FROM facts WHERE key = ?", (UNFINISHED,)).fetchone()
        if row is None:
            return False
        rest = json.loads(row["value"])
        copies.remove(copies.kv_files(paths, rest["sessions"]))
        forget_index(rest["memories"], rest["turns"])
        _sweep(connection)
        connection.execute("DELETE FROM facts WHERE key = ?", (UNFINISHED,))
    return True


def _left(paths: Paths, found: Survey) -> list[Path]:
    """The files under the data folder that still hold words of the erased, apart from weights and
    from what SQLite and Chroma may have open."""
    return copies.holding([*copies.copies(paths), *copies.others(paths)], found.telltale.tells)


def _touched(found: Survey) -> list[str]:
    """The memories that say it, wholly or in part."""
    others = (p.where for p in found.places if p.kind is PlaceKind.OTHER_MEMORY)
    return list(dict.fromkeys([*found.memory_ids, *others]))


def _index(paths: Paths) -> Place:
    return Place(PlaceKind.INDEX, str(paths.index), "")


def _file_places(
    connection: sqlite3.Connection, paths: Paths, found: Survey
) -> tuple[list[Place], tuple[Path, ...]]:
    """The files that go, and those that hold it too and are not ours to remove."""
    states = [
        Place(PlaceKind.KV_STATE, str(file), "")
        for file in copies.kv_files(paths, found.session_ids)
    ]
    held = copies.holding(copies.copies(paths), found.telltale.tells)
    strays = copies.holding(copies.others(paths), found.telltale.tells)
    ours = [file for file in strays if copies.is_ours(file, paths)]
    files = taught.files_taught(connection, paths, _touched(found))
    models = [Place(PlaceKind.LEARNED, str(file), "") for file in files]
    known = {place.where for place in (*states, *models)}
    kinds = {
        paths.backups: PlaceKind.BACKUP,
        paths.exports: PlaceKind.EXPORT,
        paths.kv_states: PlaceKind.KV_STATE,
        paths.learn: PlaceKind.LEARNED,
    }
    places = [(file, PlaceKind.COPY) for file in held] + [(file, PlaceKind.EXPORT) for file in ours]
    copied = [
        Place(
            next((kinds[folder] for folder in kinds if folder in file.parents), otherwise),
            str(file),
            "",
        )
        for file, otherwise in places
        if str(file) not in known
    ]
    return [*states, *models, *copied], tuple(file for file in strays if file not in ours)


@contextmanager
def _alone(paths: Paths, writer: str) -> Iterator[None]:
    """No chat is open, and no run of ``learn`` begins meanwhile."""
    if {*living_writers(paths.locks)} - {writer}:
        raise StorageError(
            "Another Tsubasa is open.",
            why="It may hold the words in its window and write them back.",
            next_step="Close the other one, then erase again.",
        )
    with night_lock(paths.locks) as is_free:
        if not is_free:
            raise StorageError(
                "Tsubasa is learning.",
                why="It has the words in its hands, and would write them into a model.",
                next_step="Stop it (Ctrl+C, or wait until it is done), then erase again.",
            )
        yield


def _note_unfinished(connection: sqlite3.Connection, found: Survey) -> None:
    rest = {
        "memories": found.memory_ids,
        "turns": found.turn_ids,
        "sessions": found.session_ids,
    }
    connection.execute(
        "INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)", (UNFINISHED, json.dumps(rest))
    )


def _sweep(connection: sqlite3.Connection) -> None:
    """Rebuild what was derived and leave no free page and no WAL frame with old words in it.

    FTS5 of SQLite before 3.42 keeps deleted words in its segments until they are rebuilt.
    """
    connection.execute("INSERT INTO turns_fts (turns_fts) VALUES ('rebuild')")
    connection.execute("VACUUM")
    if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise StorageError(
            "The memory is erased, but its words may still be in the database file.",
            why="Another Tsubasa is reading the database.",
            next_step="Close the other one; the rest is done at the next start.",
        )
