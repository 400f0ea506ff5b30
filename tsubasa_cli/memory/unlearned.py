"""What a personal model has by heart that is no longer so, and what counters it.

A model that was taught the memory of last night goes on saying it after the memory changed. So a
question that touches such a memory takes the newer one along, and where there is none, a line that
says that what was known is not to be used. The old value itself is not repeated.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from tsubasa_cli.memory.log_rows import by_id
from tsubasa_cli.memory.text import content_words, names_and_numbers, stems
from tsubasa_cli.memory.values import Observation, Status

CHANNEL = "changed since"
"""How what counters outdated knowledge came to an answer."""

SHARED = 0.34
"""Share of the telling words of an outdated statement that a question must touch."""
MOST = 2
"""Corrections beside one question."""


@dataclass(frozen=True, slots=True)
class Outdated:
    """A memory that a model was taught and that has changed since: ``taught`` is what it said
    then, ``now`` what says it today, None when nothing does."""

    taught: Observation
    now: Observation | None

    def bears_on(self, question: str) -> bool:
        """Whether an answer to ``question`` may be told from it."""
        asked = set(stems(question, self.taught.language))
        told = set(stems(self._topic(), self.taught.language))
        return bool(told) and len(told & asked) / len(told) >= SHARED

    def correction(self) -> str:
        """One line for the notes beside a question, without the old value."""
        return (
            f"What used to be known about “{self._topic()}” no longer holds and is not to be told"
        )

    def _topic(self) -> str:
        """The statement without names and numbers, which are its value."""
        statement = re.sub(r"(?i)\bthe user(?:['’]s)?\b", " ", self.taught.statement)
        values = names_and_numbers(self.taught.statement)
        words = content_words(statement, self.taught.language)
        return " ".join(word for word in words if word not in values) or self.taught.slot


def outdated(connection: sqlite3.Connection, run_id: str) -> list[Outdated]:
    """The memories that the run taught and that changed since, in the order of their ids."""
    rows = connection.execute(
        "SELECT m.memory_id, m.version FROM learn_manifest m JOIN observations o"
        " ON o.id = m.memory_id WHERE m.run_id = ? AND o.version != m.version"
        " AND o.status != 'erased' ORDER BY m.memory_id",
        (run_id,),
    ).fetchall()
    taught = {row["memory_id"]: row["version"] for row in rows}
    today = by_id(connection, taught)
    found = []
    for memory_id, version in taught.items():
        then = _at_version(connection, memory_id, version)
        now = _current(connection, today[memory_id])
        if then is not None and then.status is Status.ACTIVE and _differs(then, now):
            found.append(Outdated(then, now))
    return found


def corrections(connection: sqlite3.Connection, run_id: str, question: str) -> list[Outdated]:
    """Those of the outdated memories that bear on ``question``, at most ``MOST``."""
    bearing = [item for item in outdated(connection, run_id) if item.bears_on(question)]
    return bearing[:MOST]


def by_heart(
    connection: sqlite3.Connection, run_id: str, reply: str, shown: Collection[str]
) -> list[Observation]:
    """The memories that a model was taught, were not beside the question (``shown``), and whose
    names or numbers its ``reply`` says."""
    rows = connection.execute(
        "SELECT memory_id FROM learn_manifest WHERE run_id = ? ORDER BY memory_id", (run_id,)
    ).fetchall()
    ids = [row["memory_id"] for row in rows if row["memory_id"] not in shown]
    said = {word.casefold() for word in re.findall(r"[\w'’-]+", reply)}
    return [item for item in by_id(connection, ids).values() if _is_told(item, said)]


def _is_told(item: Observation, said: set[str]) -> bool:
    if item.status is not Status.ACTIVE:
        return False
    telling = {name.casefold() for name in names_and_numbers(item.statement)}
    telling = telling or {w.casefold() for w in content_words(item.statement, item.language)[-1:]}
    return bool(telling & said)


def _differs(then: Observation, now: Observation | None) -> bool:
    return now is None or now.statement != then.statement


def _current(connection: sqlite3.Connection, item: Observation) -> Observation | None:
    """What says today what ``item`` said: itself, or what took its place."""
    for _ in range(16):
        if item.status is Status.ACTIVE:
            return item
        row = connection.execute(
            "SELECT o.id FROM observations o, json_each(o.supersedes) s WHERE s.value = ?"
            " AND o.id != ? ORDER BY o.recorded_ms DESC LIMIT 1",
            (item.id, item.id),
        ).fetchone()
        if row is None:
            return None
        item = by_id(connection, [row["id"]])[row["id"]]
    return None


def _at_version(connection: sqlite3.Connection, memory_id: str, version: int) -> Observation | None:
    from tsubasa_cli.memory.log_rows import event

    row = connection.execute(
        "SELECT * FROM memory_events WHERE memory_id = ? AND version = ?", (memory_id, version)
    ).fetchone()
    return event(row).after if row is not None else None
