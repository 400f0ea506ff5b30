"""Texts to vectors, by a model that was made for it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence

import llama_cpp.llama_cpp as llama
import numpy as np
import numpy.typing as npt

from tsubasa_cli.engine.native import NativeError, NativeModel
from tsubasa_cli.engine.native_context import ContextShape, NativeContext
from tsubasa_cli.engine.protocol import Embed, Embedded

WINDOW = 2048
"""Tokens of a text that are looked at unless more are asked for; memories and turns are shorter,
and the buffers of a batch grow with it."""

BATCH_TOKENS = 512
"""Tokens of several texts evaluated at once, between two looks at the cancel flag."""

BATCH_TEXTS = 16

QWEN_END = "<|endoftext|>"
"""What Qwen3-Embedding pools: https://huggingface.co/Qwen/Qwen3-Embedding-0.6B-GGUF. Files differ
in whether, and as which token, they name it."""


class Embedder:
    """An embedding context, and the tokens that its model wants around a text."""

    def __init__(self, model: NativeModel, n_ctx: int) -> None:
        """``n_ctx`` 0 means ``WINDOW``. ``NativeError`` for a model that cannot embed, or does not
        fit."""
        self._pooling = _pooling(model)
        window = min(n_ctx or WINDOW, model.n_ctx_train)
        self.context = NativeContext(model, _shape(window, self._pooling))
        self._model = model
        self.window = window
        self._before, self._behind = self._frame()

    def run(self, request: Embed, give_way: Callable[[], None]) -> Embedded:
        """Vectors of length 1, in the order of the texts, each cut at the window's end;
        ``give_way`` is called between batches."""
        framed = [self._framed(text) for text in request.texts]
        rows: list[npt.NDArray[np.float32]] = []
        for batch in _batches(framed, min(BATCH_TOKENS, self.window)):
            give_way()
            self.context.decode_whole(batch)
            rows.extend(_unit(self.context.pooled(number)) for number in range(len(batch)))
        data = base64.b64encode(b"".join(row.astype("<f4").tobytes() for row in rows)).decode()
        return Embedded(request.id, data, self._model.n_embd, sum(map(len, framed)))

    def _framed(self, text: str) -> list[int]:
        room = self.window - len(self._before) - len(self._behind)
        tokens = self._model.tokenize(text, False)[:room]
        return [*self._before, *tokens, *self._behind] or [self._model.eos() or 0]

    def _frame(self) -> tuple[list[int], list[int]]:
        """The special tokens before and behind a text, by the file, and by what is known of
        Qwen's."""
        bare, whole = (self._model.tokenize("a", False, frame) for frame in (False, True))
        starts = range(len(whole) - len(bare) + 1)
        at = next((i for i in starts if whole[i : i + len(bare)] == bare), 0)
        before, behind = whole[:at], whole[at + len(bare) :]
        if self._model.architecture == "qwen3":
            behind = self._model.tokenize(QWEN_END, True)
        elif self._pooling == llama.LLAMA_POOLING_TYPE_LAST and not behind:
            behind = [end for end in (self._model.eos(),) if end is not None]
        return before, behind


def _pooling(model: NativeModel) -> int:
    """The file's own way to make one vector of many; the last token's where it names none."""
    named = model.meta(f"{model.architecture}.pooling_type")
    if named == str(llama.LLAMA_POOLING_TYPE_RANK):
        raise NativeError("model", "It ranks texts and gives no embeddings.")
    if named is None or named == str(llama.LLAMA_POOLING_TYPE_NONE):
        return int(llama.LLAMA_POOLING_TYPE_LAST)
    return int(named)


def _shape(window: int, pooling: int) -> ContextShape:
    """A text pooled from all its tokens must be computed at once; the last one's vector need not,
    and smaller buffers do."""
    is_last = pooling == llama.LLAMA_POOLING_TYPE_LAST
    at_once = min(window, BATCH_TOKENS) if is_last else window
    return ContextShape(window, window, at_once, window, BATCH_TEXTS, pooling)


def _batches(texts: Sequence[list[int]], most: int) -> Iterator[list[list[int]]]:
    """Neighbours of ``most`` tokens together; a longer text goes alone."""
    batch: list[list[int]] = []
    for tokens in texts:
        size = sum(map(len, batch)) + len(tokens)
        if batch and (len(batch) == BATCH_TEXTS or size > most):
            yield batch
            batch = []
        batch.append(tokens)
    if batch:
        yield batch


def _unit(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length > 0 else vector.copy()
