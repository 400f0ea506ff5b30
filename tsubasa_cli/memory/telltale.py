"""What gives an erased memory away in other texts, and taking it out of them.

Its sentence and its quotes do so anywhere. The names and numbers that no other memory has, and
three words in a row, do so only where it was talked about: in the sessions that it came from or
went into.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tsubasa_cli.memory.function_words import function_words
from tsubasa_cli.memory.text import names_and_numbers, words
from tsubasa_cli.memory.tombstones import SHORTEST_QUOTE, folded

MARK = "[erased]"
RUN_WORDS = 3
RUN_CHARACTERS = 12
FEW = 8
"""Up to so many phrases of a length are sought one by one, which is faster in long texts."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]»]*\s+|(?<=[。！？])\s*|\n+")
_CLAUSE_END = re.compile(r"(?<=[.!?…;:])\s+|(?<=[。！？；：])\s*|\n+")
_GLUED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_WORD = re.compile(r"[^\W_]+")
_LITTLE = frozenset().union(*map(function_words, ("en", "de", "es", "fr", "it", "pt", "nl")))
_SPOKEN_OF = frozenset({"user", "users", "nutzer", "usuario", "utilisateur"})


class Phrases:
    """Folded phrases, sought in a text all at once: as whole words, except in scripts that set no
    blanks between them."""

    def __init__(self, phrases: Iterable[str] = ()) -> None:
        self._glued: dict[str, str] = {}
        self._by_length: dict[int, set[str]] = defaultdict(set)
        for phrase in phrases:
            if _GLUED.search(phrase):
                self._glued[phrase.replace(" ", "")] = phrase
            else:
                self._by_length[len(phrase.split())].add(phrase)

    def __iter__(self) -> Iterator[str]:
        yield from self._glued.values()
        for phrases in self._by_length.values():
            yield from phrases

    def in_text(self, plain: str) -> Iterator[str]:
        """The phrases that the folded text ``plain`` holds."""
        padded = f" {plain} "
        for length, phrases in self._by_length.items():
            if len(phrases) <= FEW:
                yield from (phrase for phrase in phrases if f" {phrase} " in padded)
                continue
            found = plain.split()
            for start in range(len(found) - length + 1):
                window = " ".join(found[start : start + length])
                if window in phrases:
                    yield window
        joined = plain.replace(" ", "") if self._glued else ""
        yield from (phrase for glued, phrase in self._glued.items() if glued in joined)

    def are_in(self, plain: str) -> bool:
        """Whether ``plain`` holds any of them."""
        return next(self.in_text(plain), None) is not None


@dataclass(frozen=True, slots=True)
class Telltale:
    """What gives memories away: phrases anywhere; names that are nobody else's, and runs of words,
    where they were talked about."""

    phrases: Phrases
    names: Phrases
    runs: Phrases

    def tells(self, text: str) -> bool:
        """Whether ``text`` holds one of the phrases."""
        return self.phrases.are_in(folded(text))

    def hints(self, text: str) -> bool:
        """Whether ``text`` holds a phrase, a name or a run of words."""
        plain = folded(text)
        return any(each.are_in(plain) for each in (self.phrases, self.names, self.runs))

    def names_all(self, text: str) -> bool:
        """Whether ``text`` holds a phrase, or every one of the names."""
        plain = folded(text)
        names = {*self.names}
        return self.phrases.are_in(plain) or bool(names and names == {*self.names.in_text(plain)})


def telltale(
    statements: Iterable[str],
    quotes: Iterable[str],
    others: Iterable[str],
    *,
    around: Iterable[str] = (),
    owner: str = "",
) -> Telltale:
    """What gives away memories of these ``statements`` and ``quotes``, long enough to tell.

    ``others`` are the statements of all other memories: what they hold is not telling.
    ``around`` are the sentences that the quotes stand in.
    """
    stated, said = list(dict.fromkeys(statements)), list(dict.fromkeys(quotes))
    named = set().union(*map(names_and_numbers, (*stated, *said)), *map(_first_name, stated))
    names = {name for each in named for name in folded(each).split()}
    names -= _SPOKEN_OF | _LITTLE | {*folded(owner).split()}
    runs = {run for text in (*stated, *said, *around) for run in _runs(text)}
    for other in others:
        names.difference_update(folded(other).split())
        runs.difference_update(_runs(other))
    return Telltale(
        phrases=Phrases(sorted({folded(text) for text in (*stated, *said) if is_telling(text)})),
        names=Phrases(name for name in names if len(name) > 1 or _GLUED.search(name)),
        runs=Phrases(runs),
    )


def is_telling(text: str) -> bool:
    """Whether the words are long enough to be somebody's own."""
    return len(folded(text).encode()) >= SHORTEST_QUOTE


def _first_name(statement: str) -> set[str]:
    """The word a statement begins with, if it may be a name."""
    first = next(iter(words(statement)), "")
    return {first} if first[:1].isupper() and first.casefold() not in _LITTLE else set()


def _runs(text: str) -> Iterator[str]:
    found = folded(text).split()
    for start in range(len(found) - RUN_WORDS + 1):
        run = found[start : start + RUN_WORDS]
        if not _LITTLE.issuperset(run) and not _SPOKEN_OF.intersection(run):
            joined = " ".join(run)
            if len(joined) >= RUN_CHARACTERS:
                yield joined


# ---------------------------------------------------------------------- taking it out


def redact(
    text: str, found: Telltale, gives_away: Callable[[str], bool], quotes: Sequence[str] = ()
) -> str:
    """``text`` with ``MARK`` for every sentence that holds one of ``quotes`` or a phrase of
    ``found``, or that ``gives_away`` itself; for all of it, where they cannot be located.

    ``gives_away`` is one of the methods of ``found``."""
    return _redact(text, _SENTENCE_END, found, gives_away, quotes)


def redact_clauses(text: str, found: Telltale, gives_away: Callable[[str], bool]) -> str:
    """Like ``redact``, clause by clause, as a memory's narrative is made of them."""
    return _redact(text, _CLAUSE_END, found, gives_away, ())


def sentences_with(text: str, quote: str) -> str:
    """The sentences of ``text`` that ``quote`` stands in; all of them if it cannot be located."""
    spans = list(_located(text, quote))
    parts = [part for part in _parts(text, _SENTENCE_END) if _overlaps(part, spans)]
    return text[parts[0][0] : parts[-1][1]].strip() if parts else text


def _redact(
    text: str,
    end: re.Pattern[str],
    found: Telltale,
    gives_away: Callable[[str], bool],
    quotes: Sequence[str],
) -> str:
    if not quotes and not gives_away(text):
        return text
    sought = [*quotes, *found.phrases.in_text(folded(text))]
    spans = [span for words_ in sought for span in _located(text, words_)]
    if any(not any(_located(text, words_)) for words_ in sought):
        return MARK
    parts = _parts(text, end)
    marked = [_overlaps(part, spans) or gives_away(text[slice(*part)]) for part in parts]
    return _joined(text, parts, marked) if any(marked) else text


def _located(text: str, sought: str) -> Iterator[tuple[int, int]]:
    """Where the words of ``sought`` stand in ``text``, whatever case and marks are between them."""
    phrase = folded(sought)
    gap = "" if _GLUED.search(phrase) else " "
    words_ = [(folded(match.group()), match.span()) for match in _WORD.finditer(text)]
    plain, places = gap, [(0, 0)] * len(gap)
    for word, span in words_:
        plain += word + gap
        places += [span] * len(word + gap)
    sought = gap + (phrase if gap else phrase.replace(" ", "")) + gap
    at = plain.find(sought) if phrase else -1
    while at >= 0:
        yield places[at + len(gap)][0], places[at + len(sought) - 1][1]
        at = plain.find(sought, at + 1)


def _parts(text: str, end: re.Pattern[str]) -> list[tuple[int, int]]:
    cuts = [0, *(match.end() for match in end.finditer(text)), len(text)]
    return [(start, stop) for start, stop in pairwise(cuts) if stop > start]


def _overlaps(part: tuple[int, int], spans: Iterable[tuple[int, int]]) -> bool:
    return any(start < part[1] and stop > part[0] for start, stop in spans)


def _joined(text: str, parts: Sequence[tuple[int, int]], marked: Sequence[bool]) -> str:
    """The parts, with one ``MARK`` for each stretch of marked ones."""
    told: list[str] = []
    for place, ((start, stop), is_marked) in enumerate(zip(parts, marked, strict=True)):
        words_ = text[start:stop]
        if not is_marked:
            told.append(words_)
        elif place + 1 == len(parts) or not marked[place + 1]:
            told.append(MARK + words_[len(words_.rstrip()) :])
    return "".join(told)
