"""A GGUF in transformers says what it says in llama.cpp, with and without a LoRA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lora_helpers import CPU, adapted
from plain_llama import plain_logits
from tiny_families import FAMILIES, SCALED, Tiny, random_weights, write_model

from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn.weights.adapter import read_adapter, write_adapter
from tsubasa_cli.learn.weights.deltas import deltas_of
from tsubasa_cli.learn.weights.load import load_model
from tsubasa_cli.models.gguf_header import read_header

TOKENS = [(7 * n) % 250 for n in range(48)]
NEAR = 1e-3


def torch_logits(model: object) -> np.ndarray:
    with torch.no_grad():
        return model(torch.tensor([TOKENS])).logits[0].float().numpy()  # type: ignore[operator]


def apart(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.abs(left - right).max())


@pytest.mark.parametrize("shape", [*FAMILIES, SCALED], ids=lambda s: s.architecture + s.scaling)
def test_a_loaded_model_is_the_model_of_llama_cpp(shape: Tiny, tmp_path: Path) -> None:
    path = write_model(tmp_path / "base.gguf", shape, random_weights(shape))
    theirs = plain_logits(path, TOKENS, tmp_path / "logits.npy")
    assert theirs.std() > 0.1
    assert apart(torch_logits(load_model(path, torch.float32, CPU)), theirs) <= NEAR


@pytest.mark.parametrize("shape", FAMILIES, ids=lambda s: s.architecture)
def test_an_adapter_file_is_the_adapter(shape: Tiny, tmp_path: Path) -> None:
    base = write_model(tmp_path / "base.gguf", shape, random_weights(shape))
    model = adapted(base)
    write_adapter(base, deltas_of(model), tmp_path / "adapter.gguf")
    with_adapter = plain_logits(base, TOKENS, tmp_path / "logits.npy", tmp_path / "adapter.gguf")
    merged = torch_logits(model.merge_and_unload())
    assert apart(merged, torch_logits(load_model(base, torch.float32, CPU))) > 100 * NEAR
    assert apart(with_adapter, merged) <= NEAR


@pytest.mark.parametrize("shape", FAMILIES, ids=lambda s: s.architecture)
def test_an_adapter_is_read_back_as_it_was(shape: Tiny, tmp_path: Path) -> None:
    base = write_model(tmp_path / "base.gguf", shape, random_weights(shape))
    ranks = {"q_proj": 2, "down_proj": 6}
    deltas = deltas_of(adapted(base, rank_pattern=ranks, alpha_pattern={"q_proj": 3}))
    write_adapter(base, deltas, tmp_path / "adapter.gguf")
    again = {delta.tensor: delta for delta in read_adapter(tmp_path / "adapter.gguf")}
    assert set(again) == {delta.tensor for delta in deltas}
    for delta in deltas:
        rows, found = delta.b.shape[0], again[delta.tensor]
        assert found.rank == delta.rank
        torch.testing.assert_close(found.rows(0, rows, CPU), delta.rows(0, rows, CPU))


def test_bfloat16_is_a_type_and_not_another_model(tmp_path: Path) -> None:
    path = write_model(tmp_path / "base.gguf", FAMILIES[0], random_weights(FAMILIES[0]))
    model = load_model(path, torch.bfloat16, CPU)
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    exact = torch_logits(load_model(path, torch.float32, CPU))
    assert apart(torch_logits(model), exact) < 0.1 * exact.std()


def test_a_quantized_file_is_loaded_as_llama_cpp_computes_with_it(tmp_path: Path) -> None:
    shape = FAMILIES[2]
    path = write_model(tmp_path / "base.gguf", shape, random_weights(shape), "Q6_K")
    ours = torch_logits(load_model(path, torch.float32, CPU))
    theirs = plain_logits(path, TOKENS, tmp_path / "logits.npy")
    # llama.cpp rounds activations to 8 bits for quantized weights; the weights are the same.
    assert np.abs(ours - theirs).mean() < 0.05 * theirs.std()


class TestRefused:
    def test_a_change_of_another_model(self, tmp_path: Path) -> None:
        base = write_model(tmp_path / "base.gguf", FAMILIES[0], random_weights(FAMILIES[0]))
        other = write_model(tmp_path / "other.gguf", FAMILIES[2], random_weights(FAMILIES[2]))
        with pytest.raises(ModelError, match=r"does not fit base\.gguf"):
            write_adapter(base, deltas_of(adapted(other)), tmp_path / "adapter.gguf")
        assert not (tmp_path / "adapter.gguf").exists()

    @pytest.mark.parametrize("options", [{"use_dora": True}, {"lora_bias": True}])
    def test_what_gguf_has_no_place_for(self, tmp_path: Path, options: dict[str, bool]) -> None:
        shape = FAMILIES[1]
        base = write_model(tmp_path / "base.gguf", shape, random_weights(shape))
        targets = {"target_modules": ["q_proj"]} if "lora_bias" in options else {}
        with pytest.raises(ModelError, match=r"no plain LoRA|bias"):
            deltas_of(adapted(base, **options, **targets))

    def test_an_architecture_that_cannot_be_taught(self, tmp_path: Path) -> None:
        shape = Tiny("gemma")
        path = write_model(tmp_path / "base.gguf", shape, random_weights(shape))
        with pytest.raises(ModelError, match="architecture gemma"):
            load_model(path, torch.float32, CPU)

    def test_a_model_is_no_adapter(self, tmp_path: Path) -> None:
        base = write_model(tmp_path / "base.gguf", FAMILIES[0], random_weights(FAMILIES[0]))
        with pytest.raises(ModelError, match="not a LoRA adapter"):
            read_adapter(base)


def test_an_adapter_says_what_it_is_for(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base.gguf", FAMILIES[0], random_weights(FAMILIES[0]))
    write_adapter(base, deltas_of(adapted(base)), tmp_path / "adapter.gguf")
    header = read_header(tmp_path / "adapter.gguf")
    assert header.text("general.architecture") == "llama"
    assert header.text("general.type") == "adapter"
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_a_real_model_answers_alike_in_torch_and_in_llama_cpp(
    smollm2: Path, tmp_path: Path
) -> None:
    said = [504, 3575, 282, 4649, 314, 7042, 30, 378, 314, 253, 2466, 3067, 281, 260, 905, 30]
    theirs = plain_logits(smollm2, said, tmp_path / "logits.npy")
    with torch.no_grad():
        model = load_model(smollm2, torch.float32, CPU)
        ours = model(torch.tensor([said])).logits[0]
    divergence = torch.nn.functional.kl_div(
        ours.log_softmax(-1),
        torch.from_numpy(theirs).log_softmax(-1),
        log_target=True,
        reduction="batchmean",
    )
    assert float(divergence) < 0.02  # activations of llama.cpp have 8 bits here
    assert float((ours.argmax(-1).numpy() == theirs.argmax(-1)).mean()) > 0.8
