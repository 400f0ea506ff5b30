"""The rankers that ours is measured against, as plain as they come: BM25, static vectors, and
their reciprocal-rank fusion, over the annotated notes with their session's date behind them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from locomo_store import Conversation, dated

from tsubasa_cli.memory.embedder import unit_rows
from tsubasa_cli.memory.static_embedder import StaticEmbedder

if TYPE_CHECKING:
    from tsubasa_cli.memory.embedder import Vectors

K1, B, RARE_SHARE = 1.5, 0.75, 0.25
Ranker = Callable[[str], list[int]]
"""A question to the places of the notes, best first."""
_WORD = re.compile(r"[a-z0-9']+")


def rankers(conversation: Conversation) -> dict[str, Ranker]:
    """By name, over one conversation's notes."""
    texts = [dated(conversation, note) for note in conversation.notes]
    words, vectors = bm25(texts), static_vectors(texts)
    return {
        "BM25 (plain)": words,
        "static vectors": vectors,
        "BM25 + static, RRF": lambda question: reciprocal([words(question), vectors(question)]),
    }


def bm25(texts: Sequence[str]) -> Ranker:
    """Okapi BM25, no stemming, no stop words; negative rarities raised to a share of the mean."""
    counts = [Counter(_WORD.findall(text.lower())) for text in texts]
    lengths = np.array([sum(count.values()) for count in counts], dtype=float)
    norms = K1 * (1 - B + B * lengths / lengths.mean())
    holding = Counter(word for count in counts for word in count)
    rarity = {w: math.log((len(texts) - n + 0.5) / (n + 0.5)) for w, n in holding.items()}
    least = RARE_SHARE * sum(rarity.values()) / len(rarity)

    def rank(question: str) -> list[int]:
        scores = np.zeros(len(texts))
        for word in _WORD.findall(question.lower()):
            weight = rarity.get(word, 0.0)
            seen = np.array([count[word] for count in counts])
            scores += (weight if weight >= 0 else least) * seen * (K1 + 1) / (seen + norms)
        return _best_first(scores)

    return rank


def static_vectors(texts: Sequence[str]) -> Ranker:
    """The mean of all token vectors, function words and all."""
    embedder: Any = StaticEmbedder()

    def mean(some: Sequence[str]) -> Vectors:
        encoded = embedder._tokenizer.encode_batch(list(some), add_special_tokens=False)
        return unit_rows(np.stack([embedder._table[text.ids].mean(axis=0) for text in encoded]))

    table = mean(texts)
    return lambda question: _best_first(table @ mean([question])[0])


def reciprocal(rankings: Sequence[Sequence[int]], constant: float = 60.0) -> list[int]:
    """Reciprocal-rank fusion of whole rankings."""
    scores = np.zeros(len(rankings[0]))
    for ranking in rankings:
        for place, note in enumerate(ranking):
            scores[note] += 1 / (constant + 1 + place)
    return _best_first(scores)


def _best_first(scores: Any) -> list[int]:
    return [int(place) for place in np.argsort(-scores, kind="stable")]
