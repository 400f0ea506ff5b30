"""What to do with a message that is larger than the context window."""

from __future__ import annotations

from tsubasa_cli.conversation.events import Overflow
from tsubasa_cli.tui.screens.confirm import Confirm


class OverflowDialog(Confirm):
    """Returns "trim", "edit", or "" for cancel. The message is the chat's draft meanwhile."""

    def __init__(self, overflow: Overflow) -> None:
        super().__init__(
            f"This message is {overflow.over:,} tokens too long.",
            f"It is {overflow.needed:,} tokens; {overflow.available:,} fit into the model's "
            "window. Nothing is lost: trimming sends the beginning that fits.",
            {"edit": "Edit", "trim": "Trim to fit", "": "Cancel"},
        )
