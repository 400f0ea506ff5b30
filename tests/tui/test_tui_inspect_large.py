"""100,000 memories in the inspector: what is read and drawn stays as small as the terminal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from large_store import fill_large
from textual.pilot import Pilot

from tsubasa_cli.memory import browsing
from tsubasa_cli.memory.browsing import Browser
from tsubasa_cli.storage.connection import Connection
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.tui import starting
from tsubasa_cli.tui.inspect.app import InspectApp
from tsubasa_cli.tui.inspect.listing import AHEAD, KEPT_ENTRIES
from tsubasa_cli.tui.inspect.space import Space, open_space

COUNT = 100_000
ROWS = 40


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A store that no index was made for: the list does not need one."""
    folder = tmp_path_factory.mktemp("large")
    paths = Paths(folder, folder).ensure()
    connection = connect(paths)
    fill_large(connection, COUNT)
    connection.close()
    return paths


@pytest.fixture
def space(large: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Space]:
    """Its index stays closed: these tests are about the list."""
    opened = open_space(large)
    monkeypatch.setattr(type(opened.memory.finder), "prepare", lambda _: None)
    yield opened
    opened.close()


class Counter:
    """Counts the statements that reach SQLite, and the rows that come back from them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        execute = Connection.execute

        def counted(connection: Connection, sql: str, values: object = (), /) -> sqlite3.Cursor:
            self.statements.append(sql)
            return execute(connection, sql, values)

        monkeypatch.setattr(Connection, "execute", counted)

    def lists(self) -> list[str]:
        """The statements that read the list, its records and pages; not the watch for changes."""
        quiet = ("PRAGMA", "SELECT (SELECT coalesce")
        return [sql for sql in self.statements if not sql.startswith(quiet)]


async def until(pilot: Pilot[None], true: object) -> None:
    for _ in range(1_500):
        if true():  # type: ignore[operator]
            return
        await pilot.pause(0.02)
    raise AssertionError("waited in vain")


async def test_only_what_is_in_sight_is_read(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter(monkeypatch)
    app = InspectApp(space)
    app.animation_level = "none"
    async with app.run_test(size=(120, ROWS)) as pilot:
        lines = app.inspector.memories.lines
        total = space.memory.browser.count(app.inspector.memories.look.wanted)
        await until(pilot, lambda: len(lines.listing.seqs) == total)
        await until(pilot, lambda: lines.entry)
        await until(pilot, lambda: app.inspector.memories.detail.dossier)
        assert total > 80_000
        assert lines.materialised <= 2 * (ROWS + 2 * AHEAD)
        assert len(counter.lists()) <= 40

        before, read = len(counter.lists()), lines.materialised
        await pilot.press("end")
        await until(pilot, lambda: lines.cursor == total - 1 and lines.entry)
        await until(pilot, lambda: app.inspector.memories.is_settled)
        await pilot.pause(0.3)
        assert lines.materialised - read <= ROWS + 2 * AHEAD
        assert len(counter.lists()) - before <= 25


async def test_the_first_picture_needs_little(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first picture that is drawn holds the first lines, and little is read for it."""
    counter = Counter(monkeypatch)
    app = InspectApp(space)
    app.animation_level = "none"
    drawn: list[tuple[int, int, int]] = []
    done = starting.done

    def watched() -> None:
        lines = app.inspector.memories.lines
        drawn.append((len(lines.listing.seqs), lines.materialised, len(counter.statements)))
        done()

    monkeypatch.setattr(starting, "done", watched)
    async with app.run_test(size=(120, ROWS)) as pilot:
        await until(pilot, lambda: drawn)
        [(listed, materialised, statements)] = drawn
        assert ROWS // 2 <= listed == materialised <= ROWS // 2 + AHEAD + 1
        assert statements <= 12


async def test_a_search_does_not_wait_for_the_order_of_all(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is wanted by now is read to its end."""
    monkeypatch.setattr(browsing, "ROWS_AT_ONCE", 10)
    order, read = Browser.order_while, []

    def watched(browser: Browser, *wish: Any) -> Any:
        seqs = order(browser, *wish)
        read.append(len(seqs))
        return seqs

    monkeypatch.setattr(Browser, "order_while", watched)
    app = InspectApp(space)
    app.animation_level = "none"
    async with app.run_test(size=(120, ROWS)) as pilot:
        memories = app.inspector.memories
        await until(pilot, lambda: memories.lines.entry)
        memories.search.value = "telescope"
        await until(pilot, lambda: memories.shown and memories.shown.text == "telescope")
        assert len(memories.lines.listing.seqs) <= 300
        assert max(read) < 40_000


async def test_scrolling_through_all_of_it_keeps_little(space: Space) -> None:
    app = InspectApp(space)
    app.animation_level = "none"
    async with app.run_test(size=(120, ROWS)) as pilot:
        lines = app.inspector.memories.lines
        await until(pilot, lambda: len(lines.listing.seqs) > 80_000)
        for place in range(0, 80_000, 1_000):
            lines.cursor = place
            await pilot.pause(0.01)
        lines.cursor = 79_999
        await until(pilot, lambda: lines.entry)
        assert len(lines._entries) <= KEPT_ENTRIES
        assert lines.materialised <= 82 * (ROWS + 2 * AHEAD)
        seq = lines.listing.seqs[79_999]
        assert lines.entry is not None
        assert lines.entry.seq == seq


async def test_fast_typing_is_not_a_search_a_key(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest wish wins: while one search runs, what is typed meanwhile becomes one more."""
    app = InspectApp(space)
    app.animation_level = "none"
    asked: list[str] = []
    finder = space.memory.finder
    find = type(finder).find

    def watched(self: object, text: str, *rest: object) -> object:
        asked.append(text)
        return find(self, text, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(type(finder), "find", watched)
    async with app.run_test(size=(120, ROWS)) as pilot:
        lines = app.inspector.memories.lines
        await until(pilot, lambda: len(lines.listing.seqs) > 80_000)
        await pilot.press("slash")
        search = app.inspector.memories.search
        for end in range(1, len("telescope") + 1):
            search.value = "telescope"[:end]
        await until(pilot, lambda: app.inspector.memories.is_settled and lines.entry)
        await until(pilot, lambda: lines.entry and "telescope" in lines.entry.memory.statement)
        assert asked[-1] == "telescope"
        assert len(asked) <= 3
        assert len(lines.listing.seqs) <= 300


def test_the_store_is_as_large_as_it_says(large: Paths) -> None:
    connection = connect(large)
    assert connection.execute("SELECT count(*) FROM observations").fetchone()[0] == COUNT
    assert Path(large.database).stat().st_size > 50_000_000
