"""Search as one types: what recall would bring, in its order, then what merely holds the words.

While a word is being typed it means nothing yet, so its beginning is looked for among the words
of the index; that costs the same in a store of a hundred and of a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tsubasa_cli.memory.filters import Filter
from tsubasa_cli.memory.function_words import function_words
from tsubasa_cli.memory.text import fold, parts, words
from tsubasa_cli.memory.values import Status
from tsubasa_cli.memory.words_index import Tier
from tsubasa_cli.storage.values import Instant

if TYPE_CHECKING:
    from tsubasa_cli.memory.browsing import Browser
    from tsubasa_cli.memory.memory import Memory

MOST_RANKED = 40
"""As many as each channel of recall brings."""
MOST_FOUND = 300
"""Further memories that hold the words."""
MOST_SIFTED = 2_000
"""The same, looked through when there is a filter on top."""
MOST_WORDS = 12
FIRST_QUESTION = "what did I do in March 2020"
"""Asked before the user asks anything; it has all that a question may have."""

_TIERS = {Status.ACTIVE: Tier.ACTIVE, Status.SUPERSEDED: Tier.HISTORIC}


@dataclass(frozen=True, slots=True)
class Hit:
    """A memory that a search found. ``score`` (0..1) and ``channels`` are those of recall; without
    a score it was not recalled and only holds the words."""

    seq: int
    score: float | None = None
    channels: tuple[tuple[str, float], ...] = ()


class Finder:
    """Finds memories by what is typed. Safe to call from several threads."""

    def __init__(self, memory: Memory, browser: Browser) -> None:
        self._memory = memory
        self._browser = browser
        self._is_ready = False

    @property
    def is_ready(self) -> bool:
        """Whether the index is open; before, memories are found letter by letter."""
        return self._is_ready

    def prepare(self) -> None:
        """Open the index and let it hear what happened; seconds at first, nothing later. All that
        recall loads for its first question is loaded here.

        Raises ``StorageError``, and ``InputError`` for an embedding model that cannot be used.
        """
        self._memory.catch_up()
        if not self._is_ready:
            self._memory.recaller.recall(FIRST_QUESTION, now=Instant.now(), k=1, with_turns=False)
            self._is_ready = True

    def find(self, text: str, wanted: Filter, now: Instant) -> list[Hit]:
        """What ``wanted`` lists of what ``text`` finds, best first; never more than a few hundred.

        Raises ``StorageError`` when the index can neither be read nor rebuilt.
        """
        typed = words(text)[:MOST_WORDS]
        if not self._is_ready or not typed:
            return [Hit(seq) for seq in self._browser.holding(text.split(), wanted, MOST_FOUND)]
        ranked = self._ranked(text, wanted, now) if wanted.statuses & _TIERS.keys() else []
        known = {hit.seq for hit in ranked}
        others = [*self._worded(typed, wanted), *self._unindexed(text, wanted)]
        return [*ranked, *(Hit(seq) for seq in dict.fromkeys(others) if seq not in known)]

    def _ranked(self, text: str, wanted: Filter, now: Instant) -> list[Hit]:
        found = self._memory.recaller.recall(
            text, now=now, k=MOST_RANKED, as_of=wanted.true_on, with_turns=False
        )
        by_id = {item.observation.id: item for item in found if item.observation}
        places = self._browser.places(by_id, wanted)
        return [
            Hit(places[key], item.score, item.channels)
            for key, item in by_id.items()
            if key in places
        ]

    def _worded(self, typed: Sequence[str], wanted: Filter) -> list[int]:
        """The newest of what holds every word, the last one as far as it is typed."""
        match = _expression(typed, self._memory.index.languages())
        limit = MOST_FOUND if wanted.is_plain else MOST_SIFTED
        ids = [
            key
            for status in sorted(wanted.statuses & _TIERS.keys())
            for key in self._memory.index.newest_words(match, limit, _TIERS[status])
        ]
        places = self._browser.places(ids, wanted)
        return [places[key] for key in ids if key in places][:MOST_FOUND]

    def _unindexed(self, text: str, wanted: Filter) -> list[int]:
        """What is not recalled at all, quarantined or forgotten, is in no index."""
        statuses = wanted.statuses - _TIERS.keys()
        if not statuses:
            return []
        return self._browser.holding(text.split(), replace(wanted, statuses=statuses), MOST_FOUND)


def _expression(typed: Sequence[str], languages: Iterable[str]) -> str:
    """The FTS5 expression for all of ``typed``, its last word open at the end."""
    spoken = tuple(languages) or ("en",)
    little = frozenset[str]().union(*map(function_words, spoken))
    telling = [word for word in typed[:-1] if word.casefold() not in little]
    groups = [_any_of(word, spoken) for word in telling]
    last = " OR ".join([*_any_of(typed[-1], spoken), f'{{stated said}} : "{fold(typed[-1])}" *'])
    return " AND ".join([*(f"({' OR '.join(group)})" for group in groups), f"({last})"])


def _any_of(word: str, languages: Sequence[str]) -> list[str]:
    """The ways in which a language's index writes ``word``; glued scripts by pairs, in order."""
    written = []
    for language in languages:
        every = parts(word, language)
        pairs = [part for part in every if len(part) > 1] if len(every) > 1 else list(every)
        written.append(f'{{stated said}} : "{" ".join(pairs)}"')
    return list(dict.fromkeys(written))
