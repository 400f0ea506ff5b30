"""The field in which messages are written: Enter sends, other Enters break the line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from textual import events, on
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.binding import Binding
from textual.keys import Keys
from textual.message import Message
from textual.widgets import TextArea

LARGE_PASTE_BYTES = 50_000

ALT_ENTER = "\x1b\r"
"""What most terminals send for Alt+Enter. Textual 8.2 reads Esc and Enter in it, unless told that
it is one key; that of Ctrl+J is the nearest among those that it knows."""
cast("dict[str, object]", ANSI_SEQUENCES_KEYS).setdefault(ALT_ENTER, (Keys.ControlJ,))


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

    class Entered(Message, bubble=False):
        """Enter was pressed. The field itself hears it, after the keys typed before Enter and
        before those typed after it."""

    class LineBroken(Message, bubble=False):
        """The like for the keys that break the line."""

    @dataclass
    class Stepped(Message):
        """Up or Down was pressed where there is no line to go to; ``step`` is -1 or 1."""

        step: int

    class Completed(Message):
        """Tab was pressed."""

    class Emptied(Message):
        """Backspace was pressed where there is nothing to delete."""

    def __init__(self, send: Callable[[], None], attach: Callable[[str], None]) -> None:
        """``send`` takes the message out; ``attach`` gets what is too large for the field. Both
        are called in the order of the keys."""
        super().__init__(
            id="composer-input",
            compact=True,
            highlight_cursor_line=False,
            placeholder="Ask anything",
        )
        self._take = send
        self._take_large = attach
        self.choosing = False
        """While a menu is open, Up and Down belong to it."""

    def action_send(self) -> None:
        self.post_message(self.Entered())

    @on(Entered)
    def _entered(self) -> None:
        self._take()

    def action_delete_left(self) -> None:
        if self.text:
            super().action_delete_left()
        else:
            self.post_message(self.Emptied())

    def action_newline(self) -> None:
        self.post_message(self.LineBroken())

    @on(LineBroken)
    def _break_line(self) -> None:
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
            self._take_large(text)
        elif result := self._replace_via_keyboard(text, *self.selection):
            self.move_cursor(result.end_location)
