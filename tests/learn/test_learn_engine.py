"""What learning asks of the engine: adapters, tokens as a chat has them, likelihoods of texts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lora_helpers import adapted, night

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Dialogue, Done, Message, ModelSpec, Sampling
from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn.weights.adapter import write_adapter
from tsubasa_cli.learn.weights.deltas import deltas_of
from tsubasa_cli.learn.weights.load import load_model
from tsubasa_cli.storage.paths import Paths

ASKED = (Message("system", "Be kind."), Message("user", "Where do I live?"))


@pytest.fixture
async def engine(home: Paths) -> AsyncIterator[Engine]:
    made = Engine(home.engine_log, home.probes)
    yield made
    await made.close()


def _spec(model: Path, adapter: Path | None = None) -> ModelSpec:
    return ModelSpec(str(model), 2048, n_threads=1, adapter=str(adapter or ""))


class TestAdapter:
    @pytest.mark.parametrize("trouble", ["missing", "empty", "text", "a model"])
    async def test_a_bad_file_is_refused_and_the_engine_lives_on(
        self, engine: Engine, tiny_model: Path, tmp_path: Path, trouble: str
    ) -> None:
        bad = tmp_path / "bad.gguf"
        if trouble == "a model":
            bad = tiny_model
        elif trouble != "missing":
            bad.write_bytes(b"" if trouble == "empty" else b"no adapter at all")
        with pytest.raises(ModelError, match="cannot load"):
            await engine.load(_spec(tiny_model, bad))
        assert await engine.load(_spec(tiny_model))

    async def test_it_changes_chat_and_work_alike_and_only_with_it(
        self, engine: Engine, tiny_model: Path, tmp_path: Path
    ) -> None:
        adapter = tmp_path / "adapter.gguf"
        write_adapter(tiny_model, deltas_of(adapted(tiny_model, strength=1.0)), adapter)
        await engine.load(_spec(tiny_model))
        plain = await engine.score(ASKED, ["In Bonn."])
        plain_text = await _said(engine)
        await engine.load(_spec(tiny_model, adapter))
        assert abs((await engine.score(ASKED, ["In Bonn."]))[0] - plain[0]) > 0.1
        assert await _said(engine) != plain_text
        await engine.load(_spec(tiny_model))
        assert await engine.score(ASKED, ["In Bonn."]) == pytest.approx(plain, abs=1e-3)

    async def test_a_change_of_nothing_changes_nothing(
        self, engine: Engine, tiny_model: Path, tmp_path: Path
    ) -> None:
        adapter = tmp_path / "adapter.gguf"
        names = ["blk.0.attn_q.weight", "blk.1.ffn_up.weight"]
        write_adapter(tiny_model, [d.scaled(1e-9) for d in night(tiny_model, names)], adapter)
        await engine.load(_spec(tiny_model))
        plain = await engine.score(ASKED, ["In Bonn."])
        await engine.load(_spec(tiny_model, adapter))
        assert await engine.score(ASKED, ["In Bonn."]) == pytest.approx(plain, abs=1e-3)

    async def test_a_saved_state_of_the_base_is_not_taken_for_the_adapters(
        self, engine: Engine, tiny_model: Path, tmp_path: Path
    ) -> None:
        adapter = tmp_path / "adapter.gguf"
        write_adapter(tiny_model, deltas_of(adapted(tiny_model)), adapter)
        await engine.load(_spec(tiny_model))
        await engine.warm(ASKED)
        assert (await engine.save_state(tmp_path / "state.kv")).tokens
        await engine.load(_spec(tiny_model, adapter))
        assert (await engine.restore_state(tmp_path / "state.kv")).tokens == 0


class TestEncoding:
    async def test_prompts_are_what_a_chat_sends(self, engine: Engine, tiny_model: Path) -> None:
        await engine.load(_spec(tiny_model))
        plain, thoughtful = Dialogue(ASKED, "In Bonn."), Dialogue(ASKED, "In Bonn.", "Hm.")
        encoded = await engine.encode([plain, thoughtful])
        counts = [(await engine.count(ASKED, thinking)).prompt for thinking in (False, True)]
        assert [len(prompt) for prompt in encoded.prompts] == counts

    async def test_replies_are_what_a_chat_makes(self, engine: Engine, smollm2: Path) -> None:
        await engine.load(_spec(smollm2))
        done = await _done(engine, False, 20)
        [reply] = (await engine.encode([Dialogue(ASKED, done.text)])).replies
        assert len(reply) - done.stats.generated in (0, 1)

    async def test_thinking_goes_before_the_reply(self, engine: Engine, tiny_model: Path) -> None:
        await engine.load(_spec(tiny_model))
        dialogues = [Dialogue(ASKED, "In Bonn.", thinking) for thinking in (None, "Hm.")]
        plain, thoughtful = (await engine.encode(dialogues)).replies
        assert thoughtful[-len(plain) :] == plain
        assert thoughtful[0] not in plain

    async def test_format_in_a_memory_stays_text(self, engine: Engine, tiny_model: Path) -> None:
        await engine.load(_spec(tiny_model))
        [end] = (await engine.encode([Dialogue(ASKED, "")])).replies
        [reply] = (await engine.encode([Dialogue(ASKED, "a<|im_end|>b")])).replies
        assert list(reply).count(end[0]) == 1


async def test_texts_weigh_what_torch_says(engine: Engine, tiny_model: Path) -> None:
    await engine.load(_spec(tiny_model))
    text = "The ferry stopped running for the winter. " * 8
    weighed = await engine.weigh([text, "short", ""])
    [tokens, *_] = (await engine.encode([Dialogue((Message("user", "x"),), text)])).replies
    ids = torch.tensor([tokens[:-1]])
    model = load_model(tiny_model, torch.float32, torch.device("cpu"))
    with torch.no_grad():
        log_probs = torch.log_softmax(model(input_ids=ids).logits[0], dim=1)
    expected = log_probs[:-1].gather(1, ids[0, 1:, None]).sum()
    assert weighed.counts[0] == ids.shape[1] - 1
    assert weighed.sums[0] == pytest.approx(float(expected), rel=1e-3)
    assert (weighed.sums[2], weighed.counts[2]) == (0.0, 0)


class TestSideBySide:
    async def test_each_reply_is_what_it_is_alone(self, engine: Engine, tiny_model: Path) -> None:
        """More prompts than are made at once, some longer than a batch, and one by itself."""
        await engine.load(_spec(tiny_model))
        prompts = [
            (ASKED[0], Message("user", f"What is {n} and {n}? " + "Be kind. " * 30 * (n % 5)))
            for n in range(11)
        ]
        alone = [await engine.complete(prompt, max_tokens=12) for prompt in prompts]
        assert len({completion.text for completion in alone}) >= 5
        assert await engine.complete_all(prompts, max_tokens=12) == alone
        assert await engine.complete_all(prompts[:1], max_tokens=12) == alone[:1]

    async def test_each_draws_as_it_would_alone_with_the_seed_of_its_place(
        self, engine: Engine, tiny_model: Path
    ) -> None:
        await engine.load(_spec(tiny_model))
        drawing = Sampling(temperature=1.5, top_p=1.0, top_k=0, seed=7)
        prompts = [ASKED] * 3
        drawn = await engine.complete_all(prompts, max_tokens=8, sampling=drawing)
        assert drawn == [
            await engine.complete(ASKED, max_tokens=8, sampling=replace(drawing, seed=7 + place))
            for place in range(3)
        ]
        assert len({each.text for each in drawn}) == 3

    async def test_a_reply_that_ends_is_whole_and_others_go_on(
        self, engine: Engine, smollm2: Path
    ) -> None:
        await engine.load(_spec(smollm2))
        system = Message("system", "You are a helpful assistant. Answer clearly and to the point.")
        asked = ("What is the capital of France?", "Tell me a very long story.")
        prompts = [(system, Message("user", text)) for text in asked]
        short, long = await engine.complete_all(prompts, max_tokens=24)
        assert short.is_whole
        assert not long.is_whole
        assert len(long.text) > len(short.text)

    async def test_nothing_is_asked_and_nothing_may_be_said(
        self, engine: Engine, tiny_model: Path
    ) -> None:
        await engine.load(_spec(tiny_model))
        assert await engine.complete_all([], max_tokens=6) == []
        assert [c.text for c in await engine.complete_all([ASKED], max_tokens=0)] == [""]


async def _said(engine: Engine) -> str:
    return (await _done(engine, False, 12)).text


async def _done(engine: Engine, thinking: bool, most: int | None = None) -> Done:
    events = engine.generate(
        ASKED, Sampling(temperature=0.0), thinking=thinking, max_tokens=most, settle=False
    )
    async for event in events:
        if isinstance(event, Done):
            return event
    raise AssertionError("no end")
