"""What changed between two wordings, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

_TOKEN = re.compile(r"\s+|[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,:]\d+)*|.", re.DOTALL)
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts without blanks are compared character by character."""

MOST_TOKENS = 3_000
"""Both texts together; beyond, they are shown whole, one after the other."""


class Edit(StrEnum):
    """What became of a piece."""

    SAME = "same"
    GONE = "gone"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Piece:
    """Words of the old text (``SAME``, ``GONE``) or of the new one (``SAME``, ``NEW``)."""

    edit: Edit
    text: str


def word_diff(old: str, new: str) -> tuple[Piece, ...]:
    """``old`` and ``new`` in one line of pieces: without ``NEW`` it is ``old``, without ``GONE``
    it is ``new``, letter by letter."""
    before, after = _tokens(old), _tokens(new)
    if len(before) + len(after) > MOST_TOKENS and old != new:
        return tuple(_flushed(old, new))
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return tuple(_joined(_pieces(matcher, before, after)))


def _pieces(
    matcher: SequenceMatcher[str], before: Sequence[str], after: Sequence[str]
) -> Iterator[Piece]:
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        gone, new = "".join(before[old_from:old_to]), "".join(after[new_from:new_to])
        if tag == "equal":
            yield Piece(Edit.SAME, gone)
            continue
        if gone:
            yield Piece(Edit.GONE, gone)
        if new:
            yield Piece(Edit.NEW, new)


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """A lone blank between two changed words does not break the change in two."""
    gone = new = ""
    held = ""
    for piece in pieces:
        if piece.edit is Edit.SAME and piece.text.strip():
            yield from _flushed(gone, new)
            yield Piece(Edit.SAME, held + piece.text)
            gone = new = held = ""
        elif piece.edit is Edit.SAME:
            held += piece.text
        else:
            if held and (gone or new):
                gone, new = gone + held, new + held
            elif held:
                yield Piece(Edit.SAME, held)
            held = ""
            gone += piece.text if piece.edit is Edit.GONE else ""
            new += piece.text if piece.edit is Edit.NEW else ""
    yield from _flushed(gone, new)
    if held:
        yield Piece(Edit.SAME, held)


def _flushed(gone: str, new: str) -> Iterator[Piece]:
    if gone:
        yield Piece(Edit.GONE, gone)
    if new:
        yield Piece(Edit.NEW, new)


def _tokens(text: str) -> list[str]:
    return [part for token in _TOKEN.findall(text) for part in _split(token)]


def _split(token: str) -> Sequence[str]:
    return tuple(token) if _UNSPACED.search(token) else (token,)
