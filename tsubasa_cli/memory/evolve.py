"""Evolve: how new observations change what is known (TSUBASA §4.1), on any size of model.

For each new observation a handful of candidates is looked at. Code decides what code can decide
(a repeat, a correction, a single-valued attribute, a plan's end); the calibrated combination of
signals decides the rest, and only where it is confident. Otherwise the observation is added, which
is what static accumulation does. Nothing is deleted: what is no longer true is superseded and
stays in the history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tsubasa_cli.memory import life, outcomes, verdicts
from tsubasa_cli.memory.calibration import Calibration, Relation, calibration_for
from tsubasa_cli.memory.closeness import closeness
from tsubasa_cli.memory.lexical import neutral
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.signals import Judge, code_signals, model_signals
from tsubasa_cli.memory.slots import ended_slots, slot_values
from tsubasa_cli.memory.subjects import same_subject
from tsubasa_cli.memory.values import Change, Kind, Observation, Op, Status
from tsubasa_cli.memory.verdicts import Verdict
from tsubasa_cli.storage.values import Instant

MOST_CANDIDATES = 5
MOST_QUESTIONED = 3
"""Candidates that a model is asked about, per observation: each costs two short prompts."""
SURELY_UNRELATED = 0.9
"""Above this, by code alone, a model is not asked."""

Similar = Callable[[str, int], list[tuple[str, float]]]


@dataclass(slots=True)
class _Evolution:
    """One batch: what is decided already counts for what follows."""

    log: MemoryLog
    similar: Similar
    judge: Judge | None
    calibration: Calibration
    now: Instant
    touched: dict[str, Observation]

    async def changes_for(self, new: Observation) -> list[Change]:
        if new.status is not Status.ACTIVE:
            return [Change(Op.ADD, new)]
        new = _as_plan(new) if _is_ahead(new, self.now) else new
        candidates = self._candidates(new)
        ruled = _by_rule(new, candidates)
        verdict = ruled or await self._judged(new, candidates)
        return outcomes.changes(new, verdict, candidates)

    def note(self, changes: Sequence[Change]) -> None:
        self.touched.update({change.after.id: change.after for change in changes})

    def _candidates(self, new: Observation) -> list[Observation]:
        """Active memories that ``new`` may bear on: of the same slot first, then the closest."""
        found = {c.id: c for slot in _slots_of(new) for c in self._of_slot(new.subject, slot)}
        near = dict(self.similar(new.statement, MOST_CANDIDATES))
        for probe in life.probes(new):
            near = dict(self.similar(probe, MOST_CANDIDATES)) | near
        known = self.log.many(list(near))
        pool = {**known, **found, **self.touched}
        for id_ in self.touched:
            near[id_] = closeness(self.touched[id_].statement, new.statement)
        usable = [c for c in pool.values() if self._is_open(c) and c.id != new.id]
        found |= {c.id: c for c in usable if life.supersedes(c, new)}
        usable.sort(key=lambda c: (c.id not in found, -near.get(c.id, 0.0)))
        return [self.touched.get(c.id, c) for c in usable[: max(MOST_CANDIDATES, len(found))]]

    def _of_slot(self, subject: str, slot: str) -> list[Observation]:
        current = [self.touched.get(c.id, c) for c in self.log.by_slot(subject, slot)]
        mine = [c for c in self.touched.values() if (c.subject, c.slot) == (subject, slot)]
        return [c for c in (*current, *mine) if self._is_open(c)]

    def _is_open(self, candidate: Observation) -> bool:
        return self.touched.get(candidate.id, candidate).status is Status.ACTIVE

    async def _judged(self, new: Observation, candidates: Sequence[Observation]) -> list[Verdict]:
        found: list[Verdict] = []
        asked = 0
        for old in candidates:
            if same_subject(old.subject, new.subject) == 0:
                continue
            before, after = neutral(old, new)
            signals = code_signals(before, after, closeness(before.statement, after.statement))
            if self.judge and asked < MOST_QUESTIONED and self._is_worth_asking(signals):
                signals |= await model_signals(old, new, self.judge, self.calibration.heeded)
                asked += 1
            likely = self.calibration.probabilities(signals)
            verdict = verdicts.by_signals(before, after, likely)
            found.extend([replace(verdict, old=old)] if verdict else [])
        return verdicts.strongest(found)

    def _is_worth_asking(self, signals: dict[str, float]) -> bool:
        unrelated = self.calibration.probabilities(signals)[Relation.UNRELATED]
        return bool(self.calibration.heeded) and unrelated < SURELY_UNRELATED


async def evolve(
    new: Sequence[Observation],
    *,
    log: MemoryLog,
    similar: Similar,
    model: Judge | None,
    now: Instant,
    calibration: Calibration | None = None,
) -> list[Change]:
    """What learning ``new`` (oldest first) does to the memory, as changes to commit in one batch.

    ``similar`` gives the ids of active observations closest to a statement, with their cosine.
    ``model`` None: code alone decides. ``calibration`` defaults to that of the model that wrote the
    observations. What lies ahead of ``now`` changes nothing yet.

    Raises what ``model`` raises, ``PreemptedError`` among it; nothing has been written then.
    """
    known = calibration or calibration_for(new[0].model_hash if new else "")
    evolution = _Evolution(log, similar, model, known, now, {})
    changes: list[Change] = []
    for observation in new:
        more = await evolution.changes_for(observation)
        evolution.note(more)
        changes.extend(more)
    return changes


def _by_rule(new: Observation, candidates: Sequence[Observation]) -> list[Verdict]:
    pairs = [neutral(candidate, new) for candidate in candidates]
    told = next((after for _, after in pairs if after is not new), new)
    known = {candidate.id: candidate for candidate in candidates}
    found = verdicts.by_rule(told, [before for before, _ in pairs])
    return [replace(verdict, old=known[verdict.old.id]) for verdict in found]


def _is_ahead(new: Observation, now: Instant) -> bool:
    return new.event_from is not None and new.event_from > now.local().date()


def _as_plan(new: Observation) -> Observation:
    """ "Starts at Acme in June" leaves today's employer alone until June has come."""
    return replace(new, kind=Kind.PLAN, slot="")


def _slots_of(new: Observation) -> set[str]:
    slots = {*slot_values(new.statement, new.subject), *ended_slots(new.statement, new.subject)}
    return slots | ({new.slot} if new.slot else set())
