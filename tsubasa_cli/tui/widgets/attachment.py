"""A pasted text too large to show in the composer: sent in full, kept out of the way."""

from __future__ import annotations

from textual.binding import Binding
from textual.message import Message
from textual.widgets import Static

from tsubasa_cli.tui import wording


class Attachment(Static, can_focus=True):
    """One line that stands for a pasted text."""

    BINDING_GROUP_TITLE = "Pasted text"
    BINDINGS = [
        Binding("enter", "expand", "Put into the message", id="attachment_expand"),
        Binding("delete,backspace", "discard", "Remove", id="attachment_remove"),
    ]

    class Changed(Message):
        """Base of what the user does with an attachment."""

        def __init__(self, attachment: Attachment) -> None:
            super().__init__()
            self.attachment = attachment

    class Expanded(Changed):
        """The text is to be shown in the composer."""

    class Removed(Changed):
        """The text is not to be sent."""

    def __init__(self, text: str) -> None:
        size = wording.size(len(text.encode("utf-8", errors="replace")))
        lines = wording.count(text.count("\n") + 1, "line")
        super().__init__(f"pasted text · {size} · {lines}", markup=False)
        self.text = text
        self.border_subtitle = "Enter shows it, Delete removes it"

    def action_expand(self) -> None:
        self.post_message(self.Expanded(self))

    def action_discard(self) -> None:
        self.post_message(self.Removed(self))
