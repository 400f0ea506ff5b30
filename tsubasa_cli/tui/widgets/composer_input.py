"""The field in which messages are written: Enter sends, other Enters break the line."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widgets import TextArea

LARGE_PASTE_BYTES = 50_000


class ComposerInput(TextArea):
    """A text area that grows with its text and posts what the user does with it."""

    BINDING_GROUP_TITLE = "Writing"
    BINDINGS = [
        Binding("enter", "send", "Send", id="send", priority=True),
        Binding("shift+enter,ctrl+j,alt+enter", "newline", "New line", id="newline", priority=True),
        Binding("tab", "complete", "Complete", id="complete", show=False, priority=True),
        Binding("up", "up", "Earlier message", id="recall", show=False, priority=True),
        Binding("down", "down", "Later message", show=False, priority=True),
    ]

    @dataclass
    class Sent(Message):
        """Enter was pressed."""

        text: str

    @dataclass
    class LargePasted(Message):
        """Something was pasted that is too large for the field."""

        text: str

    @dataclass
    class Stepped(Message):
        """Up or Down was pressed where there is no line to go to; ``step`` is -1 or 1."""

        step: int

    class Completed(Message):
        """Tab was pressed."""

    def __init__(self) -> None:
        super().__init__(
            id="composer-input",
            compact=True,
            highlight_cursor_line=False,
            placeholder="Ask anything",
        )
        self.choosing = False
        """While a menu is open, Up and Down belong to it."""

    def action_send(self) -> None:
        self.post_message(self.Sent(self.text))

    def action_newline(self) -> None:
        self.insert("\n", maintain_selection_offset=False)

    def action_complete(self) -> None:
        self.post_message(self.Completed())

    def action_up(self) -> None:
        if self.choosing or (not self.selection.start[0] and self.cursor_at_first_line):
            self.post_message(self.Stepped(-1))
        else:
            self.action_cursor_up()

    def action_down(self) -> None:
        if self.choosing or self.cursor_at_last_line:
            self.post_message(self.Stepped(1))
        else:
            self.action_cursor_down()

    def replace_all(self, text: str) -> None:
        """Set the text, undoably, with the cursor at its end."""
        self.replace(text, (0, 0), self.document.end)
        self.move_cursor(self.document.end)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        text = event.text.replace("\r\n", "\n").replace("\r", "\n")
        if len(text.encode("utf-8", errors="replace")) >= LARGE_PASTE_BYTES:
            self.post_message(self.LargePasted(text))
        elif result := self._replace_via_keyboard(text, *self.selection):
            self.move_cursor(result.end_location)
