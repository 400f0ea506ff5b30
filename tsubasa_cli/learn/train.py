"""The training loop, to be read from top to bottom.

A student learns to say without notes what the teacher said with them. The teacher is not here: its
opinions were written down before. Which lessons a step takes depends on the seed and the step
alone, and a checkpoint holds everything else, so that a night that was cut short and went on ends
in the same weights as one that was not.
"""

from __future__ import annotations

import math
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tsubasa_cli.learn.device import (
    Device,
    does_not_fit,
    give_back_memory,
    is_out_of_memory,
    used_bytes,
)
from tsubasa_cli.learn.files import write_atomically
from tsubasa_cli.learn.forward import reply_logits
from tsubasa_cli.learn.loss import distillation_loss
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.traces import TeacherTrace
from tsubasa_cli.learn.values import PausedError

SIMILAR = 1.4
"""Lessons that are longer than the shortest of a group by more than this go apart from it."""

TRIAL_STEPS = 2
"""Steps whose time is measured when there is a budget; the first of them warms up."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """How far training is: ``kl`` in nats per token, averaged over the last steps; ``batch`` the
    lessons that go through the model at once; ``seconds`` per step."""

    step: int
    steps: int
    kl: float
    seconds: float
    batch: int
    memory_bytes: int


OnStep = Callable[[StepReport], None]
ShouldStop = Callable[[], bool]


def steps_for(lessons: int, recipe: Recipe) -> int:
    """Steps of a night without a budget."""
    per_epoch = lessons / recipe.batch
    fewest = min(recipe.fewest_steps, math.ceil(recipe.most_epochs * per_epoch))
    wanted = max(math.ceil(recipe.epochs * per_epoch), fewest)
    return max(1, min(wanted, recipe.most_steps))


def lessons_at(step: int, lessons: int, recipe: Recipe) -> list[int]:
    """The lessons of a step: every epoch goes through all of them in an order of its own."""
    per_epoch = max(lessons // recipe.batch, 1)
    epoch, place = divmod(step, per_epoch)
    order = list(range(lessons))
    random.Random(f"{recipe.seed} epoch {epoch}").shuffle(order)
    return order[place * recipe.batch : (place + 1) * recipe.batch]


def together(lessons: Sequence[TeacherTrace], most: int) -> Iterator[Sequence[TeacherTrace]]:
    """``lessons`` in groups of up to ``most`` of a similar length: padding is computed too."""
    group: list[TeacherTrace] = []
    for lesson in sorted(lessons, key=lambda trace: trace.size):
        if group and (len(group) == most or lesson.size > SIMILAR * group[0].size):
            yield group
            group = []
        group.append(lesson)
    yield group


def learning_rate_at(step: int, steps: int, peak: float, warmup: float) -> float:
    """Up in a straight line, then down along a cosine to a tenth of ``peak``."""
    warm = max(round(warmup * steps), 1)
    if step < warm:
        return peak * (step + 1) / warm
    done = (step - warm) / max(steps - warm, 1)
    return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done)))


def with_lora(model: Any, recipe: Recipe, memories: int) -> Any:
    """``model`` with a fresh LoRA on all linear layers but the head (LoRA Without Regret)."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    rank = recipe.rank_for(memories)
    config = LoraConfig(
        r=rank,
        lora_alpha=recipe.alpha * rank // recipe.rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():  # peft asks transformers for a name of the past
        warnings.simplefilter("ignore", FutureWarning)
        student = get_peft_model(model, config)
    for parameter in student.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return student


class Trainer:
    """One night of training. ``student`` is a peft model; ``checkpoint`` a file."""

    def __init__(
        self,
        student: Any,
        traces: Sequence[TeacherTrace],
        recipe: Recipe,
        device: Device,
        checkpoint: Path,
    ) -> None:
        self._student = student
        self._model = student.get_base_model()
        self._traces = traces
        self._recipe = recipe
        self._device = device
        self._checkpoint = checkpoint
        self._weights = [p for p in student.parameters() if p.requires_grad]
        self._peak = recipe.learning_rate_for(self._model.config.hidden_size)
        self._optimizer = torch.optim.AdamW(
            self._weights, lr=self._peak, weight_decay=recipe.weight_decay
        )
        self._at_once = recipe.batch
        self._steps = steps_for(len(traces), recipe)
        self._step = 0
        self.history: list[float] = []

    def run(
        self, on_step: OnStep, should_stop: ShouldStop, budget_seconds: float | None = None
    ) -> list[float]:
        """Train to the end; the KL of each step, in nats per token.

        Raises ``PausedError`` when ``should_stop`` says so, ``ModelError`` when not even one
        lesson fits the memory. ``budget_seconds`` bounds the steps by what the first ones take.
        """
        self._restore()
        self._save_memory()
        if self._step == 0:
            self._try_the_longest()
            if budget_seconds is not None:
                self._fit_to(budget_seconds)
        self._student.train()
        while self._step < self._steps:
            began = time.perf_counter()
            self.history.append(self._take_step())
            self._step += 1
            on_step(self._report(time.perf_counter() - began))
            if self._step % self._recipe.checkpoint_every == 0 or self._step == self._steps:
                self._keep()
            if should_stop():
                self._keep()
                raise PausedError
        self._student.eval()
        return self.history

    # ------------------------------------------------------------------ one step

    def _take_step(self) -> float:
        lessons = [self._traces[i] for i in lessons_at(self._step, len(self._traces), self._recipe)]
        loss = self._accumulate(lessons)
        torch.nn.utils.clip_grad_norm_(self._weights, self._recipe.clip)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate_at(self._step, self._steps, self._peak, self._recipe.warmup)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return loss

    def _accumulate(self, lessons: Sequence[TeacherTrace]) -> float:
        """The gradient of the weighted mean KL per token over ``lessons``, as many at once as
        fit."""
        while True:
            try:
                return self._backward(lessons)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self._at_once == 1:
                    raise does_not_fit(self._device) from error
                self._at_once = max(self._at_once // 2, 1)
            self._optimizer.zero_grad(set_to_none=True)
            give_back_memory(self._device)

    def _backward(self, lessons: Sequence[TeacherTrace]) -> float:
        weight = self._recipe.replay_weight
        tokens = sum(len(trace.reply) * trace.weight(weight) for trace in lessons)
        total = 0.0
        for some in together(lessons, self._at_once):
            with self._device.autocast():
                logits = reply_logits(
                    self._model, [t.prompt for t in some], [t.reply for t in some]
                )
            loss = distillation_loss(logits, some, weight) / tokens
            loss.backward()
            total += float(loss.detach())
        return total

    # ------------------------------------------------------------------ what fits

    def _save_memory(self) -> None:
        """Activations are computed again in the backward pass where memory is scarce."""
        if self._device.is_cpu:
            return
        renamed = getattr(self._model, "activation_checkpointing_enable", None)  # in 5.24
        (renamed or self._model.gradient_checkpointing_enable)({"use_reentrant": False})
        self._model.enable_input_require_grads()

    def _try_the_longest(self) -> None:
        """The batch that takes most memory comes first, so that what fits is known, not guessed."""
        longest = sorted(self._traces, key=lambda trace: -trace.size)[: self._recipe.batch]
        self._student.train()
        self._accumulate(longest)
        self._optimizer.zero_grad(set_to_none=True)

    def _fit_to(self, seconds: float) -> None:
        began = time.perf_counter()
        for step in range(TRIAL_STEPS):
            chosen = lessons_at(step, len(self._traces), self._recipe)
            self._accumulate([self._traces[i] for i in chosen])
            self._optimizer.zero_grad(set_to_none=True)
        per_step = (time.perf_counter() - began) / TRIAL_STEPS
        self._steps = max(1, min(self._steps, int(seconds / max(per_step, 1e-6))))

    def _report(self, seconds: float) -> StepReport:
        recent = self.history[-20:]
        return StepReport(
            self._step,
            self._steps,
            sum(recent) / len(recent),
            seconds,
            self._at_once,
            used_bytes(self._device),
        )

    # ------------------------------------------------------------------ going on later

    def _keep(self) -> None:
        from peft import get_peft_model_state_dict

        state = {
            "step": self._step,
            "steps": self._steps,
            "at_once": self._at_once,
            "history": self.history,
            "student": get_peft_model_state_dict(self._student),
            "optimizer": self._optimizer.state_dict(),
        }
        with write_atomically(self._checkpoint) as temporary:
            torch.save(state, temporary)

    def _restore(self) -> None:
        """Go on from the checkpoint if there is one."""
        from peft import set_peft_model_state_dict

        if not self._checkpoint.exists():
            return
        state = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        self._step, self._steps = state["step"], state["steps"]
        self._at_once, self.history = state["at_once"], list(state["history"])
        set_peft_model_state_dict(self._student, state["student"])
        self._optimizer.load_state_dict(state["optimizer"])
