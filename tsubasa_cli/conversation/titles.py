"""Names for conversations: asked of the model, accepted only when they are about what was said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from itertools import pairwise

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Done, Message, Sampling, StopReason

MOST_TOKENS = 20
MOST_WORDS = 8
MOST_CHARACTERS = 60
_MARKS = " \t\"'`*_#.:-“”‘’«»"


async def suggest_title(engine: Engine, messages: Sequence[Message]) -> str:
    """A title for the conversation in ``messages``; empty when the model gives none of use."""
    folder = resources.files("tsubasa_cli.conversation") / "prompts"
    asking = Message("user", (folder / "title.md").read_text("utf-8").strip())
    async for event in engine.generate(
        (*messages, asking),
        Sampling(temperature=0.0),
        thinking=False,
        max_tokens=MOST_TOKENS,
        settle=False,
    ):
        if isinstance(event, Done) and event.reason is StopReason.END:
            said = " ".join(message.text for message in messages if message.role != "system")
            return accept_title(event.text, said)
    return ""


def accept_title(proposed: str, said: str) -> str:
    """``proposed`` cleaned up, or empty when it is too long or shares no word with ``said``."""
    line = next((line for line in proposed.splitlines() if line.strip()), "")
    title = re.sub(r"(?i)^title\s*[:\-]\s*", "", line.strip(_MARKS)).strip(_MARKS)
    words = title.split()
    if not 1 <= len(words) <= MOST_WORDS or len(title) > MOST_CHARACTERS:
        return ""
    return title if _content(title) & _content(said) else ""


def _content(text: str) -> set[str]:
    """Word stems of four letters; in scripts without spaces, pairs of characters."""
    words = re.findall(r"[^\W\d_]{4,}", text.casefold())
    dense = re.findall(r"[\u2e80-\u9fff\uac00-\ud7af]", text)
    pairs = {a + b for a, b in pairwise(dense)}
    return {word[:5] for word in words} | pairs
