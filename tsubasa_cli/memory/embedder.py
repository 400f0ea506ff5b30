"""Texts to vectors, behind one shape, so that the index does not care where they come from.

The vectors of an index belong to one embedder: its ``name`` and ``dimensions`` are stored with
them, and another embedder means a rebuild.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

Rarity = Callable[[str], float]
"""How much a word of a question tells: its inverse document frequency in the store."""


class Embedder(Protocol):
    """Turns texts into unit vectors. ``name`` identifies the model and its version."""

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    @property
    def noise(self) -> float:
        """The cosine that texts reach which have nothing to do with each other."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text, float32, shape (texts, dimensions); all zeros where a text
        holds nothing that can be embedded."""
        ...

    def embed_queries(self, texts: Sequence[str], rarity: Rarity | None = None) -> Vectors:
        """Like ``embed``, for questions; ``rarity`` may weigh their words."""
        ...


def unit_rows(vectors: Vectors) -> Vectors:
    """Each row scaled to length 1; rows of zeros stay."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled


def default_embedder() -> Embedder:
    """What turns texts into vectors when nothing else is chosen: needs no model and no network."""
    from tsubasa_cli.memory.static_embedder import StaticEmbedder

    return StaticEmbedder()
