"""The strong path: a window of turns at once, answered in JSON that a schema bounds.

An answer that is cut off or says nothing usable halves the window; a single turn that still fails
raises, so that the job stays open. Never a silent "no facts".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tsubasa_cli.errors import ContextOverflowError, TsubasaError
from tsubasa_cli.memory.prompt_files import asking
from tsubasa_cli.memory.rewrite import Model
from tsubasa_cli.memory.values import Kind
from tsubasa_cli.storage.values import Role, Turn

MOST_TURNS = 12
CONTEXT_TURNS = 2
MOST_FACTS = 12
LONGEST_STATEMENT = 220
LONGEST_CONTEXT = 700
"""Characters of a turn that is only context; the assistant's replies can be pages."""
_TOKENS_A_FACT = 110


class ExtractionError(TsubasaError):
    """A model could not say in a usable form what a turn tells; the turn is to be tried again."""

    def __init__(self, turn_id: int, why: str) -> None:
        super().__init__(
            "A message could not be distilled.",
            why=f"The model's answer {why}.",
            next_step="It is tried again later; `tsubasa memory process` does it now.",
        )
        self.turn_id = turn_id


@dataclass(frozen=True, slots=True)
class Told:
    """One fact as the model put it; ``time_expr`` are words of the turn."""

    turn: Turn
    statement: str
    kind: Kind
    time_expr: str = ""


async def told_in(
    turns: Sequence[Turn], targets: Sequence[int], model: Model, who: str
) -> list[Told]:
    """What ``model`` finds in the user's ``targets``, window by window.

    Raises ``ExtractionError`` when a turn cannot be distilled even alone.
    """
    found: list[Told] = []
    for window in _windows(turns, targets):
        found += await _told_in_window(turns, window, model, who)
    return found


def _windows(turns: Sequence[Turn], targets: Sequence[int]) -> list[list[Turn]]:
    """The target turns, in groups that lie within ``MOST_TURNS`` of the branch."""
    places = {turn.id: place for place, turn in enumerate(turns)}
    groups: list[list[Turn]] = []
    for turn in turns:
        if turn.id not in targets or turn.role is not Role.USER:
            continue
        if groups and places[turn.id] - places[groups[-1][0].id] < MOST_TURNS:
            groups[-1].append(turn)
        else:
            groups.append([turn])
    return groups


async def _told_in_window(
    turns: Sequence[Turn], window: Sequence[Turn], model: Model, who: str
) -> list[Told]:
    try:
        return await _ask(turns, window, model, who)
    except (_UnusableError, ContextOverflowError) as error:
        if len(window) == 1:
            raise ExtractionError(window[0].id, str(error)) from error
    half = len(window) // 2
    first = await _told_in_window(turns, window[:half], model, who)
    return first + await _told_in_window(turns, window[half:], model, who)


class _UnusableError(Exception):
    """Why an answer could not be used, as the end of a sentence."""


async def _ask(turns: Sequence[Turn], window: Sequence[Turn], model: Model, who: str) -> list[Told]:
    numbers = {place + 1: turn for place, turn in enumerate(window)}
    most = min(MOST_FACTS, 4 * len(window))
    answer = await model.complete(
        asking("extract_window", conversation=_conversation(turns, window, who), who=who),
        max_tokens=_TOKENS_A_FACT * most,
        schema=_schema(list(numbers), most),
    )
    if not answer.is_whole:
        raise _UnusableError("was too long")
    return [_told(fact, numbers) for fact in _facts(answer.text)]


def _conversation(turns: Sequence[Turn], window: Sequence[Turn], who: str) -> str:
    """The turns from shortly before the window to its end; the window's own are numbered."""
    places = {turn.id: place for place, turn in enumerate(turns)}
    numbers = {turn.id: number + 1 for number, turn in enumerate(window)}
    first = max(0, places[window[0].id] - CONTEXT_TURNS)
    lines = []
    for turn in turns[first : places[window[-1].id] + 1]:
        if turn.id in numbers:
            day = turn.created_at.local().date().isoformat()
            lines.append(f"[turn {numbers[turn.id]}, {day}] {who}: {turn.text}")
        else:
            speaker = who if turn.role is Role.USER else "Assistant"
            lines.append(f"[before] {speaker}: {_shortened(turn.text)}")
    return "\n".join(lines)


def _shortened(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= LONGEST_CONTEXT else f"{plain[:LONGEST_CONTEXT]} …"


def _schema(numbers: Sequence[int], most: int) -> dict[str, Any]:
    fact = {
        "type": "object",
        "properties": {
            "turn": {"enum": list(numbers)},
            "statement": {"type": "string", "minLength": 8, "maxLength": LONGEST_STATEMENT},
            "kind": {"enum": [str(kind) for kind in Kind]},
            "when": {"type": "string", "maxLength": 40},
        },
        "required": ["turn", "statement", "kind", "when"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"facts": {"type": "array", "maxItems": most, "items": fact}},
        "required": ["facts"],
        "additionalProperties": False,
    }


def _facts(text: str) -> list[dict[str, Any]]:
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise _UnusableError("was no JSON") from error
    facts = answer.get("facts") if isinstance(answer, dict) else None
    if not isinstance(facts, list) or not all(isinstance(fact, dict) for fact in facts):
        raise _UnusableError("was not of the form that was asked for")
    return facts


def _told(fact: dict[str, Any], numbers: dict[int, Turn]) -> Told:
    try:
        turn, kind = numbers[int(fact["turn"])], Kind(fact["kind"])
        statement, time_expr = str(fact["statement"]), str(fact["when"]).strip()
    except (KeyError, ValueError, TypeError) as error:
        raise _UnusableError("named a turn or a kind that there is not") from error
    is_verbatim = time_expr.casefold() in turn.text.casefold()
    return Told(turn, " ".join(statement.split()), kind, time_expr if is_verbatim else "")
