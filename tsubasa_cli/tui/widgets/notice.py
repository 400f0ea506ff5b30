"""Something the user must know, in its place in the conversation."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from tsubasa_cli.tui import wording


class Notice(Vertical):
    """What happened, why, and what to do next; ``severity`` is "error" or "information"."""

    def __init__(
        self, what: str, why: str = "", next_step: str = "", *, severity: str = "error"
    ) -> None:
        super().__init__(classes=f"-{severity}")
        self.what = what
        self._why = why
        self._next_step = next_step

    def compose(self) -> ComposeResult:
        yield Static(Content(wording.visible(self.what)), classes="what")
        if self._why:
            yield Static(Content(wording.visible(self._why)), classes="why")
        if self._next_step:
            yield Static(Content(wording.visible(self._next_step)), classes="next-step")
