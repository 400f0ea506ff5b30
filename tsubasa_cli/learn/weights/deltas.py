"""What training changed: one low-rank product per tensor, in the rows and names of the GGUF."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tsubasa_cli.errors import ModelError
from tsubasa_cli.learn.weights.names import RowOrder, gguf_name


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """``scale * b @ a`` is added to ``tensor`` (its GGUF name): ``a`` float32 (rank, columns),
    ``b`` float32 (rows, rank) with the rows ordered as the GGUF orders them."""

    tensor: str
    a: Tensor
    b: Tensor
    scale: float

    @property
    def rank(self) -> int:
        return self.a.shape[0]

    def rows(self, start: int, stop: int, device: torch.device) -> Tensor:
        """Rows ``start`` to ``stop`` of the change, float32 (rows, columns) on ``device``."""
        return (self.b[start:stop].to(device) * self.scale) @ self.a.to(device)

    def scaled(self, factor: float) -> Delta:
        """The same change, ``factor`` times as strong."""
        return replace(self, scale=self.scale * factor)

    def norm(self) -> float:
        """The Frobenius norm of the change, without forming it."""
        inner = (self.b.T @ self.b).double() * (self.a @ self.a.T).double()
        return abs(self.scale) * float(inner.sum().clamp(min=0).sqrt())


def deltas_of(model: Any) -> list[Delta]:
    """The changes of a peft model's active LoRA adapter, on the CPU, in the model's own order.

    Raises ``ModelError`` for what has no place in a GGUF adapter: DoRA, trained biases,
    embeddings, or layers of an architecture that is not known.
    """
    config = model.get_base_model().config
    order = RowOrder.of(config.model_type, config.num_attention_heads, config.num_key_value_heads)
    found = [
        _delta(name, module, order)
        for name, module in model.get_base_model().named_modules()
        if hasattr(module, "lora_A")
    ]
    if not found:
        raise ModelError("The trained model has no LoRA layers.")
    return found


def _delta(name: str, layer: Any, order: RowOrder) -> Delta:
    if len(layer.active_adapters) != 1:
        raise ModelError(f"{name} has {len(layer.active_adapters)} active adapters, not one.")
    adapter = layer.active_adapters[0]
    _refuse_foreign(name, layer, adapter)
    tensor = gguf_name(f"{name}.weight")
    a, b = (
        part[adapter].weight.detach().float().cpu().contiguous()
        for part in (layer.lora_A, layer.lora_B)
    )
    return Delta(tensor, a, order.to_gguf(tensor, b).contiguous(), float(layer.scaling[adapter]))


def _refuse_foreign(name: str, layer: Any, adapter: str) -> None:
    if adapter not in layer.lora_A:
        raise ModelError(f"{name} is an embedding; only linear layers can be adapted.")
    if layer.lora_variant.get(adapter) is not None:
        raise ModelError(f"The adapter of {name} is no plain LoRA.")
    if layer.lora_bias.get(adapter, False):
        raise ModelError(f"The adapter of {name} has a bias, for which GGUF has no place.")
