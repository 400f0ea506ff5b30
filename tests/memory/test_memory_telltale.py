"""Phrases are found as whole words, however many of them are sought."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.memory.telltale import FEW, Phrases

WORDS = st.lists(st.sampled_from(["a", "ab", "b", "ba", "bab"]), min_size=1, max_size=4)
TEXTS = st.lists(st.sampled_from(["a", "ab", "b", "ba", "bab", "c"]), max_size=40)


@given(st.lists(WORDS, max_size=4 * FEW), TEXTS)
def test_phrases_are_found_as_whole_words(sought: list[list[str]], text: list[str]) -> None:
    phrases = {" ".join(words) for words in sought}
    expected = {
        " ".join(text[start:stop])
        for start in range(len(text))
        for stop in range(start + 1, len(text) + 1)
    }
    found = {*Phrases(phrases).in_text(" ".join(text))}
    assert found == phrases & expected


def test_many_and_few_are_found_alike() -> None:
    many = [f"the number {n}" for n in range(4 * FEW)]
    text = " ".join(["we saw the number 7 and the number 70", *many[20:22]])
    assert {*Phrases(many).in_text(text)} == {many[7], *many[20:22]}
    assert {*Phrases(many[7:8]).in_text(text)} == {many[7]}
    assert not Phrases(["number 7 0"]).are_in(text)
