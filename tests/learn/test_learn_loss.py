"""The loss: a true divergence over the teacher's candidates and one bucket of the rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.learn.loss import bucket_log_probs, distillation_loss, targets
from tsubasa_cli.learn.traces import TeacherTrace

VOCABULARY = 12


def _trace(seed: int, tokens: int, depth: int, label: float) -> tuple[TeacherTrace, torch.Tensor]:
    """A trace and the full log-probabilities that it was cut from."""
    generator = torch.Generator().manual_seed(seed)
    whole = torch.log_softmax(3 * torch.randn(tokens, VOCABULARY, generator=generator), dim=1)
    best = torch.topk(whole, depth, dim=1)
    reply = torch.randint(0, VOCABULARY, (tokens,), generator=generator)
    trace = TeacherTrace(
        np.zeros(3, np.int32),
        reply.int().numpy(),
        best.indices.int().numpy(),
        best.values.float().numpy(),
        label,
    )
    return trace, whole


@given(st.integers(0, 10_000), st.sampled_from([1, 3, 5, VOCABULARY]), st.floats(0, 1))
def test_it_is_never_negative_and_targets_are_distributions(
    seed: int, depth: int, label: float
) -> None:
    trace, _ = _trace(seed, 4, depth, label)
    logits = 2 * torch.randn(4, VOCABULARY, generator=torch.Generator().manual_seed(seed + 1))
    assert float(distillation_loss(logits, [trace])) >= -1e-4
    _, target = targets([trace], torch.device("cpu"))
    assert torch.allclose(target.sum(dim=1), torch.ones(4), atol=1e-3)


def test_it_is_nothing_for_a_student_who_agrees() -> None:
    trace, whole = _trace(3, 6, 5, 0.0)
    assert abs(float(distillation_loss(whole, [trace]))) < 1e-4


def test_with_all_tokens_it_is_the_full_divergence() -> None:
    trace, whole = _trace(4, 5, VOCABULARY, 0.0)
    logits = torch.randn(5, VOCABULARY, generator=torch.Generator().manual_seed(9))
    student = torch.log_softmax(logits, dim=1)
    full = (whole.exp() * (whole - student)).sum()
    assert abs(float(distillation_loss(logits, [trace])) - float(full)) < 1e-3


def test_without_the_bucket_it_would_reward_forgetting_everything_else() -> None:
    """The reason for the bucket: a student that puts all its weight on the candidates is told
    that it is wrong, although every candidate has become likelier."""
    trace, whole = _trace(8, 1, 3, 0.0)
    greedy = whole.clone()
    greedy[0, trace.top[0]] += 4.0
    student = torch.log_softmax(greedy, dim=1)
    candidates = torch.from_numpy(trace.top[0].astype(np.int64))
    cut = (whole[0, candidates].exp() * (whole - student)[0, candidates]).sum()
    assert float(cut) < 0
    assert float(distillation_loss(greedy, [trace])) > 0.01


def test_the_label_pulls_towards_the_reply_itself() -> None:
    trace, _ = _trace(6, 1, 5, 1.0)
    candidates, target = targets([trace], torch.device("cpu"))
    logits = torch.zeros(1, VOCABULARY, requires_grad=True)
    distillation_loss(logits, [trace]).backward()
    assert logits.grad is not None
    assert int(logits.grad.argmin()) == int(trace.reply[0])
    assert float(target.max()) == 1.0
    found = bucket_log_probs(logits.detach(), candidates)
    assert found.shape == (1, 7)


def test_what_an_ordinary_request_costs_counts_more_and_a_lesson_about_the_user_does_not() -> None:
    ordinary, lesson = _trace(6, 4, 5, 0.0)[0], _trace(7, 3, 5, 0.65)[0]
    logits = torch.randn(7, VOCABULARY, generator=torch.Generator().manual_seed(2))
    apart = [
        float(distillation_loss(some, [trace]))
        for some, trace in ((logits[:4], ordinary), (logits[4:], lesson))
    ]
    both = float(distillation_loss(logits, [ordinary, lesson], replay_weight=3.0))
    assert both == pytest.approx(3 * apart[0] + apart[1], rel=1e-4)
