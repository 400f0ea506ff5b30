"""Memory work: how likely a continuation is, and continuations within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsubasa_cli.engine.grammar import Grammar, is_complete
from tsubasa_cli.engine.lane import OUTPUTS, Lane
from tsubasa_cli.engine.prompt import PromptMaker
from tsubasa_cli.engine.protocol import Complete, Completed, Score, Scored
from tsubasa_cli.engine.reply import PieceDecoder, PromptTooLongError
from tsubasa_cli.engine.sampler import Sampler
from tsubasa_cli.engine.window import Window


@dataclass(frozen=True, slots=True)
class Bench:
    """What work is done with."""

    lane: Lane
    maker: PromptMaker
    give_way: Callable[[], None]
    """Called between slices and tokens; raises when the work must stop."""


class Scoring:
    """The answer to one ``Score``; ``run`` it once."""

    def __init__(self, bench: Bench, request: Score) -> None:
        self._bench = bench
        self._request = request
        self._choices = [bench.maker.text_tokens(choice) for choice in request.choices]
        self._prompt = bench.maker.forced(request.messages, request.prefix)
        longest = max(map(len, self._choices), default=0)
        self._window = _window(bench, self._prompt, longest)
        self._before = self._window.evaluated

    def run(self) -> Scored:
        window = self._window
        cached = window.keep_prefix(self._prompt[:-1])
        _read(self._bench, window, self._prompt, with_logits=True)
        first = [choice[0] for choice in self._choices if choice]
        likely = dict(zip(first, _log_probabilities(window.context.logits(), first), strict=True))
        sums = tuple(
            likely[choice[0]] + sum(self._behind_first(choice)) if choice else 0.0
            for choice in self._choices
        )
        counts = tuple(map(len, self._choices))
        return Scored(self._request.id, sums, counts, cached, window.evaluated - self._before)

    def _behind_first(self, choice: Sequence[int]) -> Iterator[float]:
        """Logarithms of the probabilities of all tokens but the first."""
        window = self._window
        window.keep_prefix(self._prompt)
        _read(self._bench, window, self._prompt, with_logits=False)
        for start in range(0, len(choice) - 1, OUTPUTS):
            self._bench.give_way()
            following = choice[start + 1 : start + 1 + OUTPUTS]
            window.append(choice[start : start + len(following)])
            for index, token in enumerate(following):
                yield from _log_probabilities(window.context.logits(index), (token,))


class Completing:
    """The answer to one ``Complete``; ``run`` it once."""

    def __init__(self, bench: Bench, request: Complete) -> None:
        self._bench = bench
        self._request = request
        self._model = bench.lane.context.model
        self._prompt = bench.maker.forced(request.messages, request.prefix)
        self._window = _window(bench, self._prompt, request.max_tokens)
        self._before = self._window.evaluated

    def run(self) -> Completed:
        request, window = self._request, self._window
        grammar = Grammar(self._model, request.schema) if request.schema is not None else None
        sampler = Sampler(window.context, request.sampling, grammar)
        try:
            cached = window.keep_prefix(self._prompt[:-1])
            _read(self._bench, window, self._prompt, with_logits=True)
            text, is_whole = self._write(sampler)
        finally:
            sampler.close()
        evaluated = window.evaluated - self._before
        return Completed(request.id, text, is_whole, cached, evaluated)

    def _write(self, sampler: Sampler) -> tuple[str, bool]:
        pieces, text = PieceDecoder(self._model), ""
        for number in range(self._request.max_tokens):
            self._bench.give_way()
            token = sampler.next_token()
            if self._model.ends_generation(token):
                return text + pieces.finish(), True
            text += pieces.feed(token)
            end = self._end_of(text)
            if end is not None:
                return text[:end], True
            if number + 1 < self._request.max_tokens:
                self._window.decode(token)
        return text + pieces.finish(), False

    def _end_of(self, text: str) -> int | None:
        """Where ``text`` is whole although the model has not ended it."""
        found = [at for stop in self._request.stop if (at := text.find(stop)) >= 0]
        if found:
            return min(found)
        return len(text) if self._request.schema is not None and is_complete(text) else None


def _window(bench: Bench, prompt: Sequence[int], room: int) -> Window:
    available = bench.lane.context.n_ctx
    if len(prompt) + room > available:
        raise PromptTooLongError(len(prompt) + room, available)
    return bench.lane.window_for(prompt, room)


def _read(bench: Bench, window: Window, prompt: Sequence[int], with_logits: bool) -> None:
    while len(window.tokens) < len(prompt):
        bench.give_way()
        window.prefill(prompt, with_logits)


def _log_probabilities(logits: npt.NDArray[np.float32], tokens: Sequence[int]) -> list[float]:
    """Natural logarithms of the softmax of ``logits`` at ``tokens``."""
    largest = logits.max()
    total = float(largest) + float(np.log(np.exp(logits - largest).sum(dtype=np.float64)))
    return [float(logits[token]) - total for token in tokens]
