"""The list of memories with its search, and the page about the one under the cursor."""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import dataclass, replace

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from tsubasa_cli.errors import NotFoundError, StorageError
from tsubasa_cli.memory.browsing import Entry
from tsubasa_cli.memory.filters import Filter, Sort
from tsubasa_cli.memory.values import Observation
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.detail import Detail
from tsubasa_cli.tui.inspect.latest import Latest
from tsubasa_cli.tui.inspect.listing import AHEAD, Listing, MemoryLines
from tsubasa_cli.tui.inspect.pane import Moment, Pane
from tsubasa_cli.tui.inspect.space import Space

IN_FORCE = Filter()
PLACEHOLDER = "/ searches as a chat would recall"
EMPTY = (
    "Nothing is known yet.\n\nMemories come from what you say in your chats. n notes one by hand."
)


@dataclass(frozen=True, slots=True)
class Look:
    """What the list is to show. ``text`` is searched for; without it ``sort`` gives the order."""

    text: str = ""
    wanted: Filter = IN_FORCE
    sort: Sort = Sort.NEWEST
    is_new: bool = True
    """Whether something else is looked for, so that the cursor starts at the top."""


class SearchField(Input):
    """The search; Down and Enter lead to the list, Esc clears it and then leads there too."""

    BINDINGS = [
        Binding("down,enter", "leave", "To the list", show=False, priority=True),
        Binding("escape", "clear_or_leave", "Clear the search", show=False),
    ]

    def action_leave(self) -> None:
        self.query_ancestor(MemoriesView).focus_list()

    def action_clear_or_leave(self) -> None:
        if self.value:
            self.value = ""
        else:
            self.action_leave()


class MemoriesView(Pane):
    """Search, filter, sort and read memories; what is done to them is the screen's business."""

    @dataclass
    class Counted(Message):
        """How many there are on the list."""

        total: int
        is_search: bool

    def __init__(self, space: Space, moment: Moment, id: str | None = None) -> None:
        super().__init__(space, moment, id)
        self._latest = Latest(self._fulfil, lambda work: self.run_worker(work, group="look"))
        self._titles: dict[str, str] = {}
        self.look = Look()
        self._has_begun = asyncio.Event()
        self.shown: Look | None = None
        """What the list shows by now; None at first."""

    def compose(self) -> ComposeResult:
        yield SearchField(
            placeholder="/ searches as a chat would recall", id="search", compact=True
        )
        yield Static("", id="chips", markup=False)
        with Horizontal(id="pages"):
            yield MemoryLines(id="lines")
            yield Static(Content(EMPTY), id="nothing")
            yield Detail(id="detail")

    def on_mount(self) -> None:
        self._show_chips()

    async def begin(self) -> None:
        """Show the first lines of the list."""
        self._latest.ask(self.look)
        await self._has_begun.wait()

    # ------------------------------------------------------------------ what the screen asks

    @property
    def lines(self) -> MemoryLines:
        return self.query_one("#lines", MemoryLines)

    @property
    def detail(self) -> Detail:
        return self.query_one("#detail", Detail)

    @property
    def search(self) -> SearchField:
        return self.query_one("#search", SearchField)

    @property
    def is_settled(self) -> bool:
        """Whether everything that was asked for is shown."""
        return not self._latest.is_busy

    @property
    def is_answered(self) -> bool:
        """Whether the list shows what was last typed and chosen."""
        shown = self.shown and replace(self.shown, is_new=True)
        return shown == self.look and self.search.value.strip() == self.look.text

    def focus_list(self) -> None:
        self.screen.set_focus(self.lines)

    def reload(self) -> None:
        """Something has changed: look again for the same, and stay where one is."""
        self.lines.doubt()
        self._latest.ask(replace(self.look, is_new=False))
        self._read()

    def narrow(self, wanted: Filter, titles: dict[str, str]) -> None:
        """Show what ``wanted`` lists; ``titles`` are those of the sessions in it."""
        self._titles = titles
        self._change(replace(self.look, wanted=wanted))

    def next_sort(self) -> Sort:
        """Order the list in the next way."""
        every = list(Sort)
        sort = every[(every.index(self.look.sort) + 1) % len(every)]
        self._change(replace(self.look, sort=sort))
        return sort

    def ask_for(self, text: str) -> None:
        """Search for ``text``."""
        self.search.value = text

    # ------------------------------------------------------------------ looking

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._change(replace(self.look, text=event.value.strip()))

    def _change(self, look: Look) -> None:
        if look != self.look:
            self.look = replace(look, is_new=True)
            self._show_chips()
            self._latest.ask(self.look)

    async def _fulfil(self, look: Look) -> None:
        try:
            if look.text:
                listing, entries = await asyncio.to_thread(self._search, look, self._room())
                self.lines.take(entries)
                self._show(listing, look)
            else:
                await self._browse(look)
        except StorageError as error:
            self.app.notify(error.why or error.next_step, title=error.what, severity="warning")
        finally:
            self._has_begun.set()

    async def _browse(self, look: Look) -> None:
        """The first lines at once, then the order of all of them."""
        browser = self.space.memory.browser
        if look.is_new:
            page = await asyncio.to_thread(browser.page, look.wanted, look.sort, self._room())
            self.lines.take(page.entries)
            self._show(Listing(page.seqs, {}, page.total), look)
            self._has_begun.set()
            await self.painted()
            if page.total <= len(page.seqs):
                return
            look = replace(look, is_new=False)
        is_awaited = self._latest.is_newest
        seqs = await asyncio.to_thread(browser.order_while, is_awaited, look.wanted, look.sort)
        self._show(Listing(seqs, {}, len(seqs)), look)

    def _room(self) -> int:
        """The lines that the terminal has room for, and those read ahead."""
        return self.app.size.height // self.lines.line_height + AHEAD + 1

    async def painted(self) -> None:
        """Until what was shown last is on the screen."""
        painted = asyncio.Event()
        self.call_after_refresh(painted.set)
        await painted.wait()

    def _search(self, look: Look, room: int) -> tuple[Listing, dict[int, Entry]]:
        """What is found, and the records of the first ``room`` of it."""
        memory = self.space.memory
        hits = memory.finder.find(look.text, look.wanted, self.moment())
        seqs = array("q", (hit.seq for hit in hits))
        listing = Listing(seqs, {hit.seq: hit for hit in hits}, len(hits))
        return listing, memory.browser.entries(seqs[:room])

    def _show(self, listing: Listing, look: Look) -> None:
        if not self._latest.is_newest() or not self.is_mounted:
            return
        self.shown = look
        self.lines.show(listing, at_top=look.is_new)
        is_empty = not listing.seqs
        self.set_class(is_empty, "-nothing")
        if is_empty:
            self.query_one("#nothing", Static).update(Content(self._why_nothing(look)))
            self.detail.show(None)
        self.post_message(self.Counted(listing.total, bool(look.text)))

    def _why_nothing(self, look: Look) -> str:
        if look.text:
            return f"Nothing that is shown here holds “{wording.first_line(look.text, 60)}”."
        return EMPTY if look.wanted.is_plain else "Nothing is like that. v changes what is shown."

    def _show_chips(self) -> None:
        parts = [] if self.look.wanted.is_plain else self._chips()
        if self.look.sort is not Sort.NEWEST and not self.look.text:
            parts.append(self.look.sort.value)
        shown = self.query_one("#chips", Static)
        shown.update(Content(" · ".join(parts)))
        shown.display = bool(parts)

    def _chips(self) -> list[str]:
        from tsubasa_cli.tui.inspect.filter_dialog import chips

        return chips(self.look.wanted, self._titles)

    # ------------------------------------------------------------------ reading

    @on(MemoryLines.Wanted)
    def _wanted(self, event: MemoryLines.Wanted) -> None:
        event.stop()
        self._fetch(event.lines, event.seqs)

    @work(group="entries")
    async def _fetch(self, lines: MemoryLines, seqs: list[int]) -> None:
        lines.supply(await asyncio.to_thread(self.space.memory.browser.entries, seqs))

    @on(MemoryLines.Highlighted)
    def _highlighted(self, event: MemoryLines.Highlighted) -> None:
        event.stop()
        self._read()

    @work(exclusive=True, group="dossier")
    async def _read(self) -> None:
        """The page about the memory under the cursor, behind the list with it; the last one, when
        one scrolls fast."""
        await self.painted()
        await asyncio.sleep(0.02)
        entry = self.lines.entry
        if entry is None:
            self.detail.show(None)
            return
        try:
            found = await asyncio.to_thread(self.space.dossier, entry.memory.id)
        except NotFoundError:
            found = None
        self.detail.show(found)

    @property
    def memory(self) -> Observation | None:
        entry = self.lines.entry
        return entry.memory if entry else None
