"""A life by month: what began, happened and ended, and what was true on a day."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from tsubasa_cli.errors import StorageError
from tsubasa_cli.memory.browsing import Entry
from tsubasa_cli.memory.by_hand import span_of
from tsubasa_cli.memory.filters import Filter, Sort, month_of
from tsubasa_cli.memory.timeline import Month, months, part_of, true_on
from tsubasa_cli.memory.values import Observation, Status
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.charts import columns, grouped
from tsubasa_cli.tui.inspect.dialogs import AskLine
from tsubasa_cli.tui.inspect.latest import Latest
from tsubasa_cli.tui.inspect.listing import Listing, MemoryLines
from tsubasa_cli.tui.inspect.pane import Moment, Pane
from tsubasa_cli.tui.inspect.space import Space

CHART_LINES = 3
KNOWN = frozenset((Status.ACTIVE, Status.SUPERSEDED))


@dataclass(frozen=True, slots=True)
class Then:
    """A day to look at: what is true on it, or what its month brought."""

    day: date
    shows_truth: bool = False
    is_new: bool = True


class TimelineView(Pane):
    """A slider over all months; below, the memories of one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "month(-1)", "A month back", id="timeline_back"),
        Binding("right", "month(1)", "A month on", id="timeline_on"),
        Binding("shift+left,comma", "month(-12)", "A year back", id="timeline_year_back"),
        Binding("shift+right,full_stop", "month(12)", "A year on", id="timeline_year_on"),
        Binding("d", "day", "As of a day of your choice", id="timeline_day"),
        Binding(
            "t", "truth", "What was true then, or what that month brought", id="timeline_truth"
        ),
    ]

    def __init__(self, space: Space, moment: Moment, id: str | None = None) -> None:
        super().__init__(space, moment, id)
        self._today = moment().local().date()
        self._months: Sequence[Month] = ()
        self._true = 0
        self.then = Then(self._today)
        self._latest = Latest(self._fulfil, lambda work: self.run_worker(work, group="then"))

    def compose(self) -> ComposeResult:
        yield Static("", id="then")
        yield Static("", id="months")
        yield MemoryLines(self._lead, id="then-lines")

    def on_mount(self) -> None:
        self._latest.ask(self.then)

    @property
    def memory(self) -> Observation | None:
        entry = self.query_one(MemoryLines).entry
        return entry.memory if entry else None

    def focus_list(self) -> None:
        self.query_one(MemoryLines).focus()

    def reload(self) -> None:
        self.query_one(MemoryLines).doubt()
        self._months = ()
        self._latest.ask(replace(self.then, is_new=False))

    @property
    def is_settled(self) -> bool:
        return not self._latest.is_busy

    # ------------------------------------------------------------------ moving in time

    def action_month(self, step: int) -> None:
        first = self.then.day.replace(day=1)
        moved = first.year * 12 + first.month - 1 + step
        month = date(max(moved // 12, 1), moved % 12 + 1, 1)
        if self._months:
            last = max(self._months[-1].day, self._today.replace(day=1))
            month = max(self._months[0].day, min(month, last))
        self._go(_last_day(month, self._today))

    def action_truth(self) -> None:
        self._ask(replace(self.then, shows_truth=not self.then.shows_truth))

    @work
    async def action_day(self) -> None:
        line = await self.app.push_screen_wait(
            AskLine(
                "As of which day?",
                '2024-05-03, "May 2024", "last spring"',
                check=lambda text: span_of(text, self.moment()),
            )
        )
        if line:
            self._ask(Then(span_of(line, self.moment()).end, shows_truth=True))

    def _go(self, day: date) -> None:
        self._ask(replace(self.then, day=day))

    def _ask(self, then: Then) -> None:
        self.then = replace(then, is_new=True)
        self._draw()
        self._latest.ask(self.then)

    # ------------------------------------------------------------------ showing

    async def _fulfil(self, then: Then) -> None:
        try:
            if not self._months:
                self._months = await asyncio.to_thread(months, self.space.connection)
            listing = await asyncio.to_thread(self._listing, then)
            self._true = await asyncio.to_thread(true_on, self.space.connection, then.day)
        except StorageError as error:
            self.app.notify(error.why or error.next_step, title=error.what, severity="warning")
            return
        if self._latest.is_newest() and self.is_mounted:
            self.query_one(MemoryLines).show(listing, at_top=then.is_new)
            self._draw()

    def _listing(self, then: Then) -> Listing:
        wanted = (
            Filter(statuses=KNOWN, true_on=then.day)
            if then.shows_truth
            else Filter(statuses=KNOWN, month=then.day)
        )
        seqs = self.space.memory.browser.order(wanted, Sort.BEGUN)
        return Listing(seqs, {}, len(seqs))

    def _lead(self, entry: Entry) -> str:
        return part_of(entry.memory, self.then.day).value

    @on(MemoryLines.Wanted)
    def _wanted(self, event: MemoryLines.Wanted) -> None:
        event.stop()
        self._fetch(event.lines, event.seqs)

    @work(group="entries")
    async def _fetch(self, lines: MemoryLines, seqs: list[int]) -> None:
        lines.supply(await asyncio.to_thread(self.space.memory.browser.entries, seqs))

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        self.query_one("#then", Static).update(self._headline())
        self.query_one("#months", Static).update(self._slider(max(self.size.width - 4, 8)))

    def _headline(self) -> Content:
        month = next((m for m in self._months if m.day == self.then.day.replace(day=1)), None)
        brought = (
            [
                f"{count:,} {what}"
                for count, what in (
                    (month.began, "began"),
                    (month.happened, "happened"),
                    (month.ended, "ended"),
                )
                if count
            ]
            if month
            else []
        )
        day = self.then.day
        truth = f"as of {wording.day(day)}: {wording.memories(self._true)} true"
        named = f"{day:%B %Y}"
        parts = [f"{named}: {', '.join(brought) or 'nothing known'}", truth]
        if self.then.shows_truth:
            parts.reverse()
        return Content.assemble((parts[0], "bold"), (f"  ·  {parts[1]}", "$foreground-muted"))

    def _slider(self, width: int) -> Content:
        """A column a month (or more, when there are many), and where one is among them."""
        if not self._months:
            return Content.styled("Nothing is dated yet.", "$foreground-muted")
        counts = [month.total for month in self._months]
        height = 1 if self.app.size.height < 20 else CHART_LINES
        drawn = columns(counts, width, height)
        groups = len(grouped(counts, width))
        wide = max(1, len(drawn[0]) // groups)
        place = self._place(groups)
        pointer = " " * (place * wide) + "▲"
        first, last = self._months[0].day, self._months[-1].day
        ends = f"{first:%b %Y}".ljust(max(len(drawn[0]) - 8, 9)) + f"{last:%b %Y}"
        lines = [Content.styled(line, "$primary") for line in drawn]
        lines.append(Content.styled(pointer, "$accent bold"))
        if height > 1:
            lines.append(Content.styled(ends, "$foreground-muted"))
        return Content("\n").join(lines)

    def _place(self, groups: int) -> int:
        """Which column the day is in."""
        here = self.then.day.replace(day=1)
        numbers = [month.day for month in self._months]
        index = sum(day <= here for day in numbers) - 1
        size = -(-len(numbers) // max(groups, 1))
        first = len(numbers) % size or size
        return 0 if index < first else 1 + (index - first) // size


def _last_day(month: date, today: date) -> date:
    """The end of a month, or today while it lasts."""
    end = month_of(month)[1] - timedelta(days=1)
    return today if month == today.replace(day=1) else end
