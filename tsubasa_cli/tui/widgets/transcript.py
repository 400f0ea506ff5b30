"""The conversation on screen: a window of mounted messages onto a history of any length.

Only what is near the viewport is in the widget tree. Scrolling to an edge mounts the next batch
there, and what is then far away is removed; the turns themselves stay in ``_items``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from textual import events, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.css.query import NoMatches
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from tsubasa_cli.storage.values import Branch, Role, Summary, Turn
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.live_reply import LiveReply
from tsubasa_cli.tui.widgets.divider import SummaryDivider
from tsubasa_cli.tui.widgets.reply import Reply
from tsubasa_cli.tui.widgets.user_message import UserMessage
from tsubasa_cli.tui.widgets.utterance import Utterance

FIRST_PAGE = 30
"""Messages mounted when a session opens."""
BATCH = 20
"""Messages mounted at a time when scrolling to an edge."""
DOZE_AFTER_SECONDS = 0.25

Item = Turn | Summary
LiveOf = Callable[[int], LiveReply | None]
RecalledFor = Callable[[Turn], int]


def key_of(item: Item) -> str:
    """The widget id an item has while it is mounted."""
    return f"turn-{item.id}" if isinstance(item, Turn) else f"summary-{item.id}"


def in_order(turns: Sequence[Turn], summaries: Sequence[Summary]) -> list[Item]:
    """Turns with each summary behind the last turn that it stands for."""
    after: dict[int, list[Summary]] = {}
    for summary in summaries:
        after.setdefault(summary.upto_turn_id, []).append(summary)
    return [item for turn in turns for item in (turn, *after.get(turn.id, ()))]


class Transcript(VerticalScroll, can_focus=False):
    """Shows messages; ``live_of`` finds the reply in the making that belongs to a turn,
    ``recalled_for`` tells how many memories went into a reply."""

    prune_above_lines = 2_500
    """Mounted lines above which those far away are let go."""
    keep_lines = 1_500

    @dataclass
    class EdgePassed(Message):
        """The focus left the last message downwards."""

        transcript: Transcript

    def __init__(
        self, live_of: LiveOf, recalled_for: RecalledFor, *, unfold_thinking: bool = False
    ) -> None:
        super().__init__(id="transcript")
        self._live_of = live_of
        self._recalled_for = recalled_for
        self._unfold_thinking = unfold_thinking
        self._items: list[Item] = []
        self._branches: Mapping[int, Branch] = {}
        self._first = 0
        self._end = 0
        self._changing = asyncio.Lock()
        self._doze_due = False
        self._laid_out_width = 0
        self._edge = Static("", id="earlier", markup=False)

    def compose(self) -> ComposeResult:
        yield self._edge

    def on_mount(self) -> None:
        self._edge.display = False
        self.anchor()

    @property
    def items(self) -> Sequence[Item]:
        return self._items

    @property
    def mounted_range(self) -> range:
        """Positions in ``items`` that have a widget now."""
        return range(self._first, self._end)

    @property
    def utterances(self) -> list[Utterance]:
        """The mounted messages, top to bottom."""
        return [child for child in self.children if isinstance(child, Utterance)]

    # ------------------------------------------------------------------ content

    async def show(self, items: Sequence[Item], branches: Mapping[int, Branch]) -> None:
        """Show a branch. What it shares with the one on screen stays as it is."""
        async with self._changing:
            self._branches = branches
            at_end = self._end == len(self._items)
            common = _common(self._items, items)
            changed = common < self._end
            if changed:
                await self._unmount(max(common, self._first), self._end)
            self._items = list(items)
            if self._end <= self._first or (changed and len(items) - self._end > BATCH):
                await self._show_tail()
            elif at_end or changed:
                await self._mount_below(len(items))
            for utterance in self.utterances:
                utterance.place(branches.get(utterance.turn.id))
        self._mark_edge()
        self._fill()

    async def add(self, *items: Item) -> None:
        """Add to the end; follows it down when the end was on screen."""
        async with self._changing:
            at_end = self._end == len(self._items)
            self._items.extend(items)
            if at_end:
                await self._mount_below(len(self._items))

    async def follow_end(self) -> None:
        """Scroll to the newest message and stay there."""
        async with self._changing:
            if self._end < len(self._items):
                await self._show_tail()
        self._mark_edge()
        self.anchor()

    async def show_beginning(self) -> None:
        """Scroll to the very first message."""
        async with self._changing:
            if self._first > 0:
                await self._unmount(self._first, self._end)
                self._first = self._end = 0
                await self._mount_below(min(FIRST_PAGE, len(self._items)))
        self._mark_edge()
        self.scroll_home(animate=False)

    async def show_at(self, turn_id: int) -> bool:
        """Bring a message into sight and put the focus on it; False when it is not here."""
        places = [i for i, item in enumerate(self._items) if key_of(item) == f"turn-{turn_id}"]
        if not places:
            return False
        async with self._changing:
            self.release_anchor()
            if places[0] not in self.mounted_range:
                await self._unmount(self._first, self._end)
                self._first = self._end = max(0, places[0] - BATCH // 4)
                await self._mount_below(min(self._first + FIRST_PAGE, len(self._items)))
            await self.wait_for_refresh()
            if widget := self._widget(self._items[places[0]]):
                widget.focus(scroll_visible=False)
                self.scroll_to_widget(widget, animate=False, top=True, force=True, immediate=True)
        self._mark_edge()
        self._check_edges()
        return True

    def settle(self, turn: Turn) -> None:
        """A reply was committed: remember it as it is now."""
        for position in range(len(self._items) - 1, -1, -1):
            item = self._items[position]
            if isinstance(item, Turn) and item.id == turn.id:
                self._items[position] = turn
                return

    async def _show_tail(self) -> None:
        await self._unmount(self._first, self._end)
        self._first = self._end = max(0, len(self._items) - FIRST_PAGE)
        await self._mount_below(len(self._items))

    async def _mount_below(self, end: int) -> None:
        made = [self._make(item) for item in self._items[self._end : end]]
        self._end = end
        await self.mount_all(made)
        self._doze_soon()

    async def _unmount(self, start: int, stop: int) -> None:
        """Remove the widgets of ``items[start:stop]``, a range at one edge of the window."""
        gone = [w for item in self._items[start:stop] if (w := self._widget(item))]
        if any(widget.has_focus_within for widget in gone):
            self.screen.set_focus(None)
        if stop == self._end:
            self._end = start
        else:
            self._first = stop
        await self.remove_children(gone)

    def _widget(self, item: Item) -> Widget | None:
        try:
            return self.get_child_by_id(key_of(item))
        except NoMatches:
            return None

    def _make(self, item: Item) -> Widget:
        if isinstance(item, Summary):
            return SummaryDivider(item)
        branch = self._branches.get(item.id)
        if item.role is Role.USER:
            return UserMessage(item, branch)
        return Reply(
            item,
            branch,
            self._live_of(item.id),
            recalled=self._recalled_for(item),
            unfold=self._unfold_thinking,
        )

    # ------------------------------------------------------------------ the window

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._wake_near()
        self._check_edges()

    def _check_edges(self) -> None:
        """Mount more where less than a page is left to scroll."""
        page = self.size.height
        if self.scroll_y < page and self._first > 0:
            self._reach_up()
        elif self.max_scroll_y - self.scroll_y < page and self._end < len(self._items):
            self._reach_down()

    def _wake_near(self) -> None:
        """Before they come into sight, messages wake; those behind doze off a little later."""
        for utterance, near in self._nearness():
            if near:
                utterance.wake()
        self._doze_soon()

    def _doze_soon(self) -> None:
        if not self._doze_due:
            self._doze_due = True
            self.set_timer(DOZE_AFTER_SECONDS, self._doze_far)

    def _doze_far(self) -> None:
        self._doze_due = False
        for utterance, near in self._nearness():
            if not near:
                utterance.doze()

    def _nearness(self) -> Iterator[tuple[Utterance, bool]]:
        """Each message, and whether it is in sight or nearly so. Places follow from the heights,
        because asking Textual for a region lays out the whole screen once more."""
        margin = self.size.height // 4
        first, last = self.scroll_y - margin, self.scroll_y + self.size.height + margin
        top = 0
        for child in self.children:
            if not child.display:
                continue
            height = child.outer_size.height
            if isinstance(child, Utterance):
                yield child, not height or (top + height >= first and top <= last)
            top += height + child.styles.margin.bottom

    def on_resize(self, event: events.Resize) -> None:
        """Another width gives other heights: everything is laid out once."""
        if event.size.width != self._laid_out_width:
            self._laid_out_width = event.size.width
            for utterance in self.utterances:
                utterance.wake()
        self._doze_soon()

    @work(group="window", exclusive=False)
    async def _reach_up(self) -> None:
        if self._changing.locked():
            return
        async with self._changing:
            await self._load_earlier()
            await self._prune_below()
        self._mark_edge()
        self._check_edges()

    @work(group="window", exclusive=False)
    async def _reach_down(self) -> None:
        if self._changing.locked():
            return
        async with self._changing:
            self.release_anchor()
            await self._mount_below(min(self._end + BATCH, len(self._items)))
            await self.wait_for_refresh()
            await self._prune_above()
        self._mark_edge()
        self._check_edges()

    async def prune(self) -> None:
        """Let go of what is far above, once much is mounted."""
        if self._changing.locked():
            return
        async with self._changing:
            await self._prune_above()
        self._mark_edge()

    async def _load_earlier(self) -> None:
        first = max(0, self._first - BATCH)
        made = [self._make(item) for item in self._items[first : self._first]]
        if not made:
            return
        self._first = first
        await self._keeping_place(self.mount_all(made, after=self._edge))

    async def _prune_above(self) -> None:
        if self.virtual_size.height <= self.prune_above_lines:
            return
        spare = min(self.virtual_size.height - self.keep_lines, self.scroll_y - self.size.height)
        stop = self._first
        for item in self._items[self._first : self._end]:
            widget = self._widget(item)
            spare -= widget.outer_size.height if widget else 0
            if spare < 0:
                break
            stop += 1
        if stop > self._first:
            await self._keeping_place(self._unmount(self._first, stop))

    async def _prune_below(self) -> None:
        if self.virtual_size.height <= self.prune_above_lines:
            return
        below = self.max_scroll_y - self.scroll_y - self.size.height
        spare = min(self.virtual_size.height - self.keep_lines, below)
        start = self._end
        for item in reversed(self._items[self._first : self._end]):
            widget = self._widget(item)
            spare -= widget.outer_size.height if widget else 0
            if spare < 0:
                break
            start -= 1
        if start < self._end:
            await self._unmount(start, self._end)

    async def _keeping_place(self, change: Awaitable[object]) -> None:
        """Await a change above the viewport without moving what the user reads."""
        below = self.virtual_size.height - self.scroll_y
        following = self.is_vertical_scroll_end
        await change
        await self.wait_for_refresh()
        if not following:
            place = self.virtual_size.height - below
            self.scroll_to(y=place, animate=False, immediate=True, force=True)

    @work(group="window")
    async def _fill(self) -> None:
        """A page of short messages may not fill a tall terminal: then there is nothing to scroll,
        so more is mounted at once."""
        await self.wait_for_refresh()
        while self._first > 0 and self.size.height and self.max_scroll_y < self.size.height:
            async with self._changing:
                await self._load_earlier()
            self._mark_edge()

    def _mark_edge(self) -> None:
        self._edge.display = self._first > 0
        self._edge.update(f"{wording.count(self._first, 'earlier message')} above")

    # ------------------------------------------------------------------ keyboard

    def focus_last(self) -> None:
        """Focus the newest message."""
        if self.utterances:
            self.utterances[-1].focus()

    def on_utterance_left(self, event: Utterance.Left) -> None:
        event.stop()
        self._step_from(event.utterance, event.step)

    def on_summary_divider_left(self, event: SummaryDivider.Left) -> None:
        event.stop()
        self._step_from(event.divider, event.step)

    def _step_from(self, widget: Widget, step: int) -> None:
        stops = [child for child in self.children if child.can_focus]
        target = stops.index(widget) + step
        if target >= len(stops):
            self.post_message(self.EdgePassed(self))
        elif target >= 0:
            stops[target].focus()
        else:
            self.scroll_home(animate=False)


def _common(before: Sequence[Item], now: Sequence[Item]) -> int:
    """How many items at the start are the same."""
    for position, (one, other) in enumerate(zip(before, now, strict=False)):
        if key_of(one) != key_of(other):
            return position
    return min(len(before), len(now))
