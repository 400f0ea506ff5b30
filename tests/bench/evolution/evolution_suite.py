"""The scripted lives of the evolution suite: what is said, and what is to be known afterwards.

One file a family, blank lines between cases. What lies in ``cases/`` itself is what the rules were
made with; ``cases/fresh`` holds lives in ordinary, casual words on whose misses they were mended;
``cases/held_out`` is the other half of these, drawn at random, which nobody looks at while mending.
``cases/held_out_2`` was written on 24 November 2026 by one person, before the relations learned to
tell the parts of a life apart: most of its changes share no word with what they change, and every
file has lives in which something new ends nothing. These two give the figures to believe. A line
begins with

    #  the case's name
    a  (any small letter) a session, then when (ISO 8601) and what the user says
    >  the assistant's reply, a minute later
    =  a fact that must be active at the end, ``@day`` or ``@from..to`` when it happened
    ~  what must not hold any more
    <  what must still be found in the history
    !  what must never become a memory

A matcher is words that must all occur: ``a|b`` either, ``-word`` must not occur. Words of four and
more letters match beginnings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from tsubasa_cli.storage.values import Instant, Role, Turn, TurnStatus

CASES = Path(__file__).parent / "cases"
PARTS = {"tuned": CASES} | {part: CASES / part for part in ("fresh", "held_out", "held_out_2")}


@dataclass(frozen=True, slots=True)
class Matcher:
    """``needed`` holds alternatives, all of which must find something; ``barred`` nothing."""

    needed: tuple[tuple[str, ...], ...]
    barred: tuple[str, ...] = ()

    def finds(self, text: str) -> bool:
        return all(any(_occurs(word, text) for word in words) for words in self.needed) and not any(
            _occurs(word, text) for word in self.barred
        )


@dataclass(frozen=True, slots=True)
class Fact:
    """What must be known, and on which days it happened (None: no date is asked)."""

    matcher: Matcher
    days: tuple[date, date] | None = None


@dataclass(slots=True)
class Case:
    family: str
    name: str
    turns: list[Turn] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    stale: list[Matcher] = field(default_factory=list)
    history: list[Matcher] = field(default_factory=list)
    never: list[Matcher] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.family}/{self.name}"

    def sessions(self) -> list[list[Turn]]:
        """The turns of each session, in the order in which they are told."""
        names = dict.fromkeys(turn.session_id for turn in self.turns)
        return [[turn for turn in self.turns if turn.session_id == name] for name in names]


def load_cases(folder: Path = CASES) -> list[Case]:
    """All cases, family by family."""
    return [
        _case(path.stem, block)
        for path in sorted(folder.glob("*.txt"))
        for block in re.split(r"\n\s*\n", path.read_text("utf-8").strip())
    ]


def matcher(text: str) -> Matcher:
    words = text.casefold().split()
    needed = tuple(tuple(word.split("|")) for word in words if not word.startswith("-"))
    return Matcher(needed, tuple(word[1:] for word in words if word.startswith("-")))


def _case(family: str, block: str) -> Case:
    case = Case(family, "")
    for line in block.splitlines():
        _read(case, line[0], line[1:].strip())
    return case


def _read(case: Case, mark: str, rest: str) -> None:
    match mark:
        case "#":
            case.name = rest
        case "=":
            case.facts.append(_fact(rest))
        case "~":
            case.stale.append(matcher(rest))
        case "<":
            case.history.append(matcher(rest))
        case "!":
            case.never.append(matcher(rest))
        case ">":
            last = case.turns[-1]
            _say(case, last.session_id, _later(last.created_at), Role.ASSISTANT, rest)
        case _:
            when, said = rest.split(" ", 1)
            told = Instant.from_datetime(datetime.fromisoformat(when))
            _say(case, mark, told, Role.USER, said)


def _say(case: Case, session: str, when: Instant, role: Role, text: str) -> None:
    number = len(case.turns) + 1
    parent = case.turns[-1].id if case.turns and case.turns[-1].session_id == session else None
    case.turns.append(Turn(number, session, parent, role, text, TurnStatus.COMPLETE, when))


def _later(when: Instant) -> Instant:
    return Instant(when.epoch_ms + 60_000, when.offset_minutes)


def _fact(text: str) -> Fact:
    words, _, days = text.partition("@")
    if not days:
        return Fact(matcher(words))
    first, _, last = days.strip().partition("..")
    return Fact(matcher(words), (date.fromisoformat(first), date.fromisoformat(last or first)))


def _occurs(word: str, text: str) -> bool:
    if "'" in word:
        return word in text.replace("’", "'").casefold()
    end = "" if len(word) >= 4 and word.isalpha() else r"(?!\w)"
    return re.search(rf"(?<!\w){re.escape(word)}{end}", text.casefold()) is not None
