"""The window: what is in it, in which order, and that it only ever grows at its end."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.conversation.compaction import extract, split_at
from tsubasa_cli.conversation.packing import applicable, pack, prompt_text, thinking_switch
from tsubasa_cli.conversation.titles import accept_title
from tsubasa_cli.storage.values import Instant, Role, Summary, Turn, TurnStatus

NOW = Instant(0)


def turn(number: int, text: str, role: Role | None = None) -> Turn:
    role = role or (Role.USER if number % 2 else Role.ASSISTANT)
    return Turn(number, "s", number - 1 or None, role, text, TurnStatus.COMPLETE, NOW)


def summary(number: int, upto: int, text: str = "They met.") -> Summary:
    return Summary(number, "s", upto, text, NOW)


class TestPacking:
    def test_system_then_history_then_question(self) -> None:
        window = pack("Be kind.", [turn(1, "Hi"), turn(2, "Hello."), turn(3, "Bye")])
        assert [(m.role, m.text) for m in window] == [
            ("system", "Be kind."),
            ("user", "Hi"),
            ("assistant", "Hello."),
            ("user", "Bye"),
        ]

    def test_a_reply_that_never_began_leaves_no_trace(self) -> None:
        window = pack("", [turn(1, "one"), turn(2, ""), turn(3, "two")])
        assert [(m.role, m.text) for m in window] == [("user", "one\n\ntwo")]

    def test_a_summary_stands_for_the_oldest_turns_as_data(self) -> None:
        turns = [turn(n, f"t{n}") for n in range(1, 6)]
        window = pack("Be kind.", turns, summary(1, 2))
        assert window[0].text == "Be kind."
        assert window[1].role == "user"
        assert "They met." in window[1].text
        assert window[1].text.endswith("t3")
        assert "t1" not in str(window)

    def test_the_summary_that_covers_most_of_this_branch_is_taken(self) -> None:
        turns = [turn(n, f"t{n}") for n in range(1, 8)]
        kept = [summary(1, 2), summary(2, 4), summary(3, 99)]
        assert applicable(kept, turns) == kept[1]
        assert applicable(kept, turns[:3]) == kept[0]
        assert applicable(kept[2:], turns) is None

    @given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=12), st.data())
    def test_history_is_append_only(self, texts: list[str], data: st.DataObject) -> None:
        turns = [turn(n, text) for n, text in enumerate(texts, start=1)]
        cut = data.draw(st.integers(0, len(turns)))
        shorter, longer = pack("s", turns[:cut]), pack("s", turns)
        for before, now in zip(shorter, longer, strict=False):
            assert now.role == before.role
            assert now.text.startswith(before.text)

    @given(st.lists(st.text(max_size=20), max_size=12))
    def test_roles_always_alternate(self, texts: list[str]) -> None:
        turns = [turn(n, text) for n, text in enumerate(texts, start=1)]
        roles = [message.role for message in pack("", turns)]
        assert all(a != b for a, b in pairwise(roles))


class TestThinkingSwitch:
    def test_a_switch_stands_at_either_end_and_the_last_wins(self) -> None:
        assert thinking_switch("/think about it, no: /no_think") is False
        assert thinking_switch("/no_think then /THINK") is True
        assert thinking_switch("/nothink") is False
        assert thinking_switch("usage: /think or /no_think toggles") is None

    def test_words_that_contain_it_are_no_switch(self) -> None:
        assert thinking_switch("I think so; see a/think and /thinking") is None

    def test_the_switch_is_kept_on_disk_but_not_sent(self) -> None:
        assert prompt_text(turn(1, "Why? /no_think")) == "Why?"
        assert prompt_text(turn(1, "/think Why?")) == "Why?"
        assert prompt_text(turn(1, "use /think or not")) == "use /think or not"


class TestFolding:
    def test_the_rest_begins_with_a_question_and_fits(self) -> None:
        turns = [turn(n, "x") for n in range(1, 8)]
        assert split_at(turns, [10] * 7, 35) == 4
        assert split_at(turns, [10] * 7, 30) == 4
        assert split_at(turns, [10] * 7, 29) == 6

    def test_the_newest_question_is_never_folded(self) -> None:
        turns = [turn(n, "x") for n in range(1, 4)]
        assert split_at(turns, [10, 10, 1000], 20) == 2
        assert split_at(turns[:1], [1000], 20) == 0

    def test_extraction_keeps_something_of_every_question(self) -> None:
        text = extract([turn(1, "My dog is Biscuit"), turn(2, "Nice."), turn(3, "He is three")])
        assert "Biscuit" in text
        assert "three" in text
        assert "Nice" not in text


class TestTitles:
    def test_decoration_is_taken_off(self) -> None:
        assert accept_title('Title: "**Paris in Spring**"\nMore', "paris is nice") == (
            "Paris in Spring"
        )

    def test_a_title_about_something_else_is_refused(self) -> None:
        assert accept_title("Sure! I can help", "recipe for bread") == ""
        assert accept_title("bread " * 20, "recipe for bread") == ""
        assert accept_title("", "anything") == ""

    def test_scripts_without_spaces_match_by_pairs(self) -> None:
        assert accept_title("京都の旅行", "明日は京都へ行きます") == "京都の旅行"
