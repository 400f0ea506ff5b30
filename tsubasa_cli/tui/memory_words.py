"""Memories as people read them: their state, their days, the way in which they were found."""

from __future__ import annotations

from collections.abc import Sequence

from tsubasa_cli.conversation.why import BY_HEART, Source
from tsubasa_cli.memory.unlearned import CHANNEL
from tsubasa_cli.memory.values import MemoryEvent, Observation, Op, Origin, Status
from tsubasa_cli.tui import wording

BY_HAND = "written by hand, or its chat is gone"

LONGEST_QUOTE = 160
"""Characters shown of the words a memory comes from."""

_CHANNELS = {
    "pinned": "pinned",
    "dense": "meaning",
    "words": "words",
    "turns": "words",
}


def found_by(channels: Sequence[tuple[str, float]]) -> str:
    """ "found by words and meaning", "pinned"; empty when nothing is known."""
    names = [_CHANNELS.get(name, name.replace("_", " ")) for name, value in channels if value > 0]
    named = list(dict.fromkeys(wording.visible_line(name) for name in names))
    if BY_HEART in named:
        return "not recalled: the model knows it by heart"
    if CHANNEL in named:
        return "changed since the model learned it"
    if "pinned" in named:
        return "pinned, so it goes with every question"
    return f"found by {' and '.join(named)}" if named else ""


def quoted(source: Source) -> str:
    """The words of a source on one line, in quotation marks."""
    return f"“{wording.first_line(source.quote, LONGEST_QUOTE)}”"


def origin(source: Source) -> str:
    """When and where it was said: "3 May 2026 · Swallows before rain"."""
    if source.turn_id is None:
        return BY_HAND
    day = wording.day(source.at.local().date()) if source.at else ""
    title = wording.first_line(source.session_title or "Untitled", 40)
    return " · ".join(part for part in (day, title) if part)


def particulars(memory: Observation) -> str:
    """ "preference · said on 3 May 2026 · pinned"."""
    verb = "noted" if memory.origin is Origin.USER_EDITED else "said"
    said = f"{verb} on {wording.day(memory.recorded_at.local().date())}"
    until = f"until {wording.day(memory.last_day)}" if memory.last_day else ""
    pinned = "pinned" if memory.pinned and not is_gone(memory) else ""
    return " · ".join(part for part in (memory.kind, said, until, pinned) if part)


def batch_to_undo(history: Sequence[MemoryEvent]) -> str:
    """The batch of the last thing that happened to a memory and still holds; empty when all of it
    is undone. ``history`` is in the order of the log."""
    takes_back = {event.undoes: event for event in history if event.undoes is not None}

    def holds(event: MemoryEvent) -> bool:
        undo = takes_back.get(event.id)
        return undo is None or not holds(undo)

    acts = (event for event in reversed(history) if event.op is not Op.UNDO and holds(event))
    return next((event.batch_id for event in acts), "")


def is_gone(memory: Observation) -> bool:
    """Whether nothing is recalled of it any more."""
    return memory.status not in (Status.ACTIVE, Status.QUARANTINED)
