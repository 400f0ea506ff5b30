"""The inspector on a temporary home, driven by key presses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static
from tui.inspect_life import NOW

from tsubasa_cli.memory.values import Observation
from tsubasa_cli.tui.inspect.app import InspectApp
from tsubasa_cli.tui.inspect.memories_view import MemoriesView
from tsubasa_cli.tui.inspect.pane import Pane
from tsubasa_cli.tui.inspect.screen import Inspector
from tsubasa_cli.tui.inspect.space import Space

PATIENCE_SECONDS = 30.0
NAMED = {
    " ": "space",
    "/": "slash",
    ".": "full_stop",
    ",": "comma",
    "-": "minus",
    "?": "question_mark",
}


@dataclass
class Inspecting:
    """The running inspector and the keys pressed in it."""

    app: InspectApp
    pilot: Pilot[None]
    life: dict[str, Observation] = field(default_factory=dict)

    @property
    def screen(self) -> Inspector:
        return self.app.inspector

    @property
    def space(self) -> Space:
        return self.app.space

    @property
    def memories(self) -> MemoriesView:
        return self.screen.memories

    @property
    def memory(self) -> Observation:
        """The memory under the cursor."""
        lines = self.screen.lines
        assert lines is not None
        assert lines.entry is not None
        return lines.entry.memory

    @property
    def note(self) -> str:
        return str(self.screen.query_one("#inspect-note", Static).content)

    @property
    def told(self) -> str:
        """All that was told in toasts."""
        return "\n".join(f"{n.title} {n.message}" for n in self.app._notifications)

    def now(self, memory: Observation) -> Observation:
        """The memory as it is stored now."""
        return self.space.memory.log.get(memory.id)

    def text(self) -> str:
        """Every character that the terminal gets to show."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    def words(self) -> str:
        """The same on one line, without the lines that are drawn around it."""
        return " ".join("".join(" " if c in "│╭╮╰╯─" else c for c in self.text()).split())

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str) -> None:
        """Type ``text`` character by character."""
        await self.pilot.press(*(NAMED.get(character, character) for character in text))
        await self.settle()

    async def find(self, text: str) -> None:
        """Search for ``text`` and go to the list."""
        await self.press("slash")
        self.memories.search.value = text
        await self.settle()
        await self.press("enter")

    async def on(self, memory: Observation) -> None:
        """Put the cursor on ``memory``."""
        lines = self.screen.lines
        assert lines is not None
        seq = self.space.memory.browser.places([memory.id])[memory.id]
        await self.until(lambda: seq in lines.listing.seqs)
        lines.cursor = list(lines.listing.seqs).index(seq)
        await self.until(lambda: lines.entry is not None and lines.entry.memory.id == memory.id)
        await self.settle()

    async def until(self, true: Callable[[], Any]) -> None:
        """Wait until ``true`` gives something true; what is shown is told when it never does."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not true():
                    await self.pilot.pause(0.02)
        except TimeoutError as late:
            focused = f"focused: {self.app.screen.focused!r}"
            raise AssertionError("\n".join([self.text(), self.told, focused])) from late
        await self.pilot.pause()

    async def until_open(self, dialog: type[object]) -> Any:
        """Wait until a dialog is on top, and all of it is there."""
        await self.until(lambda: isinstance(self.app.screen, dialog))
        await self.pilot.pause(0.05)
        return self.app.screen

    async def until_back(self) -> None:
        """Wait until no dialog is open any more."""
        await self.until(lambda: self.app.screen is self.screen)
        await self.settle()

    async def settle(self) -> None:
        """Wait until everything that was asked for is shown."""
        await self.pilot.pause(0.05)
        await self.until(lambda: all(pane.is_settled for pane in self.screen.query(Pane)))
        await self.pilot.pause(0.05)


@asynccontextmanager
async def inspecting(space: Space, size: tuple[int, int] = (120, 36)) -> AsyncIterator[Inspecting]:
    """Run the inspector on a terminal of ``size``, its index open."""
    app = InspectApp(space, moment=lambda: NOW)
    app.animation_level = "none"
    async with app.run_test(size=size, notifications=True) as pilot:
        driver = Inspecting(app, pilot)
        await driver.until(lambda: space.memory.finder.is_ready)
        driver.memories.search.cursor_blink = False
        await driver.settle()
        yield driver
