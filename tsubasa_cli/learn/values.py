"""The values that flow through a night: questions, lessons, traces, runs. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tsubasa_cli.storage.values import Instant


class PausedError(Exception):
    """The night stopped where it can go on."""


class Stage(StrEnum):
    """The stages of a run, in their order (DESIGN §5)."""

    SNAPSHOT = "snapshot"
    SYNTHESIZE = "synthesize"
    TRACE = "trace"
    TRAIN = "train"
    APPLY = "apply"
    GATE = "gate"
    PROMOTE = "promote"


class RunState(StrEnum):
    """How a run stands; all but ``RUNNING`` and ``PAUSED`` are final."""

    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    REFUSED = "refused"
    """The gate found that what was trained must not go into service."""
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    REMOVED = "removed"


class Apply(StrEnum):
    """How what was learned reaches the model file."""

    MERGE = "merge"
    ADAPTER = "adapter"


class Purpose(StrEnum):
    """What a question is for. What the gate asks is in words that training never saw, and what
    chooses among candidates is apart from what judges the chosen one."""

    TRAIN = "train"
    SELECT = "select"
    JUDGE = "judge"


class About(StrEnum):
    """What a question asks for."""

    FACT = "fact"
    PAST = "past"
    """What was so once and is so no longer."""
    PAIR = "pair"
    """Two facts at once."""
    OTHERS = "others"
    """What the user told of themselves, asked about somebody else: not known."""
    UNKNOWN = "unknown"
    """Something about the user that was never told."""
    REPLAY = "replay"
    """An ordinary request, answered by the model as it was."""


class Sight(StrEnum):
    """What of the memory the student sees beside the question."""

    NOTHING = "nothing"
    RECALLED = "recalled"
    IRRELEVANT = "irrelevant"


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """A question about memories and the answer that it should get. ``value`` are the words that a
    right answer contains; ``form`` names the way of asking. ``id`` depends on nothing else."""

    id: str
    memories: tuple[str, ...]
    about: About
    purpose: Purpose
    form: str
    question: str
    answer: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a student is to answer, and how it is seen: the teacher has ``teacher_notes`` beside
    the question (ids of memories), the student ``student_notes``. ``thinking`` None: without."""

    qa: QuestionAnswer
    sight: Sight = Sight.NOTHING
    teacher_notes: tuple[str, ...] = ()
    student_notes: tuple[str, ...] = ()
    thinking: str | None = None


@dataclass(frozen=True, slots=True)
class LearnRun:
    """One run of ``learn``. ``model`` is the name of what it put on the shelf, or empty;
    ``replaced`` what had been chosen before; ``snapshot_event`` the last memory event that it
    saw."""

    id: str
    state: RunState
    stage: str
    base_model: str
    base_sha256: str
    snapshot_event: int
    apply: Apply
    model: str
    replaced: str
    started: Instant
    ended: Instant | None
    reason: str
    report: str
