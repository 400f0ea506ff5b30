"""The completion menu of the slash commands."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tsubasa_cli.tui.commands import SlashCommand, completions


class SlashMenu(OptionList, can_focus=False):
    """Opens while the composer holds the beginning of a command."""

    def __init__(self) -> None:
        super().__init__(id="slash-menu")
        self._shown: list[SlashCommand] = []

    def on_mount(self) -> None:
        self.display = False

    @property
    def is_open(self) -> bool:
        return bool(self.display)

    def offer(self, text: str) -> None:
        """Show what ``text`` may become; close when that is nothing."""
        found = completions(text)
        if found != self._shown:
            self._shown = found
            self.set_options([Option(_line(command), id=command.name) for command in found])
            self.highlighted = 0 if found else None
        self.display = bool(found)

    def close(self) -> None:
        self.display = False

    def step(self, step: int) -> None:
        """Move the highlight."""
        if step < 0:
            self.action_cursor_up()
        else:
            self.action_cursor_down()

    @property
    def chosen(self) -> SlashCommand | None:
        """The highlighted command while the menu is open."""
        if not self.is_open or self.highlighted is None:
            return None
        return self._shown[self.highlighted]


def _line(command: SlashCommand) -> Content:
    return Content.assemble(
        (f"{command.usage:<18}", "$accent"), " ", (command.description, "$foreground-muted")
    )
