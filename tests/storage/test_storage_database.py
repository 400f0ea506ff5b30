"""Opening, migrating, and surviving damage."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tsubasa_cli.errors import StorageError
from tsubasa_cli.storage import salvage
from tsubasa_cli.storage.connection import Connection
from tsubasa_cli.storage.database import (
    Migration,
    connect,
    find_damage,
    known_migrations,
    open_database,
    transaction,
)
from tsubasa_cli.storage.locks import WriterLock
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore


def test_migrations_are_numbered_without_gaps() -> None:
    numbers = [step.number for step in known_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_newer_database_is_refused_untouched(home: Paths) -> None:
    connection = connect(home)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    before = home.database.read_bytes()
    with pytest.raises(StorageError, match="newer version"):
        open_database(home)
    assert home.database.read_bytes() == before


def test_an_older_database_is_migrated_after_a_backup(home: Paths) -> None:
    SessionStore(connect(home)).create()
    known = known_migrations()
    added = Migration(len(known) + 1, "later", "ALTER TABLE sessions ADD COLUMN mood TEXT;")
    connection, report = open_database(home, [*known, added])
    assert "mood" in connection.execute("SELECT * FROM sessions").fetchone().keys()  # noqa: SIM118
    assert report.backup is not None
    assert report.backup.stat().st_mode & 0o777 == 0o600
    old = sqlite3.connect(report.backup)
    assert old.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
    assert old.execute("PRAGMA user_version").fetchone() == (len(known),)
    assert "brought up to date" in report.notice()


def test_a_database_of_the_first_schema_keeps_its_words(home: Paths) -> None:
    connection, _ = open_database(home, known_migrations()[:1])
    connection.execute(
        "INSERT INTO sessions (id, created_ms, created_offset, updated_ms, updated_offset)"
        " VALUES ('abc', 1, 0, 1, 0)"
    )
    connection.execute(
        "INSERT INTO turns (session_id, role, text, status, created_ms, created_offset)"
        " VALUES ('abc', 'user', 'I live in Bonn.', 'complete', 1, 0)"
    )
    connection.close()
    store = SessionStore(connect(home))
    assert store.turn(1).text == "I live in Bonn."
    assert store.get("abc").memory


def test_a_failing_migration_changes_nothing(home: Paths) -> None:
    connect(home).close()
    known = known_migrations()
    bad = Migration(len(known) + 1, "bad", "CREATE TABLE fine (x); SELECT no_such_function();")
    with pytest.raises(StorageError):
        open_database(home, [*known, bad])
    again = connect(home)
    assert again.execute("PRAGMA user_version").fetchone()[0] == len(known)
    assert not again.execute("SELECT 1 FROM sqlite_master WHERE name = 'fine'").fetchone()


def test_a_transaction_is_all_or_nothing(home: Paths) -> None:
    connection = connect(home)
    with pytest.raises(StorageError), transaction(connection):
        connection.executemany("INSERT INTO facts VALUES (?, ?)", [("a", "b")])
        connection.execute("INSERT INTO no_such_table VALUES (1)")
    assert connection.execute("SELECT count(*) FROM facts").fetchone()[0] == 0


def test_a_second_connection_does_not_let_go_of_the_first_ones_locks(home: Paths) -> None:
    first = connect(home)
    SessionStore(first).create()
    connect(home).close()
    visitor = "from tsubasa_cli.storage import database, paths\n"
    visitor += "database.connect(paths.Paths.from_environment()).close()"
    subprocess.run([sys.executable, "-c", visitor], check=True)
    assert home.database.with_name("tsubasa.db-wal").exists()
    kept = SessionStore(first).create()
    assert SessionStore(connect(home)).get(kept.id)


def test_a_busy_database_is_not_taken_for_a_damaged_one(home: Paths) -> None:
    holder = connect(home)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    visitor = sqlite3.connect(home.database, timeout=0, factory=Connection)
    with pytest.raises(StorageError, match="busy"):
        find_damage(visitor)


class TestDamage:
    @staticmethod
    def fill(home: Paths, sessions: int = 40) -> None:
        connection = connect(home)
        store = SessionStore(connection)
        for number in range(sessions):
            store.ask(store.create().id, f"message number {number} " + "words " * 100)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    def test_a_file_that_is_no_database_is_moved_aside(self, home: Paths) -> None:
        home.database.write_bytes(b"this is a shopping list, not a database\n" * 50)
        connection, report = open_database(home)
        assert find_damage(connection) == []
        assert report.moved_aside is not None
        assert report.moved_aside.read_bytes().startswith(b"this is a shopping list")
        assert "moved aside" in report.notice()

    def test_what_can_be_read_of_a_damaged_database_is_saved(self, home: Paths) -> None:
        self.fill(home)
        raw = bytearray(home.database.read_bytes())
        middle = len(raw) // 2 // 4096 * 4096
        raw[middle : middle + 4096] = os.urandom(4096)
        home.database.write_bytes(raw)
        connection, report = open_database(home)
        assert report.moved_aside is not None
        assert bytes(raw) == report.moved_aside.read_bytes()
        assert find_damage(connection) == []
        saved = connection.execute("SELECT count(*) FROM turns").fetchone()[0]
        assert saved >= 40, f"only {saved} of 80 turns were saved"
        SessionStore(connection).ask(SessionStore(connection).create().id, "life goes on")

    def test_a_damaged_database_stays_where_it_is_while_another_program_uses_it(
        self, home: Paths
    ) -> None:
        home.database.write_bytes(b"nonsense" * 1000)
        other = WriterLock(home.locks)
        with pytest.raises(StorageError, match="another Tsubasa"):
            open_database(home)
        other.release()
        assert open_database(home)[1].moved_aside is not None

    def test_a_half_streamed_reply_is_saved_too(self, home: Paths) -> None:
        store = SessionStore(connect(home), "dead")
        _, reply = store.ask(store.create().id, "hello")
        store.journal(reply.id, 0, "half a sent", "")
        raw = Path(home.database.with_name("tsubasa.db-wal")).read_bytes()
        assert b"half a sent" in raw
        aside = salvage.move_aside(home.database)
        fresh = connect(home)
        assert salvage.copy_readable_rows(aside, fresh) >= 4
        [recovered] = SessionStore(fresh, "next").recover(home.locks)
        assert recovered.text == "half a sent"

    def test_a_truncated_database_is_survived(self, home: Paths) -> None:
        self.fill(home)
        size = home.database.stat().st_size
        os.truncate(home.database, size // 2 + 100)
        connection, report = open_database(home)
        assert report.moved_aside is not None
        assert find_damage(connection) == []

    def test_connect_alone_says_what_to_do(self, home: Paths) -> None:
        home.database.write_bytes(b"nonsense" * 1000)
        with pytest.raises(StorageError, match="doctor --repair"):
            connect(home)


def test_an_unwritable_home_is_told_in_words(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    with pytest.raises(StorageError, match="TSUBASA_HOME"):
        connect(Paths(blocker / "home", blocker / "home"))


KILLED_WRITER = """
import sys
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.locks import WriterLock
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore

paths = Paths.from_environment()
writer = WriterLock(paths.locks)
store = SessionStore(connect(paths), writer.name)
session = store.create()
for number in range(10_000):
    _, reply = store.ask(session.id, f"question {number}")
    print(f"asked {number}", flush=True)
    store.begin(reply.id, "m")
    for piece in range(3):
        store.journal(reply.id, piece, f"<{piece}>", "")
        print(f"journalled {number} {piece}", flush=True)
    store.finish(reply.id, "complete", "<0><1><2>")
    print(f"finished {number}", flush=True)
"""


@pytest.mark.parametrize("lines_before_kill", [1, 2, 3, 4, 5, 11, 17, 23, 38, 54])
def test_killed_at_any_write_boundary_nothing_acknowledged_is_lost(
    home: Paths, lines_before_kill: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().split() for _ in range(lines_before_kill)]
    process.kill()
    acknowledged += [line.split() for line in process.stdout.read().splitlines()]
    process.wait()
    connection, report = open_database(home)
    assert report.moved_aside is None
    store = SessionStore(connection, "next")
    store.recover(home.locks)
    [session] = store.recent()
    turns = store.path(session.id)
    said = {turn.text for turn in turns}
    replies = [turn.text for turn in turns if turn.role == "assistant"]
    for kind, number, *piece in acknowledged:
        assert f"question {number}" in said
        if kind == "journalled":
            assert f"<{piece[0]}>" in replies[int(number)]
        if kind == "finished":
            assert replies[int(number)] == "<0><1><2>"
