"""Said is done: "remember that …", "don't save this" and "forget that" take effect at once.

No model is asked: what is obeyed is what code understood, it is confirmed in words, and one undo
takes it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tsubasa_cli.memory.commands import DontSave, Forget, Remember, intent_of
from tsubasa_cli.memory.evolve import evolve
from tsubasa_cli.memory.extract import extract_by_rule
from tsubasa_cli.memory.memory import Memory
from tsubasa_cli.memory.outcomes import expected_versions
from tsubasa_cli.memory.text import stems
from tsubasa_cli.memory.values import Actor, Change, MemoryEvent, Observation, Op, Status
from tsubasa_cli.storage.values import Instant, Role, Turn

MOST_FORGOTTEN = 5
"""One sentence forgets no more than this: it was meant for something in particular."""
LIKELY = 0.55
"""Cosine above which the nearest memory is what a request to forget was about."""


@dataclass(frozen=True, slots=True)
class Obedience:
    """``what`` was done, in one sentence, and the memories that it was done to; ``batch_id`` takes
    it back, empty: nothing changed."""

    what: str
    statements: tuple[str, ...] = ()
    batch_id: str = ""


async def obey(memory: Memory, path: Sequence[Turn], owner: str = "") -> Obedience | None:
    """Do what the newest turn of ``path`` asks of the memory; None when it asks nothing."""
    turn = path[-1]
    match intent_of(turn.text):
        case Remember():
            return await _remember(memory, path, owner)
        case DontSave(previous=previous):
            return _dont_save(memory, turn, _question_before(path) if previous else None)
        case Forget(query=query):
            memory.log.skip([turn.id])
            return _forget(memory, _meant(memory, path, query))
        case None:
            return None


async def _remember(memory: Memory, path: Sequence[Turn], owner: str) -> Obedience | None:
    turn = path[-1]
    found = extract_by_rule(path, [turn.id], owner)
    if not found:
        return None
    changes = await evolve(
        found, log=memory.log, similar=memory.similar, model=None, now=Instant.now()
    )
    events = memory.log.commit(
        changes, actor=Actor.MODEL, turns=[turn.id], expect=expected_versions(changes)
    )
    kept = [e.after for e in events if e.after.status is Status.ACTIVE and e.op is not Op.IGNORE]
    if kept:
        return _told("Remembered", kept, events)
    if any(event.after.status is Status.QUARANTINED for event in events):
        return _told("Set aside for you to look at", [e.after for e in events], events)
    return Obedience("I know that already.") if events else None


def _dont_save(memory: Memory, turn: Turn, before: Turn | None) -> Obedience:
    turns = [turn.id, before.id] if before else [turn.id]
    memory.log.skip(turns)
    done = _forget(memory, memory.log.said_in(turns))
    if done.batch_id:
        return done
    return Obedience("Nothing of this is kept in memory.")


def _forget(memory: Memory, meant: Sequence[Observation]) -> Obedience:
    if not meant:
        return Obedience("There is no such memory, so nothing was forgotten.")
    changes = [
        Change(Op.FORGET, replace(observation, status=Status.FORGOTTEN), "asked for in a chat")
        for observation in meant
    ]
    versions = {observation.id: observation.version for observation in meant}
    events = memory.log.commit(changes, actor=Actor.USER, expect=versions)
    return _told("Forgotten", list(meant), events)


def _meant(memory: Memory, path: Sequence[Turn], query: str | None) -> list[Observation]:
    """What a request to forget is about: what holds all of its words, else what is nearest."""
    if query is None:
        before = _question_before(path)
        return memory.log.said_in([before.id]) if before else []
    near = memory.similar(query, MOST_FORGOTTEN * 2)
    known = memory.log.many([id_ for id_, _ in near])
    active = [o for id_, _ in near if (o := known.get(id_)) and o.status is Status.ACTIVE]
    asked = {stem for stem in stems(query) if stem != "user"}
    holding = [o for o in active if asked and asked <= set(stems(o.statement, o.language))]
    if holding:
        return holding[:MOST_FORGOTTEN]
    return [o for o in active[:1] if dict(near)[o.id] >= LIKELY]


def _question_before(path: Sequence[Turn]) -> Turn | None:
    earlier = (turn for turn in reversed(path[:-1]) if turn.role is Role.USER)
    return next(earlier, None)


def _told(verb: str, about: Sequence[Observation], events: Sequence[MemoryEvent]) -> Obedience:
    statements = tuple(observation.statement for observation in about)
    return Obedience(f"{verb}.", statements, events[0].batch_id)
