"""One open conversation: commits what is said, has it answered, counts its window.

Everything the user types is committed before anything is done with it. Screens and ``chat -p``
drive the same object.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tsubasa_cli.conversation.answering import (
    Answering,
    Manner,
    no_room,
    room_for_prompt,
    window_of,
)
from tsubasa_cli.conversation.compaction import SUMMARY_SHARE
from tsubasa_cli.conversation.engine_host import SETTLE_SECONDS, EngineHost
from tsubasa_cli.conversation.events import (
    ChatEvent,
    Exchange,
    NotRecalled,
    Obeyed,
    Overflow,
    Titled,
    WindowUse,
)
from tsubasa_cli.conversation.obeying import asks_of_memory, obeyed
from tsubasa_cli.conversation.packing import applicable, pack, thinking_switch, without_switch
from tsubasa_cli.conversation.recollection import Recollection
from tsubasa_cli.conversation.why import Reason, reasons_for
from tsubasa_cli.engine.protocol import Message
from tsubasa_cli.errors import ConflictError, InputError, StorageError
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.settings import Settings
from tsubasa_cli.storage.values import Branch, Session, Summary, Turn, TurnStatus

if TYPE_CHECKING:
    from tsubasa_cli.memory.memory import Memory


@dataclass(frozen=True, slots=True)
class Overrides:
    """What this run of the program asks for, above settings and session: sampling fields by
    name, a thinking switch, a model, a system prompt, the longest reply in tokens, and whether
    memory is read and written."""

    sampling: tuple[tuple[str, float | int], ...] = ()
    thinking: bool | None = None
    model: str | None = None
    system_prompt: str | None = None
    max_tokens: int | None = None
    memory: bool | None = None


class Chat:
    """A conversation that is open now. ``session`` is refreshed after every change; its id is
    empty until something is said."""

    def __init__(
        self,
        store: SessionStore,
        host: EngineHost,
        settings: Settings,
        session: Session,
        overrides: Overrides | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.session = session
        self._memory = memory
        self._store = store
        self._host = host
        self._settings = settings
        self._overrides = overrides or Overrides()
        self._answering: Answering | None = None

    # ------------------------------------------------------------------ what was said

    async def turns(self) -> list[Turn]:
        """The branch on show, root first."""
        if not self.session.id:
            return []
        return await asyncio.to_thread(self._store.path, self.session.id)

    async def branches(self) -> dict[int, Branch]:
        """Where each turn that has siblings stands among them."""
        return await asyncio.to_thread(self._store.branches, self.session.id)

    async def summaries(self) -> list[Summary]:
        """The summaries that stand for turns of this branch, oldest first."""
        on_branch = {turn.id for turn in await self.turns()}
        kept = await asyncio.to_thread(self._store.summaries, self.session.id)
        return [summary for summary in kept if summary.upto_turn_id in on_branch]

    # ------------------------------------------------------------------ saying something

    async def ask(self, text: str) -> Exchange:
        """Commit a question. ``InputError`` when there is nothing in it."""
        await self._prepare(text)
        await self._saved()
        question, reply = await asyncio.to_thread(
            self._store.ask, self.session.id, text, self._host.model_name
        )
        return await self._exchange(question, reply)

    async def edit(self, turn_id: int, text: str) -> Exchange:
        """Ask ``turn_id`` again in other words, as a branch of its own. ``InputError`` when there
        is nothing in them or the turn is of another session."""
        asked = await asyncio.to_thread(self._store.turn, turn_id)
        if asked.session_id != self.session.id:
            raise InputError(
                "That message belongs to another chat.", next_step="Open that chat to edit it."
            )
        await self._prepare(text)
        question, reply = await asyncio.to_thread(
            self._store.edit, turn_id, text, self._host.model_name
        )
        return await self._exchange(question, reply)

    async def _exchange(self, question: Turn, reply: Turn) -> Exchange:
        """What this run of the program may not remember is marked so at once."""
        if self._memory is not None and self.remembers:
            asyncio.get_running_loop().run_in_executor(None, self._memory.warm_up)
        elif self._memory is not None and self.session.memory:
            await asyncio.to_thread(self._memory.log.skip, [question.id])
        await self._refresh()
        return Exchange(question, reply)

    async def regenerate(self, reply_id: int) -> Turn:
        """Commit another, pending reply to the same question."""
        self._interrupt_chores()
        reply = await asyncio.to_thread(self._store.regenerate, reply_id, self._host.model_name)
        await self._refresh()
        return reply

    async def show_branch(self, turn_id: int) -> None:
        """Show the branch that goes through ``turn_id``."""
        await asyncio.to_thread(self._store.show_branch, turn_id)
        await self._refresh()

    async def answer(self, reply: Turn) -> AsyncGenerator[ChatEvent, None]:
        """Do what the question asks of the memory, then make the pending ``reply`` (see
        ``Answering.events``)."""
        if obeyed := await self._obeyed(reply):
            yield obeyed
        manner = await asyncio.to_thread(self._manner)
        self._answering = answering = Answering(self._store, self._host, reply, manner)
        try:
            async with aclosing(answering.events()) as events:
                async for event in events:
                    if isinstance(event, Titled):
                        self.session = replace(self.session, title=event.title)
                    yield event
        finally:
            if self._answering is answering:
                self._answering = None

    async def _obeyed(self, reply: Turn) -> Obeyed | NotRecalled | None:
        """A question is obeyed once, however often it is answered. Without memory, "don't save
        this" is granted already and the rest cannot be."""
        if self._memory is None or not self.remembers or reply.parent_id is None:
            return None
        path = await asyncio.to_thread(self._store.path, self.session.id, reply.parent_id)
        if not asks_of_memory(path[-1].text) or self._memory.recalls.is_kept(path[-1].id):
            return None
        try:
            return await asyncio.to_thread(obeyed, self._memory, path, self._settings.memory.owner)
        except (StorageError, ConflictError) as error:
            return NotRecalled(error.what, error.why, error.next_step)

    async def why(self, reply: Turn) -> list[Reason]:
        """The memories that went into ``reply``, in the order in which the model read them."""
        if self._memory is None or reply.parent_id is None:
            return []
        taught_by = await asyncio.to_thread(self._host.taught_by, reply.model or None)
        return await asyncio.to_thread(reasons_for, self._memory, self._store, reply, taught_by)

    async def leave_unanswered(self, reply: Turn) -> Turn:
        """Commit the pending ``reply`` as stopped before a word of it was said."""
        return await asyncio.to_thread(self._store.finish, reply.id, TurnStatus.STOPPED, "")

    def stop(self) -> None:
        """Stop what is being answered, at once; what there is of it is kept."""
        if self._answering:
            self._answering.stop()

    # ------------------------------------------------------------------ the window

    async def overflow(self, text: str) -> Overflow | None:
        """Whether ``text`` is too large to be a message; loads the model to know. Raises
        ``InputError`` when the system prompt leaves no room for any."""
        engine = await self._host.ready(await asyncio.to_thread(self._voice))
        around = (Message("system", self.system_prompt), Message("user", "x"))
        taken = (await engine.count(around, self.thinking)).prompt
        if self.session.head_id:
            taken += int(window_of(engine) * SUMMARY_SHARE)
        available = room_for_prompt(engine) - taken
        if available <= 0:
            raise no_room()
        needed = (await engine.count((Message("user", text),))).texts[0]
        return Overflow(needed, available) if needed > available else None

    async def trim(self, text: str) -> str:
        """A beginning of ``text`` that fits."""
        while over := await self.overflow(text):
            text = text[: int(len(text) * over.available / over.needed * 0.98)]
        return text

    async def meter(self) -> WindowUse:
        """How full the window is, by the model's own tokenizer; zeros while none is loaded."""
        engine = self._host.engine
        if engine is None or not self.session.id:
            return WindowUse(0, self._host.window)
        used = (await engine.count(await self._window(), self.thinking)).prompt
        return WindowUse(used, self._host.window)

    async def warm(self) -> None:
        """Evaluate the history in advance, so that the next message finds it in the KV cache.
        Gives way to any message."""
        engine = self._host.engine
        if engine is None or not self.session.head_id or self._answering:
            return
        await self._host.focus(self.session.id)
        await engine.warm(await self._window())

    async def _window(self) -> tuple[Message, ...]:
        turns = await self.turns()
        kept = await asyncio.to_thread(self._store.summaries, self.session.id)
        recollection = self._recollection()
        blocks = await recollection.blocks(self.session.id) if recollection else None
        return pack(self.system_prompt, turns, applicable(kept, turns), blocks)

    # ------------------------------------------------------------------ choices

    @property
    def model(self) -> str | None:
        """The model chosen for this conversation; None for the one in service."""
        return self._overrides.model or self.session.model

    @property
    def thinking(self) -> bool:
        """Whether the next reply may think, as far as the model can."""
        for choice in (self._overrides.thinking, self.session.thinking):
            if choice is not None:
                return choice
        return self._settings.chat.thinking

    @property
    def remembers(self) -> bool:
        """Whether memory is read and written in this conversation."""
        if not self._settings.memory.enabled or self._overrides.memory is False:
            return False
        return self.session.memory

    @property
    def system_prompt(self) -> str:
        """What the conversation begins with."""
        for choice in (self._overrides.system_prompt, self.session.system_prompt):
            if choice is not None:
                return choice
        persona = self._settings.personas.get(self.session.persona)
        return self._settings.chat.system_prompt if persona is None else persona

    async def set_memory(self, on: bool) -> None:
        """Let memory be read and written in this conversation, or neither."""
        await self._saved()
        self.session = await asyncio.to_thread(self._store.set_memory, self.session.id, on)

    async def rename(self, title: str) -> None:
        """Give the session a title that the program no longer changes."""
        await self._saved()
        self.session = await asyncio.to_thread(self._store.rename, self.session.id, title)

    async def set_thinking(self, on: bool) -> None:
        """Let the model think before it answers, or not."""
        self._overrides = replace(self._overrides, thinking=None)
        await self._choose(thinking=on)

    async def set_model(self, name: str) -> None:
        """Answer with another model from now on; ``NotFoundError`` when there is none such."""
        known = await asyncio.to_thread(self._host.find, name)
        self._overrides = replace(self._overrides, model=None)
        await self._choose(model=known)

    async def set_persona(self, name: str) -> None:
        """Use the system prompt of that persona; empty for none."""
        if name and name not in self._settings.personas:
            known = ", ".join(sorted(self._settings.personas)) or "none yet"
            raise InputError(
                f"There is no persona {name!r}.",
                why=f"Known: {known}.",
                next_step=f'Add one with: tsubasa config set personas.{name} "You are …"',
            )
        await self._choose(persona=name)

    async def set_system_prompt(self, text: str) -> None:
        """Begin the conversation with ``text`` from now on."""
        self._overrides = replace(self._overrides, system_prompt=None)
        await self._choose(system_prompt=text)

    async def save_draft(self, text: str) -> None:
        """Keep what is typed but not sent."""
        if text or self.session.id:
            await self._saved()
            await asyncio.to_thread(self._store.save_draft, self.session.id, text)
            self.session = replace(self.session, draft=text)

    async def close(self, settle_seconds: float = SETTLE_SECONDS) -> None:
        """Keep the KV state for the next time, waiting at most so long for the last reply to
        settle."""
        if self.session.id:
            await self._host.keep_state(self.session.id, settle_seconds)

    # ------------------------------------------------------------------ small parts

    def _voice(self) -> str | None:
        """The model that answers: where memory is off, none that knows the user by heart."""
        return self.model if self.remembers else self._host.impersonal(self.model)

    def _manner(self) -> Manner:
        chat, voice = self._settings.chat, self._voice()
        return Manner(
            system_prompt=self.system_prompt,
            model=voice,
            thinking=self.thinking,
            sampling=self._overrides.sampling,
            max_tokens=self._overrides.max_tokens or chat.max_reply_tokens or None,
            compact_at=chat.compact_at,
            name_session=chat.auto_title and not self.session.title_is_users,
            recollection=self._recollection(self._host.taught_by(voice)),
        )

    def _recollection(self, taught_by: str = "") -> Recollection | None:
        if self._memory is None or not self.remembers:
            return None
        return Recollection(self._memory, self._settings.memory, taught_by)

    async def _prepare(self, text: str) -> None:
        if not without_switch(text):
            raise InputError("There is nothing to send.", next_step="Type a message first.")
        self._interrupt_chores()
        switch = thinking_switch(text)
        if switch is not None:
            await self.set_thinking(switch)

    def _interrupt_chores(self) -> None:
        """A new message goes before naming the session."""
        if self._answering and self._answering.is_kept:
            self._answering.stop()

    async def _choose(
        self,
        *,
        model: str | None = None,
        thinking: bool | None = None,
        persona: str | None = None,
        system_prompt: str | None = None,
    ) -> None:
        await self._saved()
        self.session = await asyncio.to_thread(
            self._store.choose,
            self.session.id,
            model=model,
            thinking=thinking,
            persona=persona,
            system_prompt=system_prompt,
        )

    async def _saved(self) -> None:
        if not self.session.id:
            asked = replace(self.session, memory=self.remembers)
            self.session = await asyncio.to_thread(self._store.create, asked)

    async def _refresh(self) -> None:
        self.session = await asyncio.to_thread(self._store.get, self.session.id)
