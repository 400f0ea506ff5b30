"""One memory with all about it, over whatever view it was found in."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Static

from tsubasa_cli.memory.dossier import Dossier
from tsubasa_cli.tui.inspect.detail import Detail
from tsubasa_cli.tui.inspect.dialog import InspectDialog


class Reading(InspectDialog[None]):
    """Shows a dossier until it is closed."""

    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-tall")]
    BINDINGS = [Binding("escape,q,enter", "leave", "Close", id="dialog_leave")]

    def __init__(self, dossier: Dossier) -> None:
        super().__init__()
        self._dossier = dossier

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide -picker -reading-page"):
            yield Detail()
            yield Static("↑ ↓ scrolls · Esc closes", classes="dialog-hint")

    def on_mount(self) -> None:
        detail = self.query_one(Detail)
        detail.show(self._dossier)
        detail.focus()

    def action_leave(self) -> None:
        self.dismiss(None)
