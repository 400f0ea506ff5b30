"""Memories on a ring: who stands beside whom depends on the two of them, not on all the others.

Each memory has a place that its id gives it, and so has each question; its neighbours are those
that follow, of what was known before the memory that it asks about. So a memory that comes changes
nothing of what was asked last night; one that goes, the few questions before it.
"""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Collection, Iterable


class Ring:
    """The ids of memories, given oldest first, in the order of their places."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._age = {identity: age for age, identity in enumerate(ids)}
        self._places = sorted((place_of(identity), identity) for identity in self._age)

    def after(self, key: str, count: int, but: Collection[str] = ()) -> list[str]:
        """The first ``count`` ids behind the place of ``key`` that are older than one in ``but``,
        those in ``but`` left out. The oldest stand among each other; all may stand beside what
        asks about none of them."""
        oldest = self._known_before(but, count)
        start = bisect(self._places, (place_of(key), ""))
        found: list[str] = []
        for step in range(len(self._places)):
            identity = self._places[(start + step) % len(self._places)][1]
            if len(found) == count:
                break
            if identity not in but and self._age[identity] < oldest:
                found.append(identity)
        return found

    def _known_before(self, asked: Collection[str], count: int) -> int:
        """How many of the oldest there are to choose from."""
        ages = [self._age[identity] for identity in asked if identity in self._age]
        return max(*ages, count + len(asked)) if ages else len(self._places)


def place_of(key: str) -> bytes:
    """Where ``key`` stands."""
    return hashlib.sha256(key.encode()).digest()
