"""Changes that share no word with what they change: "has a studio in Nice", "settled in Lyon".

Of some parts of a life there is one state at a time. Whether an older note tells of such a part is
read broadly; that a newer one tells of a new state of it, narrowly. Where both hold, the older one
is over, whatever its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from tsubasa_cli.memory import change_cues as cues
from tsubasa_cli.memory.endings import SAME_THING, topic_stems
from tsubasa_cli.memory.lexical import USER_WORDS, content_stems, has_cue, is_plan, names_in
from tsubasa_cli.memory.life_patterns import PARTS, Part
from tsubasa_cli.memory.narrative import current_part
from tsubasa_cli.memory.slots import slot_values
from tsubasa_cli.memory.subjects import USER, same_subject
from tsubasa_cli.memory.values import Kind, Observation

_BESIDE = (
    r"\b(?:on the side|as well|too|also|second (?:job|home|flat)|on weekends|at weekends|"
    r"for (?:the|a) (?:weekend|holidays?|week|night|visit)|in the evenings?|to visit|volunteer\w*|"
    r"used to|once|as a child|for fun|nebenbei|auch|también|además|aussi|en plus)\b"
)
_PARENTS = {"user", "wife", "girlfriend", "partner", "husband", "boyfriend"}
_FAMILY = {*_PARENTS, "child", "children", "son", "daughter"}
_PART_OF = {
    "employer": "post",
    "job": "trade",
    "home": "home",
    "partner": "love",
    "marital": "love",
    "diet": "diet",
    "car": "car",
    "school": "study",
    "major": "study",
    "bank": "bank",
}
"""Slots whose values tell of a part in the words of ``memory.slot_patterns``."""
_SHORT_TIME = r"\b(?:visit\w*|holiday|vacation|weekend|trip|stayed|spent)\b"


def parts_held(statement: str, subject: str = USER) -> frozenset[str]:
    """The parts of life of which ``statement`` may tell the state."""
    slots = slot_values(statement, subject)
    by_slot = {_PART_OF[slot] for slot in slots if slot in _PART_OF}
    return _parts(current_part(statement), lambda part: part.held) | by_slot


def parts_changed(statement: str) -> frozenset[str]:
    """The parts of life of which ``statement`` tells a beginning or an end."""
    if has_cue(_BESIDE, statement) or has_cue(cues.PLAN, statement):
        return frozenset()
    entered = _parts(statement, _entered)
    if has_cue(_SHORT_TIME, statement):
        entered = frozenset()
    return entered | _parts(statement, _left)


def supersedes(old: Observation, new: Observation) -> bool:
    """Whether ``new`` tells a new state of a part of life that ``old`` tells of."""
    if old.kind in (Kind.EVENT, Kind.PLAN) or new.kind is Kind.PLAN or is_plan(old):
        return False
    shared = parts_held(old.statement, old.subject) & parts_changed(new.statement)
    if not shared or not (_is_elsewhere(old, new) or _has_ended(old, new)):
        return False
    return same_subject(old.subject, new.subject) == 1 or _is_birth(old, new, shared)


def _is_elsewhere(old: Observation, new: Observation) -> bool:
    """Whether they speak of different things; where they share one, their words decide."""
    before, after = (_own_stems(note) for note in (old, new))
    overlap = len(before & after) / max(1, min(len(before), len(after)))
    return overlap < SAME_THING and not _names(old) & _names(new)


def _has_ended(old: Observation, new: Observation) -> bool:
    """Whether ``new`` tells the end of it, and of nothing that goes by another name."""
    begun, ended = (_parts(new.statement, which) for which in (_entered, _left))
    is_over = bool((ended - begun) & parts_held(old.statement, old.subject))
    return is_over and (_names(new) <= _names(old) or not _names(old))


def _own_stems(note: Observation) -> frozenset[str]:
    """What it is about besides whom."""
    return topic_stems(note) - content_stems(note.subject, note.language) - _frame()


@cache
def _frame() -> frozenset[str]:
    """What is said of every state of a part, and so of none in particular."""
    return content_stems(
        "flat apartment house home place room studio job work position company grade year class"
        " school bank account insurance car live move start"
    )


def _names(note: Observation) -> frozenset[str]:
    whose = frozenset(note.subject.split())
    return names_in(current_part(note.statement)) - cues.CALENDAR - whose - USER_WORDS


def _is_birth(old: Observation, new: Observation, shared: frozenset[str]) -> bool:
    """The child that was expected by one of the parents is told of as itself."""
    return shared == {"birth"} and old.subject in _PARENTS and new.subject.split()[0] in _FAMILY


def probes(new: Observation) -> list[str]:
    """Sentences near which what ``new`` changes may be found."""
    changed = parts_changed(new.statement)
    return [part.probe for part in PARTS if part.name in changed]


def _entered(part: Part) -> str:
    return part.entered


def _left(part: Part) -> str:
    return part.left


def _parts(text: str, pattern_of: Callable[[Part], str]) -> frozenset[str]:
    return frozenset(part.name for part in PARTS if _compiled(pattern_of(part)).search(text))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
