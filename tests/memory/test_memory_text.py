"""What search sees of a text."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.memory.text import (
    content_words,
    day_marks,
    fold,
    names_and_numbers,
    parts,
    stems,
    words,
)


class TestWords:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Laura's dog, Rex!", ["Laura", "dog", "Rex"]),
            ("born 1990-05-03", ["born", "1990", "05", "03"]),
            ("", []),
            ("…—!", []),
        ],
    )
    def test_are_letters_and_digits(self, text: str, expected: list[str]) -> None:
        assert words(text) == expected

    @pytest.mark.parametrize(
        ("text", "language", "expected"),
        [
            ("Where do I live?", "en", ["live"]),
            ("Wo habe ich gearbeitet?", "de", ["gearbeitet"]),
            ("¿Dónde trabajo?", "es", ["trabajo"]),
            ("Où est-ce que j'habite ?", "fr", ["habite"]),
        ],
    )
    def test_function_words_are_dropped(
        self, text: str, language: str, expected: list[str]
    ) -> None:
        assert content_words(text, language) == expected


class TestStems:
    @pytest.mark.parametrize(
        ("one", "other", "language"),
        [
            ("painting", "painted", "en"),
            ("Hunde", "Hund", "de"),
            ("trabajaba", "trabajo", "es"),
            ("travaillais", "travailler", "fr"),
            ("Café", "cafe", "en"),
        ],
    )
    def test_forms_of_a_word_meet(self, one: str, other: str, language: str) -> None:
        assert parts(one, language) == parts(other, language)

    def test_scripts_without_blanks_are_cut_into_pairs_and_singles(self) -> None:
        assert stems("私は猫", "ja") == ["私", "は", "猫", "私は", "は猫"]

    def test_a_two_character_word_is_found_inside_a_sentence(self) -> None:
        assert set(parts("北京", "zh")) <= set(stems("我住在北京", "zh"))

    @given(st.text(max_size=200), st.sampled_from(["en", "de", "ja", "xx"]))
    def test_any_text_gives_words_that_fts5_keeps_whole(self, text: str, language: str) -> None:
        for stem in stems(text, language):
            assert stem
            assert not any(c.isspace() or c in "\"'*^:()" for c in stem)

    @given(st.text(max_size=60))
    def test_folding_twice_changes_nothing(self, text: str) -> None:
        assert fold(fold(text)) == fold(text)


class TestNames:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Where does Laura live?", {"Laura"}),
            ("Laura lives there.", set()),
            ("What did I buy for 250 euros?", {"I", "250"}),
            ('Who sings "blue moon"?', {"blue", "moon"}),
        ],
    )
    def test_are_found(self, text: str, expected: set[str]) -> None:
        assert names_and_numbers(text) == expected


class TestDayMarks:
    def test_a_day_has_its_year_month_and_itself(self) -> None:
        day = date(2024, 5, 3)
        assert day_marks(day, day) == ["y2024", "y2024m05", "y2024m05d03"]

    def test_a_year_has_no_days(self) -> None:
        marks = day_marks(date(2023, 1, 1), date(2023, 12, 31))
        assert len(marks) == 13
        assert all("d" not in mark for mark in marks)

    @given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 4000))
    def test_are_few_and_hold_the_first_year(self, start: date, length: int) -> None:
        marks = day_marks(start, start + timedelta(days=length))
        assert marks[0] == f"y{start.year}"
        assert len(marks) <= 11 + 12 + 32
