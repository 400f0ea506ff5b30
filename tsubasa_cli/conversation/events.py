"""What happens while a reply is made, as the screens and ``chat -p`` see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tsubasa_cli.engine.protocol import Prefill, Stats, TextDelta, ThinkingDelta
from tsubasa_cli.storage.values import Instant, Summary, Turn


class Phase(StrEnum):
    """What the engine is doing."""

    OFF = "off"
    STARTING = "starting"
    LOADING = "loading"
    PROBING = "probing"
    READY = "ready"
    READING = "reading"
    WRITING = "writing"
    RESTARTING = "restarting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class EngineState:
    """The engine at a glance: ``model`` by name, ``detail`` in words for a person, ``fraction``
    0..1 of what is under way, when that is known. A personal model ``knows_as_of`` when it was
    taught the memory."""

    phase: Phase
    model: str = ""
    detail: str = ""
    fraction: float | None = None
    knows_as_of: Instant | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A committed question and the committed, still empty, reply to it."""

    question: Turn
    reply: Turn


@dataclass(frozen=True, slots=True)
class Overflow:
    """A message of ``needed`` tokens where ``available`` fit."""

    needed: int
    available: int

    @property
    def over(self) -> int:
        return self.needed - self.available


@dataclass(frozen=True, slots=True)
class WindowUse:
    """The context meter: ``used`` of ``total`` tokens; ``total`` 0 while no model is loaded."""

    used: int
    total: int

    @property
    def fraction(self) -> float:
        return self.used / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The question is committed; the engine is not ready for it yet."""

    state: EngineState


@dataclass(frozen=True, slots=True)
class Recalling:
    """``count`` memories ride with the question (see ``memory.recalls``)."""

    count: int


@dataclass(frozen=True, slots=True)
class NotRecalled:
    """The memory could not be read; the answer goes on without it."""

    what: str
    why: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What the user asked of the memory is done: ``what`` says so in one sentence, ``batch_id`` is
    what ``memory.log.undo`` takes back; empty when nothing changed."""

    what: str
    statements: tuple[str, ...] = ()
    batch_id: str = ""


@dataclass(frozen=True, slots=True)
class Compacting:
    """The window is nearly full: the oldest turns are being folded into a summary."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """``folded`` turns are now represented by ``summary``; they stay on disk and searchable."""

    summary: Summary
    folded: int


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The reply is committed as ``turn``; its status says how it ended."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The reply could not be made or broke off; what there was of it is committed in ``turn``.
    ``exit_code`` is what a script sees (``errors``)."""

    turn: Turn
    what: str
    why: str = ""
    next_step: str = ""
    exit_code: int = 1


@dataclass(frozen=True, slots=True)
class EngineRestarted:
    """The engine died and was started again; ``what`` says so in one sentence."""

    what: str


@dataclass(frozen=True, slots=True)
class Titled:
    """The model named the session."""

    title: str


ChatEvent = (
    Waiting
    | Prefill
    | ThinkingDelta
    | TextDelta
    | Stats
    | Obeyed
    | Recalling
    | NotRecalled
    | Compacting
    | Compacted
    | ReplyEnded
    | ReplyFailed
    | EngineRestarted
    | Titled
)
