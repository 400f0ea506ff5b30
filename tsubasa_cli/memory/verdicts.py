"""How a new observation bears on an old one: by rule where code can tell, else by probability."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tsubasa_cli.memory import change_cues as cues
from tsubasa_cli.memory import life
from tsubasa_cli.memory.calibration import Relation
from tsubasa_cli.memory.corrections import is_correction
from tsubasa_cli.memory.endings import clauses_with, ends, topic_stems
from tsubasa_cli.memory.lexical import (
    are_opposite,
    content_stems,
    core_stems,
    has_cue,
    has_new_cue,
    is_negated,
    is_plan,
    names_in,
    numbers_in,
    with_kinds,
    without_aside,
)
from tsubasa_cli.memory.narrative import current_part
from tsubasa_cli.memory.presupposed import TAG as PRESUPPOSED
from tsubasa_cli.memory.slots import ended_slots, same_value, slot_values
from tsubasa_cli.memory.subjects import same_subject
from tsubasa_cli.memory.values import Kind, Observation

SURE_SAME = 0.55
SURE_PARAPHRASE = 0.7
"""Where the newer note has words of its own, which are lost if it is taken for a repeat."""
SURE_CHANGE = 0.5
SURE_CHANGE_UNTOLD = 0.7
"""Where no word of ``memory.endings`` says so: 10 of 46 such changes among the labelled pairs are
surer than this with the 1.5B's judgement, and nothing else; 4 by code alone, and 1 mistake."""
SURE_CHANGE_OF_EVENT = 0.8
"""What happened stays happened, so that an event changes takes more."""
SURE_MORE = 0.8
"""Also superseding a second memory takes more than superseding the first."""
SURE_DETAIL = 0.65
PLAN_OVERLAP = 0.5
"""The share of a plan's content words that what came of it repeats."""
ONE_TALK_MS = 3_600_000

_FIXED_SLOTS = ("hometown", "birthday")
_VAGUE_SLOTS = ("employer", "home", "school", "gym")
_REPLACING = (
    r"\b(?:sold|replaced|traded|swapped|instead|switched|crashed|scrapped|statt|verkauft|"
    r"vendió|vendu)\b"
)


class Bearing(StrEnum):
    """What the newer note does to the older."""

    REPEATS = "repeats"
    REFINES = "refines"
    CORRECTS = "corrects"
    CHANGES = "changes"
    CANCELS = "cancels"
    FULFILS = "fulfils"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is a clause for people; ``confidence`` 1 means that a rule decided."""

    old: Observation
    bearing: Bearing
    reason: str
    confidence: float = 1.0


def by_rule(new: Observation, candidates: Sequence[Observation]) -> list[Verdict]:
    """What is certain, or ``[]``. All verdicts of one answer have the same bearing."""
    repeats = [c for c in candidates if _is_repeat(c, new) or _is_arrival(c, new)]
    if repeats:
        return [Verdict(repeats[0], Bearing.REPEATS, "said again")]
    wrong = [c for c in candidates if is_correction(c, new)]
    if wrong:
        return [Verdict(c, Bearing.CORRECTS, "put right") for c in _alike(wrong)]
    ends = [c for c in candidates if _changes_slot(c, new) or _has_died(c, new)]
    if ends:
        return [_slot_verdict(c, new) for c in ends]
    resized = [c for c in candidates if _resizes(c, new) or _swaps(c, new)]
    if resized:
        return [Verdict(c, Bearing.CHANGES, "a new value of the same thing") for c in resized]
    over = [c for c in candidates if life.supersedes(c, new) and _is_later(c, new)]
    if over:
        return [Verdict(c, Bearing.CHANGES, "one such thing at a time") for c in over]
    return _plans_end(new, candidates)


def by_signals(
    old: Observation, new: Observation, probabilities: Mapping[Relation, float]
) -> Verdict | None:
    """What is probable enough to act on, or None."""
    changes, same = probabilities[Relation.CHANGES], probabilities[Relation.SAME]
    known = same + probabilities[Relation.ADDS]
    if changes >= _change_threshold(old, new) and _may_have_changed(old, new):
        return Verdict(old, Bearing.CHANGES, f"{changes:.0%} a change", changes)
    if not _may_be_one(old, new):
        return None
    if known >= SURE_DETAIL and _covers(old, new) and not says_all_of(old, new):
        return Verdict(old, Bearing.REFINES, f"{known:.0%} in more detail", known)
    if same >= (SURE_SAME if says_all_of(old, new) else SURE_PARAPHRASE):
        return Verdict(old, Bearing.REPEATS, f"{same:.0%} the same", same)
    return None


def strongest(found: Sequence[Verdict]) -> list[Verdict]:
    """The verdict to act on; further memories change along only where that is all but certain."""
    if not found:
        return []
    best = max(found, key=lambda verdict: verdict.confidence)
    if best.bearing is not Bearing.CHANGES:
        return [best]
    others = [v for v in found if v is not best and v.bearing is Bearing.CHANGES]
    return [best, *(v for v in others if v.confidence >= SURE_MORE)]


def happened_apart(old: Observation, new: Observation) -> bool:
    """Whether both are dated, on days that do not meet: two events then, however alike."""
    if None in (old.event_from, new.event_from):
        return False
    old_end, new_end = old.event_to or old.event_from, new.event_to or new.event_from
    assert old.event_from and new.event_from and old_end and new_end
    return old_end < new.event_from or new_end < old.event_from


def says_all_of(old: Observation, new: Observation) -> bool:
    """Whether ``old`` holds every word of ``new`` that carries meaning."""
    return _stems_of(new) <= _stems_of(old)


def _is_repeat(old: Observation, new: Observation) -> bool:
    before, after = current_part(old.statement), new.statement
    if PRESUPPOSED in new.tags and core_stems(after) <= core_stems(before):
        return not is_negated(before)
    if _names_the_same(old, new):
        return True
    before, after = _affirmed(before), _affirmed(after)
    return (
        same_subject(old.subject, new.subject) == 1
        and core_stems(before, old.language) == core_stems(after, new.language)
        and is_negated(before) == is_negated(after)
        and not has_cue(cues.CORRECTION, after)
        and not happened_apart(old, new)
    )


def _names_the_same(old: Observation, new: Observation) -> bool:
    """Whether ``new`` only names again whom ``old`` tells of: "my kids are called Ole and Ida"."""
    if old.kind is not Kind.RELATION or not names_in(new.statement):
        return False
    if same_subject(old.subject, new.subject) < 1 or is_negated(old.statement + new.statement):
        return False
    told = with_kinds(core_stems(current_part(old.statement), old.language))
    return with_kinds(core_stems(new.statement, new.language)) <= told


def _affirmed(text: str) -> str:
    """ "Does not sleep well" is "sleeps badly"."""
    return re.sub(
        r"(?i)\b(?:does|do|did|has|have)(?: not|n['’]t) (\w+ (?:\w+ )?)well\b", r"\1badly", text
    )


def _is_arrival(old: Observation, new: Observation) -> bool:
    """Whether ``new`` tells as a state what ``old`` told as a change: "switched to Parkview",
    "works at Parkview"."""
    if same_subject(old.subject, new.subject) < 1:
        return False
    value = slot_values(new.statement, new.subject).get("employer", "")
    told = current_part(old.statement)
    arrived = rf"\b(?:switched|moved|changed|went)\b[^.;]*\bto (?:the )?{re.escape(value)}\b"
    return bool(value) and re.search(arrived, told, re.IGNORECASE) is not None


def _resizes(old: Observation, new: Observation) -> bool:
    """Whether a number that ``old`` tells of went up or down: "my rent was raised to 845"."""
    before, told = current_part(old.statement), cues.RESIZED.search(new.statement)
    if told is None or same_subject(old.subject, new.subject) < 1 or old.kind is Kind.EVENT:
        return False
    measured = numbers_in(before)
    if not measured or told["number"] in measured:
        return False
    things = content_stems(told["thing"], new.language) - numbers_in(told["thing"])
    return bool(things & content_stems(before, old.language))


def _swaps(old: Observation, new: Observation) -> bool:
    """Whether ``new`` names what ``old`` tells of as replaced: "replaced the Pixel with …"."""
    told = cues.SWAPPED.search(new.statement)
    if told is None or same_subject(old.subject, new.subject) < 1 or old.kind is Kind.EVENT:
        return False
    gone = content_stems(told["gone"], new.language)
    return bool(gone) and gone <= content_stems(current_part(old.statement), old.language)


def _changes_slot(old: Observation, new: Observation) -> bool:
    return _replaces_slot(old, new) or _ends_slot(old, new) or _refills_slot(old, new)


def _replaces_slot(old: Observation, new: Observation) -> bool:
    if same_subject(old.subject, new.subject) < 1 or new.kind is Kind.PLAN:
        return False
    before = slot_values(old.statement, old.subject)
    after = slot_values(new.statement, new.subject)
    return any(
        not same_value(before[slot], after[slot])
        and _has_room_for_one(slot, before[slot], old, new)
        for slot in before
        if slot in after
    )


def _has_died(old: Observation, new: Observation) -> bool:
    """Whether ``new`` tells the death of whom ``old`` tells something of today."""
    if old.kind in (Kind.EVENT, Kind.PLAN) or not has_cue(cues.DIED, new.statement):
        return False
    named = names_in(new.statement) - cues.CALENDAR
    subject = set(new.subject.split()) - {"user"}
    mourned = (named & subject) or named
    return bool(mourned) and mourned <= names_in(old.statement)


def _slot_verdict(old: Observation, new: Observation) -> Verdict:
    """Where somebody was born cannot change: another value puts the first one right."""
    before, after = slot_values(old.statement, old.subject), slot_values(new.statement, new.subject)
    if any(slot in before and slot in after for slot in _FIXED_SLOTS):
        return Verdict(old, Bearing.CORRECTS, "it cannot change")
    return Verdict(old, Bearing.CHANGES, "one value at a time")


def _has_room_for_one(slot: str, value: str, old: Observation, new: Observation) -> bool:
    if has_cue(cues.ADDITION, new.statement) or _is_vague(slot, value, old.statement):
        return has_new_cue(old.statement, new.statement) and has_cue(_REPLACING, new.statement)
    if slot.startswith("pet:") or slot == "phone model":
        return has_cue(_REPLACING, new.statement)
    return True


def _is_vague(slot: str, value: str, statement: str) -> bool:
    """ "works at a bank" may be the bank that is named later."""
    if slot not in _VAGUE_SLOTS:
        return False
    article = r"\b(?:an?|some|eine[mrns]?|einem|un[ae]?)\s+"
    return re.search(article + re.escape(value), statement, re.IGNORECASE) is not None


def _ends_slot(old: Observation, new: Observation) -> bool:
    if same_subject(old.subject, new.subject) < 1:
        return False
    before = slot_values(old.statement, old.subject)
    ended = ended_slots(new.statement, new.subject)
    return any(
        slot in before and (not value or same_value(before[slot], value))
        for slot, value in ended.items()
    ) or _is_work_at(old, ended.get("employer", ""))


def _is_work_at(old: Observation, place: str) -> bool:
    """Whether ``old`` tells of the user's work at ``place`` in words that no pattern reads."""
    named = content_stems(place, old.language)
    told = content_stems(current_part(old.statement), old.language)
    is_state = old.kind in (Kind.STATE, Kind.IDENTITY) and not is_negated(old.statement)
    return bool(named) and is_state and named <= told


def _refills_slot(old: Observation, new: Observation) -> bool:
    """ "is out of work" ends with the next employer."""
    if same_subject(old.subject, new.subject) < 1 or new.kind is Kind.PLAN:
        return False
    emptied = ended_slots(current_part(old.statement), old.subject)
    return bool(emptied.keys() & slot_values(new.statement, new.subject).keys())


def _plans_end(new: Observation, candidates: Sequence[Observation]) -> list[Verdict]:
    candidates = [c for c in candidates if _is_of_plan(c, new)]
    plans = [c for c in candidates if is_plan(c)]
    if has_cue(cues.POSTPONED, new.statement) and (plans or _is_put_off(new)) and candidates:
        return [Verdict((plans or candidates)[0], Bearing.CHANGES, "the plan was moved")]
    if not plans or (is_plan(new) and not has_cue(cues.CANCELLED, new.statement)):
        return []
    if has_cue(cues.CANCELLED, new.statement):
        return [Verdict(plan, Bearing.CANCELS, "the plan was called off") for plan in plans]
    if has_cue(cues.HAPPENED, new.statement) and not is_negated(new.statement):
        return [Verdict(plans[0], Bearing.FULFILS, "the plan came true")]
    return []


def _is_of_plan(plan: Observation, new: Observation) -> bool:
    if same_subject(plan.subject, new.subject) == 0 or _names_apart(plan, new):
        return False
    intent = with_kinds(topic_stems(plan))
    whole = with_kinds(topic_stems(new))
    clauses = [with_kinds(stems) for stems in clauses_with(cues.CANCELLED, new)]
    return any(
        bool(intent & told) and (len(intent & told) / len(intent) >= PLAN_OVERLAP or told <= intent)
        for told in (whole, *clauses)
    )


def _is_put_off(new: Observation) -> bool:
    """In words that only appointments and the like are spoken of with."""
    return has_cue(cues.PUT_OFF, new.statement)


def _names_apart(old: Observation, new: Observation) -> bool:
    before = names_in(old.statement) - cues.CALENDAR
    after = names_in(new.statement) - cues.CALENDAR
    return bool(before) and bool(after) and not before & after


def _alike(wrong: Sequence[Observation]) -> list[Observation]:
    """The first, and others that say the very same of the same person."""
    first = wrong[0]
    stems = content_stems(current_part(first.statement), first.language)
    return [
        c
        for c in wrong
        if c is first
        or (
            c.subject == first.subject
            and content_stems(current_part(c.statement), c.language) & stems
        )
    ]


def _change_threshold(old: Observation, new: Observation) -> float:
    is_past = old.kind is Kind.EVENT and not slot_values(old.statement, old.subject)
    least = SURE_CHANGE if ends(old, new) else SURE_CHANGE_UNTOLD
    return max(least, SURE_CHANGE_OF_EVENT) if is_past else least


def _may_have_changed(old: Observation, new: Observation) -> bool:
    """Lives do not change within one conversation, nor does what happened on another day; who
    somebody is to the user takes more than "again"."""
    if old.kind is Kind.RELATION and not has_cue(cues.PARTED, new.statement):
        return False
    return not happened_apart(old, new) and _is_later(old, new)


def _is_later(old: Observation, new: Observation) -> bool:
    return abs(new.recorded_at.epoch_ms - old.recorded_at.epoch_ms) > ONE_TALK_MS


def _may_be_one(old: Observation, new: Observation) -> bool:
    before, after = current_part(old.statement), new.statement
    return not (
        happened_apart(old, new)
        or is_negated(before) != is_negated(after)
        or are_opposite(before, after)
        or _cross(numbers_in(before), numbers_in(after))
        or _cross(names_in(before), names_in(after))
    )


def _cross(first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether each side has something that the other lacks."""
    return bool(first - second) and bool(second - first)


def _covers(old: Observation, new: Observation) -> bool:
    """Whether ``new`` says all that ``old`` says."""
    before, after = _stems_of(old), _stems_of(new)
    names = names_in(old.statement) <= names_in(new.statement) | after
    return names and before <= after


def _stems_of(note: Observation) -> frozenset[str]:
    return core_stems(without_aside(current_part(note.statement)), note.language)
