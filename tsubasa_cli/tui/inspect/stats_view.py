"""The memory in numbers, drawn in the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tsubasa_cli.memory.insights import STALE_DAYS, Insights, insights
from tsubasa_cli.memory.values import Status
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.charts import columns, row
from tsubasa_cli.tui.inspect.line_words import STATES, fitted, short_day
from tsubasa_cli.tui.inspect.pane import Moment, Pane
from tsubasa_cli.tui.inspect.space import Space

GROWTH_LINES = 5
LABEL = 16
WIDEST = 72


class StatsView(Pane):
    """Counts everything when it is opened, and again when something changes while it is on show."""

    def __init__(self, space: Space, moment: Moment, id: str | None = None) -> None:
        super().__init__(space, moment, id)
        self._found: Insights | None = None
        self._is_counting = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="stats-page"):
            yield Static("Counting …", id="stats-words")

    def on_mount(self) -> None:
        self.reload()

    def focus_list(self) -> None:
        self.query_one("#stats-page").focus()

    def reload(self) -> None:
        self._is_counting = True
        self._count()

    @property
    def is_settled(self) -> bool:
        return not self._is_counting

    @work(exclusive=True, group="stats")
    async def _count(self) -> None:
        try:
            self._found = await asyncio.to_thread(insights, self.space.connection, self.moment())
            self._draw()
        finally:
            self._is_counting = False

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._found is not None:
            width = min(max(self.size.width - 6, 12), WIDEST)
            self.query_one("#stats-words", Static).update(
                Content("\n").join(list(page(self._found, width)))
            )


def page(found: Insights, width: int) -> Iterator[Content]:
    """The page, line by line, for ``width`` cells."""
    if not found.statuses:
        yield Content("Nothing is known yet, so there is nothing to count.")
        return
    yield from _growth(found, width)
    yield from _bars("Kinds", {k.value: n for k, n in found.kinds.items()}, width)
    states = {STATES[k]: n for k, n in found.statuses.items() if k is not Status.ERASED}
    yield from _bars("States", states, width)
    yield from _learned(found, width)
    yield from _handling(found)
    yield from _recalled(found, width)
    yield from _stale(found, width)


def _heading(title: str, note: str = "") -> Content:
    return Content.assemble((f"\n{title}", "$primary bold"), (f"  {note}", "$foreground-muted"))


def _growth(found: Insights, width: int) -> Iterator[Content]:
    if not found.growth:
        return
    first, last = found.growth[0][0], found.growth[-1][0]
    counts = dict(found.growth)
    every = _months(first.year * 12 + first.month, last.year * 12 + last.month)
    values = [counts.get(first.replace(year=y, month=m), 0) for y, m in every]
    known = sum(values)
    yield Content.assemble(
        ("Growth", "$primary bold"),
        (f"  {wording.memories(known)} by the month they were said in", "$foreground-muted"),
    )
    drawn = columns(values, width, GROWTH_LINES)
    for line in drawn:
        yield Content.styled(line, "$primary")
    ends = f"{first:%b %Y}".ljust(max(len(drawn[0]) - 8, 9))
    yield Content.styled(f"{ends}{last:%b %Y}" if first != last else ends, "$foreground-muted")


def _months(first: int, last: int) -> list[tuple[int, int]]:
    return [((n - 1) // 12, (n - 1) % 12 + 1) for n in range(first, last + 1)]


def _bars(title: str, counts: dict[str, int], width: int) -> Iterator[Content]:
    if not counts:
        return
    yield _heading(title)
    top = max(counts.values()) or 1
    label = min(max(map(len, counts)), max(LABEL, width // 3))
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        yield row(name, f"{count:,}", count / top, width, label)


def _learned(found: Insights, width: int) -> Iterator[Content]:
    share = found.learned / found.learnable if found.learnable else 0.0
    note = f"{found.learned:,} of {found.learnable:,} memories"
    if found.outdated:
        note += f", {found.outdated:,} more in an earlier wording"
    yield _heading("By heart", note)
    yield row("in the model", f"{share:.0%}", share, width, LABEL)


def _handling(found: Insights) -> Iterator[Content]:
    yield _heading("What was done")
    for count, what in (
        (found.resolved, "contradictions resolved: the old value kept its dates"),
        (found.repeated, "said again, and not noted twice"),
        (found.corrected, "corrected by hand"),
        (found.undone, "taken back"),
    ):
        yield Content.assemble(f"{count:>7,}  ", (what, "$foreground-muted"))


def _recalled(found: Insights, width: int) -> Iterator[Content]:
    note = f"{found.never_recalled:,} were never recalled"
    yield _heading("Most recalled", note)
    for memory, uses in found.most_recalled:
        yield Content.assemble((f"{uses:>6,}×  ", "$accent"), fitted(memory.statement, width - 9))


def _stale(found: Insights, width: int) -> Iterator[Content]:
    if not found.stale_count:
        return
    note = f"{found.stale_count:,} states and plans older than {STALE_DAYS} days, never recalled"
    yield _heading("Perhaps no longer so", note)
    for memory in found.stale:
        day = short_day(memory.recorded_at.local().date())
        yield Content.assemble(
            (f"{day:>12}  ", "$foreground-muted"), fitted(memory.statement, width - 14)
        )
