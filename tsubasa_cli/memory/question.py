"""What a question asks for, as the indexes see it: words, names, and the time asked about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from tsubasa_cli.memory import cue_files
from tsubasa_cli.memory.facts import speaks_of_self
from tsubasa_cli.memory.function_words import is_first_person, is_small_talk
from tsubasa_cli.memory.language import language_of
from tsubasa_cli.memory.sentences import Piece, clauses, is_request
from tsubasa_cli.memory.text import content_words, day_marks, names_and_numbers, parts, words
from tsubasa_cli.memory.values import Observation
from tsubasa_cli.memory.word_query import Sought, WordQuery
from tsubasa_cli.storage.values import Instant

if TYPE_CHECKING:
    from tsubasa_cli.memory.dates import DateSpan

MOST_TERMS = 32
"""Words of a question that are looked up; a pasted page is not a question."""
MOST_DAYS = 31
MOST_CHARACTERS = 2_000

_PAST_CUE = re.compile(
    r"\b(used to|previous(ly)?|former(ly)?|in the past|back then|originally|until|before|earlier|"
    r"früher\w*|damals|vorher|ehemalig\w*|bis|zuvor|"
    r"antes|anterior(es|mente)?|en el pasado|hasta|"
    r"avant|autrefois|auparavant|anciens?|anciennes?|jusqu)\b|以前|昔|之前|过去|過去",
    re.IGNORECASE,
)


_NAME_SOME = re.compile(
    r"\bname (?=(?:an?|any|some|one|two|three|four|five|six|seven|eight|nine|ten)\b)", re.IGNORECASE
)
"""Who says "name a colour" does not ask for a name."""
_SENTENCE = re.compile(r"[^.!?…。！？\n]+[.!?…。！？]*")

Term = tuple[str, ...]
"""A word of a question: the index words, one a language, of which any will do."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days ``start``..``end`` that a question asks about, both inclusive."""

    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Question:
    """``terms`` are the content words, each as the index words it is searched by; ``topics`` are
    those that do not tell the time, ``names`` those that name something. ``topic`` is the text
    without the time. ``period`` is the time asked about, if any is.
    ``is_about_the_user`` tells whether the user speaks of themselves."""

    text: str
    language: str
    topic: str
    terms: tuple[Term, ...]
    topics: tuple[Term, ...]
    names: frozenset[Term]
    period: Period | None
    asks_for_history: bool
    is_about_the_user: bool


def only_asks(text: str) -> bool:
    """Whether every sentence of ``text`` asks something, or asks for something."""
    found = [sentence.strip() for sentence in _SENTENCE.findall(text) if sentence.strip()]
    return bool(found) and all(map(_asks, found))


def _asks(sentence: str) -> bool:
    """Whether no part of ``sentence`` tells something of the speaker's."""
    is_question = sentence.endswith(("?", "？"))
    if not is_question and not any(
        cue_files.found("speech", kind, sentence) for kind in ("question", "request")
    ):
        return False
    language = language_of(sentence)
    return all(
        part.is_question or is_request(part.text) or not speaks_of_self(part.text, language)
        for part in clauses(Piece(sentence, 0, len(sentence), is_question))
    )


def understand(
    text: str, *, now: Instant, languages: Iterable[str], as_of: date | None = None
) -> Question:
    """Read a question. ``languages`` are those that memories are written in; ``as_of`` overrides
    the time that the question itself names."""
    asked = _NAME_SOME.sub("", text[:MOST_CHARACTERS])
    language = language_of(asked)
    spoken = tuple(dict.fromkeys([language, *languages]))
    spans = _spans(asked, now, language)
    topic = _without(asked, spans)
    every, named = words(asked), {name.casefold() for name in names_and_numbers(topic)}
    chosen = content_words(asked, language) or every
    terms = {
        word.casefold(): _searched_by(word, spoken) for word in chosen if not is_small_talk(word)
    }
    kept = dict(list(terms.items())[:MOST_TERMS])
    about = {word.casefold() for word in words(topic)}
    period = Period(as_of, as_of) if as_of else _period(spans)
    return Question(
        text=asked,
        language=language,
        topic=topic,
        terms=tuple(dict.fromkeys(kept.values())),
        topics=tuple(dict.fromkeys(term for word, term in kept.items() if word in about)),
        names=frozenset(term for word, term in kept.items() if word in named),
        period=period,
        asks_for_history=period is not None or bool(_PAST_CUE.search(asked)),
        is_about_the_user=any(map(is_first_person, every)),
    )


def query_of(question: Question, *, emphasis: int, with_days: bool) -> WordQuery:
    """What finds any word of ``question``. Names count 1 + ``emphasis`` times; days are looked for
    in their own column."""
    spoken = [
        Sought(term, times=1 + emphasis * (term in question.names)) for term in question.terms
    ]
    days = tuple(_days(question.period)) if with_days else ()
    return WordQuery((*spoken, *([Sought(days, "days")] if days else [])))


def holds_during(observation: Observation, period: Period) -> bool:
    """Whether an observation was, as far as is known, true at some time in ``period``. What
    happened later than that was not; what has no dates is given the benefit of the doubt."""
    begun = observation.valid_from or observation.event_from
    if begun and begun > period.end:
        return False
    return observation.valid_to is None or observation.valid_to > period.start


def _searched_by(word: str, languages: Sequence[str]) -> Term:
    return tuple(dict.fromkeys(part for code in languages for part in parts(word, code)))


def _days(period: Period | None) -> list[str]:
    """The finest marks that still cover ``period`` with few words."""
    if period is None:
        return []
    marks = day_marks(period.start, period.end)
    length = (period.end - period.start).days + 1
    digits = 11 if length <= 7 else 8 if length <= 366 else 5
    return [mark for mark in marks if len(mark) == digits][:MOST_DAYS]


def _spans(text: str, now: Instant, language: str) -> list[DateSpan]:
    from tsubasa_cli.memory.dates import Tense, find_dates

    return [s for s in find_dates(text, now, language) if s.direction is not Tense.FUTURE]


def _period(spans: Sequence[DateSpan]) -> Period | None:
    if not spans:
        return None
    return Period(min(span.start for span in spans), max(span.end for span in spans))


def _without(text: str, spans: Sequence[DateSpan]) -> str:
    for span in sorted(spans, key=lambda span: -span.offset):
        text = f"{text[: span.offset]} {text[span.offset + len(span.text) :]}"
    return text
