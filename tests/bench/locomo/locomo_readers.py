"""What each system puts in front of a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from locomo_baselines import bm25, reciprocal, static_vectors
from locomo_homes import Home
from locomo_model import RESERVE, Answerer, in_thread
from locomo_store import Asked, Conversation, covered, instant, last_day, session_of

from tsubasa_cli.conversation.recollection import MOST_TOKENS
from tsubasa_cli.memory.block import render_note
from tsubasa_cli.memory.embedder import Embedder, default_embedder
from tsubasa_cli.memory.recall import Recalled
from tsubasa_cli.storage.settings import MemorySettings


@dataclass(frozen=True, slots=True)
class Context:
    """Text for the prompt, how many pieces it is made of, and the turns it stands for (None:
    the system does not say where a memory is from)."""

    text: str = ""
    pieces: int = 0
    covers: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Piece:
    """What can be retrieved: a line of text, and the turns it stands for."""

    text: str
    covers: frozenset[str]


class Reader(Protocol):
    """Finds the context of a question."""

    async def read(self, asked: Asked) -> Context: ...


class NoMemory:
    """Nothing at all."""

    async def read(self, asked: Asked) -> Context:
        del asked
        return Context()


class ByHeart:
    """Nothing either: what is known is in the weights, which do not say where it is from."""

    async def read(self, asked: Asked) -> Context:
        del asked
        return Context(covers=None)


class FullContext:
    """The conversation itself: as many of its utterances as fit, the most recent, in order."""

    def __init__(self, conversation: Conversation, answerer: Answerer) -> None:
        self._pieces, self._answerer = utterances(conversation), answerer
        self._context: Context | None = None

    async def read(self, asked: Asked) -> Context:
        del asked
        if self._context is None:
            self._context = await self._fitting()
        return self._context

    async def _fitting(self) -> Context:
        sizes = await self._answerer.sizes([f"{piece.text}\n" for piece in self._pieces])
        left, first = self._answerer.window - RESERVE, len(sizes)
        while first and sizes[first - 1] <= left:
            first -= 1
            left -= sizes[first]
        return joined(self._pieces[first:])


class Similar:
    """The ``k`` pieces whose vectors are nearest to the question's, in Chroma."""

    def __init__(self, name: str, pieces: Sequence[Piece], k: int) -> None:
        self._pieces, self._k = pieces, k
        self._embedder: Embedder = default_embedder()
        self._collection = _collection(name)
        if pieces:
            vectors = self._embedder.embed([piece.text for piece in pieces])
            ids = [str(place) for place in range(len(pieces))]
            self._collection.upsert(ids=ids, embeddings=vectors.tolist())

    async def read(self, asked: Asked) -> Context:
        if not self._pieces:
            return Context()
        found = await in_thread(self._nearest, asked.text)
        return joined([self._pieces[int(place)] for place in found])

    def _nearest(self, question: str) -> list[str]:
        vectors = self._embedder.embed_queries([question])
        found = self._collection.query(
            query_embeddings=vectors.tolist(), n_results=min(self._k, len(self._pieces))
        )
        nearest: list[str] = found["ids"][0]
        return nearest


class Hybrid:
    """The ``k`` best pieces by BM25 and static vectors together, by reciprocal ranks: the strongest
    of the plain rankers."""

    def __init__(self, pieces: Sequence[Piece], k: int) -> None:
        texts = [piece.text for piece in pieces]
        self._pieces, self._k = pieces, k
        self._rankers = [bm25(texts), static_vectors(texts)]

    async def read(self, asked: Asked) -> Context:
        best = reciprocal([rank(asked.text) for rank in self._rankers])
        return joined([self._pieces[place] for place in best[: self._k]])


class ProductRecall:
    """The product's recall in both speakers' stores, under the product's one budget.

    The store of the speaker whom a question names comes first, the other one fills up; where both
    or neither are named, they take turns.
    """

    def __init__(self, homes: Sequence[Home], k: int, answerer: Answerer) -> None:
        self._homes = {home.speaker: home for home in homes}
        self._k, self._answerer = k, answerer
        self._now = last_day(homes[0].conversation)
        share = MemorySettings().recall_share
        self._budget = min(int(answerer.window * share), MOST_TOKENS)

    async def read(self, asked: Asked) -> Context:
        found = {name: await in_thread(self._find, name, asked) for name in self._homes}
        chosen = under_one_budget(found, asked.text, self._k)
        while True:
            text = _by_speaker(chosen)
            [size] = await self._answerer.sizes([text]) if text else [0]
            if size <= self._budget:
                break
            chosen.pop()
        covers = [covered(item, self._homes[name].names) for name, item in chosen]
        return Context(text, len(chosen), frozenset().union(*covers))

    def _find(self, name: str, asked: Asked) -> list[Recalled]:
        return self._homes[name].memory.recall(asked.text, now=self._now, k=self._k)


def under_one_budget(
    found: Mapping[str, Sequence[Any]], question: str, k: int
) -> list[tuple[str, Any]]:
    """At most ``k`` of what several speakers' stores gave to a question, with whose it is."""
    named = [name for name in found if name.casefold() in question.casefold()]
    if len(named) == 1:
        order = sorted(found, key=lambda name: name not in named)
        return [(name, item) for name in order for item in found[name]][:k]
    turns = max(map(len, found.values()), default=0)
    return [
        (name, found[name][place])
        for place in range(turns)
        for name in found
        if place < len(found[name])
    ][:k]


def utterances(conversation: Conversation) -> list[Piece]:
    """Everything that was said, a line each, with its day and its speaker. Photos are left out, as
    they are for every system."""
    return [
        Piece(f"{_day(conversation, name)}, {who}: {words}", frozenset([name]))
        for name, (who, words) in conversation.turns.items()
        if words.strip()
    ]


def observed(homes: Sequence[Home]) -> list[Piece]:
    """All that is noted in the speakers' stores, as the product renders a note."""
    pieces = []
    for home in homes:
        for observation in home.memory.log.all():
            item = Recalled(1.0, (), observation)
            pieces.append(Piece(render_note(item), frozenset(covered(item, home.names))))
    return pieces


def joined(pieces: Sequence[Piece]) -> Context:
    """Pieces as lines."""
    text = "\n".join(piece.text for piece in pieces)
    return Context(text, len(pieces), frozenset().union(*(piece.covers for piece in pieces)))


def _by_speaker(chosen: Sequence[tuple[str, Recalled]]) -> str:
    """The product's notes, under the name of whose they are."""
    names = dict.fromkeys(name for name, _ in chosen)
    return "\n".join(
        "\n".join([f"{name}'s notes:", *(f"- {render_note(i)}" for n, i in chosen if n == name)])
        for name in names
    )


def _day(conversation: Conversation, name: str) -> str:
    moment = instant(conversation.dates[session_of(name)]).local()
    return f"{moment.day} {moment:%B %Y}"


def _collection(name: str) -> Any:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.EphemeralClient(Settings(anonymized_telemetry=False))
    return client.get_or_create_collection(
        name, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
