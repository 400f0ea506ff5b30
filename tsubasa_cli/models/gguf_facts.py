"""What Tsubasa needs to know about a model, taken from its GGUF header; and whether it can chat."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from tsubasa_cli.errors import ModelError
from tsubasa_cli.models.gguf_header import ArrayFact, GgufHeader
from tsubasa_cli.models.gguf_types import (
    CHAT_ARCHITECTURES,
    FILE_TYPES,
    OTHER_ARCHITECTURES,
    TENSOR_TYPES,
)

KV_VALUE_BYTES = 2
"""llama.cpp keeps keys and values as F16."""

MAX_LAYERS = 4096
"""A sane bound on what a hostile header may make us add up."""

MAX_SHOWN = 120

_SPLIT_NAME = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The facts of one model. ``n_ctx_train`` is in tokens, 0 when the file does not say;
    ``kv_bytes_per_token`` is what one token of context costs in memory."""

    architecture: str
    title: str
    quantization: str
    n_ctx_train: int
    n_layers: int
    n_embd: int
    n_kv_heads: int
    key_length: int
    value_length: int
    n_params: int
    n_vocab: int
    kv_bytes_per_token: int
    chat_template: bool
    tokenizer: str


def facts_of(header: GgufHeader) -> ModelFacts:
    """The facts in ``header``; what the file does not say is 0 or empty."""
    architecture = header.text("general.architecture")
    heads = header.number(f"{architecture}.attention.head_count")
    n_embd = header.number(f"{architecture}.embedding_length")
    head_size = n_embd // heads if heads else 0
    key = header.number(f"{architecture}.attention.key_length") or head_size
    value = header.number(f"{architecture}.attention.value_length") or head_size
    layers = header.number(f"{architecture}.block_count")
    kv_heads = _kv_heads_per_layer(header, architecture, layers, heads)
    vocabulary = header.metadata.get("tokenizer.ggml.tokens")
    return ModelFacts(
        architecture=printable(architecture),
        title=printable(header.text("general.name")),
        quantization=quantization(header),
        n_ctx_train=header.number(f"{architecture}.context_length"),
        n_layers=layers,
        n_embd=n_embd,
        n_kv_heads=max(kv_heads, default=0),
        key_length=key,
        value_length=value,
        n_params=sum(tensor.n_values for tensor in header.tensors),
        n_vocab=vocabulary.length if isinstance(vocabulary, ArrayFact) else 0,
        kv_bytes_per_token=sum(kv_heads) * (key + value) * KV_VALUE_BYTES,
        chat_template=bool(header.text("tokenizer.chat_template")),
        tokenizer=printable(header.text("tokenizer.ggml.model")),
    )


def printable(text: str) -> str:
    """The first characters of a text of the file, without any that could steer a terminal."""
    return "".join(character for character in text[:MAX_SHOWN] if character.isprintable())


def kv_bytes_per_token(header: GgufHeader) -> int:
    """Bytes of memory that one token of context takes, over all layers. An upper bound where an
    architecture slides its window or compresses its cache."""
    return facts_of(header).kv_bytes_per_token


def quantization(header: GgufHeader) -> str:
    """How the weights are stored, as files are named: ``Q4_K_M``, ``Q8_0``, ``F16``."""
    label = FILE_TYPES.get(header.number("general.file_type"))
    if label and "general.file_type" in header.metadata:
        return label
    by_size: Counter[int] = Counter()
    for tensor in header.tensors:
        by_size[tensor.type_id] += tensor.n_values
    if not by_size:
        return ""
    commonest = by_size.most_common(1)[0][0]
    return TENSOR_TYPES[commonest].name if commonest in TENSOR_TYPES else f"type {commonest}"


def require_chat_model(header: GgufHeader, name: str) -> None:
    """Raise ``ModelError`` unless this is one whole language model (not a part, an adapter, an
    image encoder or an embedding model). ``name`` is the file's name."""
    _require_whole(header, name)
    kind = header.text("general.type") or "model"
    architecture = header.text("general.architecture")
    other = OTHER_ARCHITECTURES.get(architecture)
    if kind != "model" or other:
        what = {"adapter": "a LoRA adapter", "mmproj": "an image encoder (mmproj)"}.get(kind)
        raise ModelError(
            f"{name} is not a model to chat with.",
            why=f"It is {what or other or f'of the type “{printable(kind)}”'}.",
            next_step="Import the model's main GGUF file instead.",
        )
    if not architecture:
        raise ModelError(
            f"{name} does not say what kind of model it is.",
            why="general.architecture is missing from its header.",
            next_step="Get another conversion of this model.",
        )
    _require_weights_and_tokenizer(header, name)


def _require_whole(header: GgufHeader, name: str) -> None:
    parts = header.number("split.count")
    named = _SPLIT_NAME.search(name)
    if parts > 1 or named:
        of = f"{int(named[1])} of {int(named[2])}" if named else f"one of {parts}"
        raise ModelError(
            f"{name} is one part of a split model ({of}).",
            why="All parts are needed, joined into one file.",
            next_step="Join them with llama.cpp's llama-gguf-split --merge, then import that file.",
        )


def _require_weights_and_tokenizer(header: GgufHeader, name: str) -> None:
    missing = "weights" if not header.tensors else ""
    if header.text("tokenizer.ggml.model") in ("", "none", "no_vocab"):
        missing = missing or "tokenizer"
    if missing:
        raise ModelError(
            f"{name} has no {missing}.",
            why="It is only a piece of a model.",
            next_step="Get another conversion of this model.",
        )


def require_known(header: GgufHeader, name: str) -> None:
    """Raise ``ModelError`` when llama.cpp, as known here, cannot run this model. A newer one may:
    the import can be forced."""
    architecture = header.text("general.architecture")
    force = "If your llama-cpp-python is newer, import it with --force."
    if architecture not in CHAT_ARCHITECTURES:
        raise ModelError(
            f"{name} has the unknown architecture '{printable(architecture)}'.",
            why="This version of llama.cpp is not known to run it.",
            next_step=force,
        )
    strange = sorted({t.type_id for t in header.tensors if t.type_id not in TENSOR_TYPES})
    if strange:
        raise ModelError(
            f"{name} stores weights in an unknown way (ggml type {strange[0]}).",
            why="This version of llama.cpp is not known to read it.",
            next_step=force,
        )


def _kv_heads_per_layer(
    header: GgufHeader, architecture: str, layers: int, heads: int
) -> list[int]:
    given = header.metadata.get(f"{architecture}.attention.head_count_kv")
    if isinstance(given, ArrayFact):
        return [count for count in given.values or () if isinstance(count, int) and count > 0]
    layers = min(layers, MAX_LAYERS)
    return [given if isinstance(given, int) and given > 0 else heads] * layers
