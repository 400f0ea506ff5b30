"""Logits of the answer tokens of a batch, and of nothing else.

The head of a small model is a quarter of its work, and what it says of the prompt is not needed:
the transformer runs over everything, the head over the positions that predict the reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tsubasa_cli.learn.device import Device
from tsubasa_cli.learn.traces import Ints


def suited(model: Any, device: Device) -> Any:
    """``model``, frozen, as it computes fastest on ``device``; what it says stays the same.

    On a CPU that computes in bfloat16, the matrices are rounded once and not in every pass; and
    for sequences as short as lessons, torch's fused attention takes longer than the plain one.
    """
    if not device.is_cpu:
        return model
    model.set_attn_implementation("eager")
    if device.computes_in_bfloat16:
        head = model.get_output_embeddings()
        for module in model.modules():
            if isinstance(module, nn.Linear) and module is not head:
                module.weight.data = module.weight.data.bfloat16()
    return model


def reply_logits(model: Any, prompts: Sequence[Ints], replies: Sequence[Ints]) -> Tensor:
    """The logits (float32, tokens × vocabulary) that predict the tokens of ``replies``, one reply
    after the other. ``model`` is a causal language model of transformers."""
    device = model.device
    tokens, mask, places = _padded(prompts, replies)
    hidden = model.base_model(
        input_ids=tokens.to(device), attention_mask=mask.to(device), use_cache=False
    ).last_hidden_state
    rows, columns = (part.to(device) for part in places)
    logits: Tensor = model.get_output_embeddings()(hidden[rows, columns])
    return logits.float()


def _padded(
    prompts: Sequence[Ints], replies: Sequence[Ints]
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Sequences padded at the right, what is no padding, and (row, column) of each position whose
    successor is a token of a reply. The last token of a reply predicts nothing and is left out."""
    sizes = [len(p) + len(r) - 1 for p, r in zip(prompts, replies, strict=True)]
    tokens = torch.zeros(len(sizes), max(sizes), dtype=torch.long)
    mask = torch.zeros_like(tokens)
    rows: list[int] = []
    columns: list[int] = []
    for row, (prompt, reply) in enumerate(zip(prompts, replies, strict=True)):
        whole = np.concatenate([prompt, reply[:-1]]).astype(np.int64)
        tokens[row, : len(whole)] = torch.from_numpy(whole)
        mask[row, : len(whole)] = 1
        rows.extend([row] * len(reply))
        columns.extend(range(len(prompt) - 1, len(whole)))
    return tokens, mask, (torch.tensor(rows), torch.tensor(columns))
