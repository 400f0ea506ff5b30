"""What is done to memories in the inspector, and taken back: each deed is a batch of the log.

Runs in threads, touches no widget. A deed is made for the versions that the user had before them;
when another program was faster, ``ConflictError`` comes out and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tsubasa_cli.errors import ConflictError, InputError
from tsubasa_cli.memory import by_hand, reshaping
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.reshaping import Revision
from tsubasa_cli.memory.values import Kind, MemoryEvent, Observation, Op, Status
from tsubasa_cli.tui import wording

NOTHING = "Nothing to do: it is so already."


@dataclass(frozen=True, slots=True)
class Deed:
    """Something done here: a batch, and what it was in words ("2 memories forgotten")."""

    batch_id: str
    words: str


@dataclass(slots=True)
class Deeds:
    """Does things to memories and remembers them, so that they can be undone in order."""

    log: MemoryLog
    owner: str = ""
    done: list[Deed] = field(default_factory=list)
    undone: list[Deed] = field(default_factory=list)

    # ------------------------------------------------------------------ one by one or many

    def pin(self, memories: Sequence[Observation]) -> str:
        """Pin them; unpin them when all are pinned."""
        ids, seen = [m.id for m in memories], versions(memories)
        if all(memory.pinned for memory in memories):
            return self._did(by_hand.unpin(self.log, ids, seen), "no longer pinned")
        return self._did(by_hand.pin(self.log, ids, seen), "pinned")

    def forget(self, memories: Sequence[Observation]) -> str:
        """Hide them; of quarantined ones it means no."""
        is_no = all(memory.status is Status.QUARANTINED for memory in memories)
        changed = by_hand.forget(self.log, [m.id for m in memories], versions(memories))
        return self._did(changed, "rejected" if is_no else "forgotten")

    def keep(self, memories: Sequence[Observation]) -> str:
        """Approve quarantined ones, bring forgotten ones back."""
        is_yes = all(memory.status is Status.QUARANTINED for memory in memories)
        changed = by_hand.restore(self.log, [m.id for m in memories], versions(memories))
        past = sum(memory.status is Status.SUPERSEDED for memory in changed)
        told = f", {past} of them as what was so before" if past and len(changed) > 1 else ""
        told = told or (" as what was so before" if past else self._replacing(changed))
        return self._did(changed, f"{'approved' if is_yes else 'brought back'}{told}")

    def _replacing(self, changed: Sequence[Observation]) -> str:
        """In words, what had to make room for ``changed``."""
        batch = changed[0].batch_id if changed else ""
        closed = {e.after.id for e in self.log.events(batch_id=batch) if e.op is Op.SUPERSEDE}
        closed -= {memory.id for memory in changed}
        return f" in place of {wording.memories(len(closed))}" if closed else ""

    def retag(self, memories: Sequence[Observation], line: str) -> str:
        """Add and remove tags as ``line`` says ("work -health")."""
        added, removed = reshaping.tags_of(line)
        changed = reshaping.retag(
            self.log,
            [m.id for m in memories],
            added=added,
            removed=removed,
            seen=versions(memories),
        )
        return self._did(changed, "tagged")

    # ------------------------------------------------------------------ words

    def add(self, statement: str, kind: Kind | None = None, day: str = "") -> str:
        """Remember something new."""
        noted = by_hand.note(self.log, statement, kind=kind, day=day, owner=self.owner)
        return self._did([noted], "noted")

    def revise(self, memory: Observation, revision: Revision) -> str:
        """Give a memory other words, kind or days."""
        revised = reshaping.revise(self.log, memory.id, revision, self.owner, versions([memory]))
        if revised.version == memory.version:
            return NOTHING
        return self._did([revised], "corrected")

    def merge(self, memories: Sequence[Observation], statement: str) -> str:
        """Make one of them."""
        ids = [memory.id for memory in memories]
        merged = reshaping.merge(self.log, ids, statement, self.owner, versions(memories))
        return self._note(merged.batch_id, f"{wording.memories(len(memories))} merged into one")

    def split(self, memory: Observation, statements: Sequence[str]) -> str:
        """Make several of it."""
        parts = reshaping.split(self.log, memory.id, statements, self.owner, versions([memory]))
        return self._note(parts[0].batch_id, f"split into {len(parts)}")

    # ------------------------------------------------------------------ back and forth

    def undo(self) -> str:
        """Take back what was done here last.

        Raises ``InputError`` when nothing was, ``ConflictError`` when it was changed since.
        """
        if not self.done:
            raise InputError("Nothing was done here yet that could be undone.")
        deed = self.done[-1]
        events = self.log.undo(deed.batch_id)
        self.done.pop()
        if not events:
            return f"It was undone already: {deed.words}."
        self.undone.append(Deed(events[0].batch_id, deed.words))
        return f"Undone: {deed.words}. r does it again."

    def undo_event(self, event: MemoryEvent, words: str) -> str:
        """Take back what somebody else did, of which ``event`` is a part."""
        events = self.log.undo(self.log.deed_of(event))
        if not events:
            return "It was undone already."
        self.undone.append(Deed(events[0].batch_id, words))
        return f"Undone: {words}. r does it again."

    def redo(self) -> str:
        """Do again what was undone here last; raises as ``undo`` does."""
        if not self.undone:
            raise InputError("Nothing was undone here yet that could be done again.")
        deed = self.undone[-1]
        events = self.log.redo(deed.batch_id)
        self.undone.pop()
        if not events:
            return f"It is in force already: {deed.words}."
        self.done.append(Deed(events[0].batch_id, deed.words))
        return f"Done again: {deed.words}."

    def last_of_others(self) -> tuple[MemoryEvent, str] | None:
        """What happened last to the memory by whoever's hand, and what it was in words."""
        events = self.log.next_undo()
        return (events[0], told(events)) if events else None

    # ------------------------------------------------------------------ in words

    def _did(self, changed: Sequence[Observation], verb: str) -> str:
        if not changed:
            return NOTHING
        number = "" if len(changed) == 1 else f"{wording.memories(len(changed))} "
        return self._note(changed[0].batch_id, f"{number}{verb}")

    def _note(self, batch_id: str, words: str) -> str:
        self.done.append(Deed(batch_id, words))
        self.undone.clear()
        return f"{words[0].upper()}{words[1:]}; u undoes it."


def versions(memories: Iterable[Observation]) -> Mapping[str, int]:
    """The versions that the user sees, by id."""
    return {memory.id: memory.version for memory in memories}


def told(events: Sequence[MemoryEvent]) -> str:
    """A batch in words: "3 × add by the model: The user works at the museum."."""
    first = events[0]
    who = "you" if first.actor.value == "user" else "the model"
    count = f"{len(events)} × " if len(events) > 1 else ""
    statement = wording.first_line(first.after.statement, 80)
    return f"{count}{first.op.value} by {who}: {statement}"


def conflict_of(error: ConflictError, log: MemoryLog) -> Observation:
    """The memory of a conflict as it is now."""
    return log.get(error.memory_id)
