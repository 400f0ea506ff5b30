"""Thinking is told from text, however the marks are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.engine.thinking import Part, ThinkingParser


def parse(pieces: list[str], thinking_open: bool = False) -> tuple[str, str, ThinkingParser]:
    """Joined text deltas, joined thinking deltas, and the parser itself."""
    parser = ThinkingParser(thinking_open)
    found = {Part.TEXT: "", Part.THINKING: ""}
    for piece in pieces:
        for part, text in parser.feed(piece):
            assert text
            found[part] += text
    for part, text in parser.finish():
        found[part] += text
    return found[Part.TEXT], found[Part.THINKING], parser


@pytest.mark.parametrize(
    ("reply", "is_open", "text", "thinking"),
    [
        ("Hello.", False, "Hello.", ""),
        ("<think>\nHm.\n</think>\n\nHello.", False, "Hello.", "Hm."),
        ("\n<think>Hm.</think>Hello.", False, "Hello.", "Hm."),
        ("<think>\n\n</think>\n\nHello.", False, "Hello.", ""),
        ("Hm.\n</think>\n\nHello.", True, "Hello.", "Hm."),
        ("Hm, no end", True, "", "Hm, no end"),
        ("<think>no end", False, "", "no end"),
        ("stray </think> mark", False, "stray  mark", ""),
        ("a < b <= c <thin air> </t", False, "a < b <= c <thin air> </t", ""),
        ("<think>a</think>b<think>c</think>d", False, "bd", "ac"),
        ("  spaced  \n", False, "spaced", ""),
        ("", False, "", ""),
        ("<think>", False, "", ""),
    ],
)
def test_whole_and_letter_by_letter(reply: str, is_open: bool, text: str, thinking: str) -> None:
    assert parse([reply], is_open)[:2] == (text, thinking)
    assert parse(list(reply), is_open)[:2] == (text, thinking)


def test_text_is_shown_as_soon_as_it_cannot_be_a_mark() -> None:
    parser = ThinkingParser()
    assert list(parser.feed("a <th")) == [(Part.TEXT, "a")]
    assert list(parser.feed("ing")) == [(Part.TEXT, " <thing")]


fragments = st.sampled_from(
    ["<think>", "</think>", "<thi", "nk>", "</", "<", ">", " ", "\n", "a", "é", "🪽", "think"]
)


@given(st.lists(fragments, max_size=30), st.integers(1, 5), st.booleans())
def test_cuts_do_not_matter(parts: list[str], size: int, is_open: bool) -> None:
    reply = "".join(parts)
    cut = [reply[i : i + size] for i in range(0, len(reply), size)]
    text, thinking, parser = parse(cut, is_open)
    assert (text, thinking) == parse([reply], is_open)[:2]
    assert (text, thinking) == (parser.text, parser.thinking)
    assert text == text.strip()
    assert thinking == thinking.strip()
