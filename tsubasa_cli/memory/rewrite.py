"""A candidate told as a statement: by rule, by a model, whichever its calibration prefers.

A model's sentence must be grounded in what was said; what is not is asked for once more, then told
by rule. The rule's sentence holds the user's own words, so it is never untrue.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from tsubasa_cli.engine.protocol import Completion, Message
from tsubasa_cli.memory.candidates import Candidate
from tsubasa_cli.memory.dating import Dated
from tsubasa_cli.memory.grounding import grounding_of
from tsubasa_cli.memory.prompt_files import asking
from tsubasa_cli.memory.third_person import THE_USER, answered, said, told

MOST_TOKENS = 96
"""Of a rewritten sentence; a longer one has left what was said."""


class Model(Protocol):
    """A language model at work for the memory: ``engine.client.Engine`` is one, once it is given
    a name. Both methods raise ``PreemptedError`` when the user wants the engine."""

    async def score(
        self, messages: Sequence[Message], choices: Sequence[str], *, prefix: str = ""
    ) -> tuple[float, ...]: ...

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        prefix: str = "",
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, Any] | None = None,
    ) -> Completion: ...


def by_rule(candidate: Candidate, when: Dated, owner: str) -> str:
    """The statement that grammar makes of the user's words, or a quotation of them."""
    if candidate.question:
        return answered(candidate.question, candidate.text, candidate.language, owner)
    return told(when.text, candidate.language, owner) or quoted(candidate, when, owner)


def quoted(candidate: Candidate, when: Dated, owner: str) -> str:
    """The user's words in quotation marks, with the day they speak of."""
    quotation = said(candidate.evidence[0].quote, candidate.language, owner)
    return f"{quotation} ({when.rendered(candidate.language)})" if when.span else quotation


async def by_model(candidate: Candidate, when: Dated, owner: str, model: Model) -> str:
    """The model's sentence where it names the user and is grounded, else empty. Two prompts at
    most."""
    who = owner or THE_USER.get(candidate.language, THE_USER["en"])
    prefix = "" if _begins_with_other(candidate) else who
    for name in ("extract_rewrite", "extract_again"):
        written = await model.complete(
            asking(name, who=who, text=when.text),
            prefix=prefix,
            max_tokens=MOST_TOKENS,
            stop=("\n",),
        )
        statement = _tidy(prefix + written.text)
        is_sound = written.is_whole and is_grounded(statement, candidate, when, owner)
        if is_sound and who.casefold() in statement.casefold():
            return statement
    return ""


def is_grounded(statement: str, candidate: Candidate, when: Dated, owner: str) -> bool:
    """Whether what the user said, with its dates resolved, carries ``statement``."""
    grounding = grounding_of(
        statement, when.text, language=candidate.language, owner=owner, added=candidate.added
    )
    return grounding.is_sound


def _begins_with_other(candidate: Candidate) -> bool:
    """Whether the sentence does not begin with the user ("my sister …" begins with them)."""
    return not re.match(
        r"(?i)(?:i|i['’]\w+|we|my|our|ich|mein\w*|je|mon|ma|mes)\b|j['’]", candidate.text
    )


def _tidy(text: str) -> str:
    line = " ".join(text.split()).strip(' "“”=>')
    return line if line.endswith((".", "!", "”", "。")) else f"{line}."
