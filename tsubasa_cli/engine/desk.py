"""Where memory work is done in the engine's process: its lane, and how it gives way to the chat."""

from __future__ import annotations

from collections.abc import Callable

from tsubasa_cli.engine.lane import Lane
from tsubasa_cli.engine.native import NativeError
from tsubasa_cli.engine.native_context import GivenUpError
from tsubasa_cli.engine.protocol import (
    Complete,
    CompleteAll,
    Encode,
    Event,
    Failed,
    Score,
    Weigh,
    Work,
)
from tsubasa_cli.engine.reply import Machine
from tsubasa_cli.engine.side_by_side import completed_all
from tsubasa_cli.engine.weighing import encoded, weighed
from tsubasa_cli.engine.work import Bench, Completing, Scoring

IDLE_SECONDS = 60.0
"""After this long without work its cache, hundreds of megabytes for some models, is given back."""


class Desk:
    """Does ``Work`` beside the chat of ``machine``, whose cache it leaves alone.
    The lane is opened by the first of them. ``serve_chat`` answers what else is asked of the chat
    meanwhile."""

    def __init__(self, machine: Machine, serve_chat: Callable[[], None]) -> None:
        self._machine = machine
        self._serve_chat = serve_chat
        self._lane: Lane | None = None
        self._evaluated_before = 0
        self._request: Work | None = None

    @property
    def idle_seconds(self) -> float | None:
        """When to ``rest`` if nothing is asked, None for never."""
        return IDLE_SECONDS if self._lane is not None else None

    @property
    def evaluated(self) -> int:
        """All tokens computed for work since the load."""
        return self._evaluated_before + (self._lane.evaluated if self._lane is not None else 0)

    def rest(self) -> None:
        """Give the lane's memory back until there is work again."""
        if self._lane is not None:
            self._evaluated_before += self._lane.evaluated
            self._lane.close()
            self._lane = None

    def do(self, request: Score | Complete | CompleteAll | Encode | Weigh) -> Event:
        """The last event of ``request``."""
        self._request = request
        try:
            self._give_way()
            return self._done(request)
        except GivenUpError:
            return Failed(request.id, "preempted", "Memory work was put off.")
        except NativeError as error:
            if error.code == "decode":
                self.rest()
            return Failed(request.id, error.code, _in_words(error.code), error.why)

    def _done(self, request: Score | Complete | CompleteAll | Encode | Weigh) -> Event:
        machine = self._machine
        if isinstance(request, Encode):
            return encoded(machine.maker, request, self._give_way)
        if isinstance(request, Weigh):
            return weighed(machine.model, request, self._give_way)
        if isinstance(request, CompleteAll):
            return completed_all(machine.model, machine.maker, request, self._give_way)
        if self._lane is None:
            self._lane = Lane(machine.model, machine.context.n_ctx)
            self._lane.context.give_up_when(self._is_unwanted)
        bench = Bench(self._lane, machine.maker, self._give_way)
        if isinstance(request, Score):
            return Scoring(bench, request).run()
        return Completing(bench, request).run()

    def _give_way(self) -> None:
        """Between slices and tokens: serve the chat, stop where the work must."""
        if self._machine.inbox.chat_waiting:
            self._serve_chat()
        if self._is_unwanted():
            raise GivenUpError

    def _is_unwanted(self) -> bool:
        """A reply is asked for, or nobody waits for the work any more."""
        inbox = self._machine.inbox
        return inbox.generate_waiting or (
            self._request is not None and inbox.cancelled(self._request)
        )


def _in_words(code: str) -> str:
    if code == "schema":
        return "The reply's schema cannot be followed."
    if code == "memory":
        return "There is no room for memory work beside the chat."
    return "llama.cpp could not do that."
