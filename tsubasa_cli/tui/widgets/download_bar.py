"""A download under way: bar, amount, speed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import ProgressBar, Static

from tsubasa_cli.models.pull import PullProgress
from tsubasa_cli.tui.download import describe


class DownloadBar(Vertical):
    """Hidden until it is shown something."""

    def compose(self) -> ComposeResult:
        yield ProgressBar(show_eta=False, classes="download-bar")
        yield Static("", markup=False, classes="download-text")

    def on_mount(self) -> None:
        self.display = False

    def follow(self, progress: PullProgress) -> None:
        """Show how far it is, while there is anything to show it on."""
        if not self.is_mounted or not self.is_attached:
            return
        self.display = True
        self.query_one(ProgressBar).display = True
        total = progress.total or None
        self.query_one(ProgressBar).update(total=total, progress=progress.done)
        self.query_one(Static).update(describe(progress))

    def end(self, text: str = "") -> None:
        """The download is over: show ``text``, or nothing any more."""
        if not self.is_attached:
            return
        self.query_one(Static).update(text)
        self.query_one(ProgressBar).display = False
        self.display = bool(text)
