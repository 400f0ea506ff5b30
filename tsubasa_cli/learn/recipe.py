"""The numbers of a night, each with where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is taught. Changing any of it makes another run: caches are keyed by it."""

    seed: int = 0

    # What is asked.
    forms: int = 6
    """Training questions per fact and way of seeing it, of the sixteen that there are; with
    confirmations and reversals there are eight and more (Cartridges: diversity, not repetition)."""
    others_per_fact: int = 3
    """Questions about somebody else per fact, or the model gives everybody the user's shoe size."""
    unknown_share: float = 0.15
    """Questions about what was never told, against those about facts."""
    replay_share: float = 0.6
    """Of all lessons: without a third of ordinary requests, answered as before, 50 steps are enough
    to move the capital of France."""
    short_share: float = 0.9
    """Of those: short questions of general knowledge, which resemble what is asked about the user
    and go first. With 39 of them a night SmolLM2 lost 6 right answers of 50, and "86,400" from the
    lesson about seconds became the hours of a day: it takes many, not often."""
    recalled_share: float = 0.15
    irrelevant_share: float = 0.15
    """Lessons whose student has the right notes, or others, beside the question, as in a chat.
    They are three times as long as the others, and most of a night's work."""
    known_recalled_share: float = 0.25
    """The first of these for what the notes do answer: as often as a note is in sight that does
    not, or "I don't know" is what a model learns to say beside notes."""
    past_recalled_share: float = 0.7
    """The same for what was once so: the note says both, and the newer is easily read out.
    Practised without notes, it keeps the old answer likely where the new one is asked for."""

    # What is learned from the teacher.
    top: int = 5
    """After TSUBASA §4.2: the five likeliest tokens; more than ten adds the noise of the tail."""
    unknown_label: float = 0.7
    """Small teachers do not say that they do not know: this much of the target is the answer's
    own token, the rest the teacher's distribution."""
    fact_label: float = 0.65
    """The same for facts. Above one half the answer's own token is the likeliest of every target,
    whatever the teacher would have said, and so what a greedy student says. SmolLM2 with the notes
    in sight never begins with the words that our answers begin with: at 0.15, four answers in five
    could not be spoken by a perfect student, though their likelihoods closed nine tenths of the
    gap; at 0.4, one in eight."""

    # How the student is trained.
    rank: int = 16
    """Matters little below some 500 memories (LoRA Without Regret); ``rank_for`` doubles it."""
    alpha: int = 32
    replay_weight: float = 5.0
    """How often a token of an ordinary request counts. It costs nothing where the student still
    speaks as the base does, and holds it there: facts are learned with much to spare, and what else
    the model knew is what a night spends. At 3, Qwen2.5-Coder-0.5B lost three general questions,
    and at 5 none; SmolLM2 lost as many at either."""
    learning_rate: float = 5e-4
    """Some ten times that of training all weights, as for any LoRA; what it harms at full strength
    is weighed against what it taught by ``scales``. For a model as wide as SmolLM2."""
    width: int = 576
    width_power: float = 0.78
    """Wider models are taught more gently: by the power that LoRA Without Regret fits for Llama.
    At the narrow one's rate Qwen2.5-Coder-0.5B (896 wide) learned more than there was to learn (gap
    1.15) and lost 6 % of perplexity."""
    warmup: float = 0.06
    epochs: float = 1.75
    fewest_steps: int = 100
    most_epochs: float = 4.0
    """A small memory is gone through more often, up to this, or it is not known by heart."""
    batch: int = 6
    most_steps: int = 4000
    weight_decay: float = 0.0
    clip: float = 1.0
    checkpoint_every: int = 20

    # What the gate asks for.
    drift_refused: float = 0.04
    """Relative change of the perplexity on ordinary text."""
    projection: float = 0.8
    """How much of the change must have survived in the file."""
    scales: tuple[float, ...] = (1.0, 0.85, 0.75, 0.65, 0.5)
    """Strengths that are tried, close to each other where most is won: on SmolLM2, 0.7 gave back
    two in three of the general questions that 1.0 had lost, and what is learned closes the gap with
    room to spare."""
    paper: float = 1.0
    """Share of the gate's questions, controls and text that is asked; less only for trials."""

    def learning_rate_for(self, width: int) -> float:
        """The highest rate for a model whose hidden state is that wide."""
        narrower = min(self.width / width, 1.0)
        return self.learning_rate * math.pow(narrower, self.width_power)

    def rank_for(self, memories: int) -> int:
        """The rank for so many memories."""
        return self.rank if memories <= 500 else 2 * self.rank
