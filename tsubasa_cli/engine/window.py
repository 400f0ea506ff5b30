"""The context window as it stands in the KV cache: which tokens are there, and what was computed.

The cache is a budget: a prompt that begins like what is cached costs only the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from tsubasa_cli.engine.native_context import SLICE, NativeContext


class Window:
    """One sequence of a context, and the counters of ``protocol.TotalsReport``."""

    def __init__(self, context: NativeContext, sequence: int = 0) -> None:
        self.context = context
        self._sequence = sequence
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
        return self.context.n_ctx - len(self.tokens)

    def keep_prefix(self, target: Sequence[int]) -> int:
        """Drop what does not begin ``target``; how many of its tokens are cached afterwards.
        Architectures that cannot drop a part (recurrent state) start from nothing."""
        common = common_prefix(self.tokens, target)
        if common < len(self.tokens):
            if self.context.drop_from(common, self._sequence):
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
        self.context.decode(part, start, int(with_logits and is_last), self._sequence)
        self.tokens.extend(part)
        self.prefilled += len(part)

    def decode(self, token: int) -> None:
        """Evaluate one sampled token."""
        self.context.decode((token,), len(self.tokens), 1, self._sequence)
        self.tokens.append(token)
        self.decoded += 1

    def append(self, tokens: Sequence[int]) -> None:
        """Evaluate ``tokens`` behind what is there, with logits of each."""
        self.context.decode(tokens, len(self.tokens), len(tokens), self._sequence)
        self.tokens.extend(tokens)
        self.prefilled += len(tokens)

    def clear(self) -> None:
        """Forget this sequence."""
        if self.context.shape.sequences == 1:
            self.context.clear()
        else:
            self.context.drop_from(0, self._sequence)
        self.tokens.clear()


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many leading tokens two sequences share."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    return next(i for i in range(shorter) if one[i] != other[i])
