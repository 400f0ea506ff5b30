"""The memory in the chat: why a reply said what it said, what was learned, what to take back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.binding import Binding, BindingType

from tsubasa_cli.errors import InputError, NotFoundError
from tsubasa_cli.storage.values import Role, Turn
from tsubasa_cli.tui.live_reply import LiveReply
from tsubasa_cli.tui.screens.chat_view import ChatView
from tsubasa_cli.tui.screens.memories import Memories
from tsubasa_cli.tui.screens.why import Why
from tsubasa_cli.tui.widgets.reply import Reply
from tsubasa_cli.tui.widgets.utterance import Utterance

if TYPE_CHECKING:
    from tsubasa_cli.conversation.why import Source
    from tsubasa_cli.tui.app import ChatApp


class ChatMemory(ChatView):
    """The keys of the chat that are about memory."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f6", "why", "Why this reply", id="why", priority=True),
        Binding(
            "f7", "undo_memory", "Take back “remember” or “forget”",
            id="undo_memory", priority=True,
        ),
        Binding("f8", "memories", "Memories", id="memories", priority=True),
        Binding("f2", "inspect", "Inspect the memory", id="inspect", priority=True),
    ]  # fmt: skip

    # ------------------------------------------------------------------ why

    @work(group="why", exclusive=True)
    async def action_why(self) -> None:
        reply = self._reply_in_focus()
        if reply is None:
            raise InputError("There is no reply yet.")
        reasons = await self.chat.why(reply)
        await self._go_to(await self.app.push_screen_wait(Why(reasons, self._why_nothing())))

    def _reply_in_focus(self) -> Turn | None:
        """The reply in focus, that to the question in focus, else the last."""
        if isinstance(self.focused, Utterance):
            turn = self.focused.turn
            return turn if turn.role is Role.ASSISTANT else self.reply_to(turn)
        return self._last(Role.ASSISTANT)

    def _why_nothing(self) -> str:
        if not self.workspace.settings.memory.enabled:
            return "Memory is switched off in the settings."
        if not self.chat.remembers:
            return "This chat is incognito: it reads no memories and leaves none."
        return "Nothing that is remembered bears on the question."

    # ------------------------------------------------------------------ what is known

    @work(group="memories", exclusive=True)
    async def action_memories(self) -> None:
        await self._go_to(await self.app.push_screen_wait(Memories(self.workspace, self._clock)))

    @work(group="memories", exclusive=True)
    async def action_inspect(self) -> None:
        from tsubasa_cli.tui.inspect.screen import Inspector, Lender
        from tsubasa_cli.tui.inspect.space import lent

        space = lent(self.workspace)
        app = cast("ChatApp", self.app)
        inspector = Inspector(space, chat=Lender(app.prepare_erasing, app.let_go_of))
        try:
            source = await self.app.push_screen_wait(inspector)
        finally:
            inspector.stop_reading()
            space.give_back()
        await self._go_to(source)

    async def _go_to(self, source: Source | None) -> None:
        """Show what the user said there."""
        if source is not None and source.turn_id is not None:
            await cast("ChatApp", self.app).open_at(source.session_id, source.turn_id)

    async def show_turn(self, turn_id: int) -> None:
        """Bring a message of the open chat into sight, on whichever branch it stands.

        Raises ``NotFoundError`` when that is not possible now.
        """
        if await self.transcript.show_at(turn_id):
            return
        if self.conductor.busy:
            raise NotFoundError(
                "It was said in another version of this chat.",
                next_step="Try again when the reply is written.",
            )
        await self.chat.show_branch(turn_id)
        await self.reload()
        await self.transcript.show_at(turn_id)

    # ------------------------------------------------------------------ taking back

    @work(group="undo", exclusive=True)
    async def action_undo_memory(self) -> None:
        live = self._last_obeyed()
        if live is None or live.obeyed is None:
            raise InputError(
                "There is nothing to take back in this chat.",
                next_step="/memories lists what was learned; u undoes it there.",
            )
        undone = await asyncio.to_thread(self.workspace.memory.log.undo, live.obeyed.batch_id)
        live.taken_back = True
        await self._show_taken_back(live)
        if not undone:
            self.notify("It was taken back already.")

    def _last_obeyed(self) -> LiveReply | None:
        """The newest reply of the chat, that in focus first, that changed the memory."""
        focused = self._reply_in_focus()
        turns = [*([focused] if focused else []), *reversed(self._turns())]
        for turn in turns:
            live = self.conductor.live(turn.id)
            if live and live.obeyed and live.obeyed.batch_id and not live.taken_back:
                return live
        return None

    async def _show_taken_back(self, live: LiveReply) -> None:
        for reply in self.transcript.query_children(Reply):
            if reply.turn.id == live.turn.id:
                await reply.show_obeyed()
