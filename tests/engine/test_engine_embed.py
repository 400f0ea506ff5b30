"""Texts to vectors by an embedding model of Qwen-3's architecture."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from pathlib import Path

import gguf
import pytest
from bert_model import build_bert
from engine_helpers import GREEDY, reply, spec, user
from faulty_llama import CRASHES_WITH_REPACKED_BUFFERS, misbehave
from tiny_models import Shape, build_embedding_qwen3

from tsubasa_cli.engine.client import EMBED_AT_ONCE, Engine
from tsubasa_cli.engine.errors import EngineDied
from tsubasa_cli.engine.protocol import ModelSpec
from tsubasa_cli.errors import EngineError, ModelError

WINDOW = 256
TEXTS = [
    "The sky is blue",
    "",
    "Hello! Birds fly over quiet hills.",
    "one two three four five six seven " * 20,
    "水 🪽 ünïcode \udce9",
    "The sky is blue",
    "<|endoftext|><|im_end|>",
]


@pytest.fixture(scope="module")
def embedding_qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "Tiny-Embedding.gguf"
    return build_embedding_qwen3(path, pooling=gguf.PoolingType.LAST)


def embedding(path: Path, n_ctx: int = WINDOW) -> ModelSpec:
    return ModelSpec(str(path), n_ctx, embedding=True)


def distance(one: list[float], other: list[float]) -> float:
    """The largest difference of a component."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


async def test_vectors_are_of_length_one_and_repeatable(
    engine: Engine, embedding_qwen3: Path
) -> None:
    loaded = await engine.load(embedding(embedding_qwen3))
    assert (loaded.n_embd, loaded.n_ctx, loaded.thinks) == (256, WINDOW, False)
    once, again = await engine.embed(TEXTS), await engine.embed(TEXTS)
    assert once == again
    assert [len(vector) for vector in once] == [256] * len(TEXTS)
    assert [math.hypot(*vector) for vector in once] == pytest.approx([1.0] * len(TEXTS))
    assert await engine.embed([]) == []


async def test_a_batch_gives_what_single_texts_give(engine: Engine, embedding_qwen3: Path) -> None:
    await engine.load(embedding(embedding_qwen3))
    together = await engine.embed(TEXTS)
    alone = [(await engine.embed([text]))[0] for text in reversed(TEXTS)]
    for one, other in zip(together, reversed(alone), strict=True):
        assert distance(one, other) < 1e-4
    assert distance(together[0], together[5]) < 1e-4
    assert distance(together[0], together[2]) > 0.1


async def test_many_texts_keep_their_order(engine: Engine, embedding_qwen3: Path) -> None:
    await engine.load(embedding(embedding_qwen3))
    texts = [f"{number} birds" * (1 + number % 7) for number in range(3 * EMBED_AT_ONCE + 5)]
    vectors = await engine.embed(texts)
    for number in (0, EMBED_AT_ONCE - 1, EMBED_AT_ONCE, len(texts) - 1):
        assert distance(vectors[number], (await engine.embed([texts[number]]))[0]) < 1e-4


async def test_the_beginning_of_a_long_text_counts(engine: Engine, embedding_qwen3: Path) -> None:
    await engine.load(embedding(embedding_qwen3))
    fits = ("0123456789" * WINDOW)[: WINDOW - 1]
    exact, longer, shorter = await engine.embed([fits, fits + " and more" * 50, fits[:-1]])
    assert distance(exact, longer) < 1e-4
    assert distance(exact, shorter) > 1e-4


@pytest.mark.parametrize("pooling", [None, gguf.PoolingType.NONE])
async def test_qwen_pools_the_last_token_where_the_file_is_silent(
    engine: Engine, embedding_qwen3: Path, tmp_path: Path, pooling: gguf.PoolingType | None
) -> None:
    await engine.load(embedding(embedding_qwen3))
    named = await engine.embed(TEXTS[:1])
    silent = build_embedding_qwen3(tmp_path / "Silent.gguf", pooling=pooling)
    await engine.load(embedding(silent))
    assert distance(named[0], (await engine.embed(TEXTS[:1]))[0]) < 1e-4


async def test_the_file_decides_how_to_pool(
    engine: Engine, embedding_qwen3: Path, tmp_path: Path
) -> None:
    await engine.load(embedding(embedding_qwen3))
    last = await engine.embed(TEXTS[:1])
    mean = build_embedding_qwen3(tmp_path / "Mean.gguf", pooling=gguf.PoolingType.MEAN)
    await engine.load(embedding(mean))
    assert distance(last[0], (await engine.embed(TEXTS[:1]))[0]) > 0.01


@pytest.mark.parametrize("pooling", [gguf.PoolingType.CLS, gguf.PoolingType.MEAN])
async def test_a_model_without_a_cache(
    engine: Engine, tmp_path: Path, pooling: gguf.PoolingType
) -> None:
    await engine.load(embedding(build_bert(tmp_path / "Tiny-Bert.gguf", pooling), 0))
    texts = ["hello birds", "the sky is blue", "", "birds fly over quiet hills " * 40, "xyzzy"] * 3
    together = await engine.embed(texts)
    for text, vector in zip(texts[:5], together[10:], strict=True):
        alone = (await engine.embed([text]))[0]
        assert math.hypot(*alone) == pytest.approx(1.0)
        assert distance(alone, vector) < 1e-4
    blue, also, other = await engine.embed(["sky blue", "SKY  blue", "blue sky"])
    assert distance(blue, also) < 1e-6
    assert distance(blue, other) > 1e-3


async def test_a_model_that_ranks_is_refused(engine: Engine, tmp_path: Path) -> None:
    path = build_embedding_qwen3(tmp_path / "Ranks.gguf", pooling=gguf.PoolingType.RANK)
    with pytest.raises(ModelError, match="cannot load") as raised:
        await engine.load(embedding(path))
    assert "ranks texts" in raised.value.why


async def test_the_window_is_bounded_by_what_the_model_knows(
    engine: Engine, tmp_path: Path
) -> None:
    path = build_embedding_qwen3(tmp_path / "Short.gguf", Shape(window=256))
    assert (await engine.load(embedding(path, 5000))).n_ctx == 256
    path = build_embedding_qwen3(tmp_path / "Long.gguf", Shape(window=32768))
    assert (await engine.load(embedding(path, 0))).n_ctx == 2048
    assert len(await engine.embed(["word " * 5000])) == 1


async def test_each_kind_of_model_does_its_own(
    engine: Engine, embedding_qwen3: Path, tiny_qwen3: Path
) -> None:
    await engine.load(embedding(embedding_qwen3))
    for refused in (
        engine.score([user("Hi")], ["yes"]),
        engine.complete([user("Hi")], max_tokens=3),
        engine.warm([user("Hi")]),
        reply(engine, [user("Hi")], sampling=GREEDY),
    ):
        with pytest.raises(EngineError, match="embeddings only"):
            await refused
    assert await engine.embed(["still there"])
    await engine.load(spec(tiny_qwen3))
    with pytest.raises(EngineError, match="no embeddings"):
        await engine.embed(["Hi"])
    assert await engine.score([user("Hi")], ["Hello"])


async def test_texts_that_nobody_waits_for(engine: Engine, embedding_qwen3: Path) -> None:
    await engine.load(embedding(embedding_qwen3))
    task = asyncio.create_task(engine.embed(["word " * 200] * 500))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await engine.embed(["Hi"])


async def test_a_death_is_told_and_survived(engine: Engine, embedding_qwen3: Path) -> None:
    await engine.load(embedding(embedding_qwen3))
    task = asyncio.create_task(engine.embed(["word " * 200] * 500))
    await asyncio.sleep(0.1)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(EngineDied):
        await task
    await engine.load(embedding(embedding_qwen3))
    assert await engine.embed(["Hi"])


async def test_it_is_probed_like_any_other(
    engine: Engine,
    embedding_qwen3: Path,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", CRASHES_WITH_REPACKED_BUFFERS)
    await engine.load(embedding(embedding_qwen3))
    assert await engine.embed(["Hi"])
    assert len(notices) == 1
