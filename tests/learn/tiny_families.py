"""Tiny random models of the architectures that can be taught, as GGUFs in any mix of types."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
from tiny_models import Vocabulary

Weights = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Tiny:
    """Sizes; widths are multiples of 256, so that every block format fits."""

    architecture: str
    heads: int = 4
    kv_heads: int = 2
    head: int = 64
    width: int = 256
    feed_forward: int = 512
    layers: int = 2
    is_tied: bool = False
    scaling: str = ""
    has_frequencies: bool = False


FAMILIES = (
    Tiny("llama", has_frequencies=True),
    Tiny("qwen2", is_tied=True),
    Tiny("qwen3", heads=4, kv_heads=2, head=128),
)
SCALED = Tiny("qwen3", head=128, scaling="yarn")


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary(["hello", "world", "birds", "fly"])


@cache
def random_weights(shape: Tiny, seed: int = 5) -> Weights:
    """Weights whose outliers resemble those of real models: a Student t of 5 degrees."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, size in _sizes(shape).items():
        values = random.standard_t(5, size) * (0.6 / np.sqrt(size[-1]))
        if name.endswith("norm.weight"):
            values = 1 + 0.1 * random.standard_normal(size)
        weights[name] = values.astype(np.float32)
    if shape.has_frequencies:
        weights["rope_freqs.weight"] = np.linspace(1, 8, shape.head // 2, dtype=np.float32)
    return weights


def _sizes(shape: Tiny) -> dict[str, tuple[int, ...]]:
    queries, keys = shape.heads * shape.head, shape.kv_heads * shape.head
    rows = len(vocabulary().tokens)
    sizes: dict[str, tuple[int, ...]] = {"token_embd.weight": (rows, shape.width)}
    for n in range(shape.layers):
        layer: dict[str, tuple[int, ...]] = {
            "attn_norm.weight": (shape.width,),
            "attn_q.weight": (queries, shape.width),
            "attn_k.weight": (keys, shape.width),
            "attn_v.weight": (keys, shape.width),
            "attn_output.weight": (shape.width, queries),
            "ffn_norm.weight": (shape.width,),
            "ffn_gate.weight": (shape.feed_forward, shape.width),
            "ffn_up.weight": (shape.feed_forward, shape.width),
            "ffn_down.weight": (shape.width, shape.feed_forward),
        }
        if shape.architecture == "qwen2":
            layer |= {"attn_q.bias": (queries,), "attn_k.bias": (keys,), "attn_v.bias": (keys,)}
        if shape.architecture == "qwen3":
            layer |= {"attn_q_norm.weight": (shape.head,), "attn_k_norm.weight": (shape.head,)}
        sizes |= {f"blk.{n}.{name}": size for name, size in layer.items()}
    sizes["output_norm.weight"] = (shape.width,)
    if not shape.is_tied:
        sizes["output.weight"] = (rows, shape.width)
    return sizes


def write_model(
    path: Path, shape: Tiny, weights: Weights, types: Mapping[str, str] | str = "F32"
) -> Path:
    """A GGUF of ``weights``; matrices are of the type that ``types`` names, for all or by the
    end of their name (``"": type`` for the rest)."""
    writer = gguf.GGUFWriter(path, shape.architecture)
    writer.add_name("tiny")
    writer.add_context_length(512)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    if shape.scaling:
        writer.add_rope_scaling_type(gguf.RopeScalingType(shape.scaling))
        writer.add_rope_scaling_factor(4.0)
        writer.add_rope_scaling_orig_ctx_len(128)
    vocabulary().write(writer)
    for name, weight in weights.items():
        kind = _type_for(name, weight, types)
        raw = quantized(weight, kind)
        if kind == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, weight)
        else:
            writer.add_tensor(name, raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _type_for(
    name: str, weight: npt.NDArray[np.float32], types: Mapping[str, str] | str
) -> gguf.GGMLQuantizationType:
    if weight.ndim == 1:
        return gguf.GGMLQuantizationType.F32
    if isinstance(types, str):
        return gguf.GGMLQuantizationType[types]
    chosen = next(kind for end, kind in types.items() if name.endswith(end))
    return gguf.GGMLQuantizationType[chosen]


def quantized(
    weight: npt.NDArray[np.float32], kind: gguf.GGMLQuantizationType
) -> npt.NDArray[np.uint8]:
    """``weight`` as ggml itself packs it, rows of bytes."""
    from llama_cpp._ggml import libggml

    block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    rows, columns = weight.shape if weight.ndim == 2 else (1, weight.size)
    packed = np.empty((rows, columns // block * block_bytes), np.uint8)
    pack = libggml.ggml_quantize_chunk
    pack.restype = ctypes.c_size_t
    pack.argtypes = [
        ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p,
    ]  # fmt: skip
    contiguous = np.ascontiguousarray(weight)
    pack(kind, contiguous.ctypes.data, packed.ctypes.data, 0, rows, columns, None)
    return packed
