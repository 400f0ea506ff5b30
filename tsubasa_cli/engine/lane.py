"""The lane of memory work: a context beside the chat's, with several prompts in its cache.

Memory asks few questions very often, each behind its own examples. So the lane keeps one sequence
per recent prompt, in one cache, and a question finds its examples already evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence

from tsubasa_cli.engine.native import NativeModel
from tsubasa_cli.engine.native_context import ContextShape, NativeContext
from tsubasa_cli.engine.window import Window, common_prefix

MOST_TOKENS = 4096
"""Positions of the lane's cache; a chat's smaller window bounds it further."""

OUTPUTS = 16
"""Tokens whose logits one batch may give: each takes four bytes per entry of the vocabulary."""

PROMPTS = 4
"""Prompts kept side by side."""


class Lane:
    """The context and its windows; ``close`` it to give the memory back."""

    def __init__(self, model: NativeModel, n_ctx: int) -> None:
        """``NativeError`` with code "memory" when it does not fit beside the chat."""
        size = min(n_ctx, MOST_TOKENS)
        shape = ContextShape(size, outputs=OUTPUTS, sequences=PROMPTS)
        self.context = NativeContext(model, shape)
        self._recent = [Window(self.context, sequence) for sequence in range(PROMPTS)]

    def close(self) -> None:
        self.context.close()

    @property
    def evaluated(self) -> int:
        """All tokens computed in it."""
        return sum(window.evaluated for window in self._recent)

    def window_for(self, prompt: Sequence[int], room: int) -> Window:
        """The window that has most of ``prompt``, or the one unused for longest; with ``room``
        for that many tokens behind it, which must fit the cache."""
        shared = [common_prefix(window.tokens, prompt) for window in self._recent]
        best = max(range(PROMPTS), key=shared.__getitem__)
        if shared[best] * 2 < len(self._recent[best].tokens):
            best = 0
        window = self._recent.pop(best)
        self._make_room(len(prompt) + room)
        self._recent.append(window)
        return window

    def _make_room(self, needed: int) -> None:
        """Forget other prompts, the longest unused first, until ``needed`` positions are left."""
        free = self.context.n_ctx - sum(len(window.tokens) for window in self._recent)
        for window in self._recent:
            if free >= needed:
                return
            free += len(window.tokens)
            window.clear()
