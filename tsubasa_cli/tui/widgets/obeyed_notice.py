"""What was changed in the memory because the user asked for it, and how to take it back."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from tsubasa_cli.conversation.events import Obeyed
from tsubasa_cli.tui import keys, wording


class ObeyedNotice(Vertical):
    """Stands above the reply to the message that asked for it."""

    def __init__(self, obeyed: Obeyed, *, taken_back: bool = False) -> None:
        super().__init__()
        self._obeyed = obeyed
        self._taken_back = taken_back

    def compose(self) -> ComposeResult:
        yield Static(Content(wording.visible(self._obeyed.what)), classes="what")
        for statement in self._obeyed.statements:
            yield Static(Content(f"“{wording.visible_line(statement)}”"), classes="statement")
        if self._hint:
            yield Static(Content(self._hint), classes="hint")

    def on_mount(self) -> None:
        self.set_class(self._taken_back, "-taken-back")

    @property
    def _hint(self) -> str:
        if self._taken_back:
            return "Taken back."
        key = keys.in_force(self.screen, "undo_memory")
        return f"{key} takes it back" if self._obeyed.batch_id and key else ""
