"""What changed between two wordings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsubasa_cli.memory.word_diff import MOST_TOKENS, Edit, Piece, word_diff

TEXTS = st.text(
    alphabet=st.sampled_from("ab c,.'’ \n日本語äß🏊1"), max_size=40
)  # words, blanks and scripts without blanks


def side(pieces: tuple[Piece, ...], without: Edit) -> str:
    return "".join(piece.text for piece in pieces if piece.edit is not without)


@settings(max_examples=400, deadline=None)
@given(TEXTS, TEXTS)
def test_both_texts_are_in_it_letter_by_letter(old: str, new: str) -> None:
    pieces = word_diff(old, new)
    assert side(pieces, Edit.NEW) == old
    assert side(pieces, Edit.GONE) == new
    assert all(piece.text for piece in pieces)


@given(TEXTS)
def test_what_stays_is_one_piece(text: str) -> None:
    assert {piece.edit for piece in word_diff(text, text)} <= {Edit.SAME}


@pytest.mark.parametrize(
    ("old", "new", "gone", "fresh"),
    [
        ("I work at a bank.", "I work at a museum.", ["bank"], ["museum"]),
        ("I live in Bonn", "I live in New York", ["Bonn"], ["New York"]),
        ("I like red wine.", "I like wine.", ["red "], []),
        ("Sie mag Käse", "Sie mag Kuchen", ["Käse"], ["Kuchen"]),
        ("私は東京に住む", "私は大阪に住む", ["東京"], ["大阪"]),
        ("it's 3.5 km", "it's 4.5 km", ["3.5"], ["4.5"]),
    ],
)
def test_words_are_not_torn(old: str, new: str, gone: list[str], fresh: list[str]) -> None:
    pieces = word_diff(old, new)
    assert [p.text for p in pieces if p.edit is Edit.GONE] == gone
    assert [p.text for p in pieces if p.edit is Edit.NEW] == fresh


def test_long_texts_are_shown_one_after_the_other() -> None:
    old, new = "a " * MOST_TOKENS, "b " * MOST_TOKENS
    assert word_diff(old, new) == (Piece(Edit.GONE, old), Piece(Edit.NEW, new))
