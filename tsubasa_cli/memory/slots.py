"""Attributes that have one value at a time: an employer, a home, a dog's name.

Patterns, no model: what they do not recognise has no slot, and is then never replaced because of
one. English in breadth, German, Spanish and French in the basics. Wishes, plans, hypotheticals and
bygone states hold no slot, for they say nothing about the value of today.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from tsubasa_cli.memory.slot_patterns import DENIALS, PATTERNS, STOPS, SYNONYMS, UNSURE
from tsubasa_cli.memory.subjects import predicate_of
from tsubasa_cli.memory.values import Kind

_SLOTLESS = (Kind.PLAN,)
_ARTICLES = re.compile(
    r"^(?:an?|the|my|his|her|their|our|eine?[nmrs]?|der|die|das|dem|den|la|el|los|las|un[ae]?|le|"
    r"les|du|of|called|named|zu|is|another)\s+|^(?:l|d)['’]",
    re.IGNORECASE,
)
_COMMON_PLACES = re.compile(
    r"^(?:bed|hospital|debt|peace|fear|general|person|love|town|shape|touch|time|charge|it|this|"
    r"that|there|here|work|tears|trouble|part|mind|fact|order|case)\b"
)
_TIDY = re.compile(r"[\s\"'“”‘’«»*_`.,;:!?]+$|^[\s\"'“”‘’«»*_`.,;:!?]+")
_DATE_LIKE = re.compile(
    r"^(?:\d{4}|january|february|march|april|may|june|july|august|september|october|november|"
    r"december|spring|summer|autumn|winter|(?:the )?(?:morning|evening|afternoon|past|"
    r"future))(?: \d{4})?"
)
_NEVER_A_DATE = ("employer", "home", "hometown", "job", "school", "major")
_CONTRAST = re.compile(
    r"[,;—–-]?\s+(?:and |but )?(?:not|instead of|rather than|nicht|statt|und nicht|no|y no|"
    r"en vez de|en lugar de|pas|et non|au lieu de)\s+(?!longer\b|more\b|mehr\b)[^.;]*$",
    re.IGNORECASE,
)


_WISH = re.compile(
    r",? (?:and|but|so) (?=(?:also |now )?(?:wants?|hopes?|plans?|would|might|will|"
    r"is (?:going to|planning|thinking|hoping))\b)"
)
"""Where a sentence goes on to what is only wished for."""


def slot_of(statement: str, subject: str = "user", kind: Kind = Kind.STATE) -> str:
    """The single-valued attribute of ``subject`` that ``statement`` gives a value, or ``""``.

    Keys look like ``employer``, ``home``, ``favourite:colour`` or ``pet:dog``; they belong to the
    subject, so a sister's home is never mixed up with the user's.
    """
    if kind in _SLOTLESS:
        return ""
    return next(iter(slot_values(statement, subject)), "")


def slot_value(statement: str, slot: str, subject: str = "user") -> str:
    """What ``statement`` gives ``slot`` as a value, case-folded, no articles, or ``""``."""
    return slot_values(statement, subject).get(slot, "")


def slot_values(statement: str, subject: str = "user") -> dict[str, str]:
    """Every slot that ``statement`` fills, most telling first (an employer before a job title)."""
    predicate = predicate_of(statement, subject)
    predicate = predicate and _WISH.split(predicate)[0]
    if predicate is None or _unsure().search(predicate):
        return {}
    return _first_of_each(_matches(PATTERNS, _CONTRAST.sub("", predicate)))


def ended_slots(statement: str, subject: str = "user") -> dict[str, str]:
    """The slots that ``statement`` empties ("no longer works at Acme"), with the value that ended
    (``""``: whichever it was)."""
    predicate = predicate_of(statement, subject)
    if predicate is None:
        return {}
    return dict(_matches(DENIALS, predicate))


def same_value(first: str, second: str) -> bool:
    """Whether two values of one slot are the same thing, one perhaps named in more words."""
    if first == second:
        return True
    left, right = set(first.split()), set(second.split())
    return bool(left and right) and (left <= right or right <= left)


def _first_of_each(found: Iterator[tuple[str, str]]) -> dict[str, str]:
    values: dict[str, str] = {}
    for slot, value in found:
        values.setdefault(slot, value)
    return values


def _matches(patterns: tuple[tuple[str, str], ...], text: str) -> Iterator[tuple[str, str]]:
    is_owned = text.startswith("'s")
    for slot, pattern in patterns:
        if pattern.startswith("'s") != is_owned:
            continue
        for match in _compiled(pattern).finditer(text):
            groups = match.groupdict()
            value = _tidy(groups.get("value") or "")
            if groups.get("value") is not None and not _is_plausible(slot, value):
                continue
            yield slot.format(key=_key(groups.get("key") or "")), value
            break


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    value = rf"(?P<value>[^\s.,;!?].{{0,60}}?)(?={STOPS})"
    return re.compile(pattern.replace("{value}", value), re.IGNORECASE)


@cache
def _unsure() -> re.Pattern[str]:
    return re.compile(UNSURE, re.IGNORECASE)


def _tidy(value: str) -> str:
    value = _TIDY.sub("", value)
    previous = ""
    while value != previous:
        previous, value = value, _ARTICLES.sub("", value)
    return _TIDY.sub("", value).casefold()


def _key(key: str) -> str:
    plain = re.sub(r"\s+", " ", key.casefold().strip()).replace("color", "colour")
    return SYNONYMS.get(plain, plain)


def _is_plausible(slot: str, value: str) -> bool:
    if not value:
        return False
    if slot == "home" and _COMMON_PLACES.match(value):
        return False
    return slot not in _NEVER_A_DATE or not _DATE_LIKE.fullmatch(value)
