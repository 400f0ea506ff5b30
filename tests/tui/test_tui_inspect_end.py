"""The inspector ends in words, and never with what the user wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from sqlite3 import Connection
from threading import Event

import pytest
from textual.worker import WorkerFailed
from tui.inspect_driver import inspecting

from tsubasa_cli.memory import dossier
from tsubasa_cli.memory.log import new_id
from tsubasa_cli.memory.values import Actor, Change, Observation, Op
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant
from tsubasa_cli.tui.inspect.detail import Detail
from tsubasa_cli.tui.inspect.space import Space, open_space


@pytest.fixture
def space(home: Paths) -> Iterator[Space]:
    opened = open_space(home)
    bees = Observation(new_id(), "The user keeps bees.", Instant.now())
    opened.memory.log.commit([Change(Op.ADD, bees)], actor=Actor.USER)
    yield opened
    opened.close()


async def test_a_page_that_is_read_too_late_is_nobodys_trouble(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is gone from the screen while its worker is still there to fill it."""
    is_reading, may_read = Event(), Event()

    def slowly(connection: Connection, memory_id: str) -> dossier.Dossier:
        is_reading.set()
        may_read.wait(30)
        return quickly(connection, memory_id)

    async def when_gone(_: Detail) -> None:
        may_read.set()

    quickly = dossier.dossier
    monkeypatch.setattr(dossier, "dossier", slowly)
    monkeypatch.setattr(Detail, "on_unmount", when_gone, raising=False)
    async with inspecting(space, (120, 40)) as inspector:
        await inspector.until(is_reading.is_set)
        lines = inspector.memories.lines
        monkeypatch.setattr(type(lines), "on_unmount", lambda _: asyncio.sleep(0.2), raising=False)
    assert not inspector.app.return_code


async def test_a_fault_shows_where_but_not_what_the_user_wrote(
    space: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(words: str) -> None:
        raise RuntimeError(len(words))

    with pytest.raises(WorkerFailed):
        async with inspecting(space, (120, 40)) as inspector:
            inspector.app.run_worker(fail("my secret is xyzzy"))
            await inspector.until(lambda: inspector.app.return_code)
            inspector.app._print_error_renderables()
    told = capsys.readouterr().err
    assert "a fault of its own" in told
    assert "test_tui_inspect_end.py" in told
    assert "xyzzy" not in told
