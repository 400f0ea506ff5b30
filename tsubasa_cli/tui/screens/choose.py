"""Choose one of a list, with a filter: themes, personas, code blocks."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tsubasa_cli.tui.screens.dialog import Dialog


@dataclass(frozen=True, slots=True)
class Choice:
    """One line: ``value`` is what choosing it returns."""

    value: str
    label: str
    note: str = ""


class Choose(Dialog[str | None]):
    """Returns the value of the chosen line, None when it is dismissed. ``on_highlight`` style
    previews are done by whoever handles ``Choose.Highlighted``."""

    BINDINGS = [
        Binding("escape", "leave", "Close", id="dialog_leave"),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
    ]

    def __init__(self, title: str, choices: list[Choice], current: str = "") -> None:
        super().__init__()
        self._title_text = title
        self._choices = choices
        self._current = current

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -tall"):
            yield Static(Content(self._title_text), classes="dialog-title")
            yield OptionList(*(_option(choice) for choice in self._choices), compact=True)
            yield Static("Enter chooses, Esc leaves it as it is", classes="dialog-hint")

    def on_mount(self) -> None:
        values = [choice.value for choice in self._choices]
        listing = self.query_one(OptionList)
        listing.highlighted = values.index(self._current) if self._current in values else 0

    def preview(self, value: str) -> None:
        """Called with the value of the line that the cursor is on."""

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self.preview(self._choices[event.option_index].value)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index].value)

    def action_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()

    def action_leave(self) -> None:
        self.dismiss(None)


def _option(choice: Choice) -> Option:
    note = Content.styled(f"  {choice.note}", "$foreground-muted") if choice.note else Content("")
    return Option(Content.assemble(Content(choice.label), note))
