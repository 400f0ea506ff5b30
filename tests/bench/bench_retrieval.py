"""How much of a question's evidence recall finds, without any language model.

    python tests/bench/bench_retrieval.py PATH_TO_LOCOMO [--gguf EMBEDDING_MODEL] [--quick]

The file's own ``observation`` notes are the store. A question's evidence recall at k is the share
of its evidence turns among the k best pieces; a note counts for the turns it cites, a turn for
itself; the mean is over questions of categories 1–4. Ours is ``memory.recall.Recaller`` as it
ships, over a real database and index. Fitted weights are judged on the conversation that they
were not fitted on; nothing is chosen by looking at questions. ``--quick`` leaves the fit out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from locomo_baselines import rankers
from locomo_store import Conversation, covered, fill, last_day, read
from numpy.typing import NDArray

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import ModelSpec
from tsubasa_cli.memory import recall, text
from tsubasa_cli.memory.embedder import Embedder, Rarity, default_embedder
from tsubasa_cli.memory.engine_embedder import EngineEmbedder
from tsubasa_cli.memory.fusion import Weights, reciprocal_ranks
from tsubasa_cli.memory.index import MemoryIndex
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.recall import Recaller
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths

if TYPE_CHECKING:
    from tsubasa_cli.memory.embedder import Vectors

T = TypeVar("T")
Rows = NDArray[np.float64]

CUTS = (3, 5, 10)
EVEN = Weights(dense=1.0, words=1.0, said=1.0, days=1.0, emphasis=0, turns=1.0, context=1.0)
"""Where the search for weights begins: everything counts alike."""
CHOICES: Mapping[str, Sequence[float]] = {
    "turns": (0.6, 0.7, 0.8, 0.9, 1.0),
    "words": (0.5, 1.0, 1.5, 2.0, 3.0),
    "said": (0.3, 0.5, 0.7, 1.0, 1.5),
    "context": (0.3, 0.5, 0.7, 1.0),
    "days": (0.5, 1.0, 2.0),
    "emphasis": (0, 1),
}
WITHOUT: Mapping[str, Weights] = {
    "names counted twice": replace(Weights(), emphasis=1),
    "no words of the evidence": replace(Weights(), said=0.0),
    "no days": replace(Weights(), days=0.0),
    "no raw turns": replace(Weights(), turns=0.0),
    "no turn before a turn": replace(Weights(), context=0.0),
    "no vectors": replace(Weights(), dense=0.0),
    "no words (nor turns)": replace(Weights(), words=0.0, turns=0.0),
}


@dataclass(frozen=True, slots=True)
class Store:
    """A conversation in a real database and index."""

    conversation: Conversation
    index: MemoryIndex
    log: MemoryLog
    names: dict[int, str]


class Bench:
    """Several conversations under one embedder; results are kept by weights."""

    def __init__(self, conversations: Sequence[Conversation], embedder: Embedder) -> None:
        self.stores = [_store(conversation, embedder) for conversation in conversations]
        self._known: dict[tuple[Weights, int], Rows] = {}

    def rows(self, weights: Weights, place: int) -> Rows:
        """Recall at each cut (columns) for each question (rows) of one conversation."""
        if (weights, place) not in self._known:
            self._known[weights, place] = _ask_all(self.stores[place], weights)
        return self._known[weights, place]

    def mean(self, weights: Weights) -> Rows:
        everything = [self.rows(weights, place) for place in range(len(self.stores))]
        return np.concatenate(everything).mean(axis=0)

    def fitted(self, places: Sequence[int]) -> Weights:
        """The weights that do best on some of the conversations: one at a time, in turn, twice."""
        best = EVEN
        for name, values in (*CHOICES.items(), *CHOICES.items()):
            options = [replace(best, **{name: value}) for value in values]
            best = max(options, key=lambda weights: self._worth(weights, places))
        return best

    def left_out(self) -> tuple[Rows, list[Weights]]:
        """The mean over all questions, each under weights fitted without its conversation."""
        everywhere = range(len(self.stores))
        fits = [self.fitted([p for p in everywhere if p != place]) for place in everywhere]
        rows = [self.rows(fits[place], place) for place in everywhere]
        return np.concatenate(rows).mean(axis=0), fits

    def _worth(self, weights: Weights, places: Sequence[int]) -> float:
        return float(np.concatenate([self.rows(weights, p) for p in places]).mean())


class Unweighted:
    """The default embedder, every word of a question counting alike."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self.name, self.dimensions, self.noise = inner.name, inner.dimensions, inner.noise
        self.embed = inner.embed

    def embed_queries(self, texts: Sequence[str], rarity: Rarity | None = None) -> Vectors:
        del rarity
        return self._inner.embed_queries(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("locomo", type=Path)
    parser.add_argument("--gguf", type=Path, help="an embedding model, instead of the default")
    parser.add_argument("--quick", action="store_true", help="neither fit nor ablation")
    arguments = parser.parse_args()
    conversations = read(arguments.locomo)
    asked = sum(len(conversation.questions) for conversation in conversations)
    print(f"{asked} questions; evidence recall at " + ", ".join(map(str, CUTS)))
    if arguments.gguf:
        with gguf_embedder(arguments.gguf) as embedder:
            report(conversations, embedder, is_quick=arguments.quick)
    else:
        baselines(conversations)
        report(conversations, default_embedder(), is_quick=arguments.quick)
        if not arguments.quick:
            ablate(conversations)


def baselines(conversations: Sequence[Conversation]) -> None:
    rows: dict[str, list[list[float]]] = {}
    for conversation in conversations:
        for name, rank in rankers(conversation).items():
            for question in conversation.questions:
                notes = [set(conversation.notes[place].cites) for place in rank(question.text)]
                rows.setdefault(name, []).append(_shares(notes, question.evidence))
    for name, found in rows.items():
        _print(name, np.array(found).mean(axis=0))


def report(conversations: Sequence[Conversation], embedder: Embedder, *, is_quick: bool) -> None:
    bench = Bench(conversations, embedder)
    _print("ours, as shipped", bench.mean(Weights()))
    with _nothing_held_back():
        unheld = Bench(conversations, embedder)
        _print("ours, never abstaining", unheld.mean(Weights()))
        _print("ours, never abstaining, even weights", unheld.mean(EVEN))
    if is_quick:
        return
    found, fits = bench.left_out()
    _print("ours, weights fitted without it", found)
    for store, weights in zip(bench.stores, fits, strict=True):
        print(f"    {store.conversation.name}: {weights}")
    for place, store in enumerate(bench.stores):
        _print(f"    {store.conversation.name} alone", bench.rows(fits[place], place).mean(axis=0))
    print(f"    fitted on all of them: {bench.fitted(range(len(bench.stores)))}")


def ablate(conversations: Sequence[Conversation]) -> None:
    print("as shipped, but:")
    bench = Bench(conversations, default_embedder())
    for name, weights in WITHOUT.items():
        _print(f"  {name}", bench.mean(weights))
    plain = Bench(conversations, Unweighted(default_embedder()))
    _print("  no rarity in question vectors", plain.mean(Weights()))
    with _swapped(recall, "scaled", lambda ranking, _: reciprocal_ranks(ranking)):
        _print("  reciprocal ranks instead of scores", Bench.mean(_fresh(bench), Weights()))
    with _swapped(recall, "LIKENESS_WEIGHT", 0.0):
        _print("  near-duplicates not marked down", Bench.mean(_fresh(bench), Weights()))
    with _swapped(text, "_stem", lambda word, _: word):
        text.parts.cache_clear()
        _print("  no stemming", Bench(conversations, default_embedder()).mean(Weights()))
    text.parts.cache_clear()
    with _swapped(text, "function_words", lambda _: frozenset()):
        _print("  function words kept", Bench(conversations, default_embedder()).mean(Weights()))


@contextlib.contextmanager
def gguf_embedder(model: Path) -> Iterator[Embedder]:
    """The embedder that goes through the engine, with the engine's loop in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder), Path(folder)).ensure()
        engine = Engine(paths.engine_log, paths.probes)
        loaded = wait(engine.load(ModelSpec(str(model), 0, embedding=True)))
        yield EngineEmbedder(engine.embed, loop, model=model.stem, dimensions=loaded.n_embd)
        wait(engine.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _store(conversation: Conversation, embedder: Embedder) -> Store:
    folder = Path(tempfile.mkdtemp())
    paths = Paths(folder, folder).ensure()
    names = fill(conversation, paths)
    index = MemoryIndex(paths, connect(paths), embedder)
    index.catch_up()
    return Store(conversation, index, MemoryLog(connect(paths)), names)


def _ask_all(store: Store, weights: Weights) -> Rows:
    recaller, now = Recaller(store.index, store.log, weights), last_day(store.conversation)
    return np.array(
        [
            _shares(
                [
                    covered(item, store.names)
                    for item in recaller.recall(question.text, now=now, k=max(CUTS))
                ],
                question.evidence,
            )
            for question in store.conversation.questions
        ]
    )


def _shares(pieces: Sequence[Collection[str]], evidence: frozenset[str]) -> list[float]:
    """The share of ``evidence`` among the first pieces, at each cut."""
    return [len(evidence & set().union(*pieces[:k])) / len(evidence) for k in CUTS]


def _fresh(bench: Bench) -> Bench:
    bench._known.clear()
    return bench


@contextlib.contextmanager
def _nothing_held_back() -> Iterator[None]:
    with contextlib.ExitStack() as held:
        for name in ("PERSONAL_GATE", "GENERAL_GATE", "FLOOR"):
            held.enter_context(_swapped(recall, name, -1.0))
        yield


@contextlib.contextmanager
def _swapped(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """Another value for a part of the program, for a while."""
    kept = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, kept)


def _print(name: str, figures: Rows) -> None:
    print(f"{name:42}" + "  ".join(f"{figure:.3f}" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
