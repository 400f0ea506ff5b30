"""The trail of memories that are to go: their own words, where they were said and recalled, and
what other memories tell of them.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from tsubasa_cli.memory import log_rows
from tsubasa_cli.memory.telltale import (
    MARK,
    Telltale,
    is_telling,
    redact_clauses,
    sentences_with,
    telltale,
)
from tsubasa_cli.memory.tombstones import folded
from tsubasa_cli.memory.values import Evidence, MemoryEvent, Observation, Status


class Trail:
    """What one reading of the database tells of the memories ``ids``.

    ``owner`` is the user's name, which gives nothing away.
    """

    def __init__(self, connection: sqlite3.Connection, ids: Sequence[str], owner: str = "") -> None:
        self.ids = tuple(ids)
        self._connection = connection
        self._owner = owner
        self._rests: dict[tuple[bool, str], str] = {}

    @cached_property
    def events(self) -> list[MemoryEvent]:
        """The whole log."""
        rows = self._connection.execute("SELECT * FROM memory_events ORDER BY id").fetchall()
        return [log_rows.event(row) for row in rows]

    @cached_property
    def own(self) -> list[MemoryEvent]:
        """What happened to the memories."""
        ids = set(self.ids)
        return [event for event in self.events if event.after.id in ids]

    @cached_property
    def others(self) -> dict[str, Observation]:
        """All other memories that are not erased, as they are now."""
        ids = set(self.ids)
        now = {e.after.id: e.after for e in self.events if e.after.id not in ids}
        return {key: each for key, each in now.items() if each.status is not Status.ERASED}

    @cached_property
    def turns(self) -> dict[int, sqlite3.Row]:
        """Every turn there is."""
        rows = self._connection.execute(
            "SELECT id, session_id, role, text, thinking FROM turns ORDER BY id"
        ).fetchall()
        return {row["id"]: row for row in rows}

    @cached_property
    def said(self) -> dict[int, list[str]]:
        """The quotes in each existing turn that the memories come from."""
        found: dict[int, dict[str, None]] = defaultdict(dict)
        for event in self.own:
            for said in event.after.evidence:
                if said.turn_id is not None and said.turn_id in self.turns:
                    found[said.turn_id][said.quote] = None
        return {turn_id: list(quotes) for turn_id, quotes in found.items()}

    @cached_property
    def recalled(self) -> set[int]:
        """The questions that one of the memories went with."""
        rows = self._connection.execute("SELECT turn_id, memory_id FROM recalled")
        return {row["turn_id"] for row in rows if row["memory_id"] in self.ids}

    @cached_property
    def reread(self) -> set[int]:
        """The questions that the words of one of their turns went with."""
        rows = self._connection.execute("SELECT turn_id, source_turn_id FROM recalled")
        return {row["turn_id"] for row in rows if row["source_turn_id"] in self.said}

    @cached_property
    def sessions(self) -> set[str]:
        """Where they were said, and where they were recalled."""
        near = {*self.said, *self.recalled, *self.reread}
        return {self.turns[turn_id]["session_id"] for turn_id in near}

    # ------------------------------------------------------------------ their words

    @cached_property
    def statements(self) -> list[str]:
        """All that the memories ever stated."""
        return list(dict.fromkeys(event.after.statement for event in self.own))

    @cached_property
    def quotes(self) -> list[str]:
        """All that was quoted for them; a quote too short to tell anything, with its sentence."""
        quotes = [said.quote for event in self.own for said in event.after.evidence]
        short = [
            sentences_with(self.turns[turn_id]["text"], quote)
            for turn_id, said in self.said.items()
            for quote in said
            if not is_telling(quote)
        ]
        return list(dict.fromkeys([*quotes, *short]))

    @cached_property
    def telltale(self) -> Telltale:
        """What gives the memories away."""
        return self._telltale([each.statement for each in self.others.values()])

    @cached_property
    def _kin_telltale(self) -> Telltale:
        """What gives them away in memories of their own line, which naturally share names."""
        return self._telltale([o.statement for o in self.others.values() if o.id not in self._kin])

    def _telltale(self, others: list[str]) -> Telltale:
        around = [
            sentences_with(self.turns[turn_id]["text"], quote)
            for turn_id, said in self.said.items()
            for quote in said
        ]
        return telltale(self.statements, self.quotes, others, around=around, owner=self._owner)

    @cached_property
    def _kin(self) -> set[str]:
        """The memories that took the place of these, or whose place these took."""
        linked: dict[str, set[str]] = defaultdict(set)
        for event in self.events:
            for other in event.after.supersedes:
                linked[event.after.id].add(other)
                linked[other].add(event.after.id)
        found = new = set(self.ids)
        while new:
            new = set().union(*(linked[each] for each in new)) - found
            found = found | new
        return found - set(self.ids)

    # ------------------------------------------------------------------ other memories

    def repeated(self) -> list[str]:
        """The other memories that say nothing but what these say."""
        return [each.id for each in self.others.values() if self._is_emptied(each)]

    def _is_emptied(self, other: Observation) -> bool:
        rest = self._rest(other, other.statement)
        return rest != other.statement and not folded(rest.replace(MARK, ""))

    def cleaned(self, other: Observation) -> Observation:
        """Another memory without what it tells of these."""
        texts = (other.statement, other.time_expr, *other.tags, *(e.quote for e in other.evidence))
        if all(self._rest(other, text) == text for text in texts):
            return other
        return replace(
            other,
            statement=self._rest(other, other.statement),
            time_expr=self._rest(other, other.time_expr),
            tags=tuple(self._rest(other, tag) for tag in other.tags),
            evidence=tuple(
                Evidence(said.turn_id, self._rest(other, said.quote)) for said in other.evidence
            ),
        )

    def _rest(self, other: Observation, text: str) -> str:
        """What of ``text``, of another memory, tells nothing of these."""
        is_kin = other.id in self._kin
        if (is_kin, text) not in self._rests:
            self._rests[is_kin, text] = self._redacted(text, is_kin)
        return self._rests[is_kin, text]

    def _redacted(self, text: str, is_kin: bool) -> str:
        if is_kin:
            known = self._kin_telltale
            return redact_clauses(text, known, known.names_all)
        return redact_clauses(text, self.telltale, self.telltale.tells)
