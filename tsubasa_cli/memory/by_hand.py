"""What the user does to memories by hand: noting, correcting, pinning, hiding, bringing back.

Every verb is one batch of the log, so one ``undo`` takes it back. What is written or corrected by
hand is ``USER_EDITED``, and no machine changes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING

from tsubasa_cli.errors import InputError
from tsubasa_cli.memory.log import MemoryLog, new_id
from tsubasa_cli.memory.names import new_batch
from tsubasa_cli.memory.values import (
    Actor,
    Change,
    Evidence,
    Kind,
    Observation,
    Op,
    Origin,
    Precision,
    Status,
)
from tsubasa_cli.storage.values import Instant

if TYPE_CHECKING:
    from tsubasa_cli.memory.dates.values import DateSpan

Seen = Mapping[str, int]
"""The versions of memories that the user had before them when they decided, by id: a change made
for another version is a ``ConflictError``, so nobody's work is lost unseen."""
NOTHING_SEEN: Seen = MappingProxyType({})

LONGEST_STATEMENT = 1_000
"""In characters: a memory is one sentence, and has to fit into a question's context."""
LONGEST_TAG = 40
MOST_TAGS = 20


def note(
    log: MemoryLog,
    statement: str,
    *,
    kind: Kind | None = None,
    tags: Collection[str] = (),
    day: str = "",
    owner: str = "",
) -> Observation:
    """Remember ``statement``, true since or happened on ``day`` ("2024-05-03", "last Monday").

    Said in the first person it is told of ``owner`` (empty: "the user"), as all memories are; the
    words themselves are kept as evidence. What held the place of a single-valued attribute is
    superseded. Raises ``InputError`` when it is empty, too long, known already, or erased before.
    """
    from tsubasa_cli.memory.facts import kind_of

    now = Instant.now()
    words = as_statement(statement)
    told = told_of(words, owner)
    noted = Observation(
        id=new_id(),
        statement=told,
        recorded_at=now,
        kind=kind or kind_of(words),
        evidence=(Evidence(None, words),),
        origin=Origin.USER_EDITED,
        tags=as_tags(tags),
    )
    noted = read_anew(_dated(noted, day, now) if day else noted)
    with log.deciding():
        _require_unknown(log, told)
        after, closed = _in_place(log, noted)
        is_past = after.status is Status.SUPERSEDED
        reason = "noted by hand, of an earlier time" if is_past else "noted by hand"
        commit_by_hand(log, [Change(Op.ADD, after, reason), *closed])
        return log.get(noted.id)


def correct(
    log: MemoryLog, reference: str, statement: str, owner: str = "", seen: Seen = NOTHING_SEEN
) -> Observation:
    """Give a memory other words; it keeps its dates and where it was said.

    Raises ``NotFoundError``, ``InputError``, or ``ConflictError`` when it is not as ``seen``.
    """
    told = told_of(as_statement(statement), owner)
    with log.deciding():
        [before] = there(log, [reference])
        if told == before.statement:
            return before
        after = read_anew(replace(before, statement=told, origin=Origin.USER_EDITED))
        if any(other.id != before.id for other in log.by_slot(after.subject, after.slot)):
            after = replace(after, slot="")
        commit_by_hand(log, [Change(Op.EDIT, after, "corrected by hand")], [before], seen)
        return log.get(before.id)


def pin(log: MemoryLog, references: Sequence[str], seen: Seen = NOTHING_SEEN) -> list[Observation]:
    """Have memories go with every question, and no machine change them; those that changed."""
    return _each(log, references, _pinned, seen)


def unpin(
    log: MemoryLog, references: Sequence[str], seen: Seen = NOTHING_SEEN
) -> list[Observation]:
    """Undo ``pin``; those that changed."""
    return _each(log, references, _unpinned, seen)


def forget(
    log: MemoryLog, references: Sequence[str], seen: Seen = NOTHING_SEEN
) -> list[Observation]:
    """Hide memories: they are kept and can be restored, and are not recalled; those that changed.
    Of a quarantined one it means no."""
    return _each(log, references, _forgotten, seen)


def restore(
    log: MemoryLog, references: Sequence[str], seen: Seen = NOTHING_SEEN
) -> list[Observation]:
    """Bring forgotten memories back as they were, and let quarantined ones be recalled; those that
    changed. One value of an attribute is in force: the later one, and the other is superseded."""
    batch, changed = new_batch(), []
    with log.deciding():
        for before in there(log, references):
            if changes := _restored(log, before):
                own = {id_: version for id_, version in seen.items() if id_ == before.id}
                commit_by_hand(log, changes, [before], own, batch)
                changed.append(before.id)
        return [log.get(memory_id) for memory_id in changed]


def as_statement(text: str) -> str:
    """``text`` as one line; ``InputError`` when nothing or too much is left."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not words:
        raise InputError(
            "There is nothing to remember.",
            next_step='Give a sentence: tsubasa memory add "I am allergic to nuts."',
        )
    if len(words) > LONGEST_STATEMENT:
        raise InputError(
            f"A memory is one sentence; this has {len(words):,} characters.",
            why=f"At most {LONGEST_STATEMENT:,} fit.",
            next_step="Split it into several memories.",
        )
    return words


def as_tag(tag: str) -> str:
    """``tag`` without the space and the "#" around it; ``InputError`` when it is none: one that
    could not be told from others in a line of tags."""
    word = tag.strip().strip("#")
    if not 0 < len(word) <= LONGEST_TAG or not word.isprintable() or {" ", ","} & {*word}:
        raise InputError(
            f"{tag.strip()[:LONGEST_TAG]!r} is no tag.",
            next_step=f"A tag is a word of {LONGEST_TAG} characters at most.",
        )
    return word


def as_tags(tags: Collection[str]) -> tuple[str, ...]:
    """``tags``, each once; ``InputError`` when one is none, or they are too many."""
    words = tuple(dict.fromkeys(map(as_tag, tags)))
    if len(words) > MOST_TAGS:
        raise InputError(f"A memory has {MOST_TAGS} tags at most.", next_step="Leave some out.")
    return words


def span_of(text: str, now: Instant) -> DateSpan:
    """The days that ``text``, all of it, names, seen from ``now``; ``InputError`` when it names
    none, or says more than that."""
    from tsubasa_cli.memory.dates import resolve
    from tsubasa_cli.memory.language import language_of

    typed = text.strip()
    span = _iso_day(typed) or resolve(typed, now, language_of(typed))
    if span is None or not _is_all(typed, span):
        raise InputError(
            f"{text!r} is no date.",
            next_step='Write it as 2024-05-03, 2024-05 or "3 May 2024".',
        )
    return span


_YEARS = range(1000, 9000)
"""Nobody lived in others, and days can be counted from these in both directions."""


def _iso_day(text: str) -> DateSpan | None:
    """A day as a form shows it, be it centuries away."""
    from tsubasa_cli.memory.dates import DateSpan

    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    if day.year not in _YEARS:
        return None
    return DateSpan(day, day, Precision.DAY, text, 0)


_BESIDE_A_DATE = re.compile(
    r"(?i)(?:\b(?:on|in|at|the|from|between|during|around|about|roughly|circa|ca|sometime|since|"
    r"am|im|um|der|den|dem|vom|zwischen|ungefähr|etwa|irgendwann|el|la|en|del|entre|hacia|"
    r"le|l['’]|du|au|vers|environ)\b|"
    r"\b(?:at |um |a las |à )?\d\d?(?::\d\d){1,2}(?: ?[ap]m)?\b|\bat \d\d?(?: ?[ap]m)?\b|[\s.,!])+"
)

_MOST_BESIDE = 40
"""In characters."""


def _is_all(text: str, span: DateSpan) -> bool:
    """Whether ``text`` says nothing beside ``span`` but a preposition or the time of day: what is
    left out, a year or a "not", would change what it means."""
    start, end = span.offset, span.offset + len(span.text)
    beside = (text[:start], text[end:])
    return all(
        not words or (len(words) <= _MOST_BESIDE and _BESIDE_A_DATE.fullmatch(words))
        for words in beside
    )


def day_named(text: str, now: Instant) -> date:
    """The last day of what ``text`` names; ``InputError`` when it names none."""
    return span_of(text, now).end


Step = Callable[[Observation], Change | None]


def _each(log: MemoryLog, references: Sequence[str], step: Step, seen: Seen) -> list[Observation]:
    with log.deciding():
        changes = [change for change in map(step, there(log, references)) if change]
        if changes:
            commit_by_hand(log, changes, seen=seen)
        return [log.get(change.after.id) for change in changes]


def _pinned(before: Observation) -> Change | None:
    return None if before.pinned else Change(Op.PIN, replace(before, pinned=True))


def _unpinned(before: Observation) -> Change | None:
    return Change(Op.UNPIN, replace(before, pinned=False)) if before.pinned else None


def _forgotten(before: Observation) -> Change | None:
    if before.status is Status.FORGOTTEN:
        return None
    op = Op.REJECT if before.status is Status.QUARANTINED else Op.FORGET
    return Change(op, replace(before, status=Status.FORGOTTEN))


def _restored(log: MemoryLog, before: Observation) -> list[Change]:
    """What brings ``before`` back: first itself, then what it replaces."""
    if before.status is Status.QUARANTINED:
        op, status = Op.APPROVE, Status.ACTIVE
    elif before.status is Status.FORGOTTEN:
        op, status = Op.RESTORE, _status_before(log, before)
    else:
        return []
    if status is not Status.ACTIVE:
        return [Change(op, replace(before, status=status))]
    after, closed = _in_place(log, before)
    return [Change(op, after), *closed]


def _status_before(log: MemoryLog, forgotten: Observation) -> Status:
    images = (event.after.status for event in reversed(log.history(forgotten.id)))
    return next((status for status in images if status is not Status.FORGOTTEN), Status.ACTIVE)


def commit_by_hand(
    log: MemoryLog,
    changes: Sequence[Change],
    before: Sequence[Observation] = (),
    seen: Seen = NOTHING_SEEN,
    batch_id: str | None = None,
) -> str:
    """Write one batch, or more of ``batch_id``; its name. ``before`` are the memories as they were
    read just now, ``seen`` the versions that the user decided on; ``InputError`` when all of it
    was erased before."""
    expect = {observation.id: observation.version for observation in before} | {
        memory_id: version for memory_id, version in seen.items() if memory_id in touched(changes)
    }
    events = log.commit(changes, actor=Actor.USER, batch_id=batch_id, expect=expect)
    if not events:
        raise InputError(
            "This was erased before, so it is not remembered.",
            why="What is erased does not come back by itself.",
            next_step="Only a file of memories that holds it brings it back: "
            "tsubasa memory import FILE.jsonl",
        )
    return events[0].batch_id


def there(log: MemoryLog, references: Sequence[str]) -> list[Observation]:
    """The memories, each once, in the order given; ``InputError`` for an erased one."""
    found = {before.id: before for before in map(log.get, references)}
    for before in found.values():
        require_not_erased(before)
    return list(found.values())


def touched(changes: Sequence[Change]) -> set[str]:
    """The ids of the memories that ``changes`` change."""
    return {change.after.id for change in changes}


def read_anew(observation: Observation) -> Observation:
    """``observation`` with what its words tell: whom it is about, which slot, which language."""
    from tsubasa_cli.memory.language import language_of
    from tsubasa_cli.memory.slots import slot_of
    from tsubasa_cli.memory.subjects import subject_of

    subject = subject_of(observation.statement)
    return replace(
        observation,
        subject=subject,
        slot=slot_of(observation.statement, subject, observation.kind),
        language=language_of(observation.statement),
    )


def told_of(words: str, owner: str) -> str:
    """``words`` in the third person; as they are where grammar is not sure."""
    from tsubasa_cli.memory.language import language_of
    from tsubasa_cli.memory.third_person import told

    return told(words, language_of(words), owner) or words


def _in_place(log: MemoryLog, wanted: Observation) -> tuple[Observation, list[Change]]:
    """``wanted`` as it comes into force, and what that closes: the user's own word goes before all
    others. What is of an earlier time than what holds its place is the past at once."""
    from tsubasa_cli.memory.outcomes import day_of, is_older

    taken = log.by_slot(wanted.subject, wanted.slot)
    later = [old for old in taken if is_older(wanted, old)]
    if later:
        ended = wanted.valid_to or min(map(day_of, later))
        return replace(wanted, status=Status.SUPERSEDED, valid_to=ended), []
    ended = day_of(wanted)
    closed = [
        replace(old, status=Status.SUPERSEDED, valid_to=old.valid_to or ended) for old in taken
    ]
    supersedes = dict.fromkeys((*wanted.supersedes, *(old.id for old in taken)))
    after = replace(wanted, status=Status.ACTIVE, supersedes=tuple(supersedes))
    return after, [Change(Op.SUPERSEDE, old, "replaced by hand") for old in closed]


def _dated(observation: Observation, day: str, now: Instant) -> Observation:
    span = span_of(day, now)
    is_lasting = observation.kind not in (Kind.EVENT, Kind.PLAN)
    return replace(
        observation,
        event_from=span.start,
        event_to=span.end,
        precision=span.precision,
        time_expr=day.strip(),
        valid_from=span.start if is_lasting else None,
    )


def _require_unknown(log: MemoryLog, statement: str) -> None:
    for known in log.stating(statement)[:1]:
        raise InputError(
            f"This is known already, as {known.id}.",
            next_step=f"See it with: tsubasa memory show {known.id}",
        )


def require_not_erased(observation: Observation) -> None:
    if observation.status is Status.ERASED:
        raise InputError(
            f"Memory {observation.id} was erased for good.",
            next_step="Nothing of it is left to change.",
        )
