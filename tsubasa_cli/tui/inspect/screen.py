"""The inspector with its keys, opened alone or lent the memory of a chat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType

from tsubasa_cli.errors import NotFoundError
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.changing import Changing
from tsubasa_cli.tui.inspect.pane import Moment
from tsubasa_cli.tui.inspect.space import Space
from tsubasa_cli.tui.inspect.view import DIALOG

if TYPE_CHECKING:
    from tsubasa_cli.memory.dossier import Quote
    from tsubasa_cli.memory.erase import ErasePlan, Erasure


@dataclass(frozen=True, slots=True)
class Lender:
    """The chat that the memory is lent by. ``prepare_erasing`` raises ``InputError`` while words
    are under way there; ``erased`` lets go of what it holds of them."""

    prepare_erasing: Callable[[], Awaitable[None]]
    erased: Callable[[Erasure], Awaitable[None]]


class Inspector(Changing):
    """Returns the source that the user wants to see in its chat, else None. Without a ``chat`` to
    go to, sources are shown here."""

    BINDING_GROUP_TITLE = "On memories"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "Edit words, kind and days", id="inspect_edit"),
        Binding("n", "add", "Note a new one", id="inspect_add"),
        Binding("p", "pin", "Pin or unpin", id="inspect_pin"),
        Binding("f,delete", "forget", "Forget; no to one that waits", id="inspect_forget"),
        Binding("a", "keep", "Bring back; yes to one that waits", id="inspect_keep"),
        Binding("t,hash", "retag", "Tags", id="inspect_tag"),
        Binding("m", "merge", "Merge the marked ones", id="inspect_merge"),
        Binding("s", "split", "Split into several", id="inspect_split"),
        Binding("x", "erase", "Erase for good", id="inspect_erase"),
        Binding("u", "undo", "Undo", id="inspect_undo"),
        Binding("r", "redo", "Redo", id="inspect_redo"),
        Binding("g", "go", "Go to where it was said", id="inspect_go"),
        Binding("v", "filter", "What to show", id="inspect_filter"),
        Binding("o", "sort", "Another order", id="inspect_sort"),
        Binding("w", "scores", "Why in this order: scores", id="inspect_scores"),
        Binding("asterisk,ctrl+a", "mark_all", "Mark all that is listed", id="inspect_mark_all"),
    ]

    def __init__(
        self,
        space: Space,
        moment: Moment | None = None,
        chat: Lender | None = None,
    ) -> None:
        super().__init__(space, *([moment] if moment else []))
        self._chat = chat

    @work(group="leave", exclusive=True)
    async def action_leave(self) -> None:
        """What is being changed is changed to the end first."""
        async with self._changing:
            if self._chat is None:
                self.app.exit()
            else:
                self.dismiss(None)

    # ------------------------------------------------------------------ erasing

    @work(group=DIALOG)
    async def action_erase(self) -> None:
        from tsubasa_cli.tui.inspect.erase_dialog import EraseDialog

        memories = self.selected()
        if self._chat is not None:
            await self._chat.prepare_erasing()
        title = (
            f"Erase for good: {wording.first_line(memories[0].statement, 60)}"
            if len(memories) == 1
            else f"Erase {wording.memories(len(memories))} for good"
        )
        plan = await self.ask(
            EraseDialog(title, partial(self._plan, [memory.id for memory in memories]))
        )
        if plan is None:
            return
        self.note("Erasing …")
        async with self._changing:
            erased = await asyncio.to_thread(self._erase, plan)
        number = wording.memories(len(erased.memory_ids))
        told = f"Erased for good: {number}, {len(erased.places):,} places"
        if erased.left:
            files = wording.count(len(erased.left), "file")
            told += f"; {files} of your own in the data folder hold it still"
        if erased.unswept:
            names = ", ".join(file.name for file in erased.unswept)
            told += f"; words of it are left in {names}: run “tsubasa memory rebuild”"
        self._after(f"{told}.")
        if self._chat is not None:
            await self._chat.erased(erased)

    def _plan(self, ids: Sequence[str]) -> ErasePlan:
        from tsubasa_cli.memory.erase import plan_erase

        space = self.space
        return plan_erase(space.connection, space.paths, ids, space.owner)

    def _erase(self, plan: ErasePlan) -> Erasure:
        from tsubasa_cli.memory.erase import erase

        space = self.space
        return erase(
            space.connection,
            space.paths,
            plan,
            forget_index=lambda *_: space.memory.forget_index(),
            owner=space.owner,
            writer=space.writer,
        )

    # ------------------------------------------------------------------ where it was said

    @work(group="go", exclusive=True)
    async def action_go(self) -> None:
        memory = self.one()
        found = await asyncio.to_thread(self.space.dossier, memory.id)
        said = [quote for quote in found.quotes if quote.turn and not quote.is_deleted]
        if not said:
            raise NotFoundError("It was written by hand, or the chat where it was said is gone.")
        quote = said[0] if len(said) == 1 else await self._choose(said)
        if quote is not None:
            await self._show_quote(quote)

    async def _choose(self, quotes: Sequence[Quote]) -> Quote | None:
        from tsubasa_cli.tui.screens.choose import Choice, Choose

        choices = [
            Choice(str(number), wording.first_line(quote.evidence.quote, 60))
            for number, quote in enumerate(quotes)
        ]
        chosen = await self.app.push_screen_wait(Choose("It was said more than once", choices))
        return None if chosen is None else quotes[int(chosen)]

    async def _show_quote(self, quote: Quote) -> None:
        from tsubasa_cli.conversation.why import Source
        from tsubasa_cli.tui.inspect.conversation_view import ConversationView, around

        turns = await asyncio.to_thread(around, self.space.store, quote)
        view = ConversationView(
            quote, turns, quote.session_title, leads_to_chat=self._chat is not None
        )
        if await self.app.push_screen_wait(view) and quote.turn is not None:
            self.dismiss(Source(quote.evidence.quote, quote.turn.id, quote.turn.session_id))
