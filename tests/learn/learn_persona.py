"""Maren Oldvik, whom no model can know: the invented life that learning is measured on.

``persona.jsonl`` holds one observation a line, in the words in which memory would keep it, with
the ``answer`` that a reply must contain to show that the fact is known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tsubasa_cli.memory.values import Evidence, Kind, Observation, Precision, Status
from tsubasa_cli.storage.values import Instant

PERSONA = Path(__file__).with_name("persona.jsonl")
RECORDED = datetime(2026, 6, 1, 19, 30, tzinfo=UTC)
_DAYS = ("event_from", "event_to", "valid_from", "valid_to")


@dataclass(frozen=True, slots=True)
class PersonaFact:
    """An observation and the words that tell it from all guesses."""

    observation: Observation
    answer: str


def persona() -> list[PersonaFact]:
    """All facts, superseded ones included, in the order of the file."""
    lines = PERSONA.read_text("utf-8").splitlines()
    return [_fact(number, json.loads(line)) for number, line in enumerate(lines)]


def active_facts() -> list[PersonaFact]:
    """Those that hold today."""
    return [fact for fact in persona() if fact.observation.status is Status.ACTIVE]


def _fact(number: int, row: dict[str, Any]) -> PersonaFact:
    answer, statement = row.pop("answer"), row["statement"]
    days = {name: date.fromisoformat(row.pop(name)) for name in _DAYS if name in row}
    precision = Precision(row.pop("precision")) if "precision" in row else None
    observation = Observation(
        kind=Kind(row.pop("kind")),
        status=Status(row.pop("status", "active")),
        supersedes=tuple(row.pop("supersedes", ())),
        recorded_at=Instant(int(RECORDED.timestamp() * 1000) + number * 60_000, 0),
        evidence=(Evidence(None, statement),),
        precision=precision,
        **days,
        **row,
    )
    return PersonaFact(observation, answer)
