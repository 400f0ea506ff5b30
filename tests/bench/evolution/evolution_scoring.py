"""What a memory got wrong at the end of a scripted life.

``contradictions``: active memories that tell what no longer holds; ``lost``: facts that no active
memory tells; ``duplicates``: active memories beyond one a fact; ``false_facts``: active memories
of what never was; ``wrong_dates``: dated facts whose days are missing or others; ``lost_history``:
former facts that are not found anywhere. A merged memory that tells the present fact beside the
former one counts as a narrative, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from evolution_suite import Case, Fact

from tsubasa_cli.memory.narrative import current_part
from tsubasa_cli.memory.values import Observation, Status


@dataclass(slots=True)
class Tally:
    facts: int = 0
    contradictions: int = 0
    lost: int = 0
    duplicates: int = 0
    false_facts: int = 0
    wrong_dates: int = 0
    lost_history: int = 0

    def __add__(self, other: Tally) -> Tally:
        names = [field.name for field in fields(self)]
        return Tally(*(getattr(self, name) + getattr(other, name) for name in names))


def score(case: Case, memories: Sequence[Observation]) -> Tally:
    active = [memory for memory in memories if memory.status is Status.ACTIVE]
    today = [current_part(memory.statement) for memory in active]
    found = [
        [m for m, text in zip(active, today, strict=True) if _tells(f, text)] for f in case.facts
    ]
    return Tally(
        facts=len(case.facts),
        contradictions=sum(_is_stale(case, text) for text in today),
        lost=sum(not matches for matches in found),
        duplicates=_duplicates(case.facts, today),
        false_facts=sum(any(n.finds(m.statement) for n in case.never) for m in active),
        wrong_dates=sum(_is_misdated(f, ms) for f, ms in zip(case.facts, found, strict=True)),
        lost_history=sum(
            not any(matcher.finds(memory.statement) for memory in memories)
            for matcher in case.history
        ),
    )


def total(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())


def _tells(fact: Fact, text: str) -> bool:
    return fact.matcher.finds(text)


def _is_stale(case: Case, text: str) -> bool:
    is_current = any(_tells(fact, text) for fact in case.facts)
    return not is_current and any(matcher.finds(text) for matcher in case.stale)


def _duplicates(facts: Sequence[Fact], today: Sequence[str]) -> int:
    """Two facts that are told alike (the same thing on two days) have two memories."""
    wanted: dict[object, int] = {}
    for fact in facts:
        wanted[fact.matcher] = wanted.get(fact.matcher, 0) + 1
    return sum(
        max(0, sum(matcher.finds(text) for text in today) - count)  # type: ignore[attr-defined]
        for matcher, count in wanted.items()
    )


def _is_misdated(fact: Fact, matches: Sequence[Observation]) -> bool:
    if fact.days is None or not matches:
        return False
    first, last = fact.days
    return not any(
        (m.event_from, m.event_to or m.event_from) == (first, last) or m.valid_from == first
        for m in matches
    )
