"""The SQLite database that is the truth: opened, migrated, checked, and moved aside when broken.

WAL with ``synchronous=FULL``: what is committed survives ``kill -9`` and loss of power. The schema
is the numbered files in ``migrations/``; ``user_version`` says how many of them are applied.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from tsubasa_cli.errors import StorageError
from tsubasa_cli.storage.connection import Connection, DamagedError, refusal
from tsubasa_cli.storage.locks import living_writers
from tsubasa_cli.storage.paths import PRIVATE_FILE, Paths, make_private_folder

BUSY_TIMEOUT_MS = 10_000
CHECKED_BYTES = 32 * 1024 * 1024
"""Databases up to this size are checked at every start; larger ones after a crash."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: ``number`` counts from 1 without gaps."""

    number: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class OpenReport:
    """What had to be done to open the database; empty strings mean nothing."""

    migrated_from: int | None = None
    backup: Path | None = None
    moved_aside: Path | None = None
    salvaged_rows: int = 0

    def notice(self) -> str:
        """One paragraph for the user; empty when there is nothing to tell."""
        if self.moved_aside:
            return (
                f"The database was damaged. It was moved aside to {self.moved_aside} and a new "
                f"one was started with the {self.salvaged_rows:,} records that could be read."
            )
        if self.backup:
            return f"The database was brought up to date; the old one is kept at {self.backup}."
        return ""


@cache
def known_migrations() -> tuple[Migration, ...]:
    """The migrations this version of the program ships, in order."""
    files = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
    return tuple(
        Migration(int(file.name[:4]), file.stem[5:], file.read_text("utf-8")) for file in files
    )


def connect(paths: Paths) -> sqlite3.Connection:
    """Open the database, creating or migrating it as needed.

    Raises ``StorageError`` when it cannot be opened, is damaged, or is from a newer version.
    """
    return _open(paths, known_migrations())[0]


def open_database(
    paths: Paths, migrations: Sequence[Migration] | None = None
) -> tuple[sqlite3.Connection, OpenReport]:
    """Like ``connect``, but check it too, and start afresh from what can be read if it is broken.

    The damaged files are kept beside it; ``OpenReport`` tells what happened.
    """
    from tsubasa_cli.storage import salvage

    steps = known_migrations() if migrations is None else list(migrations)
    is_due = _check_is_due(paths)
    try:
        connection, report = _open(paths, steps)
        if not (is_due and find_damage(connection)):
            return connection, report
        connection.close()
    except DamagedError:
        pass
    _require_nobody_else(paths)
    aside = salvage.move_aside(paths.database)
    connection, _ = _open(paths, steps)
    rows = salvage.copy_readable_rows(aside, connection)
    return connection, OpenReport(moved_aside=aside, salvaged_rows=rows)


def find_damage(connection: sqlite3.Connection) -> list[str]:
    """What SQLite's own check complains about; empty when the database is sound.

    Raises ``StorageError`` when it cannot be checked: that says nothing of its health.
    """
    try:
        rows = connection.execute("PRAGMA quick_check(5)").fetchall()
        connection.execute("SELECT count(*) FROM turns").fetchone()
    except DamagedError as error:
        return [error.why]
    return [row[0] for row in rows if row[0] != "ok"]


def _check_is_due(paths: Paths) -> bool:
    """Small databases always; large ones when a program died over them and left its WAL."""
    wal = paths.database.with_name(f"{paths.database.name}-wal")
    try:
        return wal.exists() or paths.database.stat().st_size <= CHECKED_BYTES
    except OSError:
        return False


def _require_nobody_else(paths: Paths) -> None:
    if living_writers(paths.locks):
        raise StorageError(
            f"The database {paths.database} is damaged, and another Tsubasa has it open.",
            next_step="Close the other one, then run: tsubasa doctor --repair",
        )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing, with the write lock taken at the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def backup(connection: sqlite3.Connection, target: Path) -> Path:
    """Copy the whole database to ``target`` (mode 0600), consistent even while it is in use."""
    make_private_folder(target.parent)
    _create_private(target)
    copy = sqlite3.connect(target)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    return target


def _open(paths: Paths, migrations: Sequence[Migration]) -> tuple[sqlite3.Connection, OpenReport]:
    paths.ensure()
    try:
        _create_private(paths.database)
        connection = sqlite3.connect(
            paths.database,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_MS / 1000,
            factory=Connection,
        )
    except (OSError, sqlite3.Error) as error:
        raise refusal(error, f"Cannot open the database {paths.database}.") from error
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        return connection, _migrate(connection, paths, migrations)
    except BaseException:
        connection.close()
        raise


def _create_private(file: Path) -> None:
    """Create ``file`` for its owner alone. One that exists is not touched: closing any descriptor
    of a database drops every lock that this process holds on it, and another process would then
    delete a WAL that is still in use."""
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))


def _migrate(
    connection: sqlite3.Connection, paths: Paths, migrations: Sequence[Migration]
) -> OpenReport:
    newest = len(migrations)
    before = _version(connection)
    if before > newest:
        raise StorageError(
            f"The database {paths.database} was written by a newer version of Tsubasa.",
            why=f"Its schema is version {before}; this program knows up to {newest}.",
            next_step="Upgrade with pip install --upgrade tsubasa-cli, or move the file away.",
        )
    if before == newest:
        return OpenReport()
    kept = _backup_before(connection, paths, before) if before else None
    with transaction(connection):
        for step in migrations[_version(connection) :]:
            for statement in _statements(step.sql):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {step.number}")
    return OpenReport(migrated_from=before, backup=kept)


def _backup_before(connection: sqlite3.Connection, paths: Paths, version: int) -> Path:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return backup(connection, paths.backups / f"tsubasa-schema{version}-{stamp}.db")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
