"""Static word embeddings out of the ``wordllama`` wheel: offline from the first minute.

Only the wheel's two data files are read; its own loader looks for them in the wrong places and
its package imports more than is needed. A text is the mean of its tokens' vectors without function
words; the words of a question are weighted by their rarity in the store (measured on LoCoMo: the
weighting gives most of the gain of weighting both sides, and stored vectors never grow stale).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsubasa_cli.errors import ModelError
from tsubasa_cli.memory.embedder import Rarity, unit_rows
from tsubasa_cli.memory.language import language_of
from tsubasa_cli.memory.text import content_words, words

if TYPE_CHECKING:
    from tsubasa_cli.memory.embedder import Vectors

DIMENSIONS = 256
KNOWN_WORDS = 65_536
"""Words whose tokens are kept in mind."""
_WEIGHTS = Path("weights", "l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")


class StaticEmbedder:
    """Word embeddings of 32,000 token vectors. Thread-safe; loads on first use."""

    name = "wordllama-l2-supercat-256/content-mean-1"
    dimensions = DIMENSIONS
    noise = 0.0

    def __init__(self) -> None:
        self._known: dict[str, list[int]] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self._weighted([[(word, 1.0) for word in _content(text)] for text in texts])

    def embed_queries(self, texts: Sequence[str], rarity: Rarity | None = None) -> Vectors:
        weigh = rarity or (lambda _: 1.0)
        return self._weighted([[(word, weigh(word)) for word in _content(text)] for text in texts])

    def _weighted(self, texts: Sequence[Sequence[tuple[str, float]]]) -> Vectors:
        import numpy as np

        sums = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(texts):
            tokens = [(token, weight) for word, weight in text for token in self._tokens(word)]
            if tokens:
                places, weights = zip(*tokens, strict=True)
                sums[row] = np.asarray(weights, dtype=np.float32) @ self._table[list(places)]
        return unit_rows(sums)

    def _tokens(self, word: str) -> list[int]:
        """One word at a time, and remembered: a batch would wake threads for microseconds of
        work."""
        known = self._known.get(word)
        if known is None:
            known = self._tokenizer.encode(word, add_special_tokens=False).ids
            if len(self._known) < KNOWN_WORDS:
                self._known[word] = known
        return known

    @cached_property
    def _table(self) -> Vectors:
        import numpy as np
        from safetensors.numpy import load_file

        (table,) = load_file(_package() / _WEIGHTS).values()
        return np.ascontiguousarray(table, dtype=np.float32)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(_package() / _TOKENIZER))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer


def _content(text: str) -> list[str]:
    return content_words(text, language_of(text)) or words(text)


def _package() -> Path:
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            "The word embeddings are missing.",
            why="The package wordllama is not installed.",
            next_step="Run: pip install --force-reinstall tsubasa-cli",
        )
    return Path(spec.submodule_search_locations[0])
