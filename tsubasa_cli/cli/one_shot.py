"""One question, one answer, on standard output; everything else goes to standard error."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from tsubasa_cli.cli import context
from tsubasa_cli.conversation.chat import Chat
from tsubasa_cli.conversation.events import (
    Compacting,
    NotRecalled,
    Obeyed,
    ReplyEnded,
    ReplyFailed,
    Waiting,
)
from tsubasa_cli.conversation.workspace import Workspace, open_chat, open_workspace
from tsubasa_cli.engine.protocol import Prefill, TextDelta, ThinkingDelta
from tsubasa_cli.errors import ContextOverflowError, NotFoundError, TsubasaError
from tsubasa_cli.models.shelf import STARTER_NAME
from tsubasa_cli.storage.values import Turn

if TYPE_CHECKING:
    from tsubasa_cli.cli.chat_command import Wishes


SETTLE_SECONDS = 0.5
"""The prompt of the shell does not wait longer for what only makes --continue faster."""


class ReplyBrokenError(TsubasaError):
    """The reply failed; what there was of it is kept in the session."""

    def __init__(self, failed: ReplyFailed) -> None:
        super().__init__(failed.what, why=failed.why, next_step=failed.next_step)
        self.exit_code = failed.exit_code


def run_once(wishes: Wishes) -> None:
    """Ask, stream the answer, keep both. Raises ``TsubasaError``."""
    asyncio.run(_answer_once(wishes))


async def _answer_once(wishes: Wishes) -> None:
    workspace = open_workspace(on_notice=context.say)
    try:
        for notice in workspace.notices:
            context.say(notice)
        if wishes.overrides.model:
            workspace.host.find(wishes.overrides.model)
        chat = open_chat(workspace, _session_id(workspace, wishes), wishes.overrides)
        await chat.save_draft(wishes.prompt or "")
        text = await _fitting(chat, wishes)
        turn = await _converse(chat, text, wishes.as_json)
        _tell_of_better_models(workspace)
        if wishes.as_json:
            context.print_json(_facts(chat, turn))
        await chat.close(SETTLE_SECONDS)
    finally:
        await workspace.close()


def _session_id(workspace: Workspace, wishes: Wishes) -> str | None:
    if not wishes.continue_:
        return wishes.session
    latest = workspace.store.latest()
    if latest is None:
        raise NotFoundError(
            "There is no conversation to go on with.", next_step="Leave --continue out."
        )
    return latest.id


def _tell_of_better_models(workspace: Workspace) -> None:
    """Once, in the first conversation: the starter model is only a start."""
    first = len(workspace.store.recent(limit=2)) == 1
    if first and sys.stderr.isatty() and workspace.host.model_name == STARTER_NAME:
        context.say(
            f"\n{STARTER_NAME} is a small model to start with. "
            "For Qwen-3: tsubasa model list shows what suits this machine."
        )


async def _fitting(chat: Chat, wishes: Wishes) -> str:
    text = wishes.prompt or ""
    over = await chat.overflow(text)
    if over is None:
        return text
    if not wishes.trim:
        raise ContextOverflowError(over.needed, over.available)
    context.say(f"The message was {over.over:,} tokens too long; its end was cut off.")
    return await chat.trim(text)


async def _converse(chat: Chat, text: str, quiet: bool) -> Turn:
    exchange = await chat.ask(text)
    output = _Output(quiet)
    async for event in chat.answer(exchange.reply):
        match event:
            case ReplyEnded(turn=turn):
                output.end()
                return turn
            case ReplyFailed():
                output.end()
                raise ReplyBrokenError(event)
            case TextDelta(text=delta):
                output.write(delta)
            case Obeyed(what=what, statements=statements):
                context.say(" ".join((what, *statements)))
            case NotRecalled(what=what, why=why):
                context.say(f"{what} {why} The answer goes on without memories.")
            case Waiting():
                output.hint("starting the engine")
            case Prefill(done=done, total=total) if total:
                output.hint(f"reading {done:,}/{total:,} tokens")
            case ThinkingDelta():
                output.hint("thinking")
            case Compacting():
                output.hint("summarising the oldest part of the conversation")
    return exchange.reply


def _facts(chat: Chat, turn: Turn) -> dict[str, object]:
    return {
        "session": chat.session.id,
        "turn": turn.id,
        "status": turn.status.value,
        "model": turn.model,
        "text": turn.text,
        "thinking": turn.thinking,
        "usage": asdict(turn.usage) if turn.usage else None,
    }


class _Output:
    """The answer as it comes, with a hint of what is going on until it does."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._begun = False
        self._hints = sys.stderr.isatty() and sys.stdout.isatty()
        self._shown = ""

    def write(self, delta: str) -> None:
        text = delta if self._begun else delta.lstrip()
        if self._quiet or not text:
            return
        self.hint("")
        self._begun = True
        sys.stdout.write(context.printable(text))
        sys.stdout.flush()

    def hint(self, words: str) -> None:
        if self._begun or not self._hints or words == self._shown:
            return
        self._shown = words
        sys.stderr.write(f"\r\x1b[K\x1b[2m{words}…\x1b[0m" if words else "\r\x1b[K")
        sys.stderr.flush()

    def end(self) -> None:
        self.hint("")
        if self._begun:
            sys.stdout.write("\n")
            sys.stdout.flush()
