"""The inspector's keys that change what is shown, and nothing else."""

from __future__ import annotations

import asyncio

from textual import work

from tsubasa_cli.errors import InputError, NotFoundError
from tsubasa_cli.memory.browsing import Entry
from tsubasa_cli.memory.values import Observation
from tsubasa_cli.tui.inspect.view import DIALOG, InspectView

MOST_MARKED = 2_000
"""As many are marked at once and changed in one batch."""


class Looking(InspectView):
    """Filters, orders and marks."""

    def selected(self) -> list[Observation]:
        """The memories to do something to; ``InputError`` when there are none, or others are about
        to be shown."""
        self._require_answer()
        selected = self.selection()
        if not selected:
            raise InputError("There is no memory here to do this to.")
        return selected

    def one(self) -> Observation:
        """The memory under the cursor, whatever is marked; ``InputError``."""
        self._require_answer()
        memory = self.view.memory
        if memory is None:
            raise InputError("There is no memory here to do this to.")
        return memory

    def _require_answer(self) -> None:
        if self.view_name == "memories" and not self.memories.is_answered:
            raise InputError(
                "The search has not answered yet.",
                next_step="Press the key again once its memories are here.",
            )

    @work(group=DIALOG)
    async def action_filter(self) -> None:
        from tsubasa_cli.tui.inspect.filter_dialog import FilterDialog

        await self.show_view("memories")
        browser, view = self.space.memory.browser, self.memories
        today = self.moment().local().date()
        wanted = await self.ask(FilterDialog(browser, view.look.wanted, today))
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
