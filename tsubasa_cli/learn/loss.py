"""How far the student is from the teacher, token by token.

After TSUBASA §4.2 the teacher's distribution is cut to its likeliest tokens. Cut alone it is no
distribution, and the difference no divergence: it goes below zero and the model drifts. So all
other tokens share one bucket, of the teacher as of the student.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tsubasa_cli.learn.traces import TeacherTrace

LEAST = 1e-6
"""Probability below which the bucket of the rest is not told apart from nothing."""


def distillation_loss(
    logits: Tensor, traces: Sequence[TeacherTrace], replay_weight: float = 1.0
) -> Tensor:
    """KL(target ‖ student) over the buckets, the sum over all reply tokens; those of ordinary
    requests count ``replay_weight`` times.

    ``logits`` float32 (tokens × vocabulary), in the order of the replies of ``traces``.
    """
    candidates, target = targets(traces, logits.device)
    student = bucket_log_probs(logits, candidates)
    terms = target * (torch.log(target.clamp_min(LEAST)) - student)
    of_tokens = terms.masked_fill(target <= 0, 0.0).sum(dim=1)
    weights = [t.weight(replay_weight) for t in traces for _ in t.reply]
    return of_tokens @ torch.tensor(weights, dtype=of_tokens.dtype).to(logits.device)


def targets(traces: Sequence[TeacherTrace], device: torch.device) -> tuple[Tensor, Tensor]:
    """Per reply token the ids of its buckets (tokens × (d + 1): the teacher's candidates and the
    reply's own token, -1 where that needs no bucket of its own) and the target's probabilities
    (tokens × (d + 2), the rest last)."""
    top = torch.from_numpy(np.concatenate([t.top for t in traces]).astype(np.int64)).to(device)
    own = torch.from_numpy(np.concatenate([t.reply for t in traces]).astype(np.int64)).to(device)
    log_probs = torch.from_numpy(np.concatenate([t.log_probs for t in traces])).to(device)
    label = torch.tensor(
        np.repeat([t.label for t in traces], [len(t.reply) for t in traces]), dtype=torch.float32
    ).to(device)[:, None]
    is_own = top == own[:, None]
    is_among = is_own.any(dim=1)
    likely = log_probs.float().exp()
    rest = (1.0 - likely.sum(dim=1, keepdim=True)).clamp_min(0.0)
    is_alone = ~is_among & (label[:, 0] > 0)
    alone = is_alone.float()[:, None]
    target = torch.cat(
        [(1 - label) * likely + label * is_own, label * alone, (1 - label) * rest], dim=1
    )
    candidates = torch.cat([top, torch.where(is_alone, own, -1)[:, None]], dim=1)
    return candidates, target


def bucket_log_probs(logits: Tensor, candidates: Tensor) -> Tensor:
    """The student's log-probabilities of the buckets; those with the id -1 are empty."""
    log_probs = torch.log_softmax(logits, dim=1)
    found = log_probs.gather(1, candidates.clamp_min(0))
    found = found.masked_fill(candidates < 0, float("-inf"))
    taken = found.exp().sum(dim=1, keepdim=True)
    rest = torch.log((1.0 - taken).clamp_min(LEAST))
    return torch.cat([found.masked_fill(candidates < 0, 0.0), rest], dim=1)
