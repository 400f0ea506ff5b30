"""What a user message and a reply have in common: focus, keys, and a place among branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from tsubasa_cli.storage.values import Branch, Turn

Wish = Literal["copy", "copy_code", "edit", "retry", "previous_branch", "next_branch"]


class Utterance(Vertical, can_focus=True):
    """One turn of the conversation on screen."""

    BINDING_GROUP_TITLE = "Message"
    BINDINGS = [
        Binding("up,k", "move(-1)", "Previous message", id="message_up", show=False),
        Binding("down,j", "move(1)", "Next message", id="message_down", show=False),
        Binding("c", "wish('copy')", "Copy", id="message_copy"),
        Binding("y", "wish('copy_code')", "Copy a code block", id="message_copy_code"),
        Binding("e", "wish('edit')", "Edit and resend", id="message_edit"),
        Binding("r", "wish('retry')", "Answer again", id="message_retry"),
        Binding(
            "left_square_bracket,alt+left",
            "wish('previous_branch')",
            "Previous version",
            id="message_previous_branch",
        ),
        Binding(
            "right_square_bracket,alt+right",
            "wish('next_branch')",
            "Next version",
            id="message_next_branch",
        ),
        Binding("enter", "unfold", "Unfold", id="message_unfold"),
    ]

    @dataclass
    class Wished(Message):
        """The user wants something done with this message."""

        utterance: Utterance
        wish: Wish

    @dataclass
    class Left(Message):
        """The user moves ``step`` messages on."""

        utterance: Utterance
        step: int

    def __init__(self, turn: Turn, branch: Branch | None) -> None:
        super().__init__(id=f"turn-{turn.id}")
        self.turn = turn
        self.branch = branch
        self._asleep: list[Widget] = []

    @property
    def is_busy(self) -> bool:
        """Whether this is growing, and so must stay awake."""
        return False

    @property
    def dozing(self) -> bool:
        return bool(self._asleep)

    def doze(self) -> None:
        """Become an empty box of the same height, out of sight: laying out the screen then costs
        one widget instead of all those inside."""
        if self.dozing or self.is_busy or self.has_focus_within:
            return
        self.styles.height = self.outer_size.height
        self._asleep = [child for child in self.children if child.display]
        for child in self._asleep:
            child.display = False

    def wake(self) -> None:
        """Show the words again."""
        for child in self._asleep:
            child.display = True
        if self._asleep:
            self._asleep = []
            self.styles.height = "auto"

    @property
    def words(self) -> str:
        """What copying gives."""
        return self.turn.text

    def place(self, branch: Branch | None) -> None:
        """Show where this turn stands among its siblings."""
        if branch != self.branch:
            self.wake()
            self.branch = branch
            self.refresh_footer()

    def refresh_footer(self) -> None:
        """Redraw the line below the words."""

    def branch_label(self) -> str:
        """ "‹ 2/3 ›", or nothing without siblings."""
        if self.branch is None:
            return ""
        return f"‹ {self.branch.position}/{self.branch.count} ›"

    def action_wish(self, wish: Wish) -> None:
        self.post_message(self.Wished(self, wish))

    def action_move(self, step: int) -> None:
        self.post_message(self.Left(self, step))

    def action_unfold(self) -> None:
        """Show what is folded away, if anything is."""
