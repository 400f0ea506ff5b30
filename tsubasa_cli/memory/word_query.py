"""Any of these words, asked so that a large index scores few entries.

Finding what matches is cheap in FTS5, scoring it is not: BM25 looks up the length of every match,
and in a hundred thousand entries most match by one common word alone. So common words are at first
scored only where two of them meet; entries that hold one of them by itself come in when too few
are found. An entry left out that way has one word where dozens have two: it would be near the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

FEW = 2_000
"""Matches up to which narrowing costs more than it saves: a few milliseconds are left to gain."""
MOST_PAIRED = 6
"""Common words, the rarest first, of which two have to meet; of a longer question the others only
count for the order."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Index words of which any will do, in ``column`` (an FTS5 column filter), counted ``times``
    times over."""

    words: tuple[str, ...]
    column: str = "{stated said}"
    times: int = 1

    @property
    def alternatives(self) -> list[str]:
        return [f'{self.column} : "{word}"' for word in self.words]

    @property
    def once(self) -> str:
        return f"({' OR '.join(self.alternatives)})"


@dataclass(frozen=True, slots=True)
class WordQuery:
    """What is looked for: entries that hold any of ``sought``, the more the better."""

    sought: tuple[Sought, ...]

    @property
    def match(self) -> str:
        """The FTS5 expression that finds and scores all of it."""
        return " OR ".join(
            alternative
            for part in self.sought
            for _ in range(part.times)
            for alternative in part.alternatives
        )

    def narrowings(self, frequency: Callable[[str], int]) -> Iterator[str]:
        """FTS5 expressions of what is to be scored, each for more than the one before; empty for
        all that matches. ``frequency`` tells how many entries hold a word."""
        counts = {part: sum(map(frequency, part.words)) for part in self.sought}
        common = sorted((part for part in counts if counts[part]), key=lambda part: counts[part])
        alone = list[Sought]()
        while common and sum(counts[part] for part in [*alone, common[0]]) <= FEW:
            alone.append(common.pop(0))
        while common:
            if expression := _expression(alone, common):
                yield expression
            alone.append(common.pop(0))
        yield ""


def word_query(*words: str) -> WordQuery:
    """A query for index words, each by itself."""
    return WordQuery(tuple(Sought((word,)) for word in words))


def _expression(alone: Sequence[Sought], common: Sequence[Sought]) -> str:
    pairs = combinations(common[:MOST_PAIRED], 2)
    return " OR ".join(
        [*(part.once for part in alone), *(f"({a.once} AND {b.once})" for a, b in pairs)]
    )
