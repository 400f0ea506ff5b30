"""Why a question recalls what it recalls: every candidate with its reasons and its verdict.

The same code recalls for a chat; here it also tells what it looked at and left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from tsubasa_cli.memory.block import render_block, render_note
from tsubasa_cli.memory.question import holds_during
from tsubasa_cli.memory.recall import (
    FLOOR,
    Considered,
    Recalled,
    channels_of,
    freshness,
    nearness,
)
from tsubasa_cli.memory.sources import TURN_PREFIX, turn_key
from tsubasa_cli.storage.values import Instant

if TYPE_CHECKING:
    from tsubasa_cli.memory.memory import Memory
    from tsubasa_cli.memory.question import Period
    from tsubasa_cli.memory.values import Observation

CHARACTERS_PER_TOKEN = 3.6
"""Of English prose with Qwen-3's tokenizer, notes and their dates among it; other scripts need up
to one token a character."""


class Verdict(StrEnum):
    """What becomes of a candidate; the words are for people."""

    PINNED = "pinned: it goes with every question"
    RECALLED = "recalled"
    NOTHING_FITS = "left out: not even the best fits well enough"
    TOO_WEAK = "left out: too little to do with it"
    ANOTHER_TIME = "left out: not true at that time"
    IS_REMEMBERED = "left out: a memory says it"
    OTHERS_FIRST = "left out: others come first"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that was looked at. ``dense`` is a cosine, ``words`` BM25, both None when not
    found that way; ``strength`` is what the gates ask for. ``names`` are the names of the question
    that it holds; ``is_dated`` says that it is of the time asked about; ``freshness`` and
    ``nearness`` are the factors that age and being about somebody else leave of its score."""

    item: Recalled
    verdict: Verdict
    dense: float | None = None
    words: float | None = None
    strength: float = 0.0
    names: tuple[str, ...] = ()
    is_dated: bool = False
    freshness: float = 1.0
    nearness: float = 1.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a question would bring. ``gate`` is what the strongest candidate must reach, ``best``
    what it does reach; ``block`` is what the model would read, empty for nothing."""

    question: str
    candidates: tuple[Candidate, ...]
    gate: float
    best: float
    period: Period | None
    is_about_the_user: bool
    block: str

    @property
    def recalled(self) -> tuple[Candidate, ...]:
        """Those that would be recalled, in the order in which the model reads them."""
        wanted = (Verdict.PINNED, Verdict.RECALLED)
        return tuple(each for each in self.candidates if each.verdict in wanted)


def explain(
    memory: Memory, question: str, *, now: Instant, k: int, as_of: date | None = None
) -> Explanation:
    """What ``question`` recalls at ``now``, at most ``k``, and why; what comes closest besides.

    Raises ``StorageError`` when the indexes can neither be read nor rebuilt.
    """
    memory.catch_up()
    pinned = memory.always(k)
    hidden = {item.observation.id for item in pinned if item.observation}
    seen = memory.recaller.consider(question, now=now, k=k, as_of=as_of, hidden=hidden)
    if seen is None:
        return Explanation(question, (), 0.0, 0.0, None, False, "")
    chosen = [*pinned, *memory.recaller.choose(seen, now, k)][:k]
    looked_at = _others(memory, seen, chosen)
    held = memory.index.held([key for key, _ in seen.ranked])
    remembered = _remembered([*chosen, *looked_at])
    weighed = [
        _candidate(item, _verdict(item, seen, remembered), seen, held, now) for item in looked_at
    ]
    brought = [_brought(item, seen, held, now) for item in chosen]
    return Explanation(
        question=question,
        candidates=(*brought, *weighed),
        gate=seen.gate,
        best=max(seen.strengths.values(), default=0.0),
        period=seen.asked.period,
        is_about_the_user=seen.asked.is_about_the_user,
        block=render_block(chosen),
    )


def estimated_tokens(text: str) -> int:
    """About how many tokens ``text`` is, where no model is loaded to count them."""
    wide = sum(ord(c) > 0x2E7F for c in text)
    return round((len(text) - wide) / CHARACTERS_PER_TOKEN + wide)


def note_tokens(item: Recalled) -> int:
    """About how many tokens one recalled thing takes."""
    return estimated_tokens(f"- {render_note(item)}\n")


def _others(memory: Memory, seen: Considered, chosen: Sequence[Recalled]) -> list[Recalled]:
    """The candidates that were not chosen, best first."""
    taken = {_key(item) for item in chosen}
    rest = [(key, score) for key, score in seen.ranked if key not in taken]
    observations = memory.log.many(key for key, _ in rest if not key.startswith(TURN_PREFIX))
    turns = memory.index.turns(
        [int(key.removeprefix(TURN_PREFIX)) for key, _ in rest if key.startswith(TURN_PREFIX)]
    )
    channels = channels_of(seen.found)
    return [
        Recalled(
            score,
            tuple((name, found[key]) for name, found in channels.items() if key in found),
            observations.get(key),
            turns.get(key),
        )
        for key, score in rest
        if key in observations or key in turns
    ]


def _key(item: Recalled) -> str:
    if item.observation is not None:
        return item.observation.id
    return turn_key(item.turn.id) if item.turn else ""


def _brought(
    item: Recalled, seen: Considered, held: Mapping[str, frozenset[str]], now: Instant
) -> Candidate:
    is_pinned = any(name == "pinned" for name, _ in item.channels)
    return _candidate(item, Verdict.PINNED if is_pinned else Verdict.RECALLED, seen, held, now)


def _remembered(items: Iterable[Recalled]) -> set[int]:
    """The ids of the turns that the memories among ``items`` were learned from."""
    notes = (item.observation for item in items if item.observation)
    return {proof.turn_id for note in notes for proof in note.evidence if proof.turn_id}


def _verdict(item: Recalled, seen: Considered, remembered: Collection[int]) -> Verdict:
    period = seen.asked.period
    if not seen.passes:
        return Verdict.NOTHING_FITS
    if seen.strengths.get(_key(item), 0.0) < FLOOR:
        return Verdict.TOO_WEAK
    if item.observation and period and not holds_during(item.observation, period):
        return Verdict.ANOTHER_TIME
    if item.turn and item.turn.id in remembered:
        return Verdict.IS_REMEMBERED
    return Verdict.OTHERS_FIRST


def _candidate(
    item: Recalled,
    verdict: Verdict,
    seen: Considered,
    held: Mapping[str, frozenset[str]],
    now: Instant,
) -> Candidate:
    scores, key, about = dict(item.channels), _key(item), item.observation
    words = held.get(key, frozenset())
    return Candidate(
        item=item,
        verdict=verdict,
        dense=scores.get("dense"),
        words=scores.get("words", scores.get("turns")),
        strength=seen.strengths.get(key, 0.0),
        names=tuple(sorted(t[0] for t in seen.asked.names if not words.isdisjoint(t))),
        is_dated=about is not None and _is_dated(about, seen.asked.period),
        freshness=freshness(about, now) if about else 1.0,
        nearness=nearness(about, seen.asked) if about else 1.0,
    )


def _is_dated(about: Observation, period: Period | None) -> bool:
    begun = about.event_from or about.valid_from
    return bool(period and begun and holds_during(about, period))
