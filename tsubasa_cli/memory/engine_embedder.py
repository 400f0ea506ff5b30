"""Embeddings by a GGUF model, through the engine.

The engine is asynchronous and the index is not: texts are handed to the event loop that the engine
lives in, and the calling thread waits. Chat goes first, so the engine may raise
``PreemptedError``; the index is then as it was, and hears of it later.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tsubasa_cli.memory.embedder import Rarity, unit_rows

if TYPE_CHECKING:
    from tsubasa_cli.memory.embedder import Vectors

EmbedTexts = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]

TASK = "Given a question, retrieve notes about the user's life that help to answer it"
AT_ONCE = 64
"""Texts given to the engine at a time, so that chat never waits long."""
_UNRELATED = (
    "The user plays the oboe in an amateur orchestra.",
    "The user's car broke down near the border last week.",
    "The user is allergic to peanuts.",
    "The user's landlord raised the rent in January.",
    "The user dreams of seeing the northern lights.",
    "The user's daughter starts school in September.",
    "The user switched from coffee to green tea.",
    "The user failed the driving test twice.",
)


class EngineEmbedder:
    """Embeds by ``embed``, a coroutine function of the engine that runs in ``loop``.

    ``model`` identifies the file (its hash, say). Call from any thread but the loop's own: it
    would wait for itself. Raises what ``embed`` raises.
    """

    def __init__(
        self, embed: EmbedTexts, loop: asyncio.AbstractEventLoop, *, model: str, dimensions: int
    ) -> None:
        self._embed = embed
        self._loop = loop
        self._is_qwen = "qwen3" in model.casefold()
        self._dimensions = dimensions
        self._name = f"gguf/{model}"

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @cached_property
    def noise(self) -> float:
        """The mean cosine of sentences that share nothing but their subject."""
        vectors = self.embed(_UNRELATED)
        cosines = [float(a @ b) for a, b in itertools.combinations(vectors, 2)]
        return sum(cosines) / len(cosines)

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        found = np.zeros((len(texts), self._dimensions), dtype=np.float32)
        rows = [row for row, text in enumerate(texts) if text.strip()]
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            found[some] = np.asarray(self._wait([texts[row] for row in some]), dtype=np.float32)
        return unit_rows(found)

    def embed_queries(self, texts: Sequence[str], rarity: Rarity | None = None) -> Vectors:
        """Questions, with the instruction that Qwen3-Embedding was trained to see before them."""
        del rarity
        if self._is_qwen:
            texts = [f"Instruct: {TASK}\nQuery:{text}" for text in texts]
        return self.embed(texts)

    def _wait(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        async def ask() -> Sequence[Sequence[float]]:
            return await self._embed(texts)

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result()
