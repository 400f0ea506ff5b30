"""How memories are shown: tables on a terminal, one memory a line in a pipe, and JSON."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from tsubasa_cli.cli import context
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.values import Evidence, MemoryEvent, Observation, Status
from tsubasa_cli.storage.sources import TurnSource, turn_sources

if TYPE_CHECKING:
    import sqlite3

    from tsubasa_cli.memory.statistics import Statistics

WIDE = 78
WIDEST_ABOUT = 28
NARROWEST_TABLE = 48
"""Columns of a terminal; in a narrower one the words stand below the id and the day."""
CLIPPED = 100
"""Characters of a statement in a line of the log."""


@dataclass(frozen=True, slots=True)
class Record:
    """A memory with all that is known about it."""

    observation: Observation
    history: tuple[MemoryEvent, ...]
    sources: Mapping[int, TurnSource]


def records(observations: Sequence[Observation], connection: sqlite3.Connection) -> list[Record]:
    """``observations`` with their histories and where their words are from."""
    histories = _histories(observations, MemoryLog(connection))
    turns = [
        evidence.turn_id
        for observation in observations
        for evidence in observation.evidence
        if evidence.turn_id is not None
    ]
    sources = turn_sources(connection, turns)
    return [Record(each, tuple(histories[each.id]), sources) for each in observations]


def _histories(
    observations: Sequence[Observation], log: MemoryLog
) -> Mapping[str, list[MemoryEvent]]:
    if len(observations) == 1:
        return {observations[0].id: log.history(observations[0].id)}
    found: dict[str, list[MemoryEvent]] = defaultdict(list)
    for event in reversed(log.events() if observations else []):
        found[event.after.id].append(event)
    return found


# ---------------------------------------------------------------------- JSON


def all_facts(
    observations: Sequence[Observation], connection: sqlite3.Connection
) -> list[dict[str, Any]]:
    """``facts`` of each of ``observations``."""
    return [facts(record) for record in records(observations, connection)]


def facts(record: Record) -> dict[str, Any]:
    """A memory as plain data. Days are ISO dates of the user's own calendar; ``event_to`` is
    inclusive, ``valid_to`` exclusive."""
    observation = record.observation
    return {
        "id": observation.id,
        "statement": observation.statement,
        "subject": observation.subject,
        "kind": observation.kind.value,
        "status": observation.status.value,
        "event_from": _iso(observation.event_from),
        "event_to": _iso(observation.event_to),
        "precision": observation.precision.value if observation.precision else None,
        "time_expr": observation.time_expr,
        "valid_from": _iso(observation.valid_from),
        "valid_to": _iso(observation.valid_to),
        "recorded_at": observation.recorded_at.iso(),
        "evidence": [_evidence_facts(e, record.sources) for e in observation.evidence],
        "origin": observation.origin.value,
        "slot": observation.slot,
        "language": observation.language,
        "pinned": observation.pinned,
        "tags": list(observation.tags),
        "supersedes": list(observation.supersedes),
        "version": observation.version,
        "batch_id": observation.batch_id,
        "history": [event_facts(event) for event in record.history],
    }


def event_facts(event: MemoryEvent) -> dict[str, Any]:
    """One event of the log as plain data; the memory as the event left it."""
    after = event.after
    return {
        "event": event.id,
        "op": event.op.value,
        "actor": event.actor.value,
        "at": event.at.iso(),
        "reason": event.reason,
        "undoes": event.undoes,
        "batch_id": event.batch_id,
        "id": after.id,
        "version": after.version,
        "statement": after.statement,
        "status": after.status.value,
        "valid_from": _iso(after.valid_from),
        "valid_to": _iso(after.valid_to),
    }


def _evidence_facts(evidence: Evidence, sources: Mapping[int, TurnSource]) -> dict[str, Any]:
    source = sources.get(evidence.turn_id) if evidence.turn_id is not None else None
    return {
        "turn_id": evidence.turn_id,
        "quote": evidence.quote,
        "session_id": source.session_id if source else None,
        "session_title": source.title if source else None,
        "imported_from": (source.import_key or None) if source else None,
        "date": source.said_at.local().date().isoformat() if source else None,
        "said_at": source.said_at.iso() if source else None,
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


# ---------------------------------------------------------------------- text


def when(observation: Observation) -> str:
    """The days that a memory is about: when it is true, else when it happened, else nothing."""
    if observation.valid_from or observation.valid_to:
        last = observation.last_day
        return _span(observation.valid_from, last, is_open=last is None)
    return _span(observation.event_from, observation.event_to, is_open=False)


def _span(first: date | None, last: date | None, *, is_open: bool) -> str:
    if first and is_open:
        return f"since {first}"
    if first and last and first != last:
        return f"{first} – {last}"
    return f"until {last}" if last and not first else str(first or "")


def said(observation: Observation) -> str:
    """The day a memory was said."""
    return observation.recorded_at.local().strftime("%Y-%m-%d")


def print_list(observations: Sequence[Observation]) -> None:
    """One memory a row."""
    if not sys.stdout.isatty():
        for each in observations:
            context.write(f"{each.id}  {said(each)}  {_marks(each):<12}  {each.statement}\n")
        return
    _print_table(observations)


def _print_table(observations: Sequence[Observation]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = context.console()
    if console.width < NARROWEST_TABLE:
        _print_below_each_other(observations)
        return
    wide = console.width >= WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Id", no_wrap=True)
    table.add_column("Said", no_wrap=True)
    table.add_column("Memory", overflow="fold", ratio=1)
    if wide:
        table.add_column("About", overflow="fold", max_width=WIDEST_ABOUT)
    for each in observations:
        cells = [each.id, said(each), each.statement, *([_about(each)] if wide else [])]
        style = "" if each.status is Status.ACTIVE else "dim"
        table.add_row(*(Text(context.printable(cell)) for cell in cells), style=style)
    console.print(table)


def _print_below_each_other(observations: Sequence[Observation]) -> None:
    from rich.text import Text

    console = context.console()
    for each in observations:
        style = "" if each.status is Status.ACTIVE else "dim"
        for line in (each.id, said(each), each.statement):
            console.print(Text(context.printable(line), style=style), overflow="fold")
        console.print()


def _about(observation: Observation) -> str:
    days = when(observation)
    parts = [
        observation.kind.value,
        *([days] if days else []),
        *filter(None, [_flags(observation)]),
    ]
    return ", ".join(parts)


def _marks(observation: Observation) -> str:
    """What a pipe's line says of the memory beside its words."""
    is_active = observation.status is Status.ACTIVE
    return observation.kind.value if is_active else observation.status.value


def _flags(observation: Observation) -> str:
    parts = ["pinned"] if observation.pinned else []
    if observation.status is not Status.ACTIVE:
        parts.append(observation.status.value)
    return ", ".join(parts)


def print_record(record: Record) -> None:
    """Everything about one memory: its facts, where it was said, what happened to it."""
    observation = record.observation
    context.write(f"{observation.statement or '(erased)'}\n\n")
    for label, value in _labelled(observation):
        if value:
            context.write(f"{label:<10} {value}\n")
    if observation.evidence:
        context.write("\nSaid:\n")
    for evidence in observation.evidence:
        context.write(
            f"  “{_one_line(evidence.quote)}”\n     {_origin(evidence, record.sources)}\n"
        )
    context.write("\nHistory:\n")
    for event in record.history:
        context.write(f"  {_event_line(event)}\n")


def _labelled(observation: Observation) -> Iterable[tuple[str, str]]:
    happened = _span(observation.event_from, observation.event_to, is_open=False)
    own_words = f" (“{observation.time_expr}”)" if observation.time_expr else ""
    yield "id", observation.id
    yield "status", _flags(observation) or observation.status.value
    yield "kind", observation.kind.value
    yield "subject", observation.subject
    yield "slot", observation.slot
    yield "happened", f"{happened}{own_words}" if happened else own_words.strip()
    yield "true", when(observation) if observation.valid_from or observation.valid_to else ""
    yield "said", said(observation)
    yield "origin", observation.origin.value.replace("_", " ")
    yield "tags", ", ".join(observation.tags)
    yield "replaces", ", ".join(observation.supersedes)


def _origin(evidence: Evidence, sources: Mapping[int, TurnSource]) -> str:
    if evidence.turn_id is None:
        return "written by hand"
    source = sources.get(evidence.turn_id)
    if source is None:
        return "in a conversation that is gone"
    day = source.said_at.local().strftime("%Y-%m-%d %H:%M")
    return f"{day}, session {source.session_id}, {source.title or 'Untitled'}"


def _event_line(event: MemoryEvent) -> str:
    at = event.at.local().strftime("%Y-%m-%d %H:%M")
    reason = f" ({event.reason})" if event.reason else ""
    return f"{at}  {event.op.value} by {event.actor.value}{reason}: {_clip(event.after.statement)}"


def print_events(events: Sequence[MemoryEvent]) -> None:
    """The log, an event a line, with its batch."""
    for event in events:
        context.write(f"{event.batch_id}  {event.after.id}  {_event_line(event)}\n")


def statistics_lines(counted: Statistics) -> Iterable[tuple[str, str]]:
    """What ``stats`` shows: labels and values."""
    active = counted.by_status.get(Status.ACTIVE.value, 0)
    yield "active memories", f"{active:,}"
    for kind, number in counted.by_kind.items():
        yield f"  {kind}", f"{number:,}"
    yield "pinned", f"{counted.pinned:,}"
    for status, number in counted.by_status.items():
        if status != Status.ACTIVE.value:
            yield status, f"{number:,}"
    if counted.first and counted.last:
        days = [at.local().strftime("%Y-%m-%d") for at in (counted.first, counted.last)]
        yield "said", " to ".join(dict.fromkeys(days))
    yield "events", f"{counted.events:,} in {counted.batches:,} batches"
    yield "conversations", f"{counted.sessions:,}, {counted.imported_sessions:,} imported"
    yield "your messages", ", ".join(f"{n:,} {state}" for state, n in counted.turns.items())
    yield "not indexed yet", f"{counted.unindexed:,}"


def print_changed(observations: Sequence[Observation], what: str) -> None:
    """Tell which memories a command changed; the ids go to standard output."""
    for each in observations:
        context.write(f"{each.id}  {_clip(each.statement)}\n")
    many = "1 memory" if len(observations) == 1 else f"{len(observations):,} memories"
    context.say(f"{many} {what}.")


def _clip(text: str) -> str:
    line = _one_line(text)
    return line if len(line) <= CLIPPED else f"{line[: CLIPPED - 1]}…"


def _one_line(text: str) -> str:
    return " ".join(text.split())
