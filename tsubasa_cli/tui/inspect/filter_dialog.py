"""What to show: everything that can be asked of a memory, on one list to tick."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tsubasa_cli.errors import InputError
from tsubasa_cli.memory.browsing import Browser, Facets
from tsubasa_cli.memory.by_hand import span_of
from tsubasa_cli.memory.filters import Filter, Mark
from tsubasa_cli.memory.values import Kind
from tsubasa_cli.storage.values import Instant
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.dialog import InspectDialog
from tsubasa_cli.tui.inspect.dialogs import AskLine
from tsubasa_cli.tui.inspect.line_words import ORIGINS, STATES, short_day
from tsubasa_cli.tui.telling import TellsErrors

LONGEST_TITLE = 40
DAYS = {"the last 7 days": 7, "the last 30 days": 30, "the last year": 365}
OTHER_DAYS = "other days …"

Tick = tuple[str, Any]
"""A field of ``Filter``, and the value that a line stands for."""


class FilterDialog(TellsErrors, InspectDialog[Filter | None]):
    """Returns the filter as it was ticked; None when it is left as it was."""

    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-tall")]
    BINDINGS = [
        Binding("escape", "leave", "Close", id="dialog_leave"),
        Binding("ctrl+s,v", "accept", "Show it", id="dialog_accept"),
        Binding("c", "clear", "Ask for nothing"),
        Binding("j", "step('down')", show=False),
        Binding("k", "step('up')", show=False),
    ]

    def __init__(self, browser: Browser, wanted: Filter, today: date) -> None:
        super().__init__()
        self._browser = browser
        self.wanted = wanted
        self._today = today
        self._facets: Facets | None = None
        self._ticks: list[Tick | None] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -picker -filters"):
            yield Static("What to show", classes="dialog-title")
            yield OptionList(compact=True)
            yield Static(
                "Enter ticks · v shows it · c clears · Esc leaves it as it was",
                classes="dialog-hint",
            )

    def on_mount(self) -> None:
        self._look()

    @work
    async def _look(self) -> None:
        self._facets = await asyncio.to_thread(self._browser.facets, self.wanted)
        self._fill(0)

    def _fill(self, place: int) -> None:
        listing = self.query_one(OptionList)
        scrolled = listing.scroll_y
        lines = list(self._lines())
        self._ticks = [tick for tick, _ in lines]
        listing.set_options([option for _, option in lines])
        first = next((n for n, tick in enumerate(self._ticks) if tick), None)
        listing.highlighted = place or first
        listing.scroll_to(y=scrolled, animate=False)

    # ------------------------------------------------------------------ the lines

    def _lines(self) -> Iterator[tuple[Tick | None, Option]]:
        facets = self._facets
        if facets is None:
            return
        counts: dict[Any, int] = dict(facets.statuses)
        yield _heading("State")
        for status, label in STATES.items():
            yield self._line("statuses", status, label, counts.get(status, 0))
        yield _heading("Kind")
        kinds = dict(facets.kinds)
        for kind in Kind:
            yield self._line("kinds", kind, kind.value, kinds.get(kind, 0))
        yield _heading("Said")
        yield from self._days()
        yield _heading("Also")
        for mark in Mark:
            yield self._line("marks", mark, mark.value)
        yield _heading("Where it is from")
        origins = dict(facets.origins)
        for origin, label in ORIGINS.items():
            yield self._line("origins", origin, label, origins.get(origin, 0))
        yield from self._many("Tags", "tags", [(t, f"#{t}", n) for t, n in facets.tags])
        yield from self._many("Chats", "sessions", list(facets.sessions))

    def _many(
        self, title: str, name: str, lines: list[tuple[str, str, int]]
    ) -> Iterator[tuple[Tick | None, Option]]:
        if lines:
            yield _heading(title)
        for value, label, count in lines:
            yield self._line(name, value, label or "Untitled", count)

    def _days(self) -> Iterator[tuple[Tick | None, Option]]:
        for label, days in DAYS.items():
            since = self._today - timedelta(days=days)
            is_on = self.wanted.since == since and self.wanted.until is None
            yield ("days", since), _option(label, is_on=is_on)
        wanted = self.wanted
        is_on = bool(wanted.since or wanted.until) and not any(
            self._today - timedelta(days=days) == wanted.since and not wanted.until
            for days in DAYS.values()
        )
        yield ("days", None), _option(said(wanted) if is_on else OTHER_DAYS, is_on=is_on)

    def _line(
        self, name: str, value: Any, label: str, count: int | None = None
    ) -> tuple[Tick, Option]:
        is_on = value in getattr(self.wanted, name)
        return (name, value), _option(wording.first_line(label, LONGEST_TITLE), count, is_on=is_on)

    # ------------------------------------------------------------------ ticking

    @on(OptionList.OptionSelected)
    def _ticked(self, event: OptionList.OptionSelected) -> None:
        tick = self._ticks[event.option_index]
        if tick == ("days", None):
            self._ask_days()
        elif tick:
            self.wanted = ticked(self.wanted, tick)
            self._fill(event.option_index)

    @work
    async def _ask_days(self) -> None:
        line = await self.app.push_screen_wait(
            AskLine(
                "Said on which days?",
                '"May 2026", "since 2025", "last week" · empty for all',
                check=lambda text: days_of(text) if text.strip() else None,
            )
        )
        if line is not None:
            since, until = days_of(line) if line.strip() else (None, None)
            self.wanted = replace(self.wanted, since=since, until=until)
            self._fill(self.query_one(OptionList).highlighted or 0)

    def action_step(self, direction: str) -> None:
        getattr(self.query_one(OptionList), f"action_cursor_{direction}")()

    def action_clear(self) -> None:
        self.wanted = Filter()
        self._fill(self.query_one(OptionList).highlighted or 0)

    def action_accept(self) -> None:
        self.dismiss(self.wanted)

    def action_leave(self) -> None:
        self.dismiss(None)


def ticked(wanted: Filter, tick: Tick) -> Filter:
    """``wanted`` with one line ticked or no longer ticked. The last state stays: a list of
    nothing helps nobody."""
    name, value = tick
    if name == "days":
        since = None if wanted.since == value and wanted.until is None else value
        return replace(wanted, since=since, until=None)
    after = getattr(wanted, name) ^ {value}
    if name == "statuses" and not after:
        return wanted
    return replace(wanted, **{name: after})


def days_of(text: str) -> tuple[date, date | None]:
    """The days that ``text`` names, both inclusive; "since …" has no end. ``InputError``."""
    now = Instant.now()
    words = text.strip()
    if words.casefold().startswith("since "):
        return span_of(words[6:], now).start, None
    if not words:
        raise InputError("That is no day.", next_step="Write 2024-05 or last week.")
    span = span_of(words, now)
    return span.start, span.end


def said(wanted: Filter) -> str:
    """The days of a filter in words."""
    if wanted.since and wanted.until:
        return f"said {short_day(wanted.since)} – {short_day(wanted.until)}"
    if wanted.since:
        return f"said since {short_day(wanted.since)}"
    return f"said until {short_day(wanted.until)}" if wanted.until else ""


def chips(wanted: Filter, titles: dict[str, str]) -> list[str]:
    """The filter in a few words each; nothing for what is shown anyway."""
    plain = Filter()
    found = []
    if wanted.statuses != plain.statuses:
        found.append(" or ".join(STATES[status] for status in sorted(wanted.statuses)))
    if wanted.kinds:
        found.append(" or ".join(kind.value for kind in sorted(wanted.kinds)))
    found += [said(wanted)] if said(wanted) else []
    found += [mark.value for mark in sorted(wanted.marks)]
    if wanted.origins:
        found.append(" or ".join(ORIGINS[origin] for origin in sorted(wanted.origins)))
    if wanted.tags:
        found.append(" or ".join(f"#{wording.visible_line(tag)}" for tag in sorted(wanted.tags)))
    found += [
        f"from “{wording.first_line(titles.get(session) or 'Untitled', LONGEST_TITLE)}”"
        for session in sorted(wanted.sessions)
    ]
    return found


def _heading(title: str) -> tuple[None, Option]:
    return None, Option(Content.styled(title, "$foreground-muted bold"), disabled=True)


def _option(label: str, count: int | None = None, *, is_on: bool) -> Option:
    tick = Content.styled("■ " if is_on else "□ ", "$accent" if is_on else "$foreground-muted")
    number = f"  {count:,}" if count is not None else ""
    return Option(Content.assemble("  ", tick, label, (number, "$foreground-muted")))
