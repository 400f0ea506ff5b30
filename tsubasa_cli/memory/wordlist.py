"""Word lists, written as running text."""

from __future__ import annotations


def words_of(text: str) -> frozenset[str]:
    """The words of ``text``, parted by blanks."""
    return frozenset(text.split())
