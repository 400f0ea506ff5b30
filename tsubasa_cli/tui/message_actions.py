"""What can be done with one message: copy it, take its code, ask or answer it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsubasa_cli.errors import InputError
from tsubasa_cli.storage.values import Branch, Role, Turn
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.clipboard import copy_text
from tsubasa_cli.tui.code_blocks import CodeBlock, code_blocks
from tsubasa_cli.tui.screens.choose import Choice, Choose

if TYPE_CHECKING:
    from tsubasa_cli.tui.screens.chat_screen import ChatScreen


class MessageActions:
    """Does them for one chat screen."""

    def __init__(self, screen: ChatScreen) -> None:
        self._screen = screen

    async def copy(self, text: str, what: str) -> None:
        """Put ``text`` on the clipboard and say so."""
        if not text.strip():
            raise InputError("There is nothing to copy yet.")
        how = await copy_text(self._screen.app, text)
        self._screen.notify(f"{how}: {what}.", timeout=3, markup=False)

    async def copy_code(self, text: str) -> None:
        """Copy the code block of ``text``; asks which when there are several."""
        blocks = code_blocks(text)
        if not blocks:
            raise InputError("There is no code block in this message.")
        code: str | None = blocks[0].code
        if len(blocks) > 1:
            choices = [_choice(number, block) for number, block in enumerate(blocks)]
            chosen = await self._screen.app.push_screen_wait(Choose("Copy which block?", choices))
            code = blocks[int(chosen)].code if chosen is not None else None
        if code is not None:
            await self.copy(code, "the code block")

    async def retry(self, turn: Turn) -> None:
        """Answer again: the reply itself, or the reply to this question."""
        reply = turn if turn.role is Role.ASSISTANT else self._screen.reply_to(turn)
        if reply is None:
            raise InputError("There is no reply to answer again.")
        await self._screen.conductor.stop_all()
        pending = await self._screen.chat.regenerate(reply.id)
        self._screen.conductor.answer(pending)
        await self._screen.reload()
        await self._screen.transcript.follow_end()

    async def step_branch(self, branch: Branch | None, step: int) -> None:
        """Show the version before or after."""
        if branch is None:
            raise InputError("There is only one version of this message.")
        target = branch.previous_id if step < 0 else branch.next_id
        if target is None:
            end = "first" if step < 0 else "last"
            raise InputError(f"This is the {end} of {branch.count} versions.")
        if self._screen.conductor.busy:
            raise InputError("A reply is being written.", next_step="Stop it first with Esc.")
        await self._screen.chat.show_branch(target)
        await self._screen.reload()
        self._screen.focus_turn(target)


def _choice(number: int, block: CodeBlock) -> Choice:
    lines = wording.count(block.code.count("\n") + 1, "line")
    label = wording.first_line(block.code, 48) or "(empty)"
    return Choice(str(number), label, " · ".join(p for p in (block.language, lines) if p))
