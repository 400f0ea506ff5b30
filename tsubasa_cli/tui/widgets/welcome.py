"""What an empty chat shows: a swallow, a few ways to begin, and the keys that matter."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tsubasa_cli.tui.widgets.swallow import Swallow

SUGGESTIONS = (
    "Explain how migrating birds find their way",
    "Help me plan a quiet weekend with a budget of 100 euros",
    "Write a small Python script that renames photos by date",
)


class Welcome(Vertical):
    """The empty chat."""

    class Suggested(Message):
        """One of the suggestions was chosen."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(id="welcome")

    def compose(self) -> ComposeResult:
        yield Swallow()
        yield Static("t s u b a s a", id="wordmark", markup=False)
        yield Static("A quiet wing to think with. Nothing leaves this machine.", id="tagline")
        yield OptionList(*(Option(Content(s)) for s in SUGGESTIONS), id="suggestions", compact=True)
        yield Static(_keys(), id="key-hints")

    @on(OptionList.OptionSelected)
    def _suggest(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Suggested(SUGGESTIONS[event.option_index]))


def _keys() -> Content:
    hints = (("Enter", "send"), ("/", "commands"), ("F1", "help"), ("Ctrl+Q", "quit"))
    parts = [
        Content.assemble((key, "$accent"), " ", (what, "$foreground-muted")) for key, what in hints
    ]
    return Content("   ").join(parts)
