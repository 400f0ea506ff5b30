"""The Porter stemmer as the benchmark uses it: M. F. Porter, "An algorithm for suffix stripping"
(1980), with the extensions that NLTK's ``PorterStemmer`` has by default.

Stemmers differ in one word of thirty, so a score that is to be the benchmark's own needs this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

Rule = tuple[str, str, Callable[[str], bool]]
"""A suffix, what stands for it, and what must hold of the stem before it."""

_IRREGULAR = {
    "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "innings": "inning",
    "outings": "outing", "cannings": "canning",
    **{w: w for w in ("sky", "news", "inning", "outing", "canning", "howe", "proceed", "exceed",
                      "succeed")},
}  # fmt: skip


@cache
def stem(word: str) -> str:
    """The stem of a word in lower case."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 2:
        return word
    for step in (_plurals, _endings, _final_y, _step_2, _step_3, _step_4, _final_e, _final_ll):
        word = step(word)
    return word


# ----------------------------------------------------------------------------- what a stem is like


def _is_consonant(word: str, place: int) -> bool:
    if word[place] in "aeiou":
        return False
    return word[place] != "y" or place == 0 or not _is_consonant(word, place - 1)


def _measure(stem_: str) -> int:
    """How often a consonant follows a vowel."""
    kinds = [_is_consonant(stem_, place) for place in range(len(stem_))]
    return sum(later and not earlier for earlier, later in pairwise(kinds))


def _has_measure(stem_: str) -> bool:
    return _measure(stem_) > 0


def _is_long(stem_: str) -> bool:
    return _measure(stem_) > 1


def _has_vowel(stem_: str) -> bool:
    return any(not _is_consonant(stem_, place) for place in range(len(stem_)))


def _ends_double(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _is_consonant(word, len(word) - 1)


def _ends_cvc(word: str) -> bool:
    """Consonant, vowel, consonant other than w, x, y; NLTK counts vowel, consonant as well."""
    last = len(word) - 1
    if last == 1:
        return not _is_consonant(word, 0) and _is_consonant(word, 1)
    return (
        last > 1
        and _is_consonant(word, last - 2)
        and not _is_consonant(word, last - 1)
        and _is_consonant(word, last)
        and word[-1] not in "wxy"
    )


# ----------------------------------------------------------------------------- the steps


def _by_rules(word: str, rules: Sequence[Rule]) -> str:
    """The first rule whose suffix fits decides, also when its condition fails."""
    for suffix, instead, holds in rules:
        if word.endswith(suffix):
            base = word[: len(word) - len(suffix)]
            return base + instead if holds(base) else word
    return word


def _plurals(word: str) -> str:
    if word.endswith("ies") and len(word) == 4:
        return word[:-1]
    for suffix, instead in (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")):
        if word.endswith(suffix):
            return word[: len(word) - len(suffix)] + instead
    return word


def _endings(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _has_measure(word[:-3]) else word
    for suffix in ("ed", "ing"):
        base = word[: len(word) - len(suffix)]
        if word.endswith(suffix) and _has_vowel(base):
            return _mended(base)
    return word


def _mended(base: str) -> str:
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if _ends_double(base):
        return base if base[-1] in "lsz" else base[:-1]
    return base + "e" if _measure(base) == 1 and _ends_cvc(base) else base


def _final_y(word: str) -> str:
    if word.endswith("y") and len(word) > 2 and _is_consonant(word, len(word) - 2):
        return word[:-1] + "i"
    return word


def _step_2(word: str) -> str:
    if word.endswith("alli") and _has_measure(word[:-4]):
        return _step_2(word[:-4] + "al")
    return _by_rules(word, _STEP_2)


def _step_3(word: str) -> str:
    return _by_rules(word, _STEP_3)


def _step_4(word: str) -> str:
    return _by_rules(word, _STEP_4)


def _final_e(word: str) -> str:
    if not word.endswith("e"):
        return word
    base = word[:-1]
    is_free = _is_long(base) or (_measure(base) == 1 and not _ends_cvc(base))
    return base if is_free else word


def _final_ll(word: str) -> str:
    return word[:-1] if word.endswith("ll") and _is_long(word[:-1]) else word


_STEP_2: Sequence[Rule] = [
    (suffix, instead, _has_measure)
    for suffix, instead in (
        ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"),
        ("izer", "ize"), ("bli", "ble"), ("alli", "al"), ("entli", "ent"), ("eli", "e"),
        ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"), ("ator", "ate"), ("alism", "al"),
        ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
        ("iviti", "ive"), ("biliti", "ble"), ("fulli", "ful"),
    )
] + [("logi", "log", lambda base: _has_measure(base + "l"))]  # fmt: skip
_STEP_3: Sequence[Rule] = [
    (suffix, instead, _has_measure)
    for suffix, instead in (
        ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"),
        ("ful", ""), ("ness", ""),
    )
]  # fmt: skip
_STEP_4: Sequence[Rule] = [
    *((suffix, "", _is_long) for suffix in (
        "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent",
    )),
    ("ion", "", lambda base: _is_long(base) and base[-1] in "st"),
    *((suffix, "", _is_long) for suffix in ("ou", "ism", "ate", "iti", "ous", "ive", "ize")),
]  # fmt: skip
