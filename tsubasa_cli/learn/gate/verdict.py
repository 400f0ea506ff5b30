"""The verdict: from two results of the same exam to a list of checks, each passed or not.

Intervals are bootstrapped over memories (questions about one memory stand or fall together), with
a fixed seed: the same exam has the same verdict.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from tsubasa_cli.learn.gate.exam import Paper, Part, Result
from tsubasa_cli.learn.materials import Control
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.values import About, QuestionAnswer
from tsubasa_cli.memory.wordlist import words_of

RESAMPLES = 1000
LOWER, UPPER = 2.5, 97.5
MOSTLY = 0.5
"""Share of right replies above which a general question counts as known."""
MOST_CONTROLS_LOST = 2
NOTED_SLACK = 0.05
"""Nats per token by which answers with the notes in sight may become less likely."""
LEAK_SLACK = 0.10
"""Share of answers about others by which more may name what is the user's."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the gate asks for. ``value`` with its interval; ``bound`` what it is held
    against; ``told`` says it in words."""

    name: str
    passed: bool
    value: float
    low: float
    high: float
    bound: float
    told: str

    @property
    def is_hopeless(self) -> bool:
        """It did not pass, and not by chance: the whole interval is on the wrong side."""
        return not self.passed and (self.low > self.bound or self.high < self.bound)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


_Check = Callable[[Paper, Result, Result], Check]


def verdict(
    paper: Paper, base: Result, after: Result, projection: float, recipe: Recipe
) -> list[Check]:
    """The checks of all parts that ``after`` has taken, the most telling first. ``projection`` is
    the least of all tensors'."""
    checks: dict[Part, list[_Check]] = {
        Part.ALONE: [gap_closed, unknown_admitted, others_spared],
        Part.NOTED: [recall_in_context, said_in_context],
        Part.PROSE: [partial(drift, recipe=recipe)],
        Part.CONTROLS: [controls_kept],
        Part.FORM: [form_kept],
    }
    found = [
        check(paper, base, after)
        for part, asked in checks.items()
        if part in after.parts
        for check in asked
    ]
    return [*found, change_survived(projection, recipe)]


def passes(checks: Sequence[Check]) -> bool:
    """Whether every check did."""
    return all(check.passed for check in checks)


def gap_closed(paper: Paper, base: Result, after: Result) -> Check:
    """(before − after) / (before − teacher) in nats per token, over facts held out from training,
    without notes. The teacher is the base with the notes."""
    facts = [qa for qa in paper.questions if qa.about in (About.FACT, About.PAST)]
    if not facts:
        return Check("gap closed", False, 0, 0, 0, 0, "There was nothing to ask.")
    rows = np.array([(base.nll[q.id], after.nll[q.id], base.nll_noted[q.id]) for q in facts])

    def closed(rows: np.ndarray[Any, Any]) -> float:
        before, now, teacher = rows.mean(axis=0)
        return float((before - now) / max(before - teacher, 1e-3))

    low, high = _interval(rows, facts, closed)
    before, now, teacher = rows.mean(axis=0)
    told = f"{before:.2f} before, {now:.2f} now, {teacher:.2f} with the notes in sight"
    return Check("gap closed", low > 0, closed(rows), low, high, 0.0, told)


def recall_in_context(paper: Paper, base: Result, after: Result) -> Check:
    """With the notes in sight, the right answers are no less likely than they were."""
    facts = [qa for qa in paper.questions if qa.about in (About.FACT, About.PAST)]
    if not facts:
        return Check("with notes", True, 0, 0, 0, NOTED_SLACK, "There was nothing to ask.")
    rows = np.array([[after.nll_noted[q.id] - base.nll_noted[q.id]] for q in facts])
    low, high = _interval(rows, facts, lambda r: float(r.mean()))
    value = float(rows.mean())
    told = f"{value:+.2f} nats per token beside the notes"
    return Check("with notes", value <= NOTED_SLACK, value, low, high, NOTED_SLACK, told)


def said_in_context(paper: Paper, base: Result, after: Result) -> Check:
    """With the notes in sight, spoken answers hold the fact as often as they did: refused when it
    is certain that they do not (the upper bound of the difference is below nothing)."""
    asked = [qa for qa in paper.spoken if qa.id in base.said_noted and qa.id in after.said_noted]
    if not asked:
        return Check("said with notes", True, 0, 0, 0, 0, "There was nothing to ask.")
    held = np.array(
        [[float(contains(r.said_noted[q.id], q.value)) for r in (base, after)] for q in asked]
    )
    rows = held[:, 1:] - held[:, :1]
    low, high = _interval(rows, asked, lambda r: float(r.mean()))
    before, now = held.mean(axis=0)
    told = f"{before:.0%} of the answers beside the notes hold the fact before, {now:.0%} now"
    return Check("said with notes", high >= 0, float(rows.mean()), low, high, 0.0, told)


def drift(_paper: Paper, base: Result, after: Result, recipe: Recipe) -> Check:
    """Relative change of the perplexity on ordinary text; its upper bound counts."""
    rows = np.array([(b[0], a[0], b[1]) for b, a in zip(base.prose, after.prose, strict=True)])

    def change(rows: np.ndarray[Any, Any]) -> float:
        before, now, tokens = rows.sum(axis=0)
        return math.exp((now - before) / max(tokens, 1)) - 1

    low, high = _resampled(rows, change)
    before, now, tokens = rows.sum(axis=0)
    told = (
        f"perplexity {math.exp(before / tokens):.2f} before, {math.exp(now / tokens):.2f} now, "
        f"{int(tokens):,} tokens"
    )
    value, bound = change(rows), recipe.drift_refused
    return Check("drift", high <= bound, value, low, high, bound, told)


def controls_kept(paper: Paper, base: Result, after: Result) -> Check:
    """General questions that were answered rightly still are. What the base knows is told by one
    round of its replies, and what it makes of that in another is what ``after`` is held against:
    a reply that is right by luck is not right the next time. The larger number counts: shares of
    right replies that are gone, added up, or by how many fewer are mostly answered rightly. What is
    learned elsewhere makes up for nothing."""
    shares = np.array(
        [
            [_share_right(control, some) for some in (*_rounds(before, len(now)), now)]
            for control, before, now in zip(
                paper.controls, base.controls, after.controls, strict=True
            )
        ]
    )
    known = shares[shares[:, 1] > MOSTLY]
    low, high = _resampled(known, _lost) if len(known) else (0.0, 0.0)
    lost = _lost(known)
    again, now = _mostly(known[:, 0]), _mostly(known[:, 2])
    told = (
        f"{len(known)} of {len(shares)} mostly answered rightly before, {again} of these when "
        f"asked again, {now} now"
    )
    passed = lost <= MOST_CONTROLS_LOST
    return Check("general questions", passed, lost, low, high, MOST_CONTROLS_LOST, told)


def _rounds(replies: Sequence[str], count: int) -> tuple[Sequence[str], Sequence[str]]:
    """The round to be held against, and the one that tells what is known; where replies are the
    likeliest there is but one."""
    return replies[:count], replies[count:] or replies[:count]


def _share_right(control: Control, replies: Sequence[str]) -> float:
    return float(np.mean([control.is_answered_by(reply) for reply in replies]))


def _lost(known: np.ndarray[Any, Any]) -> float:
    """Of shares of right replies by row: the base's asked again, those by which it is known, and
    the candidate's."""
    again, now = known[:, 0], known[:, 2]
    return max(float((again - now).sum()), float(_mostly(again) - _mostly(now)))


def _mostly(shares: np.ndarray[Any, Any]) -> int:
    return int((shares > MOSTLY).sum())


def others_spared(paper: Paper, base: Result, after: Result) -> Check:
    """Somebody else is not given what is the user's."""
    asked = [qa for qa in paper.spoken if qa.about is About.OTHERS and qa.value]
    if not asked:
        return Check("other people", True, 0, 0, 0, LEAK_SLACK, "There was nobody to ask about.")
    leaks = np.array([[float(contains(after.said[qa.id], qa.value))] for qa in asked])
    before = float(np.mean([contains(base.said[qa.id], qa.value) for qa in asked]))
    low, high = _interval(leaks, asked, lambda r: float(r.mean()))
    value, bound = float(leaks.mean()), before + LEAK_SLACK
    told = f"{int(leaks.sum())} of {len(asked)} answers about others name what is yours"
    return Check("other people", value <= bound, value, low, high, bound, told)


def unknown_admitted(paper: Paper, base: Result, after: Result) -> Check:
    """That something is not known has not become less likely to be said."""
    asked = [qa for qa in paper.questions if qa.about in (About.UNKNOWN, About.OTHERS)]
    if not asked:
        return Check("not known", True, 0, 0, 0, 0, "There was nothing to ask.")
    rows = np.array([[after.nll[qa.id] - base.nll[qa.id]] for qa in asked])
    value = float(rows.mean())
    low, high = _resampled(rows, lambda r: float(r.mean()))
    told = f"{value:+.2f} nats per token for “I don't know”"
    return Check("not known", value <= NOTED_SLACK, value, low, high, NOTED_SLACK, told)


def form_kept(_paper: Paper, base: Result, after: Result) -> Check:
    """Replies end, are not mute, and think when asked to, as far as the base's do."""
    new = [wrong for wrong in after.form if wrong not in base.form]
    told = "as before" if not new else ", ".join(sorted(set(new)))
    return Check("form and thinking", not new, len(new), len(new), len(new), 0, told)


def change_survived(value: float, recipe: Recipe) -> Check:
    """Enough of what was trained is in the file's every tensor type."""
    told = f"{value:.2f} of the change is in the file, where least of it is"
    bound = recipe.projection
    return Check("change survived", value >= bound, value, value, value, bound, told)


def recalled_share(paper: Paper, result: Result) -> tuple[float, float, float]:
    """Share of heard answers to facts that contain the fact, with its interval."""
    facts = [qa for qa in paper.spoken if qa.about in (About.FACT, About.PAST)]
    return share_with_value(facts, result.said)


def share_with_value(
    facts: Sequence[QuestionAnswer], said: dict[str, str]
) -> tuple[float, float, float]:
    """Share of ``said`` that contain what they should, with its interval."""
    asked = [qa for qa in facts if qa.id in said]
    if not asked:
        return 0.0, 0.0, 0.0
    rows = np.array([[float(contains(said[qa.id], qa.value))] for qa in asked])
    low, high = _interval(rows, asked, lambda r: float(r.mean()))
    return float(rows.mean()), low, high


def contains(text: str, value: str) -> bool:
    """Whether the telling words of ``value`` all occur in ``text``."""
    words = [w for w in re.findall(r"\w+", value.casefold()) if len(w) > 2 or w.isdigit()]
    said = set(re.findall(r"\w+", text.casefold()))
    telling = [word for word in words if word not in _LITTLE] or words
    return bool(telling) and all(word in said for word in telling)


_LITTLE = words_of("the and your with for from named called ago old years")


def _interval(
    rows: np.ndarray[Any, Any],
    questions: Sequence[QuestionAnswer],
    statistic: Callable[[np.ndarray[Any, Any]], float],
) -> tuple[float, float]:
    """Resampled by memory."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, qa in enumerate(questions):
        groups.setdefault(qa.memories or (qa.id,), []).append(place)
    members = list(groups.values())
    generator = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(0, len(members), len(members))
        found.append(statistic(rows[[i for d in drawn for i in members[d]]]))
    return float(np.percentile(found, LOWER)), float(np.percentile(found, UPPER))


def _resampled(
    rows: np.ndarray[Any, Any], statistic: Callable[[np.ndarray[Any, Any]], float]
) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, len(rows), (RESAMPLES, len(rows)))
    found = [statistic(rows[d]) for d in drawn]
    return float(np.percentile(found, LOWER)), float(np.percentile(found, UPPER))
