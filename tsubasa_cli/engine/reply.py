"""One reply: evaluate the prompt, sample, tell text from thinking, stop when told to."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tsubasa_cli.engine.inbox import Inbox
from tsubasa_cli.engine.native import NativeModel
from tsubasa_cli.engine.native_context import NativeContext
from tsubasa_cli.engine.prompt import PromptMaker
from tsubasa_cli.engine.protocol import (
    Done,
    Event,
    Generate,
    Prefill,
    Stats,
    StopReason,
    TextDelta,
    ThinkingDelta,
)
from tsubasa_cli.engine.sampler import Sampler
from tsubasa_cli.engine.thinking import CLOSE, OPEN, Part, ThinkingParser
from tsubasa_cli.engine.window import Window

RESERVE = 8
"""Positions that a prompt must leave for its reply."""

STATS_SECONDS = 0.1
FLUSH_SECONDS = 0.008
"""Deltas wait for each other this long: at hundreds of tokens a second, a message for each would
cost decode throughput and nobody would see the difference."""


class PromptTooLongError(Exception):
    """The prompt has ``needed`` tokens, ``available`` fit."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(needed, available)
        self.needed = needed
        self.available = available


@dataclass(frozen=True, slots=True)
class Machine:
    """What a reply is made with."""

    model: NativeModel
    maker: PromptMaker
    window: Window
    inbox: Inbox
    emit: Callable[[Event], None]
    between: Callable[[], None]
    """Called between slices and tokens, for requests that need not wait."""

    @property
    def context(self) -> NativeContext:
        """The chat's own."""
        return self.window.context


class PieceDecoder:
    """Bytes of tokens to text: characters may span tokens, invalid bytes become U+FFFD."""

    def __init__(self, model: NativeModel) -> None:
        self._model = model
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._marks = {
            tokens[0]
            for tokens in (model.tokenize(mark, True) for mark in (OPEN, CLOSE))
            if len(tokens) == 1
        }

    def feed(self, token: int) -> str:
        return self._utf8.decode(self._model.piece(token, token in self._marks))

    def finish(self) -> str:
        return self._utf8.decode(b"", final=True)


class Reply:
    """The making of one reply to ``request``; ``run`` it once."""

    def __init__(self, machine: Machine, request: Generate) -> None:
        self._machine = machine
        self._request = request
        self._prompt = machine.maker.generation(request.messages, request.thinking)
        available = machine.context.n_ctx - RESERVE
        if len(self._prompt) > available:
            raise PromptTooLongError(len(self._prompt), available)
        opened = machine.maker.opens_thinking(request.messages, request.thinking)
        self._parser = ThinkingParser(opened)
        self._pieces = PieceDecoder(machine.model)
        self._outgoing: dict[Part, str] = {}
        self._flushed_at = self._stats_at = 0.0
        self._cached = self._generated = 0
        self._evaluated_before = machine.window.evaluated
        self._prefilled_before = machine.window.prefilled
        self._started = time.perf_counter()
        self._prefilled_at: float | None = None

    def run(self) -> Done:
        """Emit deltas and figures; the final event is returned, not emitted."""
        self._evaluate_prompt()
        reason = StopReason.CANCELLED
        if not self._cancelled:
            reason = self._sample()
        self._emit_text(self._pieces.finish() if reason is StopReason.END else "")
        self._collect(self._parser.finish())
        self._flush()
        return Done(
            self._request.id,
            reason,
            self._parser.text,
            self._parser.thinking,
            self._stats(),
            self._after_cancel(),
        )

    @property
    def _cancelled(self) -> bool:
        return self._machine.inbox.cancelled(self._request)

    def _after_cancel(self) -> int:
        if not self._cancelled:
            return 0
        heard = self._machine.inbox.evaluated_when_cancelled(self._request)
        return max(0, self._machine.window.evaluated - max(heard, self._evaluated_before))

    def _evaluate_prompt(self) -> None:
        window, prompt = self._machine.window, self._prompt
        self._cached = window.keep_prefix(prompt)
        if self._cached == len(prompt):
            # The logits of the last token are not kept with the cache.
            self._cached = window.keep_prefix(prompt[:-1])
        total = len(prompt) - self._cached
        self._machine.emit(Prefill(self._request.id, 0, total))
        while len(window.tokens) < len(prompt) and not self._cancelled:
            window.prefill(prompt, with_logits=True)
            done = len(window.tokens) - self._cached
            self._machine.emit(Prefill(self._request.id, done, total))
            self._machine.between()

    def _sample(self) -> StopReason:
        window, limit = self._machine.window, self._request.max_tokens
        sampler = Sampler(self._machine.context, self._request.sampling)
        try:
            while not self._cancelled:
                token = sampler.next_token()
                self._prefilled_at = self._prefilled_at or time.perf_counter()
                self._generated += 1
                if self._machine.model.ends_generation(token):
                    return StopReason.END
                self._emit_text(self._pieces.feed(token))
                if self._generated == limit or window.room == 0:
                    return StopReason.LENGTH
                window.decode(token)
                self._machine.between()
        finally:
            sampler.close()
        return StopReason.CANCELLED

    def _emit_text(self, text: str) -> None:
        self._collect(self._parser.feed(text))
        now = time.perf_counter()
        if now - self._flushed_at >= FLUSH_SECONDS:
            self._flushed_at = now
            self._flush()
        if now - self._stats_at >= STATS_SECONDS:
            self._stats_at = now
            self._machine.emit(self._stats())

    def _collect(self, pieces: Iterable[tuple[Part, str]]) -> None:
        for part, text in pieces:
            if part not in self._outgoing:
                self._flush()
            self._outgoing[part] = self._outgoing.get(part, "") + text

    def _flush(self) -> None:
        for event in self._deltas():
            self._machine.emit(event)
        self._outgoing.clear()

    def _deltas(self) -> Iterator[Event]:
        for part, text in self._outgoing.items():
            delta = TextDelta if part is Part.TEXT else ThinkingDelta
            yield delta(self._request.id, text)

    def _stats(self) -> Stats:
        now = time.perf_counter()
        prefilled = self._prefilled_at or now
        return Stats(
            self._request.id,
            prompt=len(self._prompt),
            cached=self._cached,
            evaluated=self._machine.window.prefilled - self._prefilled_before,
            generated=self._generated,
            prefill_seconds=prefilled - self._started,
            decode_seconds=now - prefilled,
        )
