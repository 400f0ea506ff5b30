"""A candidate and its statement become an observation: subject, kind, dates, slot, status."""

from __future__ import annotations

from tsubasa_cli.memory.candidates import Candidate
from tsubasa_cli.memory.dating import Dated, validity
from tsubasa_cli.memory.facts import is_cancelled, kind_of
from tsubasa_cli.memory.guard import danger_in
from tsubasa_cli.memory.log import new_id
from tsubasa_cli.memory.presupposed import TAG as PRESUPPOSED
from tsubasa_cli.memory.slots import slot_of
from tsubasa_cli.memory.subjects import subject_of
from tsubasa_cli.memory.values import Kind, Observation, Status

CORRECTION = "correction"
CANCELLED = "cancelled"


def observe(candidate: Candidate, when: Dated, statement: str, owner: str = "") -> Observation:
    """The observation that ``candidate`` makes, told as ``statement``; ``when`` is its dates."""
    kind = _kind(candidate, when)
    subject = subject_of(statement, owner)
    said_on = candidate.turn.created_at.local().date()
    valid_from, valid_to = validity(kind, when.span, candidate.text, said_on)
    danger = danger_in(candidate.said) or danger_in(statement)
    return Observation(
        id=new_id(),
        statement=statement,
        recorded_at=candidate.turn.created_at,
        subject=subject,
        kind=kind,
        event_from=when.span.start if when.span else None,
        event_to=when.span.end if when.span else None,
        precision=when.span.precision if when.span else None,
        time_expr=when.span.text if when.span else "",
        valid_from=valid_from,
        valid_to=valid_to,
        evidence=candidate.evidence,
        status=Status.QUARANTINED if danger else Status.ACTIVE,
        slot=slot_of(statement, subject, kind),
        language=candidate.language,
        tags=_tags(candidate),
    )


def _kind(candidate: Candidate, when: Dated) -> Kind:
    """What is to come is a plan, however it is told: "on Monday I have an exam"."""
    kind = kind_of(candidate.text)
    if kind is Kind.EVENT and when.span is not None and when.span.bound == "since":
        return Kind.STATE
    is_to_come = when.span is not None and when.span.direction == "future"
    return Kind.PLAN if is_to_come and kind in (Kind.STATE, Kind.EVENT) else kind


def _tags(candidate: Candidate) -> tuple[str, ...]:
    tags = [CORRECTION] if candidate.corrects else []
    tags += [PRESUPPOSED] if candidate.is_presupposed else []
    return (*tags, CANCELLED) if is_cancelled(candidate.text) else tuple(tags)
