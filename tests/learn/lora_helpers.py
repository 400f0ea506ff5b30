"""A peft model with a LoRA of known strength, and deltas without one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from tsubasa_cli.learn.weights.deltas import Delta
from tsubasa_cli.learn.weights.load import load_model
from tsubasa_cli.learn.weights.tensor_file import TensorFile

CPU = torch.device("cpu")


def adapted(path: Path, strength: float = 0.3, seed: int = 3, **options: Any) -> Any:
    """The model in ``path`` under a random LoRA on all its linear layers."""
    torch.manual_seed(seed)
    chosen = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"} | options
    config = LoraConfig(**chosen)
    model = get_peft_model(load_model(path, torch.float32, CPU), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=strength / parameter.shape[0] ** 0.5)
    return model.eval()


def night(
    path: Path, tensors: Iterable[str], relative: float = 0.003, rank: int = 8
) -> list[Delta]:
    """Random changes of ``tensors`` whose norm is ``relative`` of the weights'."""
    generator = torch.Generator().manual_seed(11)
    changes = []
    with TensorFile(path) as file:
        for name in tensors:
            weight = file.values(name, CPU)
            a = torch.randn(rank, weight.shape[1], generator=generator)
            b = torch.randn(weight.shape[0], rank, generator=generator)
            change = Delta(name, a, b, 1.0)
            changes.append(change.scaled(relative * float(weight.norm()) / change.norm()))
    return changes
