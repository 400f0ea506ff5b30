"""What a question or a request takes for granted: "a gift for my nephew Jonte?" has a nephew in it.

English. Only what cannot be otherwise is read out of such sentences: whom the user names as theirs,
a thing of theirs with the name of its model, and what they say they are ("as a vegetarian, …").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tsubasa_cli.memory.function_words import function_words
from tsubasa_cli.memory.people import KIN, NAME, PETS
from tsubasa_cli.memory.sentences import mask_quotes
from tsubasa_cli.memory.third_person.verbs import COMMON, is_past

TAG = "presupposed"
"""What extraction marks an observation with that nobody stated outright."""


@dataclass(frozen=True, slots=True)
class Presupposed:
    """``text`` tells it in the first person; ``start``..``end`` are its words in the sentence."""

    text: str
    start: int
    end: int


_SOMEBODY = re.compile(
    rf"(?i)\bmy (?P<kin>(?:(?:older|younger|little|big|twin|best|late|oldest|youngest|eldest) )?"
    rf"(?:{KIN}|{PETS}|flatmate|roommate|boss|colleague|co-worker|neighbou?r|landlord|landlady|"
    rf"coach|therapist)),? (?:called |named )?(?P<name>{NAME})(?!['’]s)"
)
_SOMEBODY_SMALL = re.compile(
    rf"\bmy (?P<kin>(?:{KIN}|{PETS})) (?P<name>[a-zß-ÿ]{{3,12}})(?= (?:for (?:his|her|their)|"
    rf"who)\b)"
)
_THING = re.compile(
    r"(?i)\bmy (?:(?:new|old|current|own|used|second-hand|trusty) )?"
    r"(?P<thing>(?!(?:top|first|last|next|day|week|year|month|grade|step|chapter|part|page|line|"
    r"level|"
    r"number|type|room|question|exercise|homework|section|task|test|table|figure|version|option|"
    r"unit|"
    r"phase|class|season|episode|round|game|bus|file|column|row|other|past|previous|age|size|"
    r"budget|"
    r"under|over|about|around|at|in|for|of|and|or)\b)"
    r"(?:(?-i:[A-ZÀ-Þ])[\wÀ-ÿ-]+ ){0,2}[A-Za-zÀ-ÿ]{3,}(?: |-)?\d{1,4}[a-z]?\b(?: (?:pro|max|mini|"
    r"plus|ultra))?)"
    r"(?! ?(?:euros?|dollars?|pounds?|percent|%|years?|months?|weeks?|days?|hours?|minutes?|kids?|"
    r"children|cats|dogs|people|times|pages|words|km|kg|mg|g\b|k\b|th|st|nd|rd))"
)
_BEING = re.compile(
    r"(?i)(?:^|[,.;(–—-] ?)(?:as|being) (?P<what>an? (?!(?:result|rule|consequence|start|starter|"
    r"matter|"
    r"whole|reminder|side|follow-?up|test|gift|present|bonus|thank|child|kid|teen\w*|baby|joke|"
    r"side|"
    r"side-?note|backup|last|first|quick|general|final|favou?r|way|means|kind|sort|replacement|"
    r"main|"
    r"treat|snack|dessert|side dish|base|hobby|list|table|poem|story|bit|little|lot|single|"
    r"birthday|"
    r"wedding|good|bad|nice|fun|great|simple|surprise)\b)[^,.;?!()]{3,50}?)"
    r"(?=,|\W*$| (?:of (?:\w+ )?\w+ years?)|(?: (?:should|can|do|could|what|how|i|i'm|i['’]m)\b))"
)


_NO_NAMES = function_words("en") | COMMON


def presupposed_in(text: str) -> Iterator[Presupposed]:
    """What ``text``, an English question or request, takes for granted about the user."""
    masked = mask_quotes(text)
    for match in _SOMEBODY.finditer(masked):
        kin = match["kin"].casefold()
        yield _found(f"I have {_article(kin)} {kin} called {match['name']}", match)
    if masked == masked.lower():
        for match in _SOMEBODY_SMALL.finditer(masked):
            if not (match["name"] in _NO_NAMES or is_past(match["name"])):
                name = match["name"].capitalize()
                yield _found(f"I have {_article(match['kin'])} {match['kin']} called {name}", match)
    for match in _THING.finditer(masked):
        thing = match["thing"]
        yield _found(f"I have {_article(thing)} {thing[:1].upper()}{thing[1:]}", match)
    being = _BEING.search(masked)
    if being:
        what = being["what"]
        yield Presupposed(f"I am {what}", being.start("what"), being.end("what"))


def _found(text: str, match: re.Match[str]) -> Presupposed:
    return Presupposed(text, *match.span())


def _article(word: str) -> str:
    return "an" if word[:1].casefold() in "aeiou" else "a"
