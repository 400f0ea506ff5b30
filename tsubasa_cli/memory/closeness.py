"""How close two statements are in meaning, always by the same static embeddings.

The calibration's weights belong to these, so deciding does not depend on the embedder that the
index uses.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from tsubasa_cli.memory.narrative import current_part

if TYPE_CHECKING:
    from tsubasa_cli.memory.static_embedder import StaticEmbedder


def closeness(first: str, second: str) -> float:
    """The cosine of two statements, -1..1; of a narrative, what holds today counts."""
    return _cosine(current_part(first), current_part(second))


@lru_cache(maxsize=4096)
def _cosine(first: str, second: str) -> float:
    left, right = _embedder().embed([first, second])
    return float(left @ right)


@cache
def _embedder() -> StaticEmbedder:
    from tsubasa_cli.memory.static_embedder import StaticEmbedder

    return StaticEmbedder()
