"""A quote in the conversation in which it was said: to read, around the words themselves."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tsubasa_cli.memory.dossier import Quote
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Role, Turn
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.dialog import InspectDialog

AROUND = 20
"""Turns shown before and after the one quoted."""
LONGEST_TURN = 4_000
"""Characters shown of any other turn."""


class ConversationView(InspectDialog[bool]):
    """Returns True when the user wants to go there, which only a chat can offer."""

    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-tall")]
    BINDINGS = [
        Binding("escape,q,g", "leave", "Close", id="dialog_leave"),
        Binding("enter", "go", "Open the chat there"),
        Binding("down,j", "scroll(2)", show=False),
        Binding("up,k", "scroll(-2)", show=False),
        Binding("pagedown,space", "scroll(12)", show=False),
        Binding("pageup", "scroll(-12)", show=False),
    ]

    def __init__(
        self, quote: Quote, turns: Sequence[Turn], title: str, *, leads_to_chat: bool = False
    ) -> None:
        super().__init__()
        self._quote = quote
        self._turns = turns
        self._title_text = wording.first_line(title or "Untitled", 80)
        self._leads_to_chat = leads_to_chat

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide -picker -conversation"):
            yield Static(Content(self._title_text), classes="dialog-title")
            with VerticalScroll(id="turns", can_focus=False):
                for turn in self._turns:
                    yield Static(self._words(turn), classes=self._side(turn))
            lead = "Enter opens the chat there · " if self._leads_to_chat else ""
            yield Static(f"{lead}↑ ↓ scrolls · Esc closes", classes="dialog-hint")

    def on_mount(self) -> None:
        self.call_after_refresh(self._go_to_quote)

    def _go_to_quote(self) -> None:
        for here in self.query(".-quoted"):
            here.scroll_visible(animate=False, top=False)
            self.query_one("#turns").scroll_to_center(here, animate=False)

    def _side(self, turn: Turn) -> str:
        side = "turn-user" if turn.role is Role.USER else "turn-reply"
        is_here = self._quote.turn is not None and turn.id == self._quote.turn.id
        return f"{side} -quoted" if is_here else side

    def _words(self, turn: Turn) -> Content:
        who = "You" if turn.role is Role.USER else "Reply"
        when = turn.created_at.local()
        head = Content.styled(
            f"{who} · {wording.day(when.date())}, {when:%H:%M}\n", "$foreground-muted"
        )
        if "-quoted" in self._side(turn):
            return Content.assemble(head, marked(turn.text, self._quote.evidence.quote))
        return Content.assemble(head, wording.visible_text(turn.text[:LONGEST_TURN]))

    def action_scroll(self, lines: int) -> None:
        self.query_one("#turns").scroll_relative(y=lines, animate=False)

    def action_go(self) -> None:
        if self._leads_to_chat:
            self.dismiss(True)

    def action_leave(self) -> None:
        self.dismiss(False)


def marked(text: str, quote: str) -> Content:
    """``text`` with ``quote`` in it made plain."""
    at = text.casefold().find(quote.casefold()) if quote else -1
    if at < 0:
        return Content(wording.visible_text(text))
    end = at + len(quote)
    return Content.assemble(
        wording.visible_text(text[:at]),
        (wording.visible_text(text[at:end]), "$accent bold underline"),
        wording.visible_text(text[end:]),
    )


def around(store: SessionStore, quote: Quote) -> list[Turn]:
    """The turns around a quote, on the branch on which it stands."""
    turn = quote.turn
    if turn is None:
        return []
    path = store.path(turn.session_id)
    if all(other.id != turn.id for other in path):
        path = store.path(turn.session_id, turn.id)
    here = next((place for place, other in enumerate(path) if other.id == turn.id), 0)
    return path[max(here - AROUND, 0) : here + AROUND + 1]
