"""Several replies at once: each step computes the next tokens of all of them in one batch.

A small model on few cores spends most of a step on fetching its weights; eight replies that share
the step cost little more than one. What the prompts begin with in common is computed once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tsubasa_cli.engine.native import NativeModel
from tsubasa_cli.engine.native_context import SLICE, ContextShape, NativeContext, Part
from tsubasa_cli.engine.prompt import PromptMaker
from tsubasa_cli.engine.protocol import CompleteAll, CompletedAll, Sampling
from tsubasa_cli.engine.reply import PieceDecoder
from tsubasa_cli.engine.sampler import Sampler
from tsubasa_cli.engine.window import common_prefix

AT_ONCE = 8
"""Replies in one batch; more gain little on a CPU and take more cache."""

BEGINNING = AT_ONCE
"""The sequence that holds what all prompts begin with."""

GiveWay = Callable[[], None]
"""Called between steps; raises when the work must stop."""


def completed_all(
    model: NativeModel, maker: PromptMaker, request: CompleteAll, give_way: GiveWay
) -> CompletedAll:
    """Replies to all prompts of ``request``, in a context that lives as long as this.
    ``NativeError`` with code "memory" when there is no room for it."""
    prompts = [maker.forced(messages, "") for messages in request.prompts]
    if not prompts:
        return CompletedAll(request.id, (), (), 0)
    longest = max(map(len, prompts)) + request.max_tokens
    size = longest * (min(AT_ONCE, len(prompts)) + 1)
    context = NativeContext(model, ContextShape(size, outputs=SLICE, sequences=AT_ONCE + 1))
    context.give_up_when(lambda: False)
    voices: list[_Voice] = []
    try:
        for place, prompt in enumerate(prompts):
            sampler = Sampler(context, _of_its_own(request.sampling, place))
            voices.append(_Voice(model, prompt, request.max_tokens, sampler))
        choir = _Choir(context, voices, give_way)
        choir.sing()
    finally:
        for voice in voices:
            voice.sampler.close()
        context.close()
    texts = tuple(voice.text for voice in voices)
    return CompletedAll(request.id, texts, tuple(v.is_whole for v in voices), choir.evaluated)


def _of_its_own(sampling: Sampling, place: int) -> Sampling:
    """Two prompts that are the same need not get the same reply."""
    return sampling if sampling.seed is None else replace(sampling, seed=sampling.seed + place)


class _Voice:
    """One reply while it is made. ``waiting`` are tokens that are not computed yet."""

    def __init__(
        self, model: NativeModel, prompt: Sequence[int], most: int, sampler: Sampler
    ) -> None:
        self.sampler = sampler
        self._model = model
        self._pieces = PieceDecoder(model)
        self._left = most
        self.waiting = list(prompt)
        self.position = 0
        self.sequence = -1
        self.text = ""
        self.is_whole = False
        self.is_over = most == 0

    def take(self, most: int) -> Part:
        """The next of its tokens to compute."""
        part = Part(self.waiting[:most], self.position, self.sequence, len(self.waiting) <= most)
        self.position += len(part.tokens)
        del self.waiting[:most]
        return part

    def go_on(self, token: int) -> None:
        """``token`` is what follows."""
        self._left -= 1
        self.is_whole = self._model.ends_generation(token)
        self.is_over = self.is_whole or self._left == 0
        if not self.is_whole:
            self.text += self._pieces.feed(token)
        if self.is_over:
            self.text += self._pieces.finish()
        else:
            self.waiting = [token]


class _Choir:
    """All replies of a request; ``sing`` once."""

    def __init__(
        self,
        context: NativeContext,
        voices: Sequence[_Voice],
        give_way: GiveWay,
    ) -> None:
        self._context = context
        self._give_way = give_way
        self._all = voices
        self._shared = self._begin_alike([voice.waiting for voice in voices])
        self.evaluated = 0

    def sing(self) -> None:
        """Until every voice has its text."""
        self._read_beginning()
        waiting = deque(voice for voice in self._all if not voice.is_over)
        free, singing = list(range(AT_ONCE)), list[_Voice]()
        while waiting or singing:
            while free and waiting:
                singing.append(self._let_in(waiting.popleft(), free.pop()))
            self._step(singing)
            free.extend(voice.sequence for voice in singing if voice.is_over)
            singing = [voice for voice in singing if not voice.is_over]

    def _begin_alike(self, prompts: Sequence[Sequence[int]]) -> int:
        """Tokens that all prompts begin with and something follows; none where the architecture
        cannot share them."""
        if self._context.model.is_hybrid or len(prompts) == 1:
            return 0
        first = list(prompts[0])
        return min(min(common_prefix(first, list(p)), len(p) - 1) for p in prompts)

    def _read_beginning(self) -> None:
        tokens = self._all[0].waiting[: self._shared]
        for start in range(0, len(tokens), SLICE):
            self._compute([Part(tokens[start : start + SLICE], start, BEGINNING, False)])

    def _let_in(self, voice: _Voice, sequence: int) -> _Voice:
        self._context.drop_from(0, sequence)
        voice.sequence, voice.position = sequence, self._shared
        del voice.waiting[: self._shared]
        if self._shared:
            self._context.share(BEGINNING, sequence, self._shared)
        return voice

    def _step(self, singing: Sequence[_Voice]) -> None:
        parts = list(_parts(singing))
        self._compute([part for _, part in parts])
        at = -1
        for voice, part in parts:
            at += len(part.tokens)
            if part.is_last:
                voice.go_on(voice.sampler.next_token(at))

    def _compute(self, parts: Sequence[Part]) -> None:
        self._give_way()
        self._context.decode_parts(parts)
        self.evaluated += sum(len(part.tokens) for part in parts)


def _parts(singing: Sequence[_Voice]) -> Iterator[tuple[_Voice, Part]]:
    """What fits one batch: the shortest first, so that replies go on while a prompt is read."""
    room = SLICE
    for voice in sorted(singing, key=lambda voice: len(voice.waiting)):
        if room:
            part = voice.take(room)
            room -= len(part.tokens)
            yield voice, part
