"""What transformers calls a weight, what GGUF calls it, and in which order each keeps its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from tsubasa_cli.errors import ModelError
from tsubasa_cli.models.gguf_header import ArrayFact, GgufHeader

ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""``general.architecture`` of a GGUF, and ``model_type`` of transformers: the same words."""

_LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
_HF_TOP = {ours: theirs for theirs, ours in _TOP.items()}
_HF_LAYER = {ours: theirs for theirs, ours in _LAYER.items()}


def gguf_name(parameter: str) -> str:
    """``model.layers.3.mlp.up_proj.weight`` → ``blk.3.ffn_up.weight``.

    Raises ``ModelError`` for a parameter that these architectures do not have.
    """
    module, _, kind = parameter.rpartition(".")
    if module in _TOP:
        return f"{_TOP[module]}.{kind}"
    head, _, inner = module.removeprefix("model.layers.").partition(".")
    if not head.isdecimal() or inner not in _LAYER:
        raise _unknown(parameter)
    return f"blk.{head}.{_LAYER[inner]}.{kind}"


def hf_name(tensor: str) -> str:
    """The inverse of ``gguf_name``. Raises ``ModelError`` as it does."""
    module, _, kind = tensor.rpartition(".")
    if module in _HF_TOP:
        return f"{_HF_TOP[module]}.{kind}"
    head, _, inner = module.removeprefix("blk.").partition(".")
    if not head.isdecimal() or inner not in _HF_LAYER:
        raise _unknown(tensor)
    return f"model.layers.{head}.{_HF_LAYER[inner]}.{kind}"


def _unknown(name: str) -> ModelError:
    return ModelError(
        f"The model has weights called {name}, which this version does not know.",
        why=f"It knows the dense models of {', '.join(ARCHITECTURES)}.",
    )


@dataclass(frozen=True, slots=True)
class RowOrder:
    """Which rows stand elsewhere in a GGUF: heads per tensor kind whose rotary halves interleave.

    llama.cpp rotates neighbours where transformers rotates halves, so the files of the llama
    architecture keep the rows of q and k permuted within each head; the Qwens do not.
    """

    heads: Mapping[str, int]

    @classmethod
    def of(cls, architecture: str, heads: int, kv_heads: int) -> RowOrder:
        """The order of an architecture with ``heads`` query and ``kv_heads`` key heads."""
        if architecture not in ARCHITECTURES:
            raise unsupported(architecture)
        return cls({"attn_q": heads, "attn_k": kv_heads} if architecture == "llama" else {})

    @classmethod
    def of_file(cls, header: GgufHeader) -> RowOrder:
        """The order that a GGUF keeps its rows in."""
        return cls.of(header.text("general.architecture"), *heads_of(header))

    def to_gguf(self, tensor: str, rows: Tensor) -> Tensor:
        """Rows (or a bias) in transformers' order, put into that of the GGUF's ``tensor``."""
        heads = self._heads(tensor)
        if not heads:
            return rows
        return rows.reshape(heads, 2, -1, *rows.shape[1:]).transpose(1, 2).flatten(0, 2)

    def to_hf(self, tensor: str, rows: Tensor) -> Tensor:
        """The inverse of ``to_gguf``."""
        heads = self._heads(tensor)
        if not heads:
            return rows
        return rows.reshape(heads, -1, 2, *rows.shape[1:]).transpose(1, 2).flatten(0, 2)

    def _heads(self, tensor: str) -> int:
        return self.heads.get(tensor.split(".")[-2], 0)


def heads_of(header: GgufHeader) -> tuple[int, int]:
    """Query heads and key heads of a file's layers. ``ModelError`` where layers differ in them."""
    heads = _one_for_all(header, "attention.head_count") or 1
    return heads, _one_for_all(header, "attention.head_count_kv") or heads


def _one_for_all(header: GgufHeader, key: str) -> int:
    """A number that every layer shares; 0 when the file does not tell it."""
    value = header.metadata.get(f"{header.text('general.architecture')}.{key}")
    if isinstance(value, ArrayFact):
        if len(set(value.values or ())) != 1:
            raise ModelError(f"The layers of this model differ in {key}, which cannot be taught.")
        return int((value.values or (0,))[0])
    return int(value) if isinstance(value, int) else 0


def unsupported(architecture: str) -> ModelError:
    """The error for a model that cannot be trained here."""
    return ModelError(
        f"A model of the architecture {architecture or 'unknown'} cannot be taught.",
        why=f"The architectures that can: {', '.join(ARCHITECTURES)}.",
        next_step="Use a Qwen-3 model: tsubasa model list.",
    )
