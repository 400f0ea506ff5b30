"""What the user makes of memories that say too much, too little or the same: by hand, in one batch.

As all that is done by hand, one ``undo`` takes each of these back, and no machine changes the
outcome. ``seen`` are the versions that the user decided on (``by_hand.Seen``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TypeVar

from tsubasa_cli.errors import InputError
from tsubasa_cli.memory.by_hand import (
    MOST_TAGS,
    NOTHING_SEEN,
    Seen,
    as_statement,
    as_tag,
    commit_by_hand,
    read_anew,
    span_of,
    there,
    told_of,
)
from tsubasa_cli.memory.log import MemoryLog, new_id
from tsubasa_cli.memory.values import Change, Kind, Observation, Op, Origin, Status
from tsubasa_cli.storage.values import Instant

MOST_PARTS = 20

Shared = TypeVar("Shared")


@dataclass(frozen=True, slots=True)
class Revision:
    """A memory as the user wants it. ``since`` and ``until`` are days in words ("3 May 2024",
    "2024-05"), empty when not known; it holds to the end of what ``until`` names."""

    statement: str
    kind: Kind
    since: str = ""
    until: str = ""


def as_written(memory: Observation) -> Revision:
    """A memory as a form shows it; ``revise`` with just that changes nothing."""
    begun = memory.valid_from or memory.event_from
    return Revision(memory.statement, memory.kind, _shown(begun), _shown(memory.last_day))


def revise(
    log: MemoryLog,
    reference: str,
    revision: Revision,
    owner: str = "",
    seen: Seen = NOTHING_SEEN,
) -> Observation:
    """Give a memory other words, another kind or other days; it keeps where it was said.

    Raises ``NotFoundError``, ``InputError`` for words or days that cannot be used, and
    ``ConflictError`` when it is not as ``seen``.
    """
    with log.deciding():
        [before] = there(log, [reference])
        after = _revised(before, revision, owner)
        if after == before:
            return before
        after = _with_free_slot(log, replace(after, origin=Origin.USER_EDITED))
        commit_by_hand(log, [Change(Op.EDIT, after, "corrected by hand")], [before], seen)
        return log.get(before.id)


def retag(
    log: MemoryLog,
    references: Sequence[str],
    *,
    added: Collection[str] = (),
    removed: Collection[str] = (),
    seen: Seen = NOTHING_SEEN,
) -> list[Observation]:
    """Add and remove tags of several memories; those that changed.

    Raises ``InputError`` for a tag that is none, ``ConflictError`` when one is not as ``seen``.
    """
    new, old = [as_tag(tag) for tag in added], {tag.strip() for tag in removed}
    with log.deciding():
        before = there(log, references)
        changes = [
            Change(Op.TAG, replace(each, tags=tags), "tagged by hand")
            for each in before
            if (tags := _tagged(each.tags, new, old)) != each.tags
        ]
        if changes:
            commit_by_hand(log, changes, before, seen)
        return [log.get(change.after.id) for change in changes]


def merge(
    log: MemoryLog,
    references: Sequence[str],
    statement: str,
    owner: str = "",
    seen: Seen = NOTHING_SEEN,
) -> Observation:
    """Make one memory of several: the first lives on as ``statement``, with the sources, tags and
    days of all; the others are superseded by it.

    Raises ``InputError`` when there are not two of them that can be merged, ``ConflictError`` when
    one is not as ``seen``.
    """
    words = told_of(as_statement(statement), owner)
    with log.deciding():
        first, *others = there(log, references)
        if not others:
            raise InputError("It takes two memories to merge.", next_step="Mark them with Space.")
        _require_mergeable((first, *others))
        merged = _with_free_slot(log, read_anew(_union(first, others, words)), besides=others)
        closed = [replace(each, status=Status.SUPERSEDED) for each in others]
        changes = [
            Change(Op.MERGE, merged, "merged by hand"),
            *(Change(Op.SUPERSEDE, each, f"merged into {first.id}") for each in closed),
        ]
        commit_by_hand(log, changes, [first, *others], seen)
        return log.get(first.id)


def split(
    log: MemoryLog,
    reference: str,
    statements: Sequence[str],
    owner: str = "",
    seen: Seen = NOTHING_SEEN,
) -> list[Observation]:
    """Make several memories of one: it lives on as the first of ``statements``, the others are
    new, with its days, its tags and its sources.

    Raises ``InputError`` when there are not at least two different parts, ``ConflictError`` when
    it is not as ``seen``.
    """
    parts = _parts(statements, owner)
    with log.deciding():
        [before] = there(log, [reference])
        shared = replace(before, origin=Origin.USER_EDITED)
        kept = _with_free_slot(log, read_anew(replace(shared, statement=parts[0])))
        fresh = replace(shared, version=0, supersedes=(), pinned=False)
        rest = [
            _with_free_slot(log, read_anew(replace(fresh, id=new_id(), statement=part)))
            for part in parts[1:]
        ]
        changes = [
            Change(Op.SPLIT, kept, "split by hand"),
            *(Change(Op.ADD, each, f"split from {before.id}") for each in rest),
        ]
        commit_by_hand(log, changes, [before], seen)
        return list(log.many([kept.id, *(each.id for each in rest)]).values())


def tags_of(text: str) -> tuple[list[str], list[str]]:
    """A line such as "work, family -health" as tags to add and tags to remove."""
    words = [word.strip("#,") for word in text.replace(",", " ").split()]
    removed = [word[1:].lstrip("#") for word in words if word.startswith("-")]
    added = [word.removeprefix("+").lstrip("#") for word in words if not word.startswith("-")]
    return [word for word in added if word], [word for word in removed if word]


# ---------------------------------------------------------------------- revising


def _revised(before: Observation, revision: Revision, owner: str) -> Observation:
    words = as_statement(revision.statement)
    told = words if words == before.statement else told_of(words, owner)
    dated = _dated(replace(before, kind=revision.kind), revision)
    return dated if told == before.statement else read_anew(replace(dated, statement=told))


def _dated(before: Observation, revision: Revision) -> Observation:
    """A day that is left as it stood changes nothing, however exactly it was known."""
    now = Instant.now()
    since, until = revision.since.strip(), revision.until.strip()
    after = before
    if since != as_written(before).since:
        after = _begun(after, since, now)
    if until != as_written(before).until:
        after = replace(after, valid_to=_day_after(until, now) if until else None)
    begun = after.valid_from or after.event_from
    if after != before and begun and after.valid_to and after.valid_to <= begun:
        raise InputError("It cannot end before it begins.", next_step="Change one of the two days.")
    return after


def _day_after(until: str, now: Instant) -> date:
    return span_of(until, now).end + timedelta(days=1)


def _begun(before: Observation, since: str, now: Instant) -> Observation:
    if not since:
        return replace(before, valid_from=None, event_from=None, event_to=None, precision=None)
    span = span_of(since, now)
    is_lasting = before.kind not in (Kind.EVENT, Kind.PLAN)
    return replace(
        before,
        event_from=span.start,
        event_to=span.end,
        precision=span.precision,
        time_expr=since,
        valid_from=span.start if is_lasting else None,
    )


def _shown(day: date | None) -> str:
    """A day as a form shows it, and reads it again."""
    return day.isoformat() if day else ""


# ---------------------------------------------------------------------- merging, splitting, tags


def _require_mergeable(memories: Sequence[Observation]) -> None:
    for each in memories:
        if each.status is Status.FORGOTTEN:
            raise InputError(f"{each.id} is forgotten.", next_step="Restore it first, then merge.")
        if each.status is Status.SUPERSEDED:
            raise InputError(
                f"{each.id} is superseded: a later memory took its place.",
                next_step="Merge the memory that replaced it instead.",
            )


def _union(first: Observation, others: Sequence[Observation], words: str) -> Observation:
    every = (first, *others)
    ends = [each.valid_to for each in every]
    happened = [each for each in every if each.event_from or each.event_to]
    return replace(
        first,
        statement=words,
        origin=Origin.USER_EDITED,
        status=Status.ACTIVE,
        evidence=tuple(dict.fromkeys(said for each in every for said in each.evidence)),
        tags=tuple(dict.fromkeys(tag for each in every for tag in each.tags)),
        supersedes=tuple(dict.fromkeys((*first.supersedes, *(each.id for each in others)))),
        pinned=any(each.pinned for each in every),
        event_from=min((e.event_from for e in every if e.event_from), default=None),
        event_to=max((e.event_to for e in every if e.event_to), default=None),
        precision=_shared(each.precision for each in happened),
        time_expr=_shared(each.time_expr for each in happened) or "",
        valid_from=min((e.valid_from for e in every if e.valid_from), default=None),
        valid_to=None if None in ends else max(end for end in ends if end),
    )


def _shared(values: Iterable[Shared]) -> Shared | None:
    """The one value that all have."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _with_free_slot(
    log: MemoryLog, wanted: Observation, besides: Sequence[Observation] = ()
) -> Observation:
    """``wanted``, without its slot when another memory holds that: one value is in force."""
    own = {wanted.id, *(each.id for each in besides)}
    taken = any(each.id not in own for each in log.by_slot(wanted.subject, wanted.slot))
    return replace(wanted, slot="") if taken else wanted


def _parts(statements: Sequence[str], owner: str) -> list[str]:
    filled = [statement for statement in statements if statement.strip()]
    parts = list(dict.fromkeys(told_of(as_statement(each), owner) for each in filled))
    if not 2 <= len(parts) <= MOST_PARTS:
        raise InputError(
            "Splitting takes at least two different sentences."
            if len(parts) < 2
            else f"A memory is split into {MOST_PARTS} at most.",
            next_step="Write each on a line of its own.",
        )
    return parts


def _tagged(tags: tuple[str, ...], added: Sequence[str], removed: set[str]) -> tuple[str, ...]:
    after = tuple(dict.fromkeys(tag for tag in (*tags, *added) if tag not in removed))
    if len(after) > MOST_TAGS:
        raise InputError(f"A memory has {MOST_TAGS} tags at most.", next_step="Remove some first.")
    return after
