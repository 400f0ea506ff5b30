"""What the user said: plain text, exactly as typed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from tsubasa_cli.storage.values import Branch, Turn
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.widgets.utterance import Utterance

FOLD_ABOVE_LINES = 40
FOLD_ABOVE_CHARACTERS = 4_000
FOLDED_LINES = 12
FOLDED_CHARACTERS = 1_200
UNFOLDED_LINES = 1_000
UNFOLDED_CHARACTERS = 60_000


class UserMessage(Utterance):
    """A question; a very long one is folded to its beginning."""

    def __init__(self, turn: Turn, branch: Branch | None) -> None:
        super().__init__(turn, branch)
        self.folded = is_long(turn.text)

    def compose(self) -> ComposeResult:
        yield Static(self._shown(), markup=False, classes="words")
        yield Static(self._footer(), markup=False, classes="footer")

    def on_mount(self) -> None:
        self.refresh_footer()

    def refresh_footer(self) -> None:
        line = self.query_one(".footer", Static)
        line.update(self._footer())
        line.display = bool(self._footer())

    def action_unfold(self) -> None:
        if is_long(self.turn.text):
            self.folded = not self.folded
            self.query_one(".words", Static).update(self._shown())
            self.refresh_footer()

    def _shown(self) -> str:
        if not is_long(self.turn.text):
            return wording.visible(self.turn.text)
        if self.folded:
            return _beginning(self.turn.text, FOLDED_LINES, FOLDED_CHARACTERS)
        return _beginning(self.turn.text, UNFOLDED_LINES, UNFOLDED_CHARACTERS)

    def _footer(self) -> str:
        return "  ".join(part for part in (self._fold_label(), self.branch_label()) if part)

    def _fold_label(self) -> str:
        if not is_long(self.turn.text):
            return ""
        whole = wording.size(len(self.turn.text.encode()))
        return f"{whole} in all · Enter {'unfolds' if self.folded else 'folds'}"


def is_long(text: str) -> bool:
    """Whether a message is folded at first."""
    return len(text) > FOLD_ABOVE_CHARACTERS or text.count("\n") > FOLD_ABOVE_LINES


def _beginning(text: str, lines: int, characters: int) -> str:
    head = "\n".join(text[:characters].split("\n", lines)[:lines])
    return wording.visible(f"{head}\n…" if len(head) < len(text) else text)
