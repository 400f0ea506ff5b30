"""What is done to memories in the inspector, taken back, and not lost to another program."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from threading import Event
from typing import Any

import pytest
from textual.screen import Screen
from textual.widgets import Button, Input, Select, Static, TextArea
from tui.inspect_driver import Inspecting, inspecting
from tui.inspect_life import fill_life

from tsubasa_cli.memory.filters import Filter
from tsubasa_cli.memory.finding import Finder, Hit
from tsubasa_cli.memory.values import Actor, Change, Kind, Observation, Op, Origin, Status
from tsubasa_cli.storage.locks import WriterLock
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant
from tsubasa_cli.tui.inspect.dialogs import AskLine, AskLines, Conflict, MemoryForm
from tsubasa_cli.tui.inspect.erase_dialog import EraseDialog
from tsubasa_cli.tui.inspect.space import Space, open_space
from tsubasa_cli.tui.inspect.view import InspectView
from tsubasa_cli.tui.screens.confirm import Confirm


@pytest.fixture
def space(home: Paths) -> Iterator[Space]:
    opened = open_space(home)
    yield opened
    opened.close()


@pytest.fixture
def life(space: Space) -> dict[str, Observation]:
    return fill_life(space)


Life = dict[str, Observation]


async def rewrite(inspector: Inspecting, words: str) -> None:
    """Fill in the form that ``e`` opens, and save it."""
    form = await inspector.until_open(MemoryForm)
    form.query_one("#words", TextArea).text = words
    await inspector.pilot.press("ctrl+s")


def active(space: Space) -> set[str]:
    return {memory.statement for memory in space.memory.log.all()}


async def test_nothing_is_done_to_what_a_search_is_about_to_replace(
    space: Space, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_answer = Event()

    def slowly(finder: Finder, text: str, wanted: Filter, now: Instant) -> list[Hit]:
        may_answer.wait(30)
        return quickly(finder, text, wanted, now)

    async with inspecting(space) as inspector:
        await inspector.on(life["tea"])
        quickly = Finder.find
        monkeypatch.setattr(Finder, "find", slowly)
        await inspector.pilot.press("slash", *"walnuts", "enter", "f")
        await inspector.until(lambda: "has not answered yet" in inspector.told)
        may_answer.set()
        await inspector.settle()
        assert {inspector.now(memory).status for memory in (life["tea"], life["nuts"])} == {
            Status.ACTIVE
        }
        await inspector.press("f")
        await inspector.until(lambda: inspector.now(life["nuts"]).status is Status.FORGOTTEN)


@pytest.mark.parametrize("key", ["n", "e", "s", "t", "x"])
async def test_what_is_typed_behind_a_key_with_a_dialog_does_nothing(
    space: Space, life: Life, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Whoever types faster than the dialog comes up does not give orders."""

    async def late(self: InspectView, dialog: Screen[Any]) -> Any:
        await may_come.wait()
        return await asked(self, dialog)

    may_come, asked = asyncio.Event(), InspectView.ask
    monkeypatch.setattr(InspectView, "ask", late)
    async with inspecting(space) as inspector:
        await inspector.on(life["tea"])
        before = len(space.memory.log.history(life["tea"].id))
        await inspector.pilot.press(key, "p", "f", "n", "2", "q")
        may_come.set()
        await inspector.until(lambda: inspector.app.screen is not inspector.screen)
        await inspector.pilot.press("escape")
        await inspector.until_back()
        assert len(space.memory.log.history(life["tea"].id)) == before
        assert inspector.screen.view_name == "memories"


class TestOneKey:
    async def test_pin_unpin_undo_redo(self, space: Space, life: Life) -> None:
        async with inspecting(space) as inspector:
            await inspector.on(life["tea"])
            await inspector.press("p")
            await inspector.until(lambda: inspector.now(life["tea"]).pinned)
            assert "Pinned; u undoes it." in inspector.note
            await inspector.until(lambda: "◆ The user prefers tea" in inspector.text())
            await inspector.press("u")
            await inspector.until(lambda: not inspector.now(life["tea"]).pinned)
            await inspector.press("r")
            await inspector.until(lambda: inspector.now(life["tea"]).pinned)
            await inspector.until(lambda: inspector.memory.pinned)
            await inspector.press("p")
            await inspector.until(lambda: not inspector.now(life["tea"]).pinned)

    async def test_forget_and_bring_back(self, space: Space, life: Life) -> None:
        async with inspecting(space) as inspector:
            await inspector.on(life["tea"])
            await inspector.press("f")
            await inspector.until(lambda: inspector.now(life["tea"]).status is Status.FORGOTTEN)
            await inspector.until(lambda: "prefers tea" not in inspector.text())
            await inspector.press("u")
            await inspector.until(lambda: inspector.now(life["tea"]).status is Status.ACTIVE)
            await inspector.until(lambda: "prefers tea" in inspector.text())

    async def test_yes_and_no_to_what_waits(self, space: Space, life: Life) -> None:
        async with inspecting(space) as inspector:
            await inspector.on(life["order"])
            await inspector.press("a")
            await inspector.until(lambda: inspector.now(life["order"]).status is Status.ACTIVE)
            assert "Approved" in inspector.note
            await inspector.press("u")
            await inspector.until(lambda: inspector.now(life["order"]).status is Status.QUARANTINED)
            await inspector.until(lambda: inspector.memory.status is Status.QUARANTINED)
            await inspector.press("f")
            await inspector.until(lambda: inspector.now(life["order"]).status is Status.FORGOTTEN)
            assert "Rejected" in inspector.note

    async def test_many_at_once_are_one_undo(self, space: Space, life: Life) -> None:
        before = active(space)
        async with inspecting(space) as inspector:
            for name in ("tea", "nuts", "trip"):
                await inspector.on(life[name])
                await inspector.press("space")
            await inspector.press("f")
            await inspector.until(lambda: len(active(space)) == len(before) - 3)
            assert "3 memories forgotten" in inspector.note
            await inspector.press("u")
            await inspector.until(lambda: active(space) == before)

    async def test_tags(self, space: Space, life: Life) -> None:
        async with inspecting(space) as inspector:
            await inspector.on(life["tea"])
            await inspector.press("space")
            await inspector.on(life["nuts"])
            await inspector.press("space", "t")
            await inspector.until_open(AskLine)
            assert "#food #health" in inspector.text()
            await inspector.press("enter")
            assert "There is no tag." in inspector.text()
            await inspector.type("kitchen -food")
            await inspector.press("enter")
            await inspector.until_back()
            await inspector.until(lambda: inspector.now(life["tea"]).tags == ("kitchen",))
            assert inspector.now(life["nuts"]).tags == ("health", "kitchen")


class TestWords:
    async def test_an_edit_is_the_users_and_keeps_its_source(
        self, space: Space, life: Life
    ) -> None:
        async with inspecting(space) as inspector:
            await inspector.on(life["tea"])
            await inspector.press("e")
            await rewrite(inspector, "I prefer green tea to coffee.")
            await inspector.until_back()
            await inspector.until(lambda: inspector.now(life["tea"]).version == 2)
            after = inspector.now(life["tea"])
            assert after.statement == "The user prefers green tea to coffee."
            assert after.origin is Origin.USER_EDITED
            assert after.evidence == life["tea"].evidence
            update = replace(after, statement="The user prefers coffee.")
            space.memory.log.commit([Change(Op.UPDATE, update)], actor=Actor.MODEL)
            assert inspector.now(life["tea"]) == after
            await inspector.until(lambda: "green tea" in inspector.text())
            await inspector.press("u")
            await inspector.until(
                lambda: inspector.now(life["tea"]).statement == life["tea"].statement
            )

    async def test_kind_and_days(self, space: Space, life: Life) -> None:
        async with inspecting(space) as inspector:
            await inspector.on(life["home"])
            await inspector.press("e")
            form = await inspector.until_open(MemoryForm)
            assert form.query_one("#since", Input).value == "2025-03-01"
            form.query_one("#kind", Select).value = Kind.IDENTITY
            form.query_one("#until", Input).value = "soon-ish"
            await inspector.pilot.press("ctrl+s")
            await inspector.until(lambda: "is no date" in inspector.text())
            form.query_one("#until", Input).value = "2026-02-01"
            await inspector.pilot.press("ctrl+s")
            await inspector.until_back()
            await inspector.until(lambda: inspector.now(life["home"]).valid_to is not None)
            after = inspector.now(life["home"])
            assert (after.kind, after.statement) == (Kind.IDENTITY, life["home"].statement)

    async def test_what_cannot_be_used_is_said_in_the_form(self, space: Space, life: Life) -> None:
        async with inspecting(space) as inspector:
            await inspector.on(life["tea"])
            await inspector.press("e")
            form = await inspector.until_open(MemoryForm)
            form.query_one("#words", TextArea).text = "  "
            await inspector.press("ctrl+s")
            assert "There is nothing to remember." in inspector.text()
            form.query_one("#words", TextArea).text = "x" * 1_001
            await inspector.press("ctrl+s")
            assert "this has 1,001 characters" in inspector.words()
            form.query_one("#words", TextArea).text = "The user prefers tea."
            form.query_one("#until", Input).value = "1999"
            form.query_one("#since", Input).value = "2001"
            await inspector.press("ctrl+s")
            await inspector.until(lambda: "cannot end before it begins" in inspector.text())
            await inspector.press("escape")
            await inspector.until_back()
            assert inspector.now(life["tea"]) == life["tea"]

    async def test_note_a_new_one(self, space: Space, life: Life) -> None:
        async with inspecting(space) as inspector:
            await inspector.press("n")
            form = await inspector.until_open(MemoryForm)
            form.query_one("#words", TextArea).text = life["nuts"].statement
            await inspector.pilot.press("ctrl+s")
            await inspector.until(lambda: "This is known already" in inspector.words())
            await rewrite(inspector, "I keep bees.")
            await inspector.until(lambda: "The user keeps bees." in active(space))
            await inspector.until_back()
            await inspector.press("u")
            await inspector.until(lambda: "The user keeps bees." not in active(space))

    async def test_merge_two(self, space: Space, life: Life) -> None:
        before = active(space)
        async with inspecting(space) as inspector:
            await inspector.on(life["tea"])
            await inspector.press("m")
            await inspector.until(lambda: "It takes two memories" in inspector.told)
            await inspector.press("space")
            await inspector.on(life["nuts"])
            await inspector.press("space", "m")
            dialog = await inspector.until_open(AskLines)
            await inspector.press("ctrl+s")
            assert "Write one sentence on one line." in inspector.text()
            dialog.query_one(TextArea).text = "I prefer tea and cannot eat walnuts."
            await inspector.press("ctrl+s")
            await inspector.until_back()
            await inspector.until(lambda: inspector.now(life["nuts"]).status is Status.SUPERSEDED)
            merged = inspector.now(life["tea"])
            assert merged.statement == "The user prefers tea and cannot eat walnuts."
            assert {*merged.evidence} == {*life["tea"].evidence, *life["nuts"].evidence}
            assert {*merged.tags} == {"food", "health"}
            await inspector.press("u")
            await inspector.until(lambda: active(space) == before)

    async def test_split(self, space: Space, life: Life) -> None:
        before = active(space)
        async with inspecting(space) as inspector:
            await inspector.on(life["job"])
            await inspector.press("s")
            dialog = await inspector.until_open(AskLines)
            dialog.query_one(TextArea).text = "The user worked at the bank."
            await inspector.press("ctrl+s")
            assert "2 to 20 sentences" in inspector.text()
            dialog.query_one(TextArea).text += "\nThe user works at the city museum."
            await inspector.press("ctrl+s")
            await inspector.until_back()
            await inspector.until(lambda: "The user worked at the bank." in active(space))
            assert "The user works at the city museum." in active(space)
            await inspector.press("u")
            await inspector.until(lambda: active(space) == before)


class TestErase:
    async def test_every_place_is_listed_and_a_word_is_asked_for(
        self, space: Space, life: Life, home: Paths
    ) -> None:
        async with inspecting(space) as inspector:
            await inspector.on(life["nuts"])
            await inspector.press("x")
            dialog = await inspector.until_open(EraseDialog)
            await inspector.until(lambda: not dialog.query_one("#assent", Input).disabled)
            shown = inspector.text()
            assert "I am allergic to walnuts" in shown
            assert "Statement" in shown
            assert "Message" in shown
            await inspector.type("yes")
            await inspector.press("enter")
            assert "Nothing is erased unless you type erase." in inspector.text()
            dialog.query_one("#assent", Input).value = "erase"
            await inspector.press("enter")
            await inspector.until(lambda: "Erased for good: 1 memory" in inspector.note)
            assert inspector.now(life["nuts"]).status is Status.ERASED
            await inspector.until(lambda: "walnuts" not in inspector.text())
        assert b"walnuts" not in home.database.read_bytes()

    async def test_a_file_of_ones_own_is_told_of_before_and_after(
        self, space: Space, life: Life, home: Paths
    ) -> None:
        diary = home.data / "diary.txt"
        diary.write_text("Note to myself: I am allergic to walnuts, says the doctor.")
        async with inspecting(space) as inspector:
            await inspector.on(life["nuts"])
            await inspector.press("x")
            dialog = await inspector.until_open(EraseDialog)
            await inspector.until(lambda: not dialog.query_one("#assent", Input).disabled)
            listed = str(dialog.query_one("#place-lines", Static).render())
            assert "not written by Tsubasa" in listed
            assert diary.name in listed
            dialog.query_one("#assent", Input).value = "erase"
            await inspector.press("enter")
            await inspector.until(lambda: "1 file of your own" in inspector.note)
        assert "walnuts" in diary.read_text()

    async def test_escape_erases_nothing(self, space: Space, life: Life) -> None:
        async with inspecting(space) as inspector:
            await inspector.on(life["nuts"])
            await inspector.press("x")
            await inspector.until_open(EraseDialog)
            await inspector.press("escape")
            await inspector.until_back()
            assert inspector.now(life["nuts"]) == life["nuts"]

    async def test_not_while_a_chat_is_open_elsewhere(
        self, space: Space, life: Life, home: Paths
    ) -> None:
        chat = WriterLock(home.locks)
        async with inspecting(space) as inspector:
            await inspector.on(life["nuts"])
            await inspector.press("x")
            dialog = await inspector.until_open(EraseDialog)
            await inspector.until(lambda: not dialog.query_one("#assent", Input).disabled)
            dialog.query_one("#assent", Input).value = "erase"
            await inspector.press("enter")
            await inspector.until(lambda: "Another Tsubasa is open." in inspector.told)
            assert inspector.now(life["nuts"]) == life["nuts"]
        chat.release()


class TestUndo:
    async def test_what_others_did_is_asked_for_first(self, space: Space, life: Life) -> None:
        async with inspecting(space) as inspector:
            await inspector.press("u")
            await inspector.until_open(Confirm)
            assert "forget by you: The user plays the" in inspector.words()
            await inspector.press("enter")
            await inspector.until(lambda: inspector.now(life["cello"]).status is Status.ACTIVE)
            await inspector.press("r")
            await inspector.until(lambda: inspector.now(life["cello"]).status is Status.FORGOTTEN)

    async def test_in_order_to_the_first_and_forth_to_the_last(
        self, space: Space, life: Life
    ) -> None:
        async with inspecting(space) as inspector:
            start = active(space)
            for name, key in (("tea", "f"), ("trip", "p"), ("nuts", "f")):
                await inspector.on(life[name])
                await inspector.press(key)
                await inspector.until(lambda name=name: inspector.now(life[name]).version > 1)
            end = active(space)
            for _ in range(3):
                await inspector.press("u")
            await inspector.until(lambda: active(space) == start)
            await inspector.until(lambda: not inspector.now(life["trip"]).pinned)
            for _ in range(3):
                await inspector.press("r")
            await inspector.until(lambda: active(space) == end)
            assert inspector.now(life["trip"]).pinned

    async def test_not_over_what_somebody_changed_since(
        self, space: Space, life: Life, home: Paths
    ) -> None:
        elsewhere = open_space(home)
        async with inspecting(space) as inspector:
            await inspector.on(life["trip"])
            await inspector.press("t")
            await inspector.until_open(AskLine)
            await inspector.type("fun")
            await inspector.press("enter")
            await inspector.until(lambda: "fun" in inspector.now(life["trip"]).tags)
            changed = replace(inspector.now(life["trip"]), statement="The user flies to Porto.")
            elsewhere.memory.log.commit([Change(Op.UPDATE, changed)], actor=Actor.MODEL)
            await inspector.press("u")
            await inspector.until(lambda: "has changed meanwhile" in inspector.told)
            assert inspector.now(life["trip"]).statement == "The user flies to Porto."
        elsewhere.close()


class TestNoLostUpdate:
    @pytest.fixture
    def elsewhere(self, home: Paths) -> Iterator[Space]:
        opened = open_space(home)
        yield opened
        opened.close()

    async def _clash(
        self, inspector: Inspecting, memory: Observation, elsewhere: Space
    ) -> Conflict:
        """Edit ``memory`` while another program updates it."""
        await inspector.on(memory)
        await inspector.press("e")
        form = await inspector.until_open(MemoryForm)
        update = replace(memory, statement="The user prefers coffee to tea.")
        elsewhere.memory.log.commit([Change(Op.UPDATE, update)], actor=Actor.MODEL)
        form.query_one("#words", TextArea).text = "The user prefers green tea."
        await inspector.pilot.press("ctrl+s")
        conflict: Conflict = await inspector.until_open(Conflict)
        return conflict

    async def test_the_loser_is_told_and_shown_both(
        self, space: Space, life: Life, elsewhere: Space
    ) -> None:
        async with inspecting(space) as inspector:
            await self._clash(inspector, life["tea"], elsewhere)
            shown = inspector.text()
            assert "It has changed meanwhile" in shown
            assert "update by the model" in shown
            assert "coffee" in shown
            assert "green" in shown
            await inspector.press("enter")
            await inspector.until_back()
            assert inspector.now(life["tea"]).statement == "The user prefers coffee to tea."
            assert "left as it is now" in inspector.note

    async def test_mine_over_theirs(self, space: Space, life: Life, elsewhere: Space) -> None:
        async with inspecting(space) as inspector:
            conflict = await self._clash(inspector, life["tea"], elsewhere)
            conflict.query_one("#answer-mine", Button).press()
            await inspector.until_back()
            await inspector.until(
                lambda: inspector.now(life["tea"]).statement == "The user prefers green tea."
            )
            told = [event.op for event in space.memory.log.history(life["tea"].id)]
            assert told == [Op.ADD, Op.UPDATE, Op.EDIT]

    async def test_write_it_again_knowing_theirs(
        self, space: Space, life: Life, elsewhere: Space
    ) -> None:
        async with inspecting(space) as inspector:
            conflict = await self._clash(inspector, life["tea"], elsewhere)
            conflict.query_one("#answer-edit", Button).press()
            form = await inspector.until_open(MemoryForm)
            assert form.query_one("#words", TextArea).text == "The user prefers green tea."
            assert "It says now: The user prefers coffee to tea." in inspector.words()
            await rewrite(inspector, "The user likes coffee and green tea.")
            await inspector.until_back()
            now = inspector.now
            await inspector.until(lambda: "coffee and green" in now(life["tea"]).statement)

    async def test_mine_leaves_the_days_that_others_set(
        self, space: Space, life: Life, elsewhere: Space
    ) -> None:
        """Whoever changed the words has not said that it is without end again."""
        async with inspecting(space) as inspector:
            await inspector.on(life["tea"])
            await inspector.press("e")
            form = await inspector.until_open(MemoryForm)
            ended = replace(life["tea"], valid_to=date(2026, 5, 1), status=Status.SUPERSEDED)
            elsewhere.memory.log.commit([Change(Op.UPDATE, ended)], actor=Actor.USER)
            form.query_one("#words", TextArea).text = "The user prefers green tea."
            await inspector.pilot.press("ctrl+s")
            conflict = await inspector.until_open(Conflict)
            assert "superseded" in inspector.text()
            assert "2026" in inspector.text()
            conflict.query_one("#answer-mine", Button).press()
            await inspector.until(lambda: "green" in inspector.now(life["tea"]).statement)
            now = inspector.now(life["tea"])
            assert (now.valid_to, now.status) == (date(2026, 5, 1), Status.SUPERSEDED)

    async def test_one_key_meets_a_change_too(
        self, space: Space, life: Life, elsewhere: Space
    ) -> None:
        async with inspecting(space) as inspector:
            await inspector.on(life["tea"])
            update = replace(life["tea"], statement="The user prefers coffee to tea.")
            elsewhere.memory.log.commit([Change(Op.UPDATE, update)], actor=Actor.MODEL)
            inspector.screen.action_forget()
            conflict = await inspector.until_open(Conflict)
            assert inspector.now(life["tea"]).status is Status.ACTIVE
            conflict.query_one("#answer-mine", Button).press()
            await inspector.until(lambda: inspector.now(life["tea"]).status is Status.FORGOTTEN)
            assert inspector.now(life["tea"]).statement == "The user prefers coffee to tea."


async def test_a_low_window_shows_how_to_leave_the_form(
    space: Space, life: dict[str, Observation]
) -> None:
    assert life
    async with inspecting(space, (40, 12)) as inspector:
        await inspector.press("n")
        hint = inspector.app.screen.query_one(".dialog-hint")
        assert hint.region.height == 1
        assert inspector.app.screen.region.contains_region(hint.region)
        hidden_by = inspector.app.screen.get_widget_at(*hint.region.offset)[0]
        assert hidden_by is hint
