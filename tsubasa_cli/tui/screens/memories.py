"""What was learned lately, and a key for each thing that can be done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tsubasa_cli.conversation.why import Source, sources_of
from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.errors import InputError, NotFoundError
from tsubasa_cli.memory import by_hand
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.values import Observation, Op, Status
from tsubasa_cli.storage.values import Instant
from tsubasa_cli.tui import memory_words, wording
from tsubasa_cli.tui.clock import Clock
from tsubasa_cli.tui.screens.dialog import Dialog
from tsubasa_cli.tui.telling import TellsErrors

LATELY = 400
"""Events of the log that the list goes back."""

QUIET = frozenset((Op.IGNORE, Op.PIN, Op.UNPIN, Op.TAG, Op.FORGET, Op.REJECT, Op.UNDO, Op.ERASE))
"""What happens to a memory without anything being learned."""

Wish = Literal["undo", "redo", "forget", "pin", "keep"]


@dataclass(frozen=True, slots=True)
class Line:
    """A memory as it is now, and when it was learned."""

    memory: Observation
    learned_at: Instant


@dataclass(slots=True)
class Recent:
    """The memories on the list. Their order stays, whatever is done to them meanwhile."""

    log: MemoryLog
    learned: dict[str, Instant] = field(default_factory=dict)

    def read(self) -> list[Line]:
        """The memories learned lately, newest first, and all that were listed before."""
        learned: dict[str, Instant] = {}
        for event in self.log.events(LATELY):
            if event.op not in QUIET:
                learned.setdefault(event.after.id, event.at)
        now = self.log.many((*learned, *self.learned))
        shown = (i for i in learned if i in self.learned or not memory_words.is_gone(now[i]))
        self.learned = {i: learned[i] for i in shown if i not in self.learned} | self.learned
        kept = (i for i in self.learned if now[i].status is not Status.ERASED)
        return [Line(now[i], self.learned[i]) for i in kept]


class MemoryList(OptionList):
    """The memories; a key on one of them does something with it."""

    BINDING_GROUP_TITLE = "Memories"
    BINDINGS = [
        Binding("u", "wish('undo')", "Undo", id="memory_undo"),
        Binding("r", "wish('redo')", "Redo what was undone", id="memory_redo"),
        Binding("f,delete", "wish('forget')", "Forget", id="memory_forget"),
        Binding("p", "wish('pin')", "Pin or unpin", id="memory_pin"),
        Binding("a", "wish('keep')", "Approve, or bring back", id="memory_keep"),
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
    ]

    @dataclass
    class Wished(Message):
        """Something is to be done with a memory."""

        memory_id: str
        wish: Wish

    def action_wish(self, wish: Wish) -> None:
        if self.highlighted_option and self.highlighted_option.id:
            self.post_message(self.Wished(self.highlighted_option.id, wish))


class Memories(TellsErrors, Dialog[Source | None]):
    """Returns the source of a memory that the user wants to see in its chat, else None."""

    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-tall")]
    BINDINGS = [Binding("escape,f8,q", "leave", "Close", id="dialog_leave")]

    def __init__(self, workspace: Workspace, now: Clock) -> None:
        super().__init__()
        self._workspace = workspace
        self._now = now
        self._recent = Recent(workspace.memory.log)
        self._changing = asyncio.Lock()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide -picker -memories"):
            yield Static("Memories", classes="dialog-title")
            yield MemoryList(compact=True)
            yield Static("", id="memories-note", markup=False)
            yield Static(
                "u undo · r redo · f forget · p pin · a approve\n"
                "Enter opens the chat where it was said, Esc closes",
                classes="dialog-hint",
            )

    def on_mount(self) -> None:
        self._note("")
        self._fill()

    @work(exclusive=True, group="memories")
    async def _fill(self) -> None:
        self._show(await asyncio.to_thread(self._recent.read))

    def _show(self, lines: Sequence[Line]) -> None:
        listing = self.query_one(MemoryList)
        before, place = _highlighted(listing), listing.scroll_y
        listing.set_options(_options(lines, self._now))
        listing.highlighted = _index(listing, before)
        listing.scroll_to(y=place, animate=False)
        self.call_after_refresh(listing.scroll_to_highlight)
        if not lines:
            self._note("Nothing was learned yet. Memories come from what you say in your chats.")

    def _note(self, text: str) -> None:
        note = self.query_one("#memories-note", Static)
        note.update(wording.visible(text))
        note.display = bool(text)

    # ------------------------------------------------------------------ what the user does

    @on(MemoryList.Wished)
    def _wished(self, event: MemoryList.Wished) -> None:
        self._fulfil(event.memory_id, event.wish)

    @work(group="wishes")
    async def _fulfil(self, memory_id: str, wish: Wish) -> None:
        """One after the other, in the order of the keys."""
        async with self._changing:
            done = await asyncio.to_thread(_do, self._workspace.memory.log, memory_id, wish)
            lines = await asyncio.to_thread(self._recent.read)
        self._note(done)
        self._show(lines)

    @on(MemoryList.OptionSelected)
    def _chosen(self, event: MemoryList.OptionSelected) -> None:
        self._open_source(event.option_id or "")

    @work(group="source")
    async def _open_source(self, memory_id: str) -> None:
        self.dismiss(await asyncio.to_thread(self._source_of, memory_id))

    def _source_of(self, memory_id: str) -> Source:
        memory = self._workspace.memory.log.get(memory_id)
        for source in sources_of(memory, self._workspace.store):
            if source.session_id:
                return source
        raise NotFoundError("It was written by hand, or the chat where it was said is gone.")

    def action_leave(self) -> None:
        self.dismiss(None)


def _do(log: MemoryLog, memory_id: str, wish: Wish) -> str:
    """Do it, and say what was done. Raises ``TsubasaError``."""
    match wish:
        case "undo":
            return _undo(log, memory_id)
        case "redo":
            return _told(len(log.redo()), "done again") or "There is nothing to redo."
        case "forget":
            return "Forgotten; a brings it back." if by_hand.forget(log, [memory_id]) else ""
        case "keep":
            return "It is recalled from now on." if by_hand.restore(log, [memory_id]) else ""
        case "pin":
            return _pin(log, memory_id)


def _undo(log: MemoryLog, memory_id: str) -> str:
    batch = memory_words.batch_to_undo(log.history(memory_id))
    if not batch:
        raise InputError("All that happened to this memory is undone already.")
    return f"{_told(len(log.undo(batch)), 'undone')}; r redoes it."


def _pin(log: MemoryLog, memory_id: str) -> str:
    if by_hand.pin(log, [memory_id]):
        return "Pinned: it goes with every question, and no machine changes it."
    by_hand.unpin(log, [memory_id])
    return "No longer pinned."


def _told(changes: int, verb: str) -> str:
    return f"{wording.count(changes, 'change')} {verb}" if changes else ""


def _highlighted(listing: OptionList) -> str:
    option = listing.highlighted_option
    return option.id or "" if option else ""


def _index(listing: OptionList, wanted: str) -> int | None:
    """The line of ``wanted``, else the first that can be chosen."""
    lines = {option.id: index for index, option in enumerate(listing.options) if option.id}
    return lines.get(wanted, next(iter(lines.values()), None))


def _options(lines: Iterable[Line], now: Clock) -> list[Option]:
    options: list[Option] = []
    heading = ""
    for line in lines:
        group = wording.day_group(line.learned_at.local(), now())
        if group != heading:
            heading = group
            options.append(Option(Content.styled(group, "$foreground-muted bold"), disabled=True))
        options.append(Option(_content(line.memory), id=line.memory.id))
    return options


def _content(memory: Observation) -> Content:
    statement = wording.visible_line(memory.statement)
    gone = memory_words.is_gone(memory)
    words = Content.styled(statement, "$foreground-muted strike" if gone else "$foreground")
    notes = Content.styled(f"\n{memory_words.particulars(memory)}", "$foreground-muted")
    return Content.assemble(words, notes, *_mark(memory))


def _mark(memory: Observation) -> list[tuple[str, str]]:
    match memory.status:
        case Status.QUARANTINED:
            return [(" · waits for your yes (a) or no (f)", "$warning")]
        case Status.FORGOTTEN:
            return [(" · forgotten", "$foreground-muted")]
        case Status.SUPERSEDED:
            return [(" · no longer so", "$foreground-muted")]
        case _:
            return []
