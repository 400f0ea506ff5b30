"""Does a newer note end what an older one tells? By words, and of this very thing only: news about
the same part of life ends nothing (the commonest mistake of a free-prompted manager).
"""

from __future__ import annotations

import re
from functools import cache

from tsubasa_cli.memory import change_cues as cues
from tsubasa_cli.memory.lexical import (
    are_opposite,
    content_stems,
    core_stems,
    has_cue,
    has_new_cue,
    is_negated,
    names_in,
    numbers_in,
    with_kinds,
)
from tsubasa_cli.memory.narrative import current_part
from tsubasa_cli.memory.values import Observation

SAME_THING = 0.5
"""The share of the shorter note's content words that the other must have too."""

_CLAUSES = re.compile(r"[,;.]|\b(?:and|but|because|so|und|aber|weil|y|pero|porque|et|mais|car)\b")


def ends(old: Observation, new: Observation) -> bool:
    """Whether words say that what ``old`` tells is over."""
    before, after = current_part(old.statement), new.statement
    if are_opposite(before, after):
        return True
    if shared_part(old, new) < SAME_THING:
        return False
    if has_new_cue(before, after, cues.ENDING):
        return True
    shared = topic_stems(old) & topic_stems(new)
    named = content_stems(" ".join(names_in(before) & names_in(after)))
    is_of_names = bool(shared) and shared <= named
    return is_negated(before) != is_negated(after) and not is_of_names


def shared_part(old: Observation, new: Observation) -> float:
    """The share of the shorter note's stems that the other has too; of the newer one the clause
    that tells the end may stand alone ("… and ditched Emacs")."""
    before = with_kinds(topic_stems(old))
    return max(
        len(before & after) / max(1, min(len(before), len(after)))
        for after in map(with_kinds, (topic_stems(new), *clauses_with(cues.ENDING, new)))
    )


def topic_stems(note: Observation) -> frozenset[str]:
    """The stems that say what it is about, not that it was planned, called off or done."""
    text = current_part(note.statement)
    for pattern in (cues.PLAN, cues.CANCELLED):
        text = re.sub(pattern, " ", text, flags=re.IGNORECASE)
    return core_stems(text, note.language) - _calendar() - numbers_in(text)


def clauses_with(cue: str, new: Observation) -> list[frozenset[str]]:
    """The stems of the clauses in which one of ``memory.change_cues``'s patterns occurs."""
    clauses = [c for c in _CLAUSES.split(new.statement) if has_cue(cue, c)]
    plain = (re.sub(cue, " ", clause, flags=re.IGNORECASE) for clause in clauses)
    return [core_stems(clause, new.language) for clause in plain]


@cache
def _calendar() -> frozenset[str]:
    return content_stems(" ".join(cues.CALENDAR))
