"""Block formats: read, packed and quantized as ggml and gguf-py do."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lora_helpers import CPU
from torch import Tensor

from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn.weights.codecs import CODECS, Codec
from tsubasa_cli.learn.weights.ggml_quantize import ggml_quantize
from tsubasa_cli.learn.weights.noise import uniform
from tsubasa_cli.learn.weights.tensor_file import dequantize
from tsubasa_cli.learn.weights.torch_quantize import torch_quantize

EVERY = pytest.mark.parametrize("codec", CODECS.values(), ids=lambda codec: codec.name)
SETTINGS = settings(max_examples=30, deadline=None)

NEARLY_ALL = {"Q4_K": 0.995, "Q5_K": 0.995, "Q6_K": 0.998}
"""Share of bytes that must equal ggml's; formats without a search must agree in all."""


@cache
def real_looking(seed: int = 0) -> Tensor:
    """Weights with heavy tails."""
    random = np.random.default_rng(seed)
    return torch.from_numpy((random.standard_t(5, (256, 1024)) * 0.05).astype(np.float32))


def corners() -> Tensor:
    """Rows that quantizers stumble over: zeros, one value, one sign, tiny values, outliers."""
    values = real_looking()[:8].clone()
    values[0] = 0
    values[1, :256] = 0
    values[2, :300] = 0.25
    values[3] = values[3].abs()
    values[4] = -values[4].abs()
    values[5] = 1e-20
    values[6, ::32] = 3.0
    return values


def blocks_of(codec: Codec, seed: int, count: int = 8) -> Tensor:
    """Random bytes as blocks whose float16 scales are finite."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((count, codec.block)).astype(np.float32)
    raw = ggml_quantize(torch.from_numpy(values), codec.type_id)
    noise = torch.from_numpy(random.integers(0, 256, raw.shape, dtype=np.uint8))
    halves = (
        2 if codec.name == "Q6_K" else 4 if codec.name in ("Q4_1", "Q5_1", "Q4_K", "Q5_K") else 2
    )
    kept = slice(-2, None) if codec.name == "Q6_K" else slice(0, halves)
    noise[:, kept] = raw[:, kept]
    return noise


@EVERY
@given(seed=st.integers(0, 2**32 - 1))
@SETTINGS
def test_dequantizing_is_byte_for_byte_that_of_gguf_py(codec: Codec, seed: int) -> None:
    raw = blocks_of(codec, seed)
    ours = dequantize(raw, codec.type_id, CPU).numpy()
    theirs = gguf.quants.dequantize(raw.numpy(), gguf.GGMLQuantizationType(codec.type_id))
    np.testing.assert_array_equal(ours.view(np.uint32), theirs.view(np.uint32))


@EVERY
@given(seed=st.integers(0, 2**32 - 1))
@SETTINGS
def test_packing_the_codes_that_were_read_gives_the_bytes_back(codec: Codec, seed: int) -> None:
    raw = blocks_of(codec, seed)
    codes = codec.grid(raw).codes.to(torch.int16).flatten(1)
    assert torch.equal(codec.with_codes(raw, codes), raw)


@EVERY
def test_every_code_can_be_written(codec: Codec) -> None:
    raw = blocks_of(codec, 1)
    span = codec.high - codec.low + 1
    codes = torch.arange(raw.shape[0] * codec.block).view(raw.shape[0], -1) % span + codec.low
    written = codec.with_codes(raw, codes.to(torch.int16))
    assert torch.equal(codec.grid(written).codes.flatten(1), codes.float())
    assert torch.equal(codec.grid(written).step, codec.grid(raw).step)


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS"])
def test_other_types_are_read_too(kind: str) -> None:
    type_id = gguf.GGMLQuantizationType[kind]
    raw = ggml_quantize(real_looking(), type_id)
    theirs = gguf.quants.dequantize(raw.numpy(), type_id)
    np.testing.assert_array_equal(dequantize(raw, type_id, CPU).numpy(), theirs)


@EVERY
@pytest.mark.parametrize("seed", range(2))
def test_torch_quantizes_as_well_as_ggml(codec: Codec, seed: int) -> None:
    values = real_looking(seed)
    theirs, ours = ggml_quantize(values, codec.type_id), torch_quantize(values, codec.type_id)
    assert weighted_error(ours, values, codec) <= 1.001 * weighted_error(theirs, values, codec)
    assert float((ours == theirs).float().mean()) >= NEARLY_ALL.get(codec.name, 1.0)


@EVERY
def test_torch_stumbles_over_nothing(codec: Codec) -> None:
    for row in corners().split(1):
        theirs, ours = ggml_quantize(row, codec.type_id), torch_quantize(row, codec.type_id)
        assert dequantize(ours, codec.type_id, CPU).isfinite().all()
        least = weighted_error(theirs, row, codec)
        assert weighted_error(ours, row, codec) <= 1.02 * least + 1e-30


def weighted_error(raw: Tensor, values: Tensor, codec: Codec) -> float:
    off = dequantize(raw, codec.type_id, CPU).double() - values
    return float((importance(values, codec) * off * off).sum())


def importance(values: Tensor, codec: Codec) -> Tensor:
    """The weight that ggml's search gives to the error of each value."""
    if codec.name in ("Q4_K", "Q5_K"):
        groups = values.view(-1, 32)
        return (groups.square().mean(1, keepdim=True).sqrt() + groups.abs()).view_as(values)
    return values.square() if codec.name == "Q6_K" else torch.ones_like(values)


def test_threads_do_not_change_what_ggml_packs() -> None:
    values = real_looking()[:61]
    alone = ggml_quantize(values, 12, threads=1)
    assert torch.equal(alone, ggml_quantize(values, 12, threads=7))


def test_the_library_of_formats_prints_nothing_and_brings_no_llama() -> None:
    script = (
        "import sys, torch\n"
        "from tsubasa_cli.learn.weights.ggml_quantize import ggml_quantize\n"
        "ggml_quantize(torch.ones(4, 256), 12)\n"
        "assert 'llama_cpp' not in sys.modules\n"
        "mapped = open('/proc/self/maps').read() if sys.platform == 'linux' else ''\n"
        "assert 'ggml-cpu' not in mapped and 'libllama' not in mapped\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


class TestNoise:
    def test_it_is_uniform_and_uncorrelated(self) -> None:
        drawn = uniform(0, "blk.0.attn_q.weight", 0, torch.Size((1000, 512)), CPU)
        flat = drawn.flatten()
        assert float(flat.min()) >= 0 and float(flat.max()) < 1
        counts = torch.histc(flat, 64, 0, 1)
        expected = flat.numel() / 64
        assert float(((counts - expected) ** 2 / expected).sum()) < 120  # chi², 63 degrees
        for lag in (1, 2, 32, 256, 512):
            assert abs(correlation(flat[:-lag], flat[lag:])) < 5
        largest = float(torch.linalg.svdvals(drawn - 0.5)[0])
        assert largest < 1.05 * (1000**0.5 + 512**0.5) / 12**0.5  # no hidden structure

    def test_tensors_and_seeds_are_independent(self) -> None:
        size = torch.Size((1000, 512))
        first = uniform(0, "a", 0, size, CPU).flatten()
        for seed, name in ((0, "b"), (1, "a")):
            assert abs(correlation(first, uniform(seed, name, 0, size, CPU).flatten())) < 5

    def test_rows_are_the_same_in_any_chunk(self) -> None:
        whole = uniform(3, "a", 0, torch.Size((20, 64)), CPU)
        assert torch.equal(whole[7:11], uniform(3, "a", 7, torch.Size((4, 64)), CPU))


def correlation(left: Tensor, right: Tensor) -> float:
    """In standard deviations of what chance gives."""
    return float(np.corrcoef(left.numpy(), right.numpy())[0, 1]) * len(left) ** 0.5


@pytest.mark.parametrize(("type_id", "name"), [(15, "Q8_K"), (999, "999")])
def test_a_format_that_nobody_reads_is_told_with_a_way_out(type_id: int, name: str) -> None:
    with pytest.raises(ModelError, match=f"{name} cannot be read here") as caught:
        dequantize(torch.zeros(1, 292, dtype=torch.uint8), type_id, CPU)
    assert "Q4_K_M" in caught.value.next_step
