"""Memories on a ring: who stands beside whom depends on the two of them, not on all the others.

Each memory has a place that its id gives it, and so has each question; its neighbours are those
that follow. A memory that comes or goes changes the neighbours of the few questions before it, so
that most of what was asked last night is asked the same tonight.
"""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Collection, Iterable


class Ring:
    """The ids of memories in the order of their places."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._places = sorted((place_of(identity), identity) for identity in ids)

    def after(self, key: str, count: int, but: Collection[str] = ()) -> list[str]:
        """The first ``count`` ids behind the place of ``key``, those in ``but`` left out."""
        start = bisect(self._places, (place_of(key), ""))
        found: list[str] = []
        for step in range(len(self._places)):
            identity = self._places[(start + step) % len(self._places)][1]
            if len(found) == count:
                break
            if identity not in but:
                found.append(identity)
        return found


def place_of(key: str) -> bytes:
    """Where ``key`` stands."""
    return hashlib.sha256(key.encode()).digest()
