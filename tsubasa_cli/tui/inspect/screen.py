"""The inspector with its keys: what can be done to what is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType

from tsubasa_cli.errors import ConflictError, InputError, NotFoundError
from tsubasa_cli.memory.values import Observation, Status
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.pane import Moment
from tsubasa_cli.tui.inspect.space import Space
from tsubasa_cli.tui.inspect.view import InspectView

if TYPE_CHECKING:
    from tsubasa_cli.memory.browsing import Entry
    from tsubasa_cli.memory.dossier import Quote
    from tsubasa_cli.memory.erase import ErasePlan, Erasure
    from tsubasa_cli.memory.reshaping import Revision
    from tsubasa_cli.tui.inspect.deeds import Deeds

MOST_MARKED = 2_000
"""As many are marked at once and changed in one batch."""

Work = Callable[[Sequence[Observation]], str]
"""Does something to memories at the versions that they have there; says what was done."""


@dataclass(frozen=True, slots=True)
class Lender:
    """The chat that the memory is lent by. ``prepare_erasing`` raises ``InputError`` while words
    are under way there; ``erased`` lets go of what it holds of them."""

    prepare_erasing: Callable[[], Awaitable[None]]
    erased: Callable[[Erasure], Awaitable[None]]


class Inspector(InspectView):
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

    def action_leave(self) -> None:
        if self._chat is None:
            self.app.exit()
        else:
            self.dismiss(None)

    @cached_property
    def deeds(self) -> Deeds:
        from tsubasa_cli.tui.inspect.deeds import Deeds

        return Deeds(self.space.memory.log, self.space.owner)

    # ------------------------------------------------------------------ doing

    async def attempt(self, memories: Sequence[Observation], work: Work, wanted: str = "") -> str:
        """Do ``work``; when another program was faster, show both and ask whose shall stand.

        Returns "edit" when the user wants to write it once more, else "". Raises ``TsubasaError``.
        """
        async with self._changing:
            while True:
                try:
                    done = await asyncio.to_thread(work, memories)
                except ConflictError as error:
                    answer, memories = await self._settle(error, memories, wanted)
                    if answer == "mine":
                        continue
                    done = "" if answer == "edit" else "It is left as it is now."
                else:
                    answer = ""
                break
        self._after(done)
        return answer if answer == "edit" else ""

    async def _settle(
        self, error: ConflictError, memories: Sequence[Observation], wanted: str
    ) -> tuple[str, list[Observation]]:
        """Whose change shall stand, and the memories as they are now."""
        from tsubasa_cli.tui.inspect.dialogs import Clash, Conflict

        log = self.space.memory.log
        now = await asyncio.to_thread(log.get, error.memory_id)
        seen = next((each for each in memories if each.id == now.id), None)
        if seen is None or now.status is Status.ERASED:
            raise error
        [newest, *_] = (await asyncio.to_thread(log.history, now.id))[::-1]
        by = f", {newest.op.value} by {'you, elsewhere' if newest.actor == 'user' else 'the model'}"
        answer = await self.app.push_screen_wait(Conflict(Clash(seen, now, wanted), by))
        return answer, [now if each.id == now.id else each for each in memories]

    def _after(self, done: str) -> None:
        """What was done is shown at once; the next look at the clock would find it too."""
        self.note(done)
        lines = self.lines
        if lines and done:
            lines.unmark()
        self._poll()

    def _selected(self) -> list[Observation]:
        """The memories to do something to; ``InputError`` when there are none."""
        selected = self.selection()
        if not selected:
            raise InputError("There is no memory here to do this to.")
        return selected

    def _one(self) -> Observation:
        """The memory under the cursor, whatever is marked; ``InputError``."""
        lines = self.lines
        if lines is None or lines.entry is None:
            raise InputError("There is no memory here to do this to.")
        return lines.entry.memory

    # ------------------------------------------------------------------ one key

    @work(group="deeds")
    async def action_pin(self) -> None:
        await self.attempt(self._selected(), self.deeds.pin)

    @work(group="deeds")
    async def action_forget(self) -> None:
        await self.attempt(self._selected(), self.deeds.forget)

    @work(group="deeds")
    async def action_keep(self) -> None:
        await self.attempt(self._selected(), self.deeds.keep)

    @work(group="deeds")
    async def action_undo(self) -> None:
        from tsubasa_cli.tui.screens.confirm import Confirm

        if self.deeds.done:
            await self._back_and_forth(self.deeds.undo)
            return
        last = await asyncio.to_thread(self.deeds.last_of_others)
        if last is None:
            raise InputError("There is nothing to undo.")
        event, words = last
        when = event.at.local()
        answer = await self.app.push_screen_wait(
            Confirm(
                "Nothing was done here yet. Take back what happened last?",
                f"{wording.day(when.date())}, {when:%H:%M} · {words}",
                {"undo": "Take it back", "": "Leave it"},
            )
        )
        if answer:
            await self._back_and_forth(partial(self.deeds.undo_event, event, words))

    @work(group="deeds")
    async def action_redo(self) -> None:
        await self._back_and_forth(self.deeds.redo)

    async def _back_and_forth(self, work: Callable[[], str]) -> None:
        async with self._changing:
            done = await asyncio.to_thread(work)
        self._after(done)

    # ------------------------------------------------------------------ words

    @work(group="deeds")
    async def action_edit(self) -> None:
        memory = self._one()
        await self._edit(memory, _as_written(memory))

    async def _edit(self, memory: Observation, begin: Revision) -> None:
        from tsubasa_cli.tui.inspect.dialogs import MemoryForm

        trouble = ""
        while True:
            form = MemoryForm("Edit the memory", begin, trouble)
            written = await self.app.push_screen_wait(form)
            if written is None:
                return
            begin = written
            try:
                again = await self.attempt(
                    [memory],
                    lambda now, written=written: self.deeds.revise(now[0], written),  # type: ignore[misc]
                    written.statement,
                )
            except InputError as error:
                trouble = f"{error.what} {error.next_step}"
                continue
            if not again:
                return
            memory = await asyncio.to_thread(self.space.memory.log.get, memory.id)
            trouble = f"It says now: {wording.visible_line(memory.statement)}"

    @work(group="deeds")
    async def action_add(self) -> None:
        from tsubasa_cli.tui.inspect.dialogs import MemoryForm

        begin: Revision | None = None
        trouble = ""
        while True:
            form = MemoryForm("Note a memory", begin, trouble, is_new=True)
            written = await self.app.push_screen_wait(form)
            if written is None:
                return
            begin = written
            try:
                note = partial(self.deeds.add, written.statement, written.kind, written.since)
                await self._back_and_forth(note)
            except InputError as error:
                trouble = f"{error.what} {error.next_step}"
            else:
                return

    @work(group="deeds")
    async def action_retag(self) -> None:
        from tsubasa_cli.tui.inspect.dialogs import AskLine

        memories = self._selected()
        have = sorted({tag for memory in memories for tag in memory.tags})
        line = await self.app.push_screen_wait(
            AskLine(
                f"Tags of {wording.memories(len(memories))}",
                f"{_listed(have)}work adds a tag, -work removes it",
                check=_require_tags,
            )
        )
        if line is not None:
            await self.attempt(memories, lambda now: self.deeds.retag(now, line))

    @work(group="deeds")
    async def action_merge(self) -> None:
        from tsubasa_cli.tui.inspect.dialogs import AskLines

        memories = self._selected()
        if len(memories) < 2:
            raise InputError(
                "It takes two memories to merge.", next_step="Mark them with Space, then m."
            )
        lines = await self.app.push_screen_wait(
            AskLines(
                f"Merge {len(memories)} memories into one sentence",
                "\n".join(wording.visible_line(memory.statement) for memory in memories[:10]),
                "One sentence on one line: it keeps all their sources, tags and days.",
                1,
                1,
            )
        )
        if lines:
            await self.attempt(memories, lambda now: self.deeds.merge(now, lines[0]), lines[0])

    @work(group="deeds")
    async def action_split(self) -> None:
        from tsubasa_cli.memory.reshaping import MOST_PARTS
        from tsubasa_cli.tui.inspect.dialogs import AskLines

        memory = self._one()
        lines = await self.app.push_screen_wait(
            AskLines(
                "Split the memory",
                halves(wording.visible_line(memory.statement)),
                "Each sentence on a line of its own; all keep its sources, tags and days.",
                2,
                MOST_PARTS,
            )
        )
        if lines:
            await self.attempt(
                [memory], lambda now: self.deeds.split(now[0], lines), "\n".join(lines)
            )

    # ------------------------------------------------------------------ erasing

    @work(group="deeds")
    async def action_erase(self) -> None:
        from tsubasa_cli.tui.inspect.erase_dialog import EraseDialog

        memories = self._selected()
        if self._chat is not None:
            await self._chat.prepare_erasing()
        title = (
            f"Erase for good: {wording.first_line(memories[0].statement, 60)}"
            if len(memories) == 1
            else f"Erase {wording.memories(len(memories))} for good"
        )
        plan = await self.app.push_screen_wait(
            EraseDialog(title, partial(self._plan, [memory.id for memory in memories]))
        )
        if plan is None:
            return
        self.note("Erasing …")
        async with self._changing:
            erased = await asyncio.to_thread(self._erase, plan)
        number = wording.memories(len(erased.memory_ids))
        left = f"; {len(erased.left)} files still hold some of it" if erased.left else ""
        self._after(f"Erased for good: {number}, {len(erased.places):,} places{left}.")
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

    # ------------------------------------------------------------------ looking

    @work(group="look", exclusive=True)
    async def action_filter(self) -> None:
        from tsubasa_cli.tui.inspect.filter_dialog import FilterDialog

        await self.show_view("memories")
        browser, view = self.space.memory.browser, self.memories
        today = self.moment().local().date()
        wanted = await self.app.push_screen_wait(FilterDialog(browser, view.look.wanted, today))
        if wanted is not None:
            titles = {session: await self._title_of(session) for session in wanted.sessions}
            view.narrow(wanted, titles)
        view.focus_list()

    async def _title_of(self, session_id: str) -> str:
        try:
            return (await asyncio.to_thread(self.space.store.get, session_id)).title
        except NotFoundError:
            return ""

    def action_sort(self) -> None:
        if self.view_name == "memories":
            self.note(f"Now {self.memories.next_sort().value}.")

    def action_scores(self) -> None:
        lines = self.memories.lines
        lines.shows_scores = not lines.shows_scores
        if lines.shows_scores and not self.memories.look.text:
            self.note("Scores are those of a search: / searches.")

    @work(group="mark", exclusive=True)
    async def action_mark_all(self) -> None:
        lines = self.lines
        if lines is None:
            return
        seqs = list(lines.listing.seqs[:MOST_MARKED])
        entries: dict[int, Entry] = await asyncio.to_thread(self.space.memory.browser.entries, seqs)
        lines.mark_all(entries)
        if len(lines.listing.seqs) > MOST_MARKED:
            self.note(f"The first {MOST_MARKED:,} are marked; more are not changed at once.")

    # ------------------------------------------------------------------ where it was said

    @work(group="go", exclusive=True)
    async def action_go(self) -> None:
        memory = self._one()
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


def halves(statement: str) -> str:
    """A statement with a line for each part that can be told by its punctuation."""
    parts = statement.replace("; ", ".\n").replace(". ", ".\n")
    return "\n".join(part[:1].upper() + part[1:] for part in parts.split("\n") if part)


def _as_written(memory: Observation) -> Revision:
    """A memory as its form shows it."""
    from tsubasa_cli.memory.reshaping import Revision

    begun = memory.valid_from or memory.event_from
    return Revision(
        memory.statement,
        memory.kind,
        begun.isoformat() if begun else "",
        memory.valid_to.isoformat() if memory.valid_to else "",
    )


def _listed(tags: Sequence[str]) -> str:
    return f"Now: {' '.join(f'#{wording.visible_line(tag)}' for tag in tags)}\n" if tags else ""


def _require_tags(line: str) -> None:
    from tsubasa_cli.memory.reshaping import tags_of

    added, removed = tags_of(line)
    if not added and not removed:
        raise InputError("There is no tag.", next_step="work adds one, -work removes it.")
