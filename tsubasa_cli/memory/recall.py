"""What the memory has to say to a question (DESIGN §4): found by words and by meaning, fused,
checked against the time asked about, and left out when nothing fits.

No memory beats a wrong one: a candidate that neither shares enough of the question's words nor
lies near it in meaning is not recalled, however few there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from tsubasa_cli.memory.fusion import Ranking, Weights, diversify, fuse, scaled
from tsubasa_cli.memory.question import (
    Question,
    holds_during,
    query_of,
    understand,
)
from tsubasa_cli.memory.sources import TURN_PREFIX, turn_key
from tsubasa_cli.memory.text import parts, stems
from tsubasa_cli.memory.values import Kind, Observation
from tsubasa_cli.memory.word_query import WordQuery
from tsubasa_cli.memory.words_index import Tier
from tsubasa_cli.storage.values import Instant, Turn

if TYPE_CHECKING:
    from tsubasa_cli.memory.embedder import Vectors
    from tsubasa_cli.memory.index import MemoryIndex
    from tsubasa_cli.memory.log import MemoryLog

POOL = 40
"""Candidates taken from each channel; more change nothing at k ≤ 10."""
SPARE = 6
"""Candidates beyond 2k that are looked at closer: some are not true at the time asked about."""
MOST_WORDS = 80
"""Different words up to which an entry's matches count in full: what holds every word there is
must not answer every question."""
LIKENESS_WEIGHT = 0.2
"""How much a near-duplicate of a chosen memory is marked down."""
HALF_LIVES = {Kind.STATE: 720, Kind.PREFERENCE: 1_440, Kind.PLAN: 120}
"""Days after which half of what age can take is gone; identity, relations and events stay."""
MOST_AGING = 0.1
"""Of a score, age takes at most this share."""
PERSONAL_GATE = 0.4
"""Strength (see ``_strengths``) that the best candidate needs for anything to be recalled, when
the user speaks of themselves or of a name that the memory knows."""
GENERAL_GATE = 0.6
"""The same, for any other question."""
NO_WEIGHT = 1e-6
"""What FTS5 scores a word that most entries hold."""
FLOOR = 0.1
"""Strength that every further candidate needs."""
MS_PER_DAY = 86_400_000
OTHERS = 0.8
"""What a memory about somebody else counts for, where the user asks about themselves."""
USER = "user"


@dataclass(frozen=True, slots=True)
class Recalled:
    """An observation or an earlier turn that bears on a question, or a ``correction`` of what a
    model was taught.

    ``score`` is 0..1 and comparable within one recall only; ``channels`` are the scores of the
    ways it was found by: cosine for ``dense``, BM25 for ``words`` and ``turns``.
    """

    score: float
    channels: tuple[tuple[str, float], ...]
    observation: Observation | None = None
    turn: Turn | None = None
    correction: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Raw rankings by channel."""

    dense: Ranking
    words: Ranking
    turns: Ranking


@dataclass(frozen=True, slots=True)
class Considered:
    """What was looked at before anything was recalled: ``ranked`` are the best candidates with
    their fused scores, ``strengths`` how much each has to do with the question. Unless the
    strongest reaches ``gate``, nothing is recalled; one below ``FLOOR`` never is."""

    asked: Question
    found: Found
    ranked: Ranking
    strengths: Mapping[str, float]
    gate: float

    @property
    def passes(self) -> bool:
        """Whether anything fits well enough for something to be recalled."""
        return max(self.strengths.values(), default=0.0) >= self.gate

    @property
    def fitting(self) -> Ranking:
        """What of ``ranked`` is strong enough; nothing when not even the best is."""
        if not self.passes:
            return []
        return [(key, score) for key, score in self.ranked if self.strengths[key] >= FLOOR]


class Recaller:
    """Answers questions from the index and the log. Safe to call from several threads."""

    def __init__(self, index: MemoryIndex, log: MemoryLog, weights: Weights | None = None) -> None:
        self._index = index
        self._log = log
        self._weights = weights or Weights()
        self._beside = ThreadPoolExecutor(max_workers=2, thread_name_prefix="recall")

    def recall(
        self,
        question: str,
        *,
        now: Instant,
        k: int = 8,
        as_of: date | None = None,
        exclude: Collection[str] = (),
        exclude_turns: Collection[int] = (),
        with_turns: bool = True,
    ) -> list[Recalled]:
        """What bears on ``question``, best first, at most ``k``; empty when nothing does.

        ``now`` is when it is asked. ``as_of``, or a time named in the question, brings in what was
        true then. ``exclude`` are ids of observations, ``exclude_turns`` ids of turns that are
        not to be recalled, such as those in the window already.
        """
        hidden = {*exclude, *map(turn_key, exclude_turns)}
        seen = self.consider(
            question, now=now, k=k, as_of=as_of, hidden=hidden, with_turns=with_turns
        )
        return self.choose(seen, now, k) if seen else []

    def consider(
        self,
        question: str,
        *,
        now: Instant,
        k: int,
        as_of: date | None = None,
        hidden: Collection[str] = (),
        with_turns: bool = True,
    ) -> Considered | None:
        """The candidates of ``recall`` before it chooses; None when the question says nothing.
        ``hidden`` are index ids that are not to be looked at."""
        asked = understand(question, now=now, languages=self._index.languages(), as_of=as_of)
        if not asked.terms or k < 1:
            return None
        found = self._search(asked, with_turns)
        hidden = {*hidden, *(self._said_after(as_of, found.turns) if as_of else ())}
        fused = [(key, score) for key, score in self._fused(found) if key not in hidden]
        ranked = fused[: 2 * k + SPARE]
        strengths = self._strengths(asked, found, [key for key, _ in ranked])
        gate = PERSONAL_GATE if self._is_personal(asked) else GENERAL_GATE
        return Considered(asked, found, ranked, strengths, gate)

    def choose(self, seen: Considered, now: Instant, k: int) -> list[Recalled]:
        """What of the candidates is recalled: at most ``k``, best first."""
        best = seen.fitting
        return self._packed(seen.asked, seen.found, best, now, k) if best else []

    # ------------------------------------------------------------------ searching

    def _search(self, asked: Question, with_turns: bool) -> Found:
        """All channels side by side: the libraries below let go of Python while they work. In a
        small memory, to wake another thread takes longer than to search its turns."""
        weights = self._weights
        dense = self._beside.submit(self._by_meaning, asked)
        query = query_of(asked, emphasis=weights.emphasis, with_days=bool(weights.days))
        turns: Callable[[], Ranking] = partial(self._among_turns, query) if with_turns else list
        if self._index.is_large:
            turns = self._beside.submit(turns).result
        return Found(words=self._by_words(asked, query), turns=turns(), dense=dense.result())

    def _by_meaning(self, asked: Question) -> Ranking:
        if not self._weights.dense:
            return []
        vector = self._vector(asked)
        return _merged(self._index.search_dense(vector, POOL, tier) for tier in _tiers(asked))

    def _vector(self, asked: Question) -> Vectors:
        vectors = self._index.embedder.embed_queries(
            [asked.topic], lambda word: self._index.rarity(parts(word, asked.language))
        )
        first: Vectors = vectors[0]
        return first

    def _by_words(self, asked: Question, query: WordQuery) -> Ranking:
        """Where most entries hold whatever is looked for, BM25 would look at each of them and give
        it no weight: the newest do then."""
        weights = self._weights
        columns = (weights.stated, weights.said, weights.days)
        tiers = _tiers(asked) if weights.words else ()
        if query.sought and all(self._index.is_everywhere(part.words) for part in query.sought):
            return [
                (key, NO_WEIGHT)
                for tier in tiers
                for key in self._index.newest_words(query.match, POOL, tier)
            ]
        return _merged(self._index.search_words(query, POOL, tier, columns) for tier in tiers)

    def _among_turns(self, query: WordQuery) -> Ranking:
        columns = (1.0, self._weights.context, self._weights.days)
        if not self._weights.turns:
            return []
        return self._index.search_words(query, POOL, Tier.TURNS, columns)

    def _said_after(self, day: date, turns: Ranking) -> list[str]:
        """What was not said yet on ``day``, of ``turns``."""
        said = self._index.turns([int(key.removeprefix(TURN_PREFIX)) for key, _ in turns])
        return [key for key, turn in said.items() if turn.created_at.local().date() > day]

    # ------------------------------------------------------------------ ranking

    def _fused(self, found: Found) -> list[tuple[str, float]]:
        weights = self._weights
        floor = found.dense[-1][1] if found.dense else 0.0
        observations = fuse(
            {
                "dense": (weights.dense, scaled(found.dense, floor)),
                "words": (weights.words, scaled(found.words, 0.0)),
            }
        )
        turns = [(key, weights.turns * score) for key, score in scaled(found.turns, 0.0).items()]
        return sorted([*observations, *turns], key=lambda item: -item[1])

    def _is_personal(self, asked: Question) -> bool:
        return asked.is_about_the_user or any(map(self._index.knows, asked.names))

    def _strengths(self, asked: Question, found: Found, keys: Sequence[str]) -> dict[str, float]:
        """How much each candidate has to do with the question, whatever else there is: its
        cosine above what unrelated texts have, plus the share of the question's words that it
        holds, each word weighted by its rarity."""
        noise, cosines = self._index.embedder.noise, dict(found.dense)
        worth = {term: self._index.rarity(term) for term in asked.topics}
        total, held = sum(worth.values()) or 1.0, self._index.held(keys)
        strengths = {}
        for key in keys:
            words = held.get(key, frozenset())
            shared = sum(worth[term] for term in worth if not words.isdisjoint(term))
            shared *= min(1.0, MOST_WORDS / max(len(words), 1))
            strengths[key] = shared / total + (cosines.get(key, noise) - noise) / (1 - noise)
        return strengths

    def _packed(
        self, asked: Question, found: Found, ranked: Ranking, now: Instant, k: int
    ) -> list[Recalled]:
        observations = self._log.many(key for key, _ in ranked if not key.startswith(TURN_PREFIX))
        turns = self._index.turns(
            [int(key.removeprefix(TURN_PREFIX)) for key, _ in ranked if key.startswith(TURN_PREFIX)]
        )
        standing = _standing(ranked, observations, turns, asked, now)
        likeness = _Likeness(observations)
        chosen = diversify(standing, likeness.between, k, LIKENESS_WEIGHT)
        channels = channels_of(found)
        return [
            Recalled(
                score,
                tuple((name, scores[key]) for name, scores in channels.items() if key in scores),
                observations.get(key),
                turns.get(key),
            )
            for key, score in chosen
        ]


def _standing(
    ranked: Ranking,
    observations: Mapping[str, Observation],
    turns: Mapping[str, Turn],
    asked: Question,
    now: Instant,
) -> list[tuple[str, float]]:
    """What may be recalled of ``ranked``, aged. A turn that a better observation was learned from
    adds nothing."""
    told: set[str] = set()
    standing = []
    for key, score in ranked:
        observation = observations.get(key)
        if observation is None:
            if key in turns and key not in told:
                standing.append((key, score))
        elif asked.period is None or holds_during(observation, asked.period):
            told.update(turn_key(proof.turn_id) for proof in observation.evidence if proof.turn_id)
            aged = score * freshness(observation, now)
            standing.append((key, aged * nearness(observation, asked)))
    return standing


def nearness(observation: Observation, asked: Question) -> float:
    """Asked about the user, what is about somebody else is marked down, unless they are named."""
    is_near = observation.subject == USER or not asked.is_about_the_user
    subject = set(stems(observation.subject, observation.language))
    is_named = any(not subject.isdisjoint(term) for term in asked.topics)
    return 1.0 if is_near or is_named else OTHERS


def freshness(observation: Observation, now: Instant) -> float:
    """1 for what does not age, down to 1 − ``MOST_AGING`` for the oldest states and plans."""
    half_life = HALF_LIVES.get(observation.kind)
    if half_life is None:
        return 1.0
    days = max(now.epoch_ms - observation.recorded_at.epoch_ms, 0) / MS_PER_DAY
    return 1.0 - MOST_AGING * (1.0 - math.pow(0.5, days / half_life))


class _Likeness:
    """How alike two statements are: the Jaccard index of their stems. The same thing on another
    day is another thing."""

    def __init__(self, observations: Mapping[str, Observation]) -> None:
        self._observations = observations
        self._stems: dict[str, frozenset[str]] = {}

    def between(self, one: str, other: str) -> float:
        if self._day(one) != self._day(other):
            return 0.0
        first, second = self._words(one), self._words(other)
        return len(first & second) / len(first | second) if first and second else 0.0

    def _day(self, key: str) -> date | None:
        item = self._observations.get(key)
        return item.event_from if item else None

    def _words(self, key: str) -> frozenset[str]:
        if key not in self._stems:
            item = self._observations.get(key)
            self._stems[key] = frozenset(stems(item.statement, item.language) if item else ())
        return self._stems[key]


def _tiers(asked: Question) -> tuple[Tier, ...]:
    return (Tier.ACTIVE, Tier.HISTORIC) if asked.asks_for_history else (Tier.ACTIVE,)


def _merged(rankings: Iterable[Ranking]) -> Ranking:
    """Rankings of the same measure as one, best first."""
    return sorted((item for ranking in rankings for item in ranking), key=lambda item: -item[1])


def channels_of(found: Found) -> dict[str, dict[str, float]]:
    """The raw scores by channel and id."""
    return {"dense": dict(found.dense), "words": dict(found.words), "turns": dict(found.turns)}
