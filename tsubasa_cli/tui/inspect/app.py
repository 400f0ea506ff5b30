"""``tsubasa memory inspect``: the inspector as a program of its own."""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tsubasa_cli.tui.ending import EndsInWords
from tsubasa_cli.tui.inspect.pane import Moment
from tsubasa_cli.tui.inspect.screen import Inspector
from tsubasa_cli.tui.inspect.space import Space
from tsubasa_cli.tui.inspect.view import InspectView
from tsubasa_cli.tui.stylesheets import EVERYWHERE
from tsubasa_cli.tui.themes import DEFAULT_THEME, OWN_THEMES


def run_inspector(space: Space, search: str = "") -> None:
    """Run the inspector until the user leaves it; closes ``space``. ``search`` is looked for at
    once.

    Raises what could be told nowhere on the screen.
    """
    app = InspectApp(space, search=search)
    try:
        app.run()
    finally:
        space.close()
    if app.last_words:
        raise app.last_words
    if app.return_code:
        sys.exit(app.return_code)


class InspectApp(EndsInWords):
    """Shows the inspector and ends with it. ``moment`` is the clock."""

    TITLE = "Tsubasa"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH: ClassVar[list[str | PurePath]] = [EVERYWHERE, InspectView.CSS_PATH]
    HORIZONTAL_BREAKPOINTS = []
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Leave", id="quit", priority=True),
    ]

    def __init__(self, space: Space, moment: Moment | None = None, search: str = "") -> None:
        super().__init__()
        self.space = space
        self._search = search
        for theme in OWN_THEMES:
            self.register_theme(theme)
        self.set_keymap(space.settings.keys)
        chosen = space.settings.look.theme
        self._begin_in(chosen if chosen in self.available_themes else DEFAULT_THEME)
        self.inspector = Inspector(space, moment)

    def _begin_in(self, theme: str) -> None:
        """Wear a theme from the start. To change it later would mean to work out every style once
        for Textual's own theme before."""
        self.set_reactive(App.theme, theme)
        self.stylesheet.set_variables(self.get_css_variables())
        self.set_class(self.current_theme.dark, "-dark-mode", update=False)
        self.set_class(not self.current_theme.dark, "-light-mode", update=False)

    def get_default_screen(self) -> Screen[Any]:
        return self.inspector

    def on_ready(self) -> None:
        if self._search:
            self.inspector.memories.ask_for(self._search)
