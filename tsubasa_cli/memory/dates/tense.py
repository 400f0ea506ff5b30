"""Which side of "now" a sentence speaks of, by its verbs."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from tsubasa_cli.memory.dates.languages import Language
from tsubasa_cli.memory.dates.values import Tense

_CLAUSE_END = re.compile(r"[,;:—]|\b(?:and|but|und|aber|y|pero|et|mais)\b", re.IGNORECASE)
_NEXT_CLAUSE = 1000
"""Added to a verb's distance (characters) for each clause that parts it from the expression."""
_RANKED = (Tense.PAST, Tense.FUTURE, Tense.NONE)


@dataclass(frozen=True, slots=True)
class Verbs:
    """The verbs of a sentence: where each stands and its tense, as an index of ``_RANKED``."""

    hints: tuple[tuple[int, int, int], ...]
    clause_ends: tuple[int, ...]

    def tense_at(self, start: int, end: int) -> Tense:
        """The tense of the verb nearest to characters ``start``..``end``, its own clause first."""
        hints = [
            (self._distance((first, last), (start, end)), rank) for first, last, rank in self.hints
        ]
        return _RANKED[min(hints)[1]] if hints else Tense.NONE

    def _distance(self, hint: tuple[int, int], place: tuple[int, int]) -> int:
        first, second = sorted((hint, place))
        parted = bisect_left(self.clause_ends, second[0]) - bisect_left(self.clause_ends, first[1])
        return max(0, second[0] - first[1]) + _NEXT_CLAUSE * max(0, parted)


def verbs(sentence: str, language: Language) -> Verbs:
    patterns = (language.past, language.future, language.present)
    hints = (
        (*found.span(), rank)
        for rank, pattern in enumerate(patterns)
        for found in pattern.finditer(sentence)
    )
    ends = (found.start() for found in _CLAUSE_END.finditer(sentence))
    return Verbs(tuple(hints), tuple(ends))
