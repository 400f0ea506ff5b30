"""Errors in words are told where they come up; they never end the program.

Textual ends the whole application when a message handler raises. A full disk or a busy database is
no reason for that: whoever mixes this in tells the error in a toast and goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message
from textual.message_pump import MessagePump

from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.tui import wording

if TYPE_CHECKING:
    from textual.app import App

TOLD_SECONDS = 8


def tell(app: App[None], error: TsubasaError) -> None:
    """Show what happened, why, and what to do next."""
    rest = " ".join(part for part in (error.why, error.next_step) if part)
    app.notify(
        wording.visible(rest) or " ",
        title=wording.visible(error.what),
        severity="warning",
        timeout=TOLD_SECONDS,
        markup=False,
    )


class TellsErrors(MessagePump):
    """Mix in first: handlers of this widget, screen or application may raise ``TsubasaError``."""

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)
        except TsubasaError as error:
            tell(self.app, error)
