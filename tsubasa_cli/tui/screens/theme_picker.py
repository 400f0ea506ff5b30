"""Choose the colours; the one under the cursor is shown at once."""

from __future__ import annotations

from tsubasa_cli.tui.screens.choose import Choice, Choose
from tsubasa_cli.tui.themes import OWN_THEMES


class ThemePicker(Choose):
    """Returns the name of a theme; dismissing brings the old one back."""

    def __init__(self, names: list[str], current: str) -> None:
        own = [theme.name for theme in OWN_THEMES]
        others = sorted(name for name in names if name not in own)
        choices = [Choice(name, name, "Tsubasa's own" if name in own else "") for name in own]
        super().__init__("Colours", [*choices, *(Choice(n, n) for n in others)], current)
        self._before = current

    def preview(self, value: str) -> None:
        self.app.theme = value

    def action_leave(self) -> None:
        self.app.theme = self._before
        super().action_leave()
