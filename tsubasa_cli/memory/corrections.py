"""Being put right: "no, it's Marta, not Maria".

A correction takes the wrong words' place in the memory that holds them; the memory's history keeps
what it said before. It is no change in the user's life, so it makes no narrative.
"""

from __future__ import annotations

import re

from tsubasa_cli.memory import change_cues as cues
from tsubasa_cli.memory.lexical import (
    content_stems,
    has_cue,
    names_in,
    numbers_in,
)
from tsubasa_cli.memory.narrative import current_part
from tsubasa_cli.memory.slots import same_value, slot_values
from tsubasa_cli.memory.subjects import same_subject
from tsubasa_cli.memory.values import Observation

TAG = "correction"
"""What extraction marks an observation with whose sentence began by putting something right."""

_RIGHT_NOT_WRONG = re.compile(
    r"(?:[ ,(]|^)(?P<right>[^\s,;.(]+(?: [^\s,;.(]+){0,3}?)\s*[,;(—–-]*\s*"
    r"(?:and |but |und |y |et )?(?:not|nicht|no|pas)"
    r"(?: on| in| at| to| the| a| am| el| la| le)? (?P<wrong>[^\s,;.)!]+"
    r"(?: [^\s,;.)!]+){0,2}?)\s*(?:$|[.,;)!])",
    re.IGNORECASE,
)
_NOT_WRONG_BUT_RIGHT = re.compile(
    r"\bnot (?P<wrong>[^\s,;.]+(?: [^\s,;.]+){0,2}?),? but (?P<right>[^\s,;.]+(?: [^\s,;.]+){0,2}?)"
    r"\s*(?:$|[.,;!])",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^(?:(?:no|nope|sorry|correction|wait|oops|actually|nein|doch|perdón|en realidad|non|pardon|"
    r"en fait|quatsch)\b[,:.!—–]*\s*)+",
    re.IGNORECASE,
)
_INNER = re.compile(r"\s*\b(?:actually|in fact|eigentlich|en realidad|en fait)\b,?", re.IGNORECASE)
_CONFESSION = re.compile(
    r"^(?P<owner>The user) (?:mistyped|misspoke|made a mistake|got (?:it|that) wrong)\b[^:,;]{0,20}"
    r"[:,;]\s*(?:the user\b|(?=their|his|her))",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"[,;(—–-]+\s*(?:and |but |und |y |et )?(?:not|nicht|no|pas) [^,;.()]{1,40}\)?(?=\s*[.!]?\s*$)",
    re.IGNORECASE,
)


def is_correction(old: Observation, new: Observation) -> bool:
    """Whether ``new`` puts a value of ``old`` right, rather than telling that life moved on."""
    if TAG not in new.tags and not has_cue(cues.CORRECTION, new.statement):
        return False
    right, wrong = contrast(new.statement)
    if wrong:
        return _holds(old.statement, wrong) and _is_about_the_same(old, new, right)
    return _other_value(old, new) and not has_cue(cues.MOVED_ON, new.statement)


def contrast(statement: str) -> tuple[str, str]:
    """(right, wrong) of "…, not …"; empty when nothing is contrasted."""
    found = _NOT_WRONG_BUT_RIGHT.search(statement) or _RIGHT_NOT_WRONG.search(statement)
    return (found["right"].strip(), found["wrong"].strip()) if found else ("", "")


def corrected(old: Observation, new: Observation) -> str:
    """``old``'s sentence with the right words, or ``new``'s own where they do not fit in."""
    right, wrong = contrast(new.statement)
    before = current_part(old.statement)
    swapped = _swap(before, wrong, right) if wrong else ""
    return swapped or plain(new.statement)


def plain(statement: str) -> str:
    """The statement without the words that only correct ("Actually", ", not Maria")."""
    statement = _CONFESSION.sub(r"\g<owner>", statement)
    statement = re.sub(r"^(The user)(?:their|his|her) ", r"\1's ", statement)
    bare = _INNER.sub("", _TAIL.sub("", _OPENING.sub("", statement))).strip(" ,")
    return bare[:1].upper() + bare[1:] if bare else statement


def is_grounded(statement: str, *sources: str) -> bool:
    """Whether every name and number of ``statement`` occurs in one of ``sources``."""
    said = " ".join(sources).casefold()
    return all(part in said for part in names_in(statement) | numbers_in(statement))


def _swap(sentence: str, wrong: str, right: str) -> str:
    tail = _last_words(right, len(wrong.split()))
    swapped = re.sub(rf"\b{re.escape(wrong)}\b", lambda _: tail, sentence, flags=re.IGNORECASE)
    return swapped if swapped != sentence else ""


def _last_words(text: str, count: int) -> str:
    """ "is called Marta" names as many words as the wrong value has: "Marta"."""
    return " ".join(text.split()[-max(1, count) :])


def _holds(statement: str, words: str) -> bool:
    return re.search(rf"\b{re.escape(words)}\b", current_part(statement), re.IGNORECASE) is not None


def _is_about_the_same(old: Observation, new: Observation, right: str) -> bool:
    if same_subject(old.subject, new.subject) > 0:
        return True
    shared = content_stems(old.statement) & content_stems(new.statement)
    return bool(shared - content_stems(right))


def _other_value(old: Observation, new: Observation) -> bool:
    if same_subject(old.subject, new.subject) == 0:
        return False
    before = slot_values(old.statement, old.subject)
    after = slot_values(plain(new.statement), new.subject)
    shared = [slot for slot in before if slot in after]
    if shared:
        return any(not same_value(before[slot], after[slot]) for slot in shared)
    return _differs_in_a_name_alone(old, new)


def _differs_in_a_name_alone(old: Observation, new: Observation) -> bool:
    """The same words but for a name or a number."""
    before, after = current_part(old.statement), plain(new.statement)
    left = content_stems(before, old.language)
    right = content_stems(after, new.language)
    values = names_in(before) | names_in(after) | numbers_in(before) | numbers_in(after)
    differing = left ^ right
    return (
        bool(left & right)
        and 0 < len(differing) <= 3
        and bool(values)
        and all(
            any(word in value or value.startswith(word) for value in values) for word in differing
        )
    )
