"""From verdicts to changes: ADD, IGNORE, UPDATE, RECONCILE (TSUBASA §4.1).

What a verdict replaces is superseded, never deleted. Pinned and hand-edited memories stay as they
are, whatever was said since.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from tsubasa_cli.memory import change_cues as cues
from tsubasa_cli.memory import narrative
from tsubasa_cli.memory.corrections import TAG as CORRECTION
from tsubasa_cli.memory.corrections import corrected, is_grounded, plain
from tsubasa_cli.memory.lexical import has_cue
from tsubasa_cli.memory.slots import slot_of
from tsubasa_cli.memory.values import (
    Change,
    Evidence,
    Kind,
    Observation,
    Op,
    Origin,
    Precision,
    Status,
)
from tsubasa_cli.memory.verdicts import Bearing, Verdict, says_all_of

LOOSE = timedelta(days=60)
"""News is often told late: a change dated this little before the old report is still news."""

_PLAIN_NUMBERS = ("age", "weight", "height", "rent", "salary", "shoe size")
"""Slots whose former value nobody asks for in a sentence."""
_ONGOING = re.compile(r"\b(?:since|for|seit|desde|depuis)\b", re.IGNORECASE)


def changes(
    new: Observation, verdicts: Sequence[Verdict], candidates: Sequence[Observation]
) -> list[Change]:
    """The changes to commit for one observation, never empty unless the user's hand forbids."""
    fixed = {(c.subject, c.slot): c.id for c in candidates if c.slot and _is_the_users(c)}
    return [_leaving(change, fixed) for change in _changes(new, verdicts, candidates)]


def _changes(
    new: Observation, verdicts: Sequence[Verdict], candidates: Sequence[Observation]
) -> list[Change]:
    free = [verdict for verdict in verdicts if not _is_the_users(verdict.old)]
    if len(free) < len(verdicts) and not free:
        return _beside_the_users(new, verdicts[0], candidates)
    if not free:
        told = replace(new, statement=plain(new.statement)) if CORRECTION in new.tags else new
        return [Change(Op.ADD, _without_taken_slot(told, candidates), "new")]
    first = free[0]
    match first.bearing:
        case Bearing.REPEATS:
            return [Change(Op.IGNORE, with_evidence(first.old, new), first.reason)]
        case Bearing.REFINES:
            return _refined(first, new, candidates)
        case Bearing.CORRECTS:
            return _put_right(free, new)
        case Bearing.CANCELS | Bearing.FULFILS:
            return _plan_closed(free, new)
        case Bearing.CHANGES:
            return _changed(free, new)


def expected_versions(changes: Sequence[Change]) -> dict[str, int]:
    """The versions that ``changes`` were made for, for ``MemoryLog.commit``: whoever touched one of
    these memories meanwhile (the user forgot it) is not overruled."""
    first: dict[str, Change] = {}
    for change in changes:
        first.setdefault(change.after.id, change)
    known = (Op.UPDATE, Op.IGNORE, Op.SUPERSEDE)
    return {id_: c.after.version for id_, c in first.items() if c.op in known}


def with_evidence(old: Observation, new: Observation) -> Observation:
    """``old`` with the words that say it again."""
    return replace(old, evidence=_joined(old.evidence, new.evidence))


def day_of(note: Observation) -> date:
    """When a note began to hold: its own date, at the latest the day it was told."""
    told = note.recorded_at.local().date()
    return min(note.event_from or note.valid_from or told, told)


def is_older(new: Observation, old: Observation) -> bool:
    """Whether ``new`` is the earlier report: told before, or told now of a time long before."""
    if _was_told_before(new, old):
        return day_of(new) <= day_of(old)
    ended = new.event_to
    if ended is None or _ONGOING.search(new.time_expr):
        return False
    return ended < day_of(old) - LOOSE


def _was_told_before(new: Observation, old: Observation) -> bool:
    return new.recorded_at.epoch_ms < old.recorded_at.epoch_ms


def _is_the_users(old: Observation) -> bool:
    return old.pinned or old.origin is Origin.USER_EDITED


def _beside_the_users(
    new: Observation, verdict: Verdict, candidates: Sequence[Observation]
) -> list[Change]:
    if verdict.bearing is Bearing.REPEATS and says_all_of(verdict.old, new):
        return []
    reason = f"kept beside “{verdict.old.statement}”, which only you may change"
    return [Change(Op.ADD, _without_taken_slot(new, candidates), reason)]


def _without_taken_slot(new: Observation, candidates: Sequence[Observation]) -> Observation:
    """One active value a slot: where another holds it, the new one is a note like any other."""
    is_taken = any(c.slot == new.slot and c.subject == new.subject for c in candidates)
    return replace(new, slot="") if new.slot and is_taken else new


def _leaving(change: Change, fixed: Mapping[tuple[str, str], str]) -> Change:
    """``change`` without a slot whose value the user has fixed in another memory."""
    after = change.after
    is_fixed = fixed.get((after.subject, after.slot), after.id) != after.id
    return replace(change, after=replace(after, slot="")) if is_fixed else change


def _refined(verdict: Verdict, new: Observation, candidates: Sequence[Observation]) -> list[Change]:
    old = verdict.old
    statement = narrative.with_current(old.statement, new.statement)
    if is_older(new, old) or not _is_supported(statement, old, new):
        return [Change(Op.ADD, _without_taken_slot(new, candidates), "new")]
    after = replace(
        with_evidence(old, new),
        statement=statement,
        kind=new.kind if old.kind is Kind.STATE else old.kind,
        slot=old.slot or new.slot,
        language=new.language,
    )
    return [Change(Op.UPDATE, _dated(after, new if new.event_from else old), verdict.reason)]


def _put_right(verdicts: Sequence[Verdict], new: Observation) -> list[Change]:
    made: list[Change] = []
    for verdict in verdicts:
        old = verdict.old
        statement = narrative.with_current(old.statement, corrected(old, new))
        if _was_told_before(new, old) or not _is_supported(statement, old, new):
            continue
        after = replace(with_evidence(old, new), statement=statement)
        after = _dated(after, new if new.event_from else old)
        after = replace(after, slot=slot_of(statement, after.subject, after.kind) or after.slot)
        made.append(Change(Op.UPDATE, after, verdict.reason))
    return made or [Change(Op.ADD, replace(new, slot=""), "a correction of nothing known")]


def _plan_closed(verdicts: Sequence[Verdict], new: Observation) -> list[Change]:
    day = _day_of_change(new, verdicts[0].old)
    closed = [_closed(verdict, day) for verdict in verdicts]
    plan = verdicts[0].old
    after = replace(
        new,
        statement=narrative.after_a_plan(plan, new),
        kind=Kind.EVENT if new.kind in (Kind.PLAN, Kind.STATE) else new.kind,
        evidence=_joined(new.evidence, plan.evidence),
        supersedes=tuple(verdict.old.id for verdict in verdicts),
    )
    return [*closed, Change(Op.RECONCILE, after, verdicts[0].reason)]


def _changed(verdicts: Sequence[Verdict], new: Observation) -> list[Change]:
    newest = max(verdicts, key=lambda verdict: day_of(verdict.old))
    if is_older(new, newest.old) and not has_cue(cues.PUT_OFF, new.statement):
        past = replace(new, status=Status.SUPERSEDED, valid_to=day_of(newest.old))
        return [Change(Op.ADD, past, "told of an earlier time")]
    first = verdicts[0]
    day = _day_of_change(new, newest.old)
    precision = new.precision if new.event_from == day else Precision.DAY
    is_bare = new.slot in _PLAIN_NUMBERS
    after = replace(
        new,
        statement=new.statement
        if is_bare
        else narrative.reconciled(first.old, new, day, precision),
        evidence=_joined(new.evidence, first.old.evidence),
        valid_from=new.valid_from or day,
        supersedes=tuple(verdict.old.id for verdict in verdicts),
    )
    closed = [_closed(verdict, day) for verdict in verdicts]
    return [*closed, Change(Op.RECONCILE, after, first.reason)]


def _closed(verdict: Verdict, day: date) -> Change:
    old = replace(verdict.old, status=Status.SUPERSEDED, valid_to=verdict.old.valid_to or day)
    return Change(Op.SUPERSEDE, old, verdict.reason)


def _day_of_change(new: Observation, old: Observation) -> date:
    """The change's own date unless that lies before what it changes, or ahead of its telling (an
    appointment that was moved is off from the day on which it was moved)."""
    told = new.recorded_at.local().date()
    own = min(new.event_from or new.valid_from or told, told)
    return own if own and own >= min(day_of(old), told) - LOOSE else told


def _is_supported(statement: str, old: Observation, new: Observation) -> bool:
    quotes = (evidence.quote for evidence in (*old.evidence, *new.evidence))
    return is_grounded(statement, *quotes, old.statement, new.statement)


def _dated(note: Observation, source: Observation) -> Observation:
    return replace(
        note,
        event_from=source.event_from,
        event_to=source.event_to,
        precision=source.precision,
        time_expr=source.time_expr,
    )


def _joined(first: tuple[Evidence, ...], second: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    return tuple(dict.fromkeys((*first, *second)))
