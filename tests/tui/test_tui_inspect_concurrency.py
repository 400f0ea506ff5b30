"""The inspector edits while another process writes: every change is in the log, none is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from textual.widgets import Button, TextArea
from tui.inspect_driver import Inspecting, inspecting
from tui.inspect_life import fill_life

from tsubasa_cli.memory.values import Actor, Op
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.tui.inspect.dialogs import Conflict, MemoryForm
from tsubasa_cli.tui.inspect.space import Space, open_space

WRITER = """
import sys, time
from dataclasses import replace
from tsubasa_cli.errors import ConflictError
from tsubasa_cli.memory.log import MemoryLog, new_id
from tsubasa_cli.memory.values import Actor, Change, Observation, Op
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant

log, shared, written = MemoryLog(connect(Paths.from_environment())), sys.argv[1], 0
print("begun", flush=True)
for number in range(60):
    before = log.get(shared)
    after = replace(before, tags=(*before.tags, f"chat{number}"))
    try:
        seen = {shared: before.version}
        written += len(log.commit([Change(Op.UPDATE, after)], actor=Actor.MODEL, expect=seen))
    except ConflictError:
        pass
    memory = Observation(new_id(), f"The user saw swallow number {number}.", Instant.now())
    log.commit([Change(Op.ADD, memory)], actor=Actor.MODEL)
    time.sleep(0.03)
print(written, flush=True)
"""
"""A chat that learns: it adds memories, and updates one that the inspector edits too."""


@pytest.fixture
def space(home: Paths) -> Iterator[Space]:
    opened = open_space(home)
    yield opened
    opened.close()


async def test_no_update_is_lost_between_two_processes(space: Space, home: Paths) -> None:
    life = fill_life(space)
    trip = life["trip"]
    environment = {**os.environ, "TSUBASA_HOME": str(home.data)}
    edits = 0
    async with inspecting(space) as inspector:
        writer = subprocess.Popen(  # noqa: ASYNC220  # begins at once
            [sys.executable, "-c", WRITER, trip.id],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        while writer.poll() is None:
            await inspector.on(trip)
            await inspector.press("p")
            await inspector.until(lambda: _is_answered(inspector))
            edits += 1
        written = int(writer.stdout.read())
        await inspector.settle()
        await inspector.until(lambda: _is_answered(inspector))
        await inspector.press("home")
        await inspector.until(lambda: "swallow number 59" in inspector.text())
        assert inspector.now(trip).version == len(space.memory.log.history(trip.id))

    history = space.memory.log.history(trip.id)
    assert [event.after.version for event in history] == list(range(1, len(history) + 1))
    updates = [event for event in history if event.actor is Actor.MODEL and event.op is Op.UPDATE]
    assert len(updates) == written
    tags = {tag for tag in history[-1].after.tags if tag.startswith("chat")}
    assert tags == {event.after.tags[-1] for event in updates}
    pins = [event for event in history if event.op in (Op.PIN, Op.UNPIN)]
    assert edits >= 1
    assert 1 <= len(pins) <= edits
    assert space.memory.log.replay() == space.memory.log.many(space.memory.log.replay())


def _is_answered(inspector: Inspecting) -> bool:
    """Whether nothing is being changed any more; a conflict is answered, once, by "mine"."""
    screen = inspector.app.screen
    if isinstance(screen, Conflict):
        for button in screen.query("#answer-mine").results(Button):
            button.press()
            button.disabled = True
    return screen is inspector.screen and not inspector.screen._changing.locked()


async def test_a_manifest_keeps_the_version_that_was_learned(space: Space) -> None:
    """A learn run holds a snapshot: an edit meanwhile does not change what was learned."""
    life = fill_life(space)
    async with inspecting(space, (140, 60)) as inspector:
        await inspector.on(life["nuts"])
        assert "by heart" in inspector.text()
        await inspector.press("e")
        form = await inspector.until_open(MemoryForm)
        form.query_one("#words", TextArea).text = "The user is allergic to hazelnuts."
        await inspector.pilot.press("ctrl+s")
        await inspector.until_back()
        await inspector.until(lambda: "by heart, old" in inspector.text())
    row = space.connection.execute(
        "SELECT version FROM learn_manifest WHERE memory_id = ?", (life["nuts"].id,)
    ).fetchone()
    assert row["version"] == life["nuts"].version
