"""Memories as a document to read: grouped by kind, each with its days and where it was said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date

from tsubasa_cli.memory.values import Evidence, Kind, Observation, Status
from tsubasa_cli.storage.values import Instant, Turn

_HEADINGS = {
    Kind.IDENTITY: "Who you are",
    Kind.RELATION: "People around you",
    Kind.PREFERENCE: "What you like",
    Kind.STATE: "How things are",
    Kind.EVENT: "What happened",
    Kind.PLAN: "What you plan",
}
_STANDING = {
    Status.ACTIVE: "",
    Status.SUPERSEDED: "no longer so",
    Status.QUARANTINED: "waits for your yes or no",
    Status.FORGOTTEN: "forgotten",
}
_MARKUP = re.compile(r"([\\\\`*_\[\]<>#|~])")


def to_markdown(
    observations: Iterable[Observation], turns: Mapping[int, Turn], now: Instant
) -> str:
    """The document. ``turns`` are those that the evidence quotes, as far as they exist."""
    told = [each for each in observations if each.status is not Status.ERASED]
    parts = ["# Memories", f"*{now.local():%Y-%m-%d}, {len(told)} in all*"]
    for kind, heading in _HEADINGS.items():
        entries = [_entry(each, turns) for each in told if each.kind is kind]
        if entries:
            parts += [f"## {heading}", "\n".join(entries)]
    return "\n\n".join(parts) + "\n"


def _entry(item: Observation, turns: Mapping[int, Turn]) -> str:
    lines = [f"- {_plain(item.statement)}{_notes(item)}"]
    lines += [f"  - {_source(said, item, turns)}" for said in item.evidence]
    return "\n".join(lines)


def _notes(item: Observation) -> str:
    notes = [
        _STANDING[item.status],
        _span("happened", item.event_from, item.event_to),
        _span("true", item.valid_from, item.last_day),
        "pinned" if item.pinned else "",
        ", ".join(f"#{tag}" for tag in map(_plain, item.tags)),
        f"`{item.id}`",
    ]
    return f" ({'; '.join(note for note in notes if note)})"


def _span(verb: str, first: date | None, last: date | None) -> str:
    if first and last:
        return f"{verb} {first}" if first == last else f"{verb} {first} to {last}"
    if first:
        return f"{verb} since {first}"
    return f"{verb} until {last}" if last else ""


def _source(said: Evidence, item: Observation, turns: Mapping[int, Turn]) -> str:
    turn = turns.get(said.turn_id or 0)
    at = turn.created_at if turn else item.recorded_at
    return f"{at.local():%Y-%m-%d %H:%M}: “{_plain(said.quote)}”"


def _plain(text: str) -> str:
    """``text`` on one line, as words and never as markup."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
