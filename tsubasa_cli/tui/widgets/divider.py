"""A line across the conversation: here older messages were folded into a summary."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Rule, Static

from tsubasa_cli.storage.values import Summary
from tsubasa_cli.tui import wording


class SummaryDivider(Vertical, can_focus=True):
    """Shows that the model reads a summary from here upwards; Enter shows the summary."""

    BINDING_GROUP_TITLE = "Summary"
    BINDINGS = [
        Binding("enter", "unfold", "Show the summary", id="summary_unfold"),
        Binding("up,k", "move(-1)", "Previous message", id="summary_up", show=False),
        Binding("down,j", "move(1)", "Next message", id="summary_down", show=False),
    ]

    class Left(Message):
        """The user moves ``step`` messages on."""

        def __init__(self, divider: SummaryDivider, step: int) -> None:
            super().__init__()
            self.divider = divider
            self.step = step

    def __init__(self, summary: Summary) -> None:
        super().__init__(id=f"summary-{summary.id}")
        self.summary = summary

    def compose(self) -> ComposeResult:
        yield Rule(line_style="dashed")
        yield Static(
            "Earlier messages were folded into a summary to make room. "
            "All of them are kept and can be searched. Enter shows the summary.",
            classes="label",
        )
        yield Static(Content(wording.visible(self.summary.text)), classes="summary")

    def on_mount(self) -> None:
        self.query_one(".summary").display = False

    def action_unfold(self) -> None:
        words = self.query_one(".summary")
        words.display = not words.display

    def action_move(self, step: int) -> None:
        self.post_message(self.Left(self, step))
