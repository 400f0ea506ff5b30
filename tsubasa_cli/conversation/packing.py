"""What goes into the context window, and in which order. Chat and training share this code.

The window is: system prompt, then the history of the branch, then the newest question. History is
append-only: a turn renders the same today and tomorrow, so the engine finds all of it in its KV
cache. What was recalled for a question rides in front of it, then and ever after. A summary stands
for the oldest turns and rides at the front of the first message after them, because it is made of
the user's words and so is data, not instruction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tsubasa_cli.engine.protocol import Message
from tsubasa_cli.memory.block import with_block
from tsubasa_cli.storage.values import Role, Summary, Turn

_SWITCH = r"/(no_?think|think)"
_AT_START = re.compile(rf"\A\s*{_SWITCH}(?!\S)", re.IGNORECASE)
_AT_END = re.compile(rf"(?<!\S){_SWITCH}\s*$", re.IGNORECASE)


def pack(
    system_prompt: str,
    turns: Sequence[Turn],
    summary: Summary | None = None,
    blocks: Mapping[int, str] | None = None,
) -> tuple[Message, ...]:
    """Pack a branch. ``turns`` go from root to the newest; those that ``summary`` covers are
    left out. ``blocks`` are what was recalled for the questions, by turn. Turns without words (a
    reply that never began) leave no trace, and neighbours with the same role become one message,
    since many templates insist on alternation.
    """
    messages: list[Message] = []
    if system_prompt.strip():
        messages.append(Message("system", system_prompt.strip()))
    preface = summary_preface(summary) if summary else ""
    for turn in after(turns, summary):
        text = prompt_text(turn)
        if not text:
            continue
        text = with_block((blocks or {}).get(turn.id, ""), text)
        if preface:
            text, preface = f"{preface}\n\n{text}", ""
        if messages and messages[-1].role == turn.role.value:
            text = f"{messages.pop().text}\n\n{text}"
        messages.append(Message(turn.role.value, text))
    return tuple(messages)


def prompt_text(turn: Turn) -> str:
    """A turn's words as the model reads them: no surrounding space, no thinking switch."""
    return without_switch(turn.text) if turn.role is Role.USER else turn.text.strip()


def without_switch(text: str) -> str:
    """What a user's message says beside the thinking switch that it begins or ends with."""
    return _AT_START.sub("", _AT_END.sub("", text), count=1).strip()


def thinking_switch(text: str) -> bool | None:
    """Which way ``/think`` or ``/no_think`` at the end of ``text``, else at its start, turns
    thinking; None: neither is there. Elsewhere they are words like any other."""
    found = _AT_END.search(text) or _AT_START.match(text)
    return found.group(1).casefold() == "think" if found else None


def after(turns: Sequence[Turn], summary: Summary | None) -> Sequence[Turn]:
    """The turns that ``summary`` does not cover."""
    if summary is None:
        return turns
    at = next((i for i, turn in enumerate(turns) if turn.id == summary.upto_turn_id), -1)
    return turns[at + 1 :]


def applicable(summaries: Iterable[Summary], turns: Sequence[Turn]) -> Summary | None:
    """The summary that covers most of this branch, if any does."""
    place = {turn.id: index for index, turn in enumerate(turns)}
    on_branch = [summary for summary in summaries if summary.upto_turn_id in place]
    return max(on_branch, key=lambda s: (place[s.upto_turn_id], s.id), default=None)


def summary_preface(summary: Summary) -> str:
    """How a summary is shown to the model."""
    return f"[Summary of our conversation so far, for reference]\n{summary.text.strip()}\n[End]"
