"""What the inspector looks like and how it follows what happens: nothing here changes a memory."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar
from weakref import WeakSet

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input, OptionList, Static
from textual.worker import Worker, get_current_worker

from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.memory.browsing import Pulse
from tsubasa_cli.memory.filters import Filter
from tsubasa_cli.memory.values import Observation, Status
from tsubasa_cli.storage.values import Instant
from tsubasa_cli.tui import starting, wording
from tsubasa_cli.tui.inspect.listing import MemoryLines
from tsubasa_cli.tui.inspect.memories_view import MemoriesView
from tsubasa_cli.tui.inspect.pane import Moment, Pane
from tsubasa_cli.tui.inspect.space import Space
from tsubasa_cli.tui.telling import TellsErrors, tell

if TYPE_CHECKING:
    from tsubasa_cli.tui.inspect.detail import Detail

POLL_SECONDS = 1.0
WIDE_FROM = 100
"""Columns from which a memory is read beside the list."""
ROOMY_FROM = 72
"""Columns from which the title has room for all its words."""

DIALOG = "dialog"
"""The group of workers that put something to the user before they do anything."""
Answer = TypeVar("Answer")

ViewName = Literal["memories", "timeline", "ask", "stats"]
TITLES: dict[ViewName, str] = {
    "memories": "Memories",
    "timeline": "Timeline",
    "ask": "Ask",
    "stats": "Stats",
}
HINTS = {
    "memories": "? keys · / search · e edit · f forget · p pin · u undo · v what to show · q close",
    "reading": "? keys · Esc back · e edit · g where it was said · p pin · f forget · u undo",
    "timeline": "? keys · ← → month · , . year · t true then, or that month · d a day",
    "ask": "? keys · Enter asks · Esc to the answer · b what the model reads · d as of "
    "· e edit · f forget",
    "stats": "? keys · ↑ ↓ scrolls · q closes",
}


class InspectView(TellsErrors, Screen[Any]):
    """Four views, of which one is on show."""

    CSS_PATH: ClassVar[Path] = Path(__file__).parent / "inspect.tcss"
    AUTO_FOCUS = "#lines"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE_FROM, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (14, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "view('memories')", "Memories", id="inspect_memories"),
        Binding("2", "view('timeline')", "Timeline", id="inspect_timeline"),
        Binding("3", "view('ask')", "Ask: what a question recalls", id="inspect_ask"),
        Binding("4", "view('stats')", "Stats", id="inspect_stats"),
        Binding("slash,ctrl+f", "search", "Search", id="inspect_search", priority=True),
        Binding("question_mark,f1", "keys", "All keys", id="inspect_keys"),
        Binding("escape", "back", "Back", id="inspect_back"),
        Binding("q,f2", "leave", "Close", id="inspect_leave"),
    ]

    def __init__(self, space: Space, moment: Moment = Instant.now) -> None:
        super().__init__()
        self.space = space
        self.moment = moment
        self._pulse: Pulse | None = None
        self._waiting = 0
        self._total = ""
        self._changing = asyncio.Lock()
        self._asking: WeakSet[Worker[Any]] = WeakSet()
        """Those of the group ``DIALOG`` whose dialog has come up."""

    def compose(self) -> ComposeResult:
        yield Static("", id="inspect-title", markup=False)
        with ContentSwitcher(initial="memories", id="views"):
            yield MemoriesView(self.space, self.moment, id="memories")
        yield Static("", id="inspect-note", markup=False)
        yield Static("", id="inspect-hints", markup=False)

    async def on_mount(self) -> None:
        """From before the first list is read, nothing that is written escapes notice. Nothing is
        drawn before this is done, so the first picture has the first lines."""
        self.note("")
        self._show_title()
        self._pulse = await asyncio.to_thread(self.space.memory.browser.pulse)
        await self.memories.begin()
        self._go_on()

    @work
    async def _go_on(self) -> None:
        """What the first lines do not need waits until they are drawn."""
        await self.memories.painted()
        starting.done()
        self.set_interval(POLL_SECONDS, self._poll)
        await self._count_waiting()
        self._prepare()

    def stop_reading(self) -> None:
        """Cancel whatever still reads, so that what was lent can be given back."""
        for worker in list(self.app.workers):
            if worker.node is self or self in worker.node.ancestors:
                worker.cancel()

    # ------------------------------------------------------------------ parts

    @property
    def memories(self) -> MemoriesView:
        return self.query_one("#memories", MemoriesView)

    @property
    def view_name(self) -> ViewName:
        current = self.query_one("#views", ContentSwitcher).current
        return next((name for name in TITLES if name == current), "memories")

    @property
    def view(self) -> Pane:
        return self.query_one(f"#{self.view_name}", Pane)

    @property
    def lines(self) -> MemoryLines | None:
        """The list on show, if the view has one."""
        found = list(self.view.query(MemoryLines))
        return found[0] if found else None

    @property
    def is_reading(self) -> bool:
        """Whether one memory alone is on show, on a narrow terminal."""
        return self.has_class("-reading")

    def selection(self) -> list[Observation]:
        """The marked memories, else the one under the cursor."""
        lines = self.lines
        if lines and lines.marked and not self.is_reading:
            return [entry.memory for entry in lines.marked.values()]
        memory = self.view.memory
        return [memory] if memory else []

    # ------------------------------------------------------------------ views

    @work(exclusive=True, group="view")
    async def action_view(self, name: ViewName) -> None:
        await self.show_view(name)

    async def show_view(self, name: ViewName) -> Pane:
        """Bring a view on show; it is made when it is wanted for the first time."""
        switcher = self.query_one("#views", ContentSwitcher)
        if not switcher.query(f"#{name}"):
            await switcher.mount(self._made(name))
        self.remove_class("-reading")
        switcher.current = name
        self._show_title()
        pane = self.view
        pane.focus_list()
        return pane

    def _made(self, name: ViewName) -> Pane:
        match name:
            case "timeline":
                from tsubasa_cli.tui.inspect.timeline_view import TimelineView

                return TimelineView(self.space, self.moment, id=name)
            case "ask":
                from tsubasa_cli.tui.inspect.ask_view import AskView

                return AskView(self.space, self.moment, id=name)
            case "stats":
                from tsubasa_cli.tui.inspect.stats_view import StatsView

                return StatsView(self.space, self.moment, id=name)
            case _:
                return MemoriesView(self.space, self.moment, id=name)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """The search has its key before all others, so that letters typed right behind it are
        words and not commands. In a field it is a letter. Nor is anything a command that is typed
        behind a key whose dialog has not come up yet."""
        if self._is_dialog_due:
            return False
        return action != "search" or not isinstance(self.focused, Input)

    @property
    def _is_dialog_due(self) -> bool:
        return any(
            worker.group == DIALOG and worker.node is self and worker not in self._asking
            for worker in self.app.workers
            if not worker.is_finished
        )

    async def ask(self, dialog: Screen[Answer]) -> Answer | None:
        """What ``dialog`` returns; to be called by workers of the group ``DIALOG``."""
        self._asking.add(get_current_worker())
        return await self.app.push_screen_wait(dialog)

    def action_search(self) -> None:
        self.remove_class("-reading")
        self.query_one("#views", ContentSwitcher).current = "memories"
        self.set_focus(self.memories.search)
        self._show_title()

    def action_back(self) -> None:
        """One step back: from a memory to the list, from marks to none, from a view to the list;
        from there nowhere, for Esc pressed once too often must not end anything."""
        lines = self.lines
        if self.is_reading:
            self.remove_class("-reading")
            self._show_title()
            self.memories.focus_list()
        elif lines and lines.marked:
            lines.unmark()
        elif self.view_name != "memories":
            self.action_view("memories")
        else:
            self.memories.focus_list()

    @on(MemoryLines.Chosen)
    def _chosen(self, event: MemoryLines.Chosen) -> None:
        if self.view_name == "memories":
            if self.has_class("-narrow"):
                self.add_class("-reading")
            self._show_title()
            self.memories.detail.focus()
        else:
            self.read(event.entry.memory)

    @on(OptionList.OptionSelected, "#candidates")
    def _candidate_chosen(self) -> None:
        if self.view.memory:
            self.read(self.view.memory)

    @work(exclusive=True, group="view")
    async def read(self, memory: Observation) -> None:
        """Show one memory with all about it, whatever view it was found in."""
        from tsubasa_cli.tui.inspect.reading import Reading

        await self.app.push_screen_wait(Reading(self.space.dossier(memory.id)))

    # ------------------------------------------------------------------ telling

    @on(MemoriesView.Counted)
    def _counted(self, event: MemoriesView.Counted) -> None:
        self._total = f"{event.total:,} found" if event.is_search else wording.memories(event.total)
        self._show_title()

    @on(MemoryLines.MarksChanged)
    def _marks_changed(self) -> None:
        self._show_title()

    def note(self, text: str) -> None:
        """Say in one line what was done."""
        shown = self.query_one("#inspect-note", Static)
        shown.update(Content(wording.visible_line(text)))
        shown.display = bool(text)

    def _show_title(self) -> None:
        now = self.view_name
        gap = " " if self.size.width >= ROOMY_FROM else ""
        tabs = [
            (f" {number} {title}{gap}", "$accent bold" if name == now else "$foreground-muted")
            for number, (name, title) in enumerate(TITLES.items(), 1)
        ]
        if self.size.width < 44:
            tabs = [(f" {TITLES[now]} ", "$accent bold")]
        self.query_one("#inspect-title", Static).update(
            Content.assemble(*tabs, (f"  {self._counts()}", "$foreground-muted"))
        )
        hints = HINTS["reading" if self.is_reading else now]
        self.query_one("#inspect-hints", Static).update(Content(hints))

    def _counts(self) -> str:
        lines = self.lines
        parts = [self._total if self.view_name == "memories" else ""]
        if lines and lines.marked:
            parts.insert(0, f"{len(lines.marked):,} marked")
        if self._waiting:
            verb = "waits" if self._waiting == 1 else "wait"
            whom = " for you" if self.size.width >= ROOMY_FROM else ""
            parts.append(f"{self._waiting:,} {verb}{whom}")
        return " · ".join(part for part in parts if part)

    def on_resize(self) -> None:
        self._show_title()

    # ------------------------------------------------------------------ following

    @work(exclusive=True, group="prepare")
    async def _prepare(self) -> None:
        """Load the dialogs and open the index behind the first lines, and let it hear what is new.
        What goes wrong is told by whoever searches."""
        await asyncio.to_thread(import_module, "tsubasa_cli.tui.inspect.dialogs")
        finder = self.space.memory.finder
        was_ready = finder.is_ready
        try:
            await asyncio.to_thread(finder.prepare)
        except TsubasaError as error:
            tell(self.app, error)
            return
        if not was_ready and self.memories.look.text:
            self.memories.reload()

    @work(exclusive=True, group="poll")
    async def _poll(self) -> None:
        """Look whether another program has changed something."""
        try:
            pulse = await asyncio.to_thread(self.space.memory.browser.pulse)
        except TsubasaError:
            return
        if pulse == self._pulse:
            return
        self._pulse = pulse
        self.follow()
        await self._count_waiting()

    async def _count_waiting(self) -> None:
        waiting = Filter(statuses=frozenset((Status.QUARANTINED,)))
        self._waiting = await asyncio.to_thread(self.space.memory.browser.count, waiting)
        self._show_title()

    def follow(self) -> None:
        """Show everything as it is now, and let the index hear of it."""
        for view in self.query_one("#views", ContentSwitcher).children:
            if isinstance(view, Pane):
                view.reload()
        self._prepare()

    @property
    def detail(self) -> Detail:
        return self.memories.detail

    def action_keys(self) -> None:
        from tsubasa_cli.tui.inspect.keys_page import KeysPage

        self.app.push_screen(KeysPage(self.space.settings.keys))
