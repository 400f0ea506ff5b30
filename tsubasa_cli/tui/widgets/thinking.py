"""The model's thinking, folded away by default and readable while it happens."""

from __future__ import annotations

from textual.widgets import Collapsible, Static

from tsubasa_cli.tui import wording


class Thinking(Collapsible):
    """A foldable block. Its words are laid out only while it is unfolded."""

    def __init__(self, text: str = "", *, collapsed: bool = True) -> None:
        self._words = Static("", markup=False, classes="thinking-words")
        super().__init__(
            self._words, title="Thought", collapsed=collapsed, collapsed_symbol="›",
            expanded_symbol="⌄",
        )  # fmt: skip
        self._text = text
        self._shown_length = -1

    def on_mount(self) -> None:
        self._title.can_focus = False
        self._show()

    def watch_collapsed(self) -> None:
        self._show()

    def say(self, text: str, seconds: float, *, ended: bool) -> None:
        """Show ``text`` as what was thought so far, for ``seconds``."""
        self._text = text
        verb = "Thought for" if ended else "Thinking,"
        self.title = f"{verb} {wording.duration(seconds)}"
        self._show()

    def _show(self) -> None:
        if self.is_mounted and not self.collapsed and self._shown_length != len(self._text):
            self._shown_length = len(self._text)
            self._words.update(wording.visible(self._text.strip()))
