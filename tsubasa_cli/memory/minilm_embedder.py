"""Chroma's own default embedding model, all-MiniLM-L6-v2, where its files already are.

Chroma downloads the model when it is first used; this never happens here: without all of its
files there is no such embedder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsubasa_cli.memory.embedder import Rarity, unit_rows

if TYPE_CHECKING:
    from tsubasa_cli.memory.embedder import Vectors

FILES = (
    "config.json",
    "model.onnx",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "vocab.txt",
)


class MiniLmEmbedder:
    """384 dimensions by ONNX. Make it by ``find_minilm``."""

    name = "all-MiniLM-L6-v2/onnx"
    dimensions = 384
    noise = 0.05

    def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        found = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        rows = [row for row, text in enumerate(texts) if text.strip()]
        if rows:
            found[rows] = np.asarray(self._model([texts[row] for row in rows]), dtype=np.float32)
        return unit_rows(found)

    def embed_queries(self, texts: Sequence[str], rarity: Rarity | None = None) -> Vectors:
        del rarity
        return self.embed(texts)

    @cached_property
    def _model(self) -> Any:
        from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

        return ONNXMiniLM_L6_V2(preferred_providers=["CPUExecutionProvider"])


def find_minilm() -> MiniLmEmbedder | None:
    """The embedder, if every file of its model is on this machine."""
    folder = _folder()
    return MiniLmEmbedder() if all((folder / name).is_file() for name in FILES) else None


def _folder() -> Path:
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    model = ONNXMiniLM_L6_V2
    return Path(model.DOWNLOAD_PATH, model.EXTRACTED_FOLDER_NAME)
