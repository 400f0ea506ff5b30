"""What must never become an active memory: orders to the assistant, forged format, secrets.

Memories are data. One that gives orders, forges a turn or holds a key waits for the user's own yes
(``Status.QUARANTINED``); nothing here decides what the user may say, only what is believed later.
"""

from __future__ import annotations

import re
from enum import StrEnum

from tsubasa_cli.memory.cue_files import found


class Danger(StrEnum):
    """Why a statement waits; its value is the reason that people read."""

    FORMAT = "it contains marks of a prompt format"
    RECALL = "it asks to be recalled for everything"
    ORDER = "it gives the assistant an order"
    SECRET = "it looks like a secret"


def danger_in(text: str) -> Danger | None:
    """What is dangerous about ``text`` as a memory; None when nothing is."""
    plain = _INVISIBLE.sub("", text)
    if plain != text and any(mark in text for mark in _SMUGGLING):
        return Danger.FORMAT
    for danger in Danger:
        if found("guard", danger.name.lower(), plain):
            return danger
    return Danger.SECRET if _has_card(plain) or _has_random_token(plain) else None


_INVISIBLE = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_SMUGGLING = tuple(chr(code) for code in (*range(0x202A, 0x202F), *range(0xE0000, 0xE0080)))

_CARD = re.compile(r"(?<![\d-])(?:\d[ -]?){12,18}\d(?![\d-])")
_TOKEN = re.compile(
    r"(?<![\w/.@-])(?=[A-Za-z0-9_+/=-]*\d)(?=[A-Za-z0-9_+/=-]*[a-z])"
    r"(?=[A-Za-z0-9_+/=-]*[A-Z])[A-Za-z0-9_+/=-]{20,}(?![\w/.@-])"
)


def _has_card(text: str) -> bool:
    """A run of 13–19 digits that passes the check sum of payment cards."""
    for match in _CARD.finditer(text):
        digits = [int(character) for character in match.group() if character.isdigit()]
        doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
        if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0:
            return True
    return False


def _has_random_token(text: str) -> bool:
    """A long word of mixed letters and digits, as keys are."""
    return any(sum(character.isdigit() for character in word) >= 3 for word in _TOKEN.findall(text))
