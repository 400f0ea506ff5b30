"""What is written to a chat but not yet part of it: kept as the chat's draft until it is."""

from __future__ import annotations

import asyncio

from tsubasa_cli.conversation.chat import Chat


def joined(*texts: str) -> str:
    """All of ``texts`` that have anything in them, as one."""
    return "\n\n".join(text for text in texts if text)


class Unsent:
    """``typed`` is what stood in the composer last; ``leaving`` are the messages that were taken
    from it and are not committed yet, oldest first. ``turn`` lets them be committed in order."""

    def __init__(self, chat: Chat) -> None:
        self.typed = chat.session.draft
        self.leaving: list[str] = []
        self.turn = asyncio.Lock()
        self._chat = chat

    async def keep(self) -> None:
        """Save all of it as the chat's draft. Raises ``TsubasaError`` when it cannot be saved."""
        draft = joined(*self.leaving, self.typed)
        if draft != self._chat.session.draft:
            await self._chat.save_draft(draft)
