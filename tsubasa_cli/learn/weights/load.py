"""A GGUF, or a folder of safetensors, as a causal language model of transformers.

transformers reads GGUFs too, but holds every weight twice, ignores the width of heads and the
frequencies that llama-3 files carry; here the model is built empty and filled tensor by tensor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn.weights.names import RowOrder, gguf_name, heads_of, unsupported
from tsubasa_cli.learn.weights.tensor_file import TensorFile
from tsubasa_cli.models.gguf_header import GgufHeader

CONFIGS = {"llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}


def load_model(path: Path, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    """The model in ``path`` (a .gguf, or a folder of safetensors) in evaluation mode.

    Weights of a quantized file are what llama.cpp computes with. Holds the model once, and one
    tensor more. Raises ``ModelError`` when it is of an architecture that cannot be taught.
    """
    if path.is_dir():
        return _load_folder(path, dtype, device)
    with TensorFile(path) as file:
        config = config_of(file.header)
        model = _empty(config, dtype, device)
        _fill(model, file, RowOrder.of_file(file.header))
        _stretch_frequencies(model, file, device)
    return _at_rest(model)


def _at_rest(model: Any) -> PreTrainedModel:
    model.eval()
    return cast(PreTrainedModel, model)


def config_of(header: GgufHeader) -> Any:
    """The transformers configuration that a header describes. ``ModelError`` when it is foreign."""
    name = header.text("general.architecture")
    if name not in CONFIGS:
        raise unsupported(name)
    names = {tensor.name for tensor in header.tensors}
    heads, kv_heads = heads_of(header)
    described: dict[str, Any] = {
        "vocab_size": _extent(header, "token_embd.weight", 1),
        "hidden_size": header.number(f"{name}.embedding_length"),
        "intermediate_size": header.number(f"{name}.feed_forward_length"),
        "num_hidden_layers": header.number(f"{name}.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": _extent(header, "blk.0.attn_q.weight", 1) // heads,
        "rms_norm_eps": header.metadata.get(f"{name}.attention.layer_norm_rms_epsilon", 1e-6),
        "max_position_embeddings": header.number(f"{name}.context_length"),
        "rope_parameters": _rope(header),
        "tie_word_embeddings": "output.weight" not in names,
    }
    if name != "qwen2":
        described["attention_bias"] = "blk.0.attn_q.bias" in names
    return CONFIGS[name](**described, bos_token_id=None, eos_token_id=None, pad_token_id=None)


def _extent(header: GgufHeader, tensor: str, axis: int) -> int:
    for found in header.tensors:
        if found.name == tensor:
            return found.shape[axis]
    raise ModelError(f"The model file has no weights called {tensor}.")


def _rope(header: GgufHeader) -> dict[str, Any]:
    name = header.text("general.architecture")
    theta = header.metadata.get(f"{name}.rope.freq_base", 10_000.0)
    kind = header.text(f"{name}.rope.scaling.type")
    if kind in ("", "none"):
        return {"rope_type": "default", "rope_theta": theta}
    if kind not in ("linear", "yarn"):
        raise ModelError(f"Position scaling of the kind {kind} cannot be taught.")
    scaled = {
        "rope_type": kind,
        "rope_theta": theta,
        "factor": header.metadata.get(f"{name}.rope.scaling.factor", 1.0),
    }
    original = header.number(f"{name}.rope.scaling.original_context_length")
    return scaled | ({"original_max_position_embeddings": original} if original else {})


def _empty(config: Any, dtype: torch.dtype, device: torch.device) -> Any:
    build: Any = AutoModelForCausalLM.from_config
    with torch.device("meta"):
        model = build(config, dtype=dtype)
    model.to_empty(device=device)
    rotary = model.model.rotary_emb
    model.model.rotary_emb = type(rotary)(config).to(device)
    model.tie_weights()
    return model


def _fill(model: Any, file: TensorFile, order: RowOrder) -> None:
    for parameter, weight in model.named_parameters():
        name = gguf_name(parameter)
        if name not in file.tensors:
            raise ModelError(f"The model file has no weights called {name}.")
        _copy(weight, order.to_hf(name, file.values(name, weight.device)), name)


@torch.no_grad()
def _copy(weight: Tensor, values: Tensor, name: str) -> None:
    if weight.shape != values.shape:
        raise ModelError(
            f"The weights {name} have the shape {list(values.shape)}, not {list(weight.shape)}."
        )
    weight.copy_(values)


def _stretch_frequencies(model: Any, file: TensorFile, device: torch.device) -> None:
    """Llama-3 files say by how much each rotary frequency is slowed down."""
    if "rope_freqs.weight" in file.tensors:
        model.model.rotary_emb.inv_freq /= file.values("rope_freqs.weight", device)


def _load_folder(folder: Path, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"Cannot read a model from {folder}.", why=str(error)) from error
    if model.config.model_type not in CONFIGS:
        raise unsupported(model.config.model_type)
    model.to(device)
    return _at_rest(model)
