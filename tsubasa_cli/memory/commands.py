"""Said is done: what the user asks of the memory itself, recognised in a chat turn.

Only plain requests count. "Remember when we …?", "I don't remember" and "don't forget to write
tests" are talk, not commands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tsubasa_cli.memory.cue_files import cues, found


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep ``text``, a clause in the user's own words that starts at ``start`` of the turn."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class DontSave:
    """Nothing of this turn may be kept, and with ``previous`` nothing of the one before."""

    previous: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """Forget what is known about ``query``; None: what was last said or learned."""

    query: str | None


Intent = Remember | DontSave | Forget

_A_TASK = re.compile(r"(?i)^(?:to|zu|de)\b")

_WHO_TELLS = re.compile(
    r"(?:\b(?:i|we|they|he|she|it|you|who|people|to|if|why|that|and|ich|yo|je|il)|'s)\s*$"
)
_ASKS_KINDLY = re.compile(r"(?:can|could|would|will) you,? (?:please,? )?(?:remember that )?$")


def intent_of(text: str) -> Intent | None:
    """What ``text``, a turn of the user's, asks of the memory; None for ordinary talk."""
    plain = text.replace("’", "'")
    return _dont_save(plain) or _forget(plain.strip()) or _remember(plain)


def _dont_save(text: str) -> DontSave | None:
    for pattern in cues("commands")["dont_save"]:
        match = pattern.search(text)
        if match and not _is_told(text, match.start()):
            is_alone = not re.search(r"\w\W*[.!?\n]", text[: match.start()])
            is_alone = is_alone and len(text.split()) - len(match.group().split()) <= 4
            looks_back = found("commands", "backward", match.group()) is not None
            return DontSave(previous=is_alone and looks_back)
    return None


def _is_told(text: str, place: int) -> bool:
    """Whether the words report or ask: "I don't remember that", "they never save it"."""
    before = text[:place].casefold()
    if _WHO_TELLS.search(before):
        return not _ASKS_KINDLY.search(before)
    is_question = re.match(r"[^.!\n]*\?", text[place:]) is not None
    return is_question and not _ASKS_KINDLY.search(before)


def _forget(text: str) -> Forget | None:
    if "\n" in text or len(text) > 300 or found("commands", "no_forgetting", text):
        return None
    if found("commands", "forget_last", text):
        return Forget(None)
    about = found("commands", "forget_about", text)
    if about is None or text.endswith("?"):
        return None
    return Forget(about.group("query").strip(" ,"))


def _remember(text: str) -> Remember | None:
    for pattern in cues("commands")["remember"]:
        match = pattern.search(text)
        if match is None:
            continue
        kept = match.group("text").strip()
        if _ASKS_KINDLY.search(text[: match.start("text")].casefold()):
            kept = kept.rstrip("? ")
        if not kept.endswith("?") and not _A_TASK.match(kept) and len(kept.split()) > 1:
            return Remember(kept, text.index(kept, match.start("text")))
    return None
