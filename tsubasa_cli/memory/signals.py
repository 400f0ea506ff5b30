"""What can be read off a pair of notes, an older and a newer one, before deciding how they relate.

Every signal is a number near 0..1 that code computes; the two ``ask_*`` ones are log-odds of a
model's yes over its no (FIELD: a four-way choice is beyond small models, yes/no carries signal).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Protocol

from tsubasa_cli.engine.protocol import Message
from tsubasa_cli.memory import change_cues as cues
from tsubasa_cli.memory.endings import ends, shared_part
from tsubasa_cli.memory.lexical import (
    are_opposite,
    content_stems,
    has_cue,
    has_new_cue,
    is_negated,
    is_plan,
    names_in,
    numbers_in,
    topics_of,
)
from tsubasa_cli.memory.narrative import current_part
from tsubasa_cli.memory.slots import ended_slots, same_value, slot_values
from tsubasa_cli.memory.subjects import same_subject
from tsubasa_cli.memory.values import Observation

STILL_TRUE = "ask_ended"
SAME_TOPIC = "ask_same"
_ENDED_PROMPT = "relation_ended.md"
_SAME_PROMPT = "relation_same.md"
MODEL_SIGNALS = (STILL_TRUE, SAME_TOPIC)


class Judge(Protocol):
    """A model that weighs answers. ``score`` gives the log-probability of each choice."""

    async def score(
        self, messages: Sequence[Message], choices: Sequence[str], *, prefix: str = ""
    ) -> tuple[float, ...]: ...


def code_signals(old: Observation, new: Observation, cosine: float) -> dict[str, float]:
    """Everything that needs no model. ``cosine`` is between the statements' embeddings."""
    old = replace(old, statement=current_part(old.statement))
    return {
        "cosine": cosine,
        **_word_signals(old, new),
        **_cue_signals(old, new),
        **_slot_signals(old, new),
        "subject": same_subject(old.subject, new.subject),
        "same_thing": shared_part(old, new),
        "ends_it": float(ends(old, new)),
        "old_is_plan": float(is_plan(old)),
        "opposite": float(are_opposite(old.statement, new.statement)),
        "topic": float(bool(topics_of(old.statement) & topics_of(new.statement))),
    }


async def model_signals(
    old: Observation, new: Observation, judge: Judge, wanted: Collection[str] = MODEL_SIGNALS
) -> dict[str, float]:
    """The log-odds of "note 1 no longer holds" and of "both are about the same thing", as far as
    ``wanted``."""
    told: dict[str, float] = {}
    if STILL_TRUE in wanted:
        told[STILL_TRUE] = -await _log_odds(judge, _ENDED_PROMPT, old, new)
    if SAME_TOPIC in wanted:
        told[SAME_TOPIC] = await _log_odds(judge, _SAME_PROMPT, old, new)
    return told


def _word_signals(old: Observation, new: Observation) -> dict[str, float]:
    before = content_stems(old.statement, old.language)
    after = content_stems(new.statement, new.language)
    shared = before & after
    names_before, names_after = names_in(old.statement), names_in(new.statement)
    numbers_before, numbers_after = numbers_in(old.statement), numbers_in(new.statement)
    return {
        "new_words": 1 - len(shared) / len(after) if after else 0.0,
        "lost_words": 1 - len(shared) / len(before) if before else 0.0,
        "shared_words": min(len(shared), 4) / 4,
        "shared_names": float(bool(names_before & names_after)),
        "overlap": len(shared) / max(1, min(len(before), len(after))),
        "other_names": float(bool(names_before - names_after) and bool(names_after - names_before)),
        "other_numbers": float(
            bool(numbers_before) and bool(numbers_after) and numbers_before != numbers_after
        ),
    }


def _cue_signals(old: Observation, new: Observation) -> dict[str, float]:
    return {
        "change_cue": float(has_new_cue(old.statement, new.statement)),
        "ending_cue": float(has_new_cue(old.statement, new.statement, cues.ENDING)),
        "correction_cue": float(has_cue(cues.CORRECTION, new.statement)),
        "cancelled_cue": float(has_cue(cues.CANCELLED, new.statement)),
        "addition_cue": float(has_cue(cues.ADDITION, new.statement)),
        "negation_flip": float(is_negated(old.statement) != is_negated(new.statement)),
    }


def _slot_signals(old: Observation, new: Observation) -> dict[str, float]:
    before = slot_values(old.statement, old.subject)
    after = slot_values(new.statement, new.subject)
    ended = ended_slots(new.statement, new.subject)
    shared = [slot for slot in before if slot in after]
    is_same = [same_value(before[slot], after[slot]) for slot in shared]
    return {
        "slot_same": float(bool(shared) and all(is_same)),
        "slot_other": float(bool(shared) and not all(is_same)),
        "slot_ended": float(
            any(not v or same_value(before[s], v) for s, v in ended.items() if s in before)
        ),
    }


async def _log_odds(judge: Judge, prompt: str, old: Observation, new: Observation) -> float:
    text = (
        prompt_text(prompt)
        .replace("{old}", current_part(old.statement))
        .replace("{new}", new.statement)
    )
    yes, no = await judge.score([Message("user", text)], (" yes", " no"), prefix="Answer:")
    return yes - no


def prompts_hash() -> str:
    """Changes when the wording of the two questions does: answers to other words count no more."""
    both = prompt_text(_ENDED_PROMPT) + prompt_text(_SAME_PROMPT)
    return hashlib.sha256(both.encode()).hexdigest()[:12]


@cache
def prompt_text(name: str) -> str:
    return resources.files("tsubasa_cli.memory").joinpath("prompts", name).read_text("utf-8")
