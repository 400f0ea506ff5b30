"""Texts to vectors."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recall_helpers import EMBEDDER, PETS_AND_WORK, a_life
from tiny_models import build_embedding_qwen3

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.errors import PreemptedError
from tsubasa_cli.engine.protocol import ModelSpec
from tsubasa_cli.memory import minilm_embedder
from tsubasa_cli.memory.engine_embedder import EngineEmbedder
from tsubasa_cli.storage.paths import Paths


class TestStaticEmbedder:
    def test_gives_one_unit_row_a_text(self) -> None:
        vectors = EMBEDDER.embed(["a black cat", "tax law", "我住在北京"])
        assert vectors.shape == (3, EMBEDDER.dimensions)
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)

    def test_what_means_alike_is_near(self) -> None:
        job, alike, other = EMBEDDER.embed(
            ["She works as a nurse.", "Her job is in a hospital.", "He paints landscapes."]
        )
        assert job @ alike > job @ other + 0.1

    def test_a_text_without_words_is_all_zeros(self) -> None:
        assert not EMBEDDER.embed(["", "…"]).any()

    def test_a_text_of_function_words_alone_still_has_a_direction(self) -> None:
        assert np.linalg.norm(EMBEDDER.embed(["where is he"])[0]) == pytest.approx(1, abs=1e-5)

    def test_rare_words_of_a_question_weigh_more(self) -> None:
        cat = EMBEDDER.embed(["cat"])[0]
        plain = EMBEDDER.embed_queries(["cat house"])[0]
        weighted = EMBEDDER.embed_queries(["cat house"], lambda w: 5.0 if w == "cat" else 1.0)[0]
        assert weighted @ cat > plain @ cat

    @given(st.lists(st.text(max_size=40), max_size=4))
    @settings(deadline=None)
    def test_neighbours_in_a_batch_change_nothing(self, texts: list[str]) -> None:
        together = EMBEDDER.embed(texts)
        for row, text in enumerate(texts):
            assert np.allclose(together[row], EMBEDDER.embed([text])[0], atol=1e-6)

    def test_loads_without_the_package_it_takes_its_weights_from(self) -> None:
        program = (
            "import sys; from tsubasa_cli.memory.embedder import default_embedder;"
            "default_embedder().embed(['a cat']);"
            "print([m for m in ('wordllama', 'torch', 'chromadb') if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]"


@pytest.fixture
def engine_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, as the engine's is to the index."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def tiny_embedding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "Tiny-Embedding.gguf"
    return build_embedding_qwen3(path, pooling=gguf.PoolingType.LAST)


class TestEngineEmbedder:
    def test_embeds_by_a_gguf_through_the_engine(
        self, home: Paths, engine_loop: asyncio.AbstractEventLoop, tiny_embedding: Path
    ) -> None:
        def wait(work: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(work, engine_loop).result()

        engine = Engine(home.engine_log, home.probes)
        loaded = wait(engine.load(ModelSpec(str(tiny_embedding), 256, embedding=True)))
        try:
            embedder = EngineEmbedder(
                engine.embed, engine_loop, model="Tiny", dimensions=loaded.n_embd
            )
            vectors = embedder.embed(["one two", "", "three"] * 30)
            assert vectors.shape == (90, loaded.n_embd)
            assert not vectors[1].any()
            assert np.allclose(vectors[0], vectors[3], atol=1e-4)
            assert -1 < embedder.noise < 1
            with a_life(home, embedder) as life:
                life.learn(*PETS_AND_WORK)
                life.index.catch_up()
                assert life.index.similar(PETS_AND_WORK[0].statement, 1)[0][0] == "mdog000001"
        finally:
            wait(engine.close())

    @pytest.mark.parametrize(
        ("model", "expected"),
        [("Qwen3-Embedding-0.6B-Q8_0", True), ("bge-small", False)],
    )
    def test_only_qwen_gets_its_instruction(
        self, engine_loop: asyncio.AbstractEventLoop, model: str, expected: bool
    ) -> None:
        seen: list[str] = []

        async def embed(texts: Sequence[str]) -> list[list[float]]:
            seen.extend(texts)
            return [[1.0, 0.0]] * len(texts)

        embedder = EngineEmbedder(embed, engine_loop, model=model, dimensions=2)
        embedder.embed_queries(["Where do I live?"])
        assert seen[0].startswith("Instruct: ") is expected
        assert seen[0].endswith("Where do I live?")

    def test_chat_comes_first(self, home: Paths, engine_loop: asyncio.AbstractEventLoop) -> None:
        is_busy = True

        async def embed(texts: Sequence[str]) -> list[list[float]]:
            if is_busy:
                raise PreemptedError("A reply is being made.")
            return [[1.0, 0.0]] * len(texts)

        embedder = EngineEmbedder(embed, engine_loop, model="tiny", dimensions=2)
        with a_life(home, embedder) as life:
            life.learn(*PETS_AND_WORK)
            with pytest.raises(PreemptedError):
                life.index.catch_up()
            is_busy = False
            life.index.catch_up()
            assert life.index.differences() == set()


class TestMiniLm:
    def test_is_not_there_without_its_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(minilm_embedder, "_folder", lambda: tmp_path)
        assert minilm_embedder.find_minilm() is None
        for name in minilm_embedder.FILES:
            (tmp_path / name).write_bytes(b"x")
        found = minilm_embedder.find_minilm()
        assert found
        assert found.dimensions == 384
