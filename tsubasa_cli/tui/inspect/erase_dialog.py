"""Erasing for good: first every place where it lives, then a word to type."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.memory.erase import ErasePlan
from tsubasa_cli.memory.erasure import Place, PlaceKind
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.dialog import InspectDialog
from tsubasa_cli.tui.telling import TellsErrors, tell

ASSENT = "erase"
"""What has to be typed, as on the command line."""
MOST_SHOWN = 300
LONGEST_WORDS = 200


class EraseDialog(TellsErrors, InspectDialog[ErasePlan | None]):
    """Returns the plan once the user has typed their assent; None when they have not."""

    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-tall")]
    BINDINGS = [
        Binding("escape", "leave", "Close", id="dialog_leave"),
        Binding("pageup", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(1)", show=False),
        Binding("up", "scroll(-1)", show=False, priority=True),
        Binding("down", "scroll(1)", show=False, priority=True),
    ]

    def __init__(self, title: str, plan: Callable[[], ErasePlan]) -> None:
        """``plan`` looks everywhere; it runs in a thread."""
        super().__init__()
        self._title_text = title
        self._make_plan = plan
        self._plan: ErasePlan | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide -picker -erase"):
            yield Static(Content(self._title_text), classes="dialog-title")
            with VerticalScroll(id="places", can_focus=False):
                yield Static("Looking everywhere …", id="place-lines")
            yield Static("", id="erase-count")
            yield Input(placeholder=f"type {ASSENT} to go on", id="assent", disabled=True)
            yield Static(
                "There is no way back. To hide it instead: Esc, then f", classes="dialog-hint"
            )

    def on_mount(self) -> None:
        self._look()

    @work
    async def _look(self) -> None:
        try:
            self._plan = await asyncio.to_thread(self._make_plan)
        except TsubasaError as error:
            tell(self.app, error)
            self.dismiss(None)
            return
        self._show(self._plan)

    def _show(self, plan: ErasePlan) -> None:
        told = [places(plan.places), *([staying(plan.stays)] if plan.stays else [])]
        self.query_one("#place-lines", Static).update(Content("\n").join(told))
        number = wording.memories(len(plan.memory_ids))
        count = wording.count(len(plan.places), "place")
        self.query_one("#erase-count", Static).update(
            Content(f"{number} and the words in these {count} go for good.")
        )
        assent = self.query_one("#assent", Input)
        assent.disabled = False
        assent.focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        if event.value.strip().casefold() == ASSENT:
            self.dismiss(self._plan)
        else:
            self.query_one("#erase-count", Static).update(
                Content.styled(f"Nothing is erased unless you type {ASSENT}.", "$warning")
            )

    def action_scroll(self, direction: int) -> None:
        self.query_one("#places").scroll_relative(y=direction * 4, animate=False)

    def action_leave(self) -> None:
        self.dismiss(None)


def places(found: tuple[Place, ...]) -> Content:
    """Every place under the sort of thing that it is."""
    lines: list[Content] = []
    shown = sorted(found[:MOST_SHOWN], key=lambda place: list(PlaceKind).index(place.kind))
    for kind, group in groupby(shown, key=lambda place: place.kind):
        lines.append(Content.styled(kind.value.capitalize(), "$foreground-muted bold"))
        lines += [_line(place) for place in group]
    if len(found) > MOST_SHOWN:
        lines.append(Content.styled(f"… and {len(found) - MOST_SHOWN:,} more", "$foreground-muted"))
    return Content("\n").join(lines)


def staying(files: tuple[Path, ...]) -> Content:
    """The files that are the user's own, so that they are to be removed by hand."""
    lines = [Content.styled("Stays: not written by Tsubasa, remove it yourself", "$warning bold")]
    lines += [
        Content.assemble("  ", (wording.visible_line(str(file)), "$foreground-muted"))
        for file in files[:MOST_SHOWN]
    ]
    return Content("\n").join(lines)


def _line(place: Place) -> Content:
    words = wording.first_line(place.words, LONGEST_WORDS)
    quoted = f"“{words}”  " if words else ""
    where = wording.visible_line(place.where)
    return Content.assemble("  ", quoted, (where, "$foreground-muted"))
