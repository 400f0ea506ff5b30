"""The three ways of keeping a memory that the suite compares, on one and the same extraction.

*evolving* is the product's pipeline: its extraction, ``evolve``, its log. *static* adds whatever
is extracted. *free* is the manager of TSUBASA §4.1: the language model reads the store and the new
observation and freely chooses ADD, UPDATE, RECONCILE or IGNORE, and writes the merged entry. In its
favour: what enters an empty store is added unasked, and a broken reply counts as ADD.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from evolution_models import CachedModel
from evolution_suite import Case

from tsubasa_cli.engine.protocol import Message
from tsubasa_cli.memory.calibration import calibration_for
from tsubasa_cli.memory.closeness import closeness
from tsubasa_cli.memory.evolve import evolve
from tsubasa_cli.memory.extract import Extractor
from tsubasa_cli.memory.extract_profile import Profiles
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.people import told_of
from tsubasa_cli.memory.rewrite import Model
from tsubasa_cli.memory.values import Actor, Change, Observation, Op, Status
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant, Role, Turn

SYSTEMS = ("evolving", "static", "free")
MOST_SHOWN = 20
"""Entries of the store that the free manager sees, the closest ones."""

_MANAGER = (Path(__file__).parent / "manager.md").read_text("utf-8")
_CHOICE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "operation": {"enum": ["ADD", "UPDATE", "RECONCILE", "IGNORE"]},
        "entry": {"type": "integer", "minimum": 0, "maximum": MOST_SHOWN},
        "text": {"type": "string", "maxLength": 300},
    },
    "required": ["operation", "entry", "text"],
    "additionalProperties": False,
}


async def extracted(case: Case, model: CachedModel | None) -> list[list[Observation]]:
    """The observations of each session, shared by all systems. Ids follow from the case."""
    extractor = await _extractor(model)
    sessions: list[list[Observation]] = []
    number = 0
    for turns in case.sessions():
        targets = [turn.id for turn in turns if turn.role is Role.USER]
        known = told_of(each.statement for session in sessions for each in session)
        found = await extractor.extract(turns, targets, known)
        sessions.append([replace(o, id=f"m{number + i:09}") for i, o in enumerate(found)])
        number += len(found)
    return sessions


async def _extractor(model: CachedModel | None) -> Extractor:
    """The product's, using the model as far as its measured profile trusts it."""
    if model is None:
        return Extractor()
    profile = await Profiles(model.folder / "extraction.json").of(model, model.sha256)
    return Extractor(model, profile=profile, model_hash=model.sha256)


async def live(
    system: str,
    sessions: Sequence[Sequence[Observation]],
    case: Case,
    model: CachedModel | None,
    home: Path,
) -> list[Observation]:
    """What ``system`` knows, of every status, after the sessions were told."""
    with closing(connect(Paths(home, home).ensure())) as connection:
        log = MemoryLog(connection)
        now = Instant(0)
        for turns, new in zip(case.sessions(), sessions, strict=True):
            now = max(now, _end(turns), key=lambda instant: instant.epoch_ms)
            log.commit(await _changes(system, new, log, model, now), actor=Actor.MODEL)
        return log.all(status=tuple(Status))


async def _changes(
    system: str,
    new: Sequence[Observation],
    log: MemoryLog,
    model: CachedModel | None,
    now: Instant,
) -> list[Change]:
    if system == "static":
        return [Change(Op.ADD, observation) for observation in new]
    if system == "evolving":
        weights = calibration_for(model.sha256 if model else "")
        return await evolve(
            new, log=log, similar=_similar(log), model=model, now=now, calibration=weights
        )
    assert model is not None
    return await managed(new, log, model)


async def managed(new: Sequence[Observation], log: MemoryLog, model: Model) -> list[Change]:
    """What the model, prompted freely, does with each new observation in turn."""
    store = {memory.id: memory for memory in log.all()}
    changes: list[Change] = []
    for observation in new:
        change = await _managed_one(observation, list(store.values()), model)
        if change is not None:
            store[change.after.id] = change.after
            changes.append(change)
    return changes


async def _managed_one(
    new: Observation, store: Sequence[Observation], model: Model
) -> Change | None:
    if not store:
        return Change(Op.ADD, new)
    near = sorted(store, key=lambda o: -closeness(o.statement, new.statement))[:MOST_SHOWN]
    listed = "\n".join(f"{n}. {entry.statement}" for n, entry in enumerate(near, 1))
    day = new.recorded_at.local().date().isoformat()
    ask = _MANAGER.format(store=listed, day=day, new=new.statement)
    reply = await model.complete([Message("user", ask)], max_tokens=160, schema=_CHOICE)
    return _chosen(_parsed(reply.text), new, near)


def _parsed(text: str) -> dict[str, Any]:
    """A reply that was cut is an ADD, the gentlest reading."""
    try:
        return dict(json.loads(text))
    except json.JSONDecodeError:
        return {"operation": "ADD", "entry": 0, "text": ""}


def _chosen(choice: dict[str, Any], new: Observation, near: Sequence[Observation]) -> Change | None:
    number = choice["entry"]
    target = near[number - 1] if 1 <= number <= len(near) else None
    match choice["operation"]:
        case "IGNORE":
            return None
        case "UPDATE" | "RECONCILE" if target is not None:
            op = Op.UPDATE if choice["operation"] == "UPDATE" else Op.RECONCILE
            return Change(op, replace(target, statement=choice["text"] or new.statement))
        case _:
            return Change(Op.ADD, new)


def _similar(log: MemoryLog):  # type: ignore[no-untyped-def]
    def similar(statement: str, k: int) -> list[tuple[str, float]]:
        found = [(o.id, closeness(o.statement, statement)) for o in log.all()]
        return sorted(found, key=lambda pair: -pair[1])[:k]

    return similar


def _end(turns: Sequence[Turn]) -> Instant:
    return max((turn.created_at for turn in turns), key=lambda instant: instant.epoch_ms)
