"""The inspector's keys that change memories; each of them can be undone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from textual import work

from tsubasa_cli.errors import ConflictError, InputError
from tsubasa_cli.memory.values import Observation, Status
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.looking import Looking
from tsubasa_cli.tui.inspect.view import DIALOG

if TYPE_CHECKING:
    from tsubasa_cli.memory.reshaping import Revision
    from tsubasa_cli.tui.inspect.deeds import Deeds

Work = Callable[[Sequence[Observation]], str]
"""Does something to memories at the versions that they have there; says what was done."""


class Changing(Looking):
    """Does things to the memories that are marked, else to the one under the cursor."""

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

    # ------------------------------------------------------------------ one key

    @work(group="deeds")
    async def action_pin(self) -> None:
        await self.attempt(self.selected(), self.deeds.pin)

    @work(group="deeds")
    async def action_forget(self) -> None:
        await self.attempt(self.selected(), self.deeds.forget)

    @work(group="deeds")
    async def action_keep(self) -> None:
        await self.attempt(self.selected(), self.deeds.keep)

    def action_undo(self) -> None:
        if self.deeds.done:
            self._undo()
        else:
            self._undo_what_others_did()

    @work(group="deeds")
    async def _undo(self) -> None:
        await self._back_and_forth(self.deeds.undo)

    @work(group=DIALOG)
    async def _undo_what_others_did(self) -> None:
        from tsubasa_cli.tui.screens.confirm import Confirm

        last = await asyncio.to_thread(self.deeds.last_of_others)
        if last is None:
            raise InputError("There is nothing to undo.")
        event, words = last
        when = event.at.local()
        answer = await self.ask(
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

    @work(group=DIALOG)
    async def action_edit(self) -> None:
        from tsubasa_cli.memory.reshaping import as_written

        memory = self.one()
        await self._edit(memory, as_written(memory))

    async def _edit(self, memory: Observation, begin: Revision) -> None:
        from tsubasa_cli.tui.inspect.dialogs import MemoryForm

        trouble = ""
        while True:
            form = MemoryForm("Edit the memory", begin, trouble)
            written = await self.ask(form)
            if written is None:
                return
            begin = written
            try:
                again = await self.attempt(
                    [memory],
                    partial(self._revise, seen=memory, written=written),
                    written.statement,
                )
            except InputError as error:
                trouble = f"{error.what} {error.next_step}"
                continue
            if not again:
                return
            now = await asyncio.to_thread(self.space.memory.log.get, memory.id)
            begin, memory = merged(written, memory, now), now
            trouble = f"It says now: {wording.visible_line(now.statement)}"

    def _revise(self, now: Sequence[Observation], *, seen: Observation, written: Revision) -> str:
        return self.deeds.revise(now[0], merged(written, seen, now[0]))

    @work(group=DIALOG)
    async def action_add(self) -> None:
        from tsubasa_cli.tui.inspect.dialogs import MemoryForm

        begin: Revision | None = None
        trouble = ""
        while True:
            form = MemoryForm("Note a memory", begin, trouble, is_new=True)
            written = await self.ask(form)
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

    @work(group=DIALOG)
    async def action_retag(self) -> None:
        from tsubasa_cli.tui.inspect.dialogs import AskLine

        memories = self.selected()
        have = sorted({tag for memory in memories for tag in memory.tags})
        line = await self.ask(
            AskLine(
                f"Tags of {wording.memories(len(memories))}",
                f"{_listed(have)}work adds a tag, -work removes it",
                check=_require_tags,
            )
        )
        if line is not None:
            await self.attempt(memories, lambda now: self.deeds.retag(now, line))

    @work(group=DIALOG)
    async def action_merge(self) -> None:
        from tsubasa_cli.tui.inspect.dialogs import AskLines

        memories = self.selected()
        if len(memories) < 2:
            raise InputError(
                "It takes two memories to merge.", next_step="Mark them with Space, then m."
            )
        lines = await self.ask(
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

    @work(group=DIALOG)
    async def action_split(self) -> None:
        from tsubasa_cli.memory.reshaping import MOST_PARTS
        from tsubasa_cli.tui.inspect.dialogs import AskLines

        memory = self.one()
        lines = await self.ask(
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


def halves(statement: str) -> str:
    """A statement with a line for each part that can be told by its punctuation."""
    parts = statement.replace("; ", ".\n").replace(". ", ".\n")
    return "\n".join(part[:1].upper() + part[1:] for part in parts.split("\n") if part)


def merged(written: Revision, seen: Observation, now: Observation) -> Revision:
    """What the user wrote over ``now``: of what they left as they had ``seen`` it, what others made
    of it meanwhile stands."""
    from tsubasa_cli.memory.reshaping import as_written

    before, meanwhile = as_written(seen), as_written(now)
    changed = {
        each.name: getattr(written, each.name)
        for each in fields(written)
        if getattr(written, each.name) != getattr(before, each.name)
    }
    return replace(meanwhile, **changed)


def _listed(tags: Sequence[str]) -> str:
    return f"Now: {' '.join(f'#{wording.visible_line(tag)}' for tag in tags)}\n" if tags else ""


def _require_tags(line: str) -> None:
    from tsubasa_cli.memory.reshaping import tags_of

    added, removed = tags_of(line)
    if not added and not removed:
        raise InputError("There is no tag.", next_step="work adds one, -work removes it.")
