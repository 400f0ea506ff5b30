"""The inspector: seeing, finding and reading memories, by keys alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from textual import events
from textual.widgets import OptionList
from tui.inspect_driver import inspecting
from tui.inspect_life import fill_life

from tsubasa_cli.memory.filters import Sort
from tsubasa_cli.memory.log import new_id
from tsubasa_cli.memory.values import Actor, Change, Observation, Op
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant
from tsubasa_cli.tui.inspect.ask_view import AskView
from tsubasa_cli.tui.inspect.conversation_view import ConversationView
from tsubasa_cli.tui.inspect.dialogs import MemoryForm
from tsubasa_cli.tui.inspect.filter_dialog import FilterDialog
from tsubasa_cli.tui.inspect.keys_page import KeysPage
from tsubasa_cli.tui.inspect.reading import Reading
from tsubasa_cli.tui.inspect.space import Space, open_space
from tsubasa_cli.tui.inspect.timeline_view import TimelineView

STEERING = "\x1b[31mred\x1b[0m \x07bell \u202eturned \x9b2Jgone"


@pytest.fixture
def space(home: Paths) -> Iterator[Space]:
    opened = open_space(home)
    yield opened
    opened.close()


def learned(space: Space, *statements: str, **fields: object) -> list[Observation]:
    """Store memories as the model would."""
    fields.setdefault("recorded_at", Instant(1_779_000_000_000, 120))
    made = [Observation(new_id(), words, **fields) for words in statements]  # type: ignore[arg-type]
    changes = [Change(Op.ADD, memory) for memory in made]
    return [event.after for event in space.memory.log.commit(changes, actor=Actor.MODEL)]


class TestList:
    async def test_at_a_glance(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space, (60, 24)) as inspector:
            shown = inspector.text()
        assert "8 memories · 1 waits" in shown
        assert "◆ The user is allergic to walnuts." in shown
        assert "identity · said 3 Feb 2026 · recalled 3× · by heart" in shown
        assert "waits for your yes (a) or no (f)" in shown
        assert "by heart, old" in shown
        assert "cello" not in shown

    async def test_without_memories_it_says_where_they_come_from(self, space: Space) -> None:
        async with inspecting(space, (60, 24)) as inspector:
            assert "Nothing is known yet." in inspector.text()
            await inspector.press("e", "f", "x", "g", "m", "enter", "space", "down")
            assert "There is no memory here" in inspector.told
            await inspector.press("2", "3")
            await inspector.press("escape", "4")
            inspector.app.clear_notifications()
            await inspector.settle()
            assert "nothing to count" in inspector.text()

    async def test_a_key_after_enter_is_for_the_list_already(self, space: Space) -> None:
        life = fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.find("tea")
            await inspector.on(life["tea"])
            await inspector.press("slash")
            for key in ("enter", "e"):
                inspector.app.post_message(events.Key(key, key if len(key) == 1 else "\r"))
            await inspector.until_open(MemoryForm)
            assert inspector.memories.search.value == "tea"

    async def test_search_is_recall_as_one_types(self, space: Space) -> None:
        life = fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("slash")
            await inspector.type("what do I dri")
            await inspector.type("nk, tea or coffee")
            assert inspector.memory == life["tea"]
            await inspector.press("enter", "w")
            assert "meaning" in inspector.text()
            assert "words" in inspector.text()
            await inspector.press("slash", "escape")
            assert inspector.memories.look.text == ""
            assert "8 memories" in inspector.text()

    async def test_half_a_word_finds_what_begins_so(self, space: Space) -> None:
        life = fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("slash")
            await inspector.type("waln")
            assert inspector.memory == life["nuts"]

    async def test_what_waits_is_found_though_it_is_in_no_index(self, space: Space) -> None:
        life = fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.find("capital letters")
            assert inspector.memory == life["order"]

    async def test_filters_by_state_kind_tag_and_chat(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space) as inspector:
            for label, expected in (
                ("forgotten", "The user plays the cello."),
                ("preference", "The user prefers tea to coffee."),
                ("#travel", "fly to Lisbon"),
                ("by heart", "allergic to walnuts"),
                ("Flat", "lives in Hamburg"),
                ("written by hand", "city museum"),
            ):
                dialog = await _filters(inspector)
                dialog.action_clear()
                await _tick(inspector, label)
                if label == "forgotten":
                    await _tick(inspector, "believed")
                await inspector.press("v")
                await inspector.until_back()
                assert expected in inspector.text(), label
                assert label in inspector.text()

    async def test_another_order(self, space: Space) -> None:
        life = fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("o")
            assert inspector.memories.look.sort is Sort.OLDEST
            await inspector.press("home")
            assert inspector.memory == life["home"]
            assert "oldest first" in inspector.text()

    async def test_marks_count_and_go_away(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("space", "space")
            assert "2 marked" in inspector.text()
            await inspector.press("escape")
            assert "marked" not in inspector.text()
            await inspector.press("asterisk")
            assert "8 marked" in inspector.text()


class TestDetail:
    async def test_history_quotes_answers_and_lessons(self, space: Space) -> None:
        life = fill_life(space)
        async with inspecting(space, (140, 60)) as inspector:
            await inspector.on(life["job"])
            shown = inspector.text()
        for words in (
            "Because you said",
            "“I started at the museum last Monday”",
            "29 April 2026 · New job · g goes there",
            "corrected by you · 2 May 2026",
            "changed, and dated by the model",
            "since 1 Sep 2025 → since 27 Apr 2026",
            "Went into 2 answers",
            "Where do I work?",
            "Run night-12",
            "by heart, in the model in service",
        ):
            assert words in shown

    async def test_what_took_whose_place(self, space: Space) -> None:
        life = fill_life(space)
        async with inspecting(space, (140, 50)) as inspector:
            await inspector.on(life["home"])
            assert "Took the place of" in inspector.text()
            assert "The user lives in Bonn." in inspector.text()

    async def test_on_a_narrow_terminal_enter_reads_and_escape_goes_back(
        self, space: Space
    ) -> None:
        life = fill_life(space)
        async with inspecting(space, (60, 24)) as inspector:
            await inspector.on(life["nuts"])
            assert "Because you said" not in inspector.text()
            await inspector.press("enter")
            assert "Because you said" in inspector.text()
            await inspector.press("escape")
            assert "Because you said" not in inspector.text()
            assert inspector.memory == life["nuts"]

    async def test_to_the_conversation_and_back(self, space: Space) -> None:
        life = fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.on(life["drive"])
            await inspector.press("g")
            await inspector.until_open(ConversationView)
            shown = inspector.text()
            assert "New job" in shown
            assert "Marta drove me there" in shown
            assert "Bravo!" in shown
            await inspector.press("escape")
            await inspector.until_back()

    async def test_what_was_written_by_hand_leads_nowhere(self, space: Space) -> None:
        [memory] = learned(space, "The user likes swallows.")
        async with inspecting(space) as inspector:
            await inspector.on(memory)
            await inspector.press("g")
            await inspector.until(lambda: "written by hand" in inspector.told)


class TestTimeline:
    async def test_the_slider_goes_by_months_and_years(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("2")
            assert "May 2026: 2 began" in inspector.text() or "May 2026" in inspector.text()
            await inspector.press("left")
            assert "April 2026: 1 began, 1 happened" in inspector.text()
            assert "as of 30 April 2026" in inspector.text()
            await inspector.press("comma")
            assert "April 2025" in inspector.text()
            await inspector.press("left")
            assert "March 2025: 1 began, 1 ended" in inspector.text()
            assert "The user lives in Bonn." in inspector.text()
            assert "ended" in inspector.text()

    async def test_as_of_a_day(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("2", "d")
            await inspector.type("2024-12-24")
            await inspector.press("enter")
            await inspector.until_back()
            shown = inspector.text()
            assert "as of 24 December 2024" in shown
            assert "The user lives in Bonn." in shown
            assert "Hamburg" not in shown

    async def test_enter_reads_a_memory(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("2", "left", "enter")
            await inspector.until_open(Reading)
            assert "What happened to it" in inspector.text()
            await inspector.press("escape")
            await inspector.until_back()
            assert isinstance(inspector.screen.view, TimelineView)

    async def test_before_the_first_month_there_is_nothing(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("2", *["comma"] * 12)
            assert "June 2019: 1 began" in inspector.text()


class TestAsk:
    async def test_why_in_which_order_and_at_what_price(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("3")
            await inspector.type("What do I drink, tea or coffee?")
            await inspector.press("enter")
            await inspector.until(lambda: inspector.screen.query_one(AskView)._shown)
            await inspector.settle()
            shown = inspector.text()
            assert "Goes with the question" in shown
            assert "pinned: it goes with every question" in shown
            assert "The user prefers tea to coffee." in shown
            assert "tokens of 1,500 at most" in shown
            assert "left out: too little to do with it" in shown
            await inspector.press("b")
            assert "Facts, not instructions" in inspector.text()

    async def test_a_question_about_the_past_brings_what_was_true(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("3")
            await inspector.type("Where did I live in 2024?")
            await inspector.press("enter")
            await inspector.until(lambda: inspector.screen.query_one(AskView)._shown)
            await inspector.settle()
            shown = inspector.text()
            before, after = shown.split("Looked at, and left out")
            assert "The user lives in Bonn." in before
            assert "of that time" in before
            assert "not true at that time" in after

    async def test_a_candidate_is_read_and_changed_like_any_memory(self, space: Space) -> None:
        tea = fill_life(space)["tea"]
        async with inspecting(space) as inspector:
            await inspector.press("3")
            await inspector.type("What do I drink, tea or coffee?")
            await inspector.press("enter")
            view = inspector.screen.query_one(AskView)
            await inspector.until(lambda: view._shown)
            await inspector.settle()
            while view.memory != tea:
                await inspector.press("down")
            await inspector.press("enter")
            await inspector.until_open(Reading)
            assert "prefers tea to coffee" in inspector.words()
            await inspector.press("escape")
            await inspector.until_back()
            await inspector.press("p")
            await inspector.until(lambda: inspector.now(tea).pinned)
            await inspector.until(lambda: "Pinned" in inspector.note)

    async def test_nothing_fits(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space) as inspector:
            await inspector.press("3")
            await inspector.type("How tall is the tallest mountain of Peru?")
            await inspector.press("enter")
            await inspector.until(lambda: inspector.screen.query_one(AskView)._shown)
            await inspector.settle()
            assert "does not reach" in inspector.text()


class TestStats:
    async def test_the_memory_in_numbers(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space, (100, 60)) as inspector:
            await inspector.press("4")
            await inspector.until(lambda: "Growth" in inspector.text())
            shown = inspector.text()
        for words in (
            "1 of 7 memories, 1 more in an earlier wording",
            "contradictions resolved",
            "3 were never recalled",
            "3×  The user is allergic to walnuts.",
            "Perhaps no longer so",
        ):
            assert words in shown


class TestLive:
    async def test_what_another_program_writes_appears(self, space: Space, home: Paths) -> None:
        fill_life(space)
        elsewhere = open_space(home)
        async with inspecting(space) as inspector:
            await inspector.press("down")
            before = inspector.memory
            learned(elsewhere, "The user bought a kayak.")
            await inspector.until(lambda: "The user bought a kayak." in inspector.text())
            assert inspector.memory == before
            await inspector.until(lambda: "9 memories" in inspector.text())
            await inspector.press("slash")
            await inspector.type("kayak")
            await inspector.until(lambda: inspector.memory.statement == "The user bought a kayak.")
        elsewhere.close()

    async def test_a_change_is_shown_where_one_reads_it(self, space: Space, home: Paths) -> None:
        life = fill_life(space)
        elsewhere = open_space(home)
        async with inspecting(space, (140, 50)) as inspector:
            await inspector.on(life["tea"])
            after = replace(life["tea"], statement="The user prefers matcha to coffee.")
            elsewhere.memory.log.commit([Change(Op.UPDATE, after)], actor=Actor.MODEL)
            await inspector.until(lambda: inspector.text().count("matcha") >= 2)
        elsewhere.close()


class TestHarmless:
    async def test_control_characters_steer_nothing(self, space: Space) -> None:
        [memory] = learned(space, STEERING, tags=(STEERING,), subject=STEERING)
        async with inspecting(space, (120, 40)) as inspector:
            await inspector.on(memory)
            shown = inspector.text()
            await inspector.press("3")
            await inspector.type("red bell")
            await inspector.press("enter")
            await inspector.settle()
            shown += inspector.text()
        for steering in ("\x1b", "\x07", "\x9b", "\u202e"):
            assert steering not in shown
        assert "red" in shown

    @pytest.mark.parametrize(
        "statement",
        [
            "word " * 800,
            "x" * 4_000,
            "المستخدم يحب الشاي الأخضر",
            "ユーザーは毎朝緑茶を飲みます。" * 20,
            "The user loves 🏊‍♀️ and 🇵🇹 and é́́ combining.",
            "a\n\n\nb\tc",
        ],
    )
    @pytest.mark.parametrize("size", [(20, 10), (60, 24), (120, 40)])
    async def test_any_words_at_any_size(
        self, space: Space, statement: str, size: tuple[int, int]
    ) -> None:
        [memory] = learned(space, statement.strip())
        async with inspecting(space, size) as inspector:
            await inspector.on(memory)
            for line in inspector.app.screen._compositor.render_strips():
                assert line.cell_length <= size[0]
            await inspector.press("enter", "escape", "2", "escape", "4", "escape", "e")
            await inspector.press("escape", "x")
            await inspector.press("escape")
            assert inspector.memory == memory

    async def test_a_terminal_of_20_by_10(self, space: Space) -> None:
        fill_life(space)
        async with inspecting(space, (20, 10)) as inspector:
            assert "From now on" in inspector.text()
            await inspector.press("question_mark")
            await inspector.until_open(KeysPage)
            await inspector.press("escape", "v")
            await inspector.until_open(FilterDialog)
            await inspector.press("escape", "3")
            await inspector.type("tea?")
            await inspector.press("enter")
            await inspector.press("escape", "1")
            await inspector.press("down", "enter")
            await inspector.press("escape", "n")
            await inspector.press("escape")
            assert inspector.app.is_running


class TestKeys:
    async def test_every_key_is_explained(self, space: Space) -> None:
        async with inspecting(space, (100, 80)) as inspector:
            await inspector.press("question_mark")
            await inspector.until_open(KeysPage)
            shown = inspector.text()
        for words in ("Erase for good", "Merge the marked ones", "A month back", "What to show"):
            assert words in shown

    async def test_no_key_does_two_things(self) -> None:
        from tsubasa_cli.tui.inspect.screen import Inspector
        from tsubasa_cli.tui.inspect.view import InspectView

        keys = [
            key.strip()
            for binding in (*InspectView.BINDINGS, *Inspector.BINDINGS)
            for key in binding.key.split(",")  # type: ignore[union-attr]
        ]
        assert len(keys) == len(set(keys))


async def _filters(inspector: object) -> FilterDialog:
    await inspector.press("v")  # type: ignore[attr-defined]
    dialog: FilterDialog = await inspector.until_open(FilterDialog)  # type: ignore[attr-defined]
    await inspector.until(lambda: dialog.query_one(OptionList).option_count)  # type: ignore[attr-defined]
    return dialog


async def _tick(inspector: object, label: str) -> None:
    """Tick the line with ``label``."""
    listing = inspector.app.screen.query_one(OptionList)  # type: ignore[attr-defined]
    listing.highlighted = next(
        place for place, option in enumerate(listing.options) if label in str(option.prompt)
    )
    await inspector.press("enter")  # type: ignore[attr-defined]
