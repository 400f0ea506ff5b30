"""Asks for a line (a title, a file) or a text (a system prompt)."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static, TextArea

from tsubasa_cli.tui.screens.dialog import Dialog


class LineDialog(Dialog[str | None]):
    """Asks for one line; returns None when it is dismissed."""

    BINDINGS = [Binding("escape", "leave", "Close", id="dialog_leave")]

    def __init__(self, title: str, value: str = "", placeholder: str = "") -> None:
        super().__init__()
        self._title_text = title
        self._value = value
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(self._title_text), classes="dialog-title")
            yield Input(self._value, placeholder=self._placeholder)
            yield Static("Enter accepts, Esc leaves it as it is", classes="dialog-hint")

    @on(Input.Submitted)
    def _accept(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_leave(self) -> None:
        self.dismiss(None)


class TextDialog(Dialog[str | None]):
    """Asks for a text of several lines; returns None when it is dismissed."""

    BINDINGS = [
        Binding("escape", "leave", "Close", id="dialog_leave"),
        Binding("ctrl+s", "accept", "Save", id="dialog_accept", priority=True),
    ]

    def __init__(self, title: str, value: str = "") -> None:
        super().__init__()
        self._title_text = title
        self._value = value

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -tall"):
            yield Static(Content(self._title_text), classes="dialog-title")
            yield TextArea(self._value, compact=True, highlight_cursor_line=False)
            yield Static("Ctrl+S saves, Esc leaves it as it is", classes="dialog-hint")

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)

    def action_accept(self) -> None:
        self.dismiss(self.query_one(TextArea).text)

    def action_leave(self) -> None:
        self.dismiss(None)
