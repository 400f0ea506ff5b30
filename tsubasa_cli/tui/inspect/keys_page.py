"""All keys of the inspector on one page, with the user's own keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tsubasa_cli.tui import keys
from tsubasa_cli.tui.inspect.dialog import InspectDialog

KEY_COLUMN = 20


class KeysPage(InspectDialog[None]):
    """Scrolls; Esc or ? closes it."""

    BINDINGS = [Binding("escape,question_mark,f1,q", "leave", "Close", id="help_leave")]

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._keymap = dict(keymap)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -page"):
            yield Static("Keys", classes="dialog-title")
            for title, lines in sections(self._keymap):
                yield Static(title, classes="help-heading")
                yield Static(Content("\n").join(_line(*line) for line in lines))
            yield Static("Esc closes", classes="dialog-hint")

    def action_leave(self) -> None:
        self.dismiss(None)


def sections(keymap: Mapping[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Headings, each with its keys and what they do."""
    from tsubasa_cli.tui.inspect.ask_view import AskView
    from tsubasa_cli.tui.inspect.listing import MemoryLines
    from tsubasa_cli.tui.inspect.screen import Inspector
    from tsubasa_cli.tui.inspect.timeline_view import TimelineView
    from tsubasa_cli.tui.inspect.view import InspectView

    own: dict[str, list[BindingType]] = {
        "Anywhere": InspectView.BINDINGS,
        "On the memory under the cursor, or the marked ones": Inspector.BINDINGS,
        "In a list": MemoryLines.BINDINGS,
        "In the timeline": TimelineView.BINDINGS,
        "In Ask": AskView.BINDINGS,
    }
    for title, bindings in own.items():
        yield (
            title,
            [
                (keys.of(binding, dict(keymap)), binding.description)
                for binding in bindings
                if isinstance(binding, Binding) and binding.id and binding.description
            ],
        )


def _line(key: str, what: str) -> Content:
    gap = " " * max(2, KEY_COLUMN - len(key))
    return Content.assemble((key, "$accent"), gap, (what, "$foreground"))
