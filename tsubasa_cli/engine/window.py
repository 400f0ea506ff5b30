"""The context window as it stands in the KV cache: which tokens are there, and what was computed.

The cache is a budget: a prompt that begins like what is cached costs only the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from tsubasa_cli.engine.native import SLICE, NativeModel


class Window:
    """Sequence 0 of a model's context, and the counters of ``protocol.TotalsReport``."""

    def __init__(self, model: NativeModel) -> None:
        self._model = model
        self.tokens: list[int] = []
        self.prefilled = 0
        self.decoded = 0

    @property
    def evaluated(self) -> int:
        """All tokens computed since the load. Read by the thread that hears cancels."""
        return self.prefilled + self.decoded

    @property
    def room(self) -> int:
        """Positions left."""
        return self._model.n_ctx - len(self.tokens)

    def keep_prefix(self, target: Sequence[int]) -> int:
        """Drop what does not begin ``target``; how many of its tokens are cached afterwards.
        Architectures that cannot drop a part (recurrent state) start from nothing."""
        common = common_prefix(self.tokens, target)
        if common < len(self.tokens):
            if self._model.drop_from(common):
                del self.tokens[common:]
            else:
                self.clear()
        return len(self.tokens)

    def prefill(self, target: Sequence[int], with_logits: bool) -> None:
        """Evaluate the next slice of ``target``, of which ``self.tokens`` is a prefix; logits of
        its very last token where asked."""
        start = len(self.tokens)
        part = target[start : start + SLICE]
        is_last = start + len(part) == len(target)
        self._model.decode(part, start, with_logits and is_last)
        self.tokens.extend(part)
        self.prefilled += len(part)

    def decode(self, token: int) -> None:
        """Evaluate one sampled token."""
        self._model.decode((token,), len(self.tokens), True)
        self.tokens.append(token)
        self.decoded += 1

    def clear(self) -> None:
        self._model.clear()
        self.tokens.clear()


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many leading tokens two sequences share."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    return next(i for i in range(shorter) if one[i] != other[i])
