"""The teacher: the model as it is, with the notes beside the question. It is asked once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from tsubasa_cli.learn.device import Device, does_not_fit, give_back_memory, is_out_of_memory
from tsubasa_cli.learn.forward import reply_logits
from tsubasa_cli.learn.traces import Floats, Ints

BATCH_TOKENS = 4096
"""Tokens of prompts and replies computed at once; half of it where memory is short, and again."""

Opinion = tuple[Ints, Floats]
"""Candidates (tokens × d) and their natural log-probabilities, for one reply."""


def opinions(
    model: Any, device: Device, asked: Sequence[tuple[Ints, Ints]], top: int
) -> list[Opinion]:
    """What ``model`` thinks of each (prompt, reply). Raises ``ModelError`` when not even one fits
    the device's memory."""
    order = sorted(range(len(asked)), key=lambda i: len(asked[i][0]) + len(asked[i][1]))
    found: dict[int, Opinion] = {}
    room = BATCH_TOKENS
    waiting = order
    while waiting:
        batch = _next_batch(waiting, asked, room)
        try:
            said = list(_ask(model, device, [asked[i] for i in batch], top))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise does_not_fit(device) from error
            room //= 2
            give_back_memory(device)
            continue
        found.update(zip(batch, said, strict=True))
        waiting = waiting[len(batch) :]
    return [found[i] for i in range(len(asked))]


def _next_batch(waiting: Sequence[int], asked: Sequence[tuple[Ints, Ints]], room: int) -> list[int]:
    batch: list[int] = []
    for index in waiting:
        longest = len(asked[index][0]) + len(asked[index][1])
        if batch and longest * (len(batch) + 1) > room:
            break
        batch.append(index)
    return batch


@torch.no_grad()
def _ask(
    model: Any, device: Device, asked: Sequence[tuple[Ints, Ints]], top: int
) -> Iterator[Opinion]:
    prompts, replies = [p for p, _ in asked], [r for _, r in asked]
    with device.autocast():
        logits = reply_logits(model, prompts, replies)
    best = torch.topk(torch.log_softmax(logits, dim=1), min(top, logits.shape[1]), dim=1)
    sizes = [len(reply) for reply in replies]
    ids = torch.split(best.indices.cpu(), sizes)
    values = torch.split(best.values.cpu(), sizes)
    for some_ids, some_values in zip(ids, values, strict=True):
        yield some_ids.int().numpy(), some_values.float().numpy()
