"""A question with a few answers."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from tsubasa_cli.tui.screens.dialog import Dialog


class Confirm(Dialog[str]):
    """Asks ``question``; returns the name of the chosen answer, or "" when it is dismissed.

    ``answers`` maps names to labels; the first has the focus.
    """

    BINDINGS = [
        Binding("escape", "leave", "Close", id="dialog_leave"),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, explanation: str, answers: dict[str, str]) -> None:
        super().__init__()
        self._question = question
        self._explanation = explanation
        self._answers = answers

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(self._question), classes="dialog-title")
            yield Static(Content(self._explanation), classes="dialog-text")
            with Horizontal(classes="dialog-buttons"):
                for name, label in self._answers.items():
                    yield Button(Content(label), id=f"answer-{name}", compact=True)

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("answer-"))

    def action_leave(self) -> None:
        self.dismiss("")
