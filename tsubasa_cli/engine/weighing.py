"""What learning asks of the engine: the very tokens that a chat uses, and how likely a text is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tsubasa_cli.engine.native import NativeModel
from tsubasa_cli.engine.native_context import SLICE, ContextShape, NativeContext
from tsubasa_cli.engine.prompt import PromptMaker
from tsubasa_cli.engine.protocol import Encode, Encoded, Weigh, Weighed

LONGEST_TEXT = 1024
"""Tokens of a text that are weighed; what stands further back changes little."""

GiveWay = Callable[[], None]
"""Called between slices; raises when the work must stop."""


def encoded(maker: PromptMaker, request: Encode, give_way: GiveWay) -> Encoded:
    """Tokens of all dialogues of ``request``."""
    prompts: list[tuple[int, ...]] = []
    replies: list[tuple[int, ...]] = []
    for dialogue in request.dialogues:
        give_way()
        if dialogue.thinking is None:
            prompt = maker.forced(dialogue.messages, "")
        else:
            prompt = maker.generation(dialogue.messages, True)
        prompts.append(tuple(prompt))
        replies.append(tuple(maker.reply(dialogue.reply, dialogue.thinking)))
    return Encoded(request.id, tuple(prompts), tuple(replies))


def weighed(model: NativeModel, request: Weigh, give_way: GiveWay) -> Weighed:
    """Log-likelihoods of all texts of ``request``, in a context that lives as long as this."""
    texts = [model.tokenize(text, False, add_special=True) for text in request.texts]
    longest = min(max(map(len, texts), default=1), LONGEST_TEXT)
    context = NativeContext(model, ContextShape(max(longest, SLICE), outputs=SLICE))
    context.give_up_when(lambda: False)
    try:
        sums = [_log_likelihood(context, text[:longest], give_way) for text in texts]
    finally:
        context.close()
    counts = tuple(max(min(len(text), longest) - 1, 0) for text in texts)
    return Weighed(request.id, tuple(sums), counts, sum(min(len(t), longest) for t in texts))


def _log_likelihood(context: NativeContext, tokens: Sequence[int], give_way: GiveWay) -> float:
    context.clear()
    total = 0.0
    for start in range(0, len(tokens) - 1, SLICE):
        give_way()
        part = tokens[start : start + SLICE]
        following = tokens[start + 1 : start + SLICE + 1]
        context.decode(part, start, len(part))
        total += sum(
            log_probability(context.logits(index), token) for index, token in enumerate(following)
        )
    return total


def log_probability(logits: npt.NDArray[np.float32], token: int) -> float:
    """Natural logarithm of the softmax of ``logits`` at ``token``."""
    largest = float(logits.max())
    total = float(np.exp(logits - largest).sum(dtype=np.float64))
    return float(logits[token]) - largest - float(np.log(total))
