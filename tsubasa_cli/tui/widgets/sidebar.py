"""The list of earlier chats: find, resume, rename, delete with undo, export."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Session, SessionHit
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.telling import TellsErrors

SHOWN_SESSIONS = 300
SEARCH_PAUSE_SECONDS = 0.12

Wish = Literal["rename", "delete", "export_markdown", "export_json"]


class SessionList(OptionList):
    """The sessions; a key on one of them does something with it."""

    BINDING_GROUP_TITLE = "Sessions"
    BINDINGS = [
        Binding("r,f2", "wish('rename')", "Rename", id="session_rename"),
        Binding("d,delete", "wish('delete')", "Delete", id="session_delete"),
        Binding("u,ctrl+z", "undo", "Undo delete", id="session_undo"),
        Binding("x", "wish('export_markdown')", "Export as Markdown", id="session_export"),
        Binding("X", "wish('export_json')", "Export as JSON", id="session_export_json"),
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
    ]

    @dataclass
    class Wished(Message):
        """Something is to be done with a session."""

        session_id: str
        wish: Wish

    class UndoWished(Message):
        """The last delete is to be undone."""

    def action_wish(self, wish: Wish) -> None:
        if self.highlighted_option and self.highlighted_option.id:
            self.post_message(self.Wished(self.highlighted_option.id, wish))

    def action_undo(self) -> None:
        self.post_message(self.UndoWished())


class Sidebar(TellsErrors, Vertical):
    """Lists sessions by day, or those that a search finds. ``now`` is the clock; ``delete`` hides a
    session so that the store can bring it back."""

    @dataclass
    class Chosen(Message):
        """A session is to be opened."""

        session_id: str

    @dataclass
    class Deleted(Message):
        """A session was deleted; it can be brought back."""

        session: Session

    @dataclass
    class Wished(Message):
        """Something is to be done with a session that needs more than this list."""

        session: Session
        wish: Wish

    def __init__(
        self,
        store: SessionStore,
        now: Callable[[], datetime],
        delete: Callable[[str], Session],
    ) -> None:
        super().__init__(id="sidebar")
        self._store = store
        self._now = now
        self._delete_session = delete
        self._gap: int | None = None
        self._deleted: list[str] = []
        self._current = ""
        self._busy: frozenset[str] = frozenset()

    def compose(self) -> ComposeResult:
        yield Input(placeholder="Search chats", id="session-search", compact=True)
        yield SessionList(id="session-list", compact=True)
        yield Static("Your chats will appear here.", id="no-sessions")

    def on_mount(self) -> None:
        self.query_one("#no-sessions").display = False

    def mark(self, current: str, busy: Iterable[str] = ()) -> None:
        """``current`` is on screen; replies are being written in ``busy``."""
        self._current = current
        self._busy = frozenset(busy)
        self.reload()

    @work(exclusive=True, group="sessions")
    async def reload(self) -> None:
        """Read the list again."""
        query = self.query_one(Input).value.strip()
        if query:
            await asyncio.sleep(SEARCH_PAUSE_SECONDS)
            hits = await asyncio.to_thread(self._store.search, query)
            self._show(_hit_options(hits, self._mark_of), "Nothing found.")
        else:
            sessions = await asyncio.to_thread(self._store.recent, SHOWN_SESSIONS)
            options = _grouped_options(sessions, self._now(), self._mark_of)
            self._show(options, "Your chats will appear here.")

    def _show(self, options: list[Option], nothing: str) -> None:
        listing = self.query_one(SessionList)
        before = listing.highlighted_option.id if listing.highlighted_option else self._current
        listing.set_options(options)
        known = [option.id for option in options]
        if before in known:
            listing.highlighted = known.index(before)
        elif self._gap is not None:
            listing.highlighted = _nearest(options, self._gap)
        self._gap = None
        empty = self.query_one("#no-sessions", Static)
        empty.update(nothing)
        empty.display = not options

    def _mark_of(self, session: Session) -> str:
        if session.id in self._busy:
            return "◦ "
        return "▎ " if session.id == self._current else "  "

    # ------------------------------------------------------------------ what the user does

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        event.stop()
        self.reload()

    @on(Input.Submitted)
    def _into_list(self, event: Input.Submitted) -> None:
        event.stop()
        listing = self.query_one(SessionList)
        listing.focus()
        if listing.highlighted is None:
            listing.action_first()

    def on_key(self, event: object) -> None:
        if getattr(event, "key", "") == "down" and self.query_one(Input).has_focus:
            self.query_one(SessionList).focus()

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id:
            self.post_message(self.Chosen(event.option_id))

    @on(SessionList.Wished)
    async def _wish(self, event: SessionList.Wished) -> None:
        event.stop()
        if event.wish == "delete":
            await self._delete(event.session_id)
        else:
            session = await asyncio.to_thread(self._store.get, event.session_id)
            self.post_message(self.Wished(session, event.wish))

    async def _delete(self, session_id: str) -> None:
        session = await asyncio.to_thread(self._delete_session, session_id)
        self._deleted.append(session_id)
        self._gap = self.query_one(SessionList).highlighted
        title = wording.first_line(session.title or "Untitled", 40)
        self.notify(f"Deleted “{title}”. Press u or Ctrl+Z to undo.", timeout=8, markup=False)
        self.post_message(self.Deleted(session))
        self.reload()

    @on(SessionList.UndoWished)
    async def _undo(self, event: SessionList.UndoWished) -> None:
        event.stop()
        await self.undo_delete()

    async def undo_delete(self) -> bool:
        """Bring back what was deleted last; False when there is nothing."""
        if not self._deleted:
            return False
        session = await asyncio.to_thread(self._store.restore, self._deleted.pop())
        title = wording.first_line(session.title or "Untitled", 40)
        self.notify(f"Restored “{title}”.", markup=False)
        self.reload()
        return True


def _nearest(options: list[Option], place: int) -> int | None:
    """The line that can be chosen at ``place``, or next to it."""
    lines = [index for index, option in enumerate(options) if not option.disabled]
    return min(lines, key=lambda index: (abs(index - place), -index), default=None)


def _grouped_options(
    sessions: Iterable[Session], now: datetime, mark: Callable[[Session], str]
) -> list[Option]:
    options: list[Option] = []
    heading = ""
    for session in sessions:
        group = wording.day_group(session.updated_at.local(), now)
        if group != heading:
            heading = group
            options.append(Option(Content.styled(group, "$foreground-muted bold"), disabled=True))
        options.append(Option(_title(session, mark), id=session.id))
    return options


def _hit_options(hits: Iterable[SessionHit], mark: Callable[[Session], str]) -> list[Option]:
    options: dict[str, Option] = {}
    for hit in hits:
        words = Content.styled(f"\n  {wording.first_line(hit.excerpt, 60)}", "$foreground-muted")
        line = _title(hit.session, mark)
        prompt = line if hit.turn_id is None else Content.assemble(line, words)
        options.setdefault(hit.session.id, Option(prompt, id=hit.session.id))
    return list(options.values())


def _title(session: Session, mark: Callable[[Session], str]) -> Content:
    title = session.title or "Untitled"
    return Content.assemble((mark(session), "$accent"), Content(wording.first_line(title, 60)))
