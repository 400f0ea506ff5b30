"""From the expressions of a sentence to day spans: prepositions, ranges and tense.

Choices where people differ, made once: without a tense a weekday or a day of the month is the
coming one and a date, month, season or holiday the nearest; "since" looks back and reaches to the
anchor day; "until X" runs from the anchor day to the end of X, but after a past verb, and for
deadlines ("by Friday"), nothing is known of the beginning and the span is X itself; "before X" and
"after X" name no interval and are left out, like everything that repeats ("every Monday").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tsubasa_cli.memory.dates import intervals
from tsubasa_cli.memory.dates.atoms import Atom, Found, core_span
from tsubasa_cli.memory.dates.folding import Folded, fold, sentences
from tsubasa_cli.memory.dates.languages import LANGUAGES, Language, language
from tsubasa_cli.memory.dates.readings import read
from tsubasa_cli.memory.dates.tense import Verbs, verbs
from tsubasa_cli.memory.dates.values import Bound, DateSpan, Interval, Tense
from tsubasa_cli.memory.values import Precision
from tsubasa_cli.storage.values import Instant

_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_CONTEXT = 60
"""How many characters before an expression are looked at for its prepositions."""
_KANA = re.compile(r"[\u3040-\u30ff]")


@dataclass(frozen=True, slots=True)
class _Placed:
    """An atom and what the words before it make of it; ``start`` is where those begin."""

    atom: Atom
    start: int
    portion: str = ""
    lead: str = ""
    opener: str = ""
    cued: bool = False
    booked: bool = False
    never: bool = False

    @property
    def stands(self) -> bool:
        return not self.never and (self.cued or not self.atom.cue)


@dataclass(frozen=True, slots=True)
class _Hit:
    """What characters ``start``..``end`` of a sentence mean."""

    start: int
    end: int
    interval: Interval
    bound: Bound = Bound.AT
    edge: Precision | None = None


@dataclass(frozen=True, slots=True)
class _Reader:
    """A sentence in one language, read at one moment."""

    language: Language
    sentence: str
    verbs: Verbs
    now: datetime
    month_first: bool | None
    whole: bool
    """Whether the sentence is nothing but a time phrase: no preposition is asked for then."""

    @property
    def today(self) -> date:
        return self.now.date()

    def hits(self) -> list[_Hit]:
        placed = [self._placed(atom) for atom in self._atoms()]
        found, index = [], 0
        while index < len(placed):
            pair = placed[index : index + 2]
            both = self._range(*pair) if len(pair) == 2 else None
            habit = both is None and self._habit(pair)
            one = None if habit else both or self._single(placed[index])
            index += 2 if both or habit else 1
            if one is not None:
                found.append(one)
        return found

    def _atoms(self) -> list[Atom]:
        """The longest readings, from the left, none overlapping."""
        matches = (
            (*core_span(found), order, rule.name, found)
            for order, rule in enumerate(self.language.rules)
            for found in rule.pattern.finditer(self.sentence)
        )
        atoms: list[Atom] = []
        for start, end, _, name, match in sorted(matches, key=_leftmost_longest):
            if atoms and start < atoms[-1].end:
                continue
            if self.language.voided.match(self.sentence, end):
                continue
            if atom := read(name, Found(match, self.language, self.now, self.month_first)):
                atoms.append(atom)
        return atoms

    def _placed(self, atom: Atom) -> _Placed:
        context, start, portion = self.language.context, atom.start, ""
        for name in ("early", "mid", "late"):
            if found := self._left(context[name], start):
                portion, start = name, found.start()
                break
        never = atom.cue != "decade" and bool(self._left(context["never"], start))
        booked = bool(self._left(context["purpose"], start) and self._books)
        for name in ("by", "starting", "since", "until"):
            if found := self._left(context[name], start):
                return _Placed(atom, found.start(), portion, name, "", True, booked, never)
        openers = (name for name in ("between", "from") if self._left(context[name], start))
        cued = bool(portion) or booked or self._cued(atom, start)
        return _Placed(atom, start, portion, "", next(openers, ""), cued, booked, never)

    def _left(self, pattern: re.Pattern[str], end: int) -> re.Match[str] | None:
        """What stands right before ``end``."""
        return pattern.search(self.sentence, max(0, end - _CONTEXT), end)

    @property
    def _books(self) -> bool:
        return bool(self.language.context["booked"].search(self.sentence))

    def _cued(self, atom: Atom, start: int) -> bool:
        cue = self.language.cues.get(atom.cue)
        if cue and (self._left(cue, start) or self._left(cue, atom.start)):
            return True
        return self.whole and self._is_all(atom)

    def _is_all(self, atom: Atom) -> bool:
        return (
            not atom.weak and self.sentence.strip(" .,!?") == self.sentence[atom.start : atom.end]
        )

    def _tense(self, start: int, end: int) -> Tense:
        return self.verbs.tense_at(start, end)

    def _single(self, placed: _Placed) -> _Hit | None:
        atom = placed.atom
        tense = self._tense(placed.start, atom.end)
        opens = len(self.sentence[: atom.start].split()) < 2
        told = atom.cue == "holiday" and opens and tense is not Tense.NONE
        if not placed.stands and not (told and not placed.never):
            return None
        if atom.never_past and tense is Tense.PAST:
            return None
        wanted = _wanted(placed, tense)
        chosen = choose(atom.candidates, wanted or atom.default, self.today)
        if chosen is None:
            return None
        if placed.portion:
            chosen = intervals.portion(chosen, placed.portion)
        interval, bound = _bounded(chosen, placed.lead, tense, self.today)
        bound = atom.bound if bound is Bound.AT else bound
        edge = None if bound is Bound.AT else chosen.precision
        return _Hit(placed.start, atom.end, interval, bound, edge)

    def _connected(self, first: _Placed, second: _Placed) -> bool:
        gap = self.sentence[first.atom.end : second.start]
        if first.opener == "between" and self.language.context["and"].match(gap):
            return True
        if second.lead == "until" and not gap.strip(" ,"):
            return True
        return bool(self.language.context["to"].match(gap))

    def _habit(self, pair: Sequence[_Placed]) -> bool:
        """Monday to Friday, or any such days without "from": every week's, where no verb tells of
        the past or the future."""
        if len(pair) < 2 or not all(each.atom.weekday for each in pair):
            return False
        ends = [each.atom.candidates[0].start.weekday() for each in pair]
        if not self._connected(*pair) or (pair[0].opener and ends != [0, 4]):
            return False
        return self._tense(pair[0].start, pair[1].atom.end) is Tense.NONE

    def _range(self, first: _Placed, second: _Placed) -> _Hit | None:
        months = all(each.atom.is_month for each in (first, second))
        alone = first.stands or bool(first.opener) or months
        weak = self._weak(first) and not (months and second.atom.settled)
        if first.never or not alone or weak or not self._connected(first, second):
            return None
        tense = self._tense(first.start, second.atom.end)
        if self._habit((first, second)):
            return None
        ends = choose_pair(first.atom, second.atom, tense, self.today)
        if ends is None:
            return None
        begin, end = (
            intervals.portion(each, placed.portion) if placed.portion else each
            for each, placed in zip(ends, (first, second), strict=True)
        )
        if begin.start > end.end:
            return None
        whole = Interval(begin.start, end.end, Precision.RANGE)
        return _Hit(first.start, second.atom.end, whole)

    def _weak(self, placed: _Placed) -> bool:
        return placed.atom.weak and not (placed.cued or placed.opener)


def _leftmost_longest(match: tuple[int, int, int, str, re.Match[str]]) -> tuple[int, int, int]:
    start, end, order = match[:3]
    return start, -end, order


def _wanted(placed: _Placed, tense: Tense) -> Tense | None:
    """Where to look among several candidates, when the words say so."""
    if placed.lead == "since":
        return Tense.PAST
    if placed.lead in ("until", "by", "starting"):
        return Tense.PAST if tense is Tense.PAST else Tense.FUTURE
    if placed.booked:
        return Tense.FUTURE
    return None if tense is Tense.NONE else tense


def _bounded(chosen: Interval, lead: str, tense: Tense, today: date) -> tuple[Interval, Bound]:
    """What "since", "until" and "by" make of an interval."""
    if lead in ("since", "starting"):
        if chosen.start > today:
            return chosen, Bound.SINCE
        return Interval(chosen.start, today, Precision.RANGE), Bound.SINCE
    if lead == "until" and tense is not Tense.PAST and chosen.end >= today:
        return Interval(today, chosen.end, Precision.RANGE), Bound.UNTIL
    return chosen, Bound.UNTIL if lead in ("until", "by") else Bound.AT


def choose(candidates: Sequence[Interval], tense: Tense, today: date) -> Interval | None:
    """The last that has begun, the first that has not ended, or the nearest to ``today``."""
    if len(candidates) == 1:
        return candidates[0]
    match tense:
        case Tense.PAST:
            return _last(each for each in candidates if each.start <= today)
        case Tense.FUTURE:
            return next((each for each in candidates if each.end >= today), None)
    return min(candidates, key=lambda each: _gap(each, today), default=None)


def choose_pair(
    first: Atom, second: Atom, tense: Tense, today: date
) -> tuple[Interval, Interval] | None:
    """Both ends of a range: the end that is settled, or that the tense asks for, leads."""
    begin: Interval | None
    end: Interval | None
    if not first.settled and (second.settled or tense is Tense.PAST):
        end = choose(second.candidates, tense, today)
        begin = end and _last(each for each in first.candidates if each.start <= end.start)
    else:
        begin = choose(first.candidates, _sure(tense, first), today)
        later = (each for each in second.candidates if begin and each.end >= begin.start)
        end = next(later, None)
    return (begin, end) if begin and end else None


def _sure(tense: Tense, atom: Atom) -> Tense:
    return atom.default if tense is Tense.NONE else tense


def _last(several: Iterable[Interval]) -> Interval | None:
    return max(several, key=lambda each: each.start, default=None)


def _gap(interval: Interval, today: date) -> int:
    if interval.end < today:
        return (today - interval.end).days
    return max(0, (interval.start - today).days)


def find_dates(text: str, anchor: Instant, language: str = "") -> list[DateSpan]:
    """Every time expression of ``text``, in order, as it is meant by someone who writes at
    ``anchor``: their own calendar day counts. Never raises.

    ``language`` is a tag ("en", "de-AT"): English, German, Spanish and French are read here,
    others by ``dateparser``; with no tag it is one of the four, guessed from the text, or Japanese
    or Chinese by their script. "3/5/2026" is the day first except in English, where only ``en-US``
    (month first) and other regions (day first) decide it; plain ``en`` leaves it out.
    """
    return _find(text, anchor, language, whole=False)


def resolve(
    phrase: str, anchor: Instant, language: str = "", *, sentence: str = ""
) -> DateSpan | None:
    """What ``phrase`` alone means at ``anchor``; None when it names no days.

    ``sentence`` is what it was taken from: its tense then decides what the phrase leaves open, and
    its other words whether it is a date at all ("2019" is none in "room 2019").
    """
    places = [found.span() for found in re.finditer(re.escape(phrase), sentence)] if phrase else []
    if places:
        within = find_dates(sentence, anchor, language)
        return next((span for span in within if _overlaps(span, places)), None)
    found = _find(phrase, anchor, language, whole=True)
    return max(found, key=lambda span: len(span.text), default=None)


def _overlaps(span: DateSpan, places: Sequence[tuple[int, int]]) -> bool:
    last = span.offset + len(span.text)
    return any(span.offset < end and start < last for start, end in places)


def _find(text: str, anchor: Instant, tag: str, *, whole: bool) -> list[DateSpan]:
    if not tag and _CJK.search(text):
        tag = "ja" if _KANA.search(text) else "zh"
    if tag and language(tag) is None:
        from tsubasa_cli.memory.dates.elsewhere import find_elsewhere

        return find_elsewhere(text, anchor, tag)
    folded = fold(text)
    order = _month_first(tag)
    readings = (
        list(_spans(text, folded, each, anchor, order, whole)) for each in _likely(folded, tag)
    )
    return max(readings, key=lambda spans: sum(len(span.text) for span in spans), default=[])


def _month_first(tag: str) -> bool | None:
    """Whether 3/5/2026 is 5 March; None in English of no region."""
    parts = re.split("[-_]", tag.lower())
    if parts[0] in ("en", ""):
        return parts[1] == "us" if len(parts) > 1 else None
    return False


def _likely(folded: Folded, tag: str) -> list[Language]:
    """The language of the tag, or those whose little words the text has most of."""
    if tag:
        given = language(tag)
        return [given] if given else []
    all_four = [found for code in LANGUAGES if (found := language(code))]
    counts = [len(each.stopwords.findall(folded.plain)) for each in all_four]
    best = max(counts)
    return [each for each, count in zip(all_four, counts, strict=True) if count == best]


def _spans(
    text: str,
    folded: Folded,
    language: Language,
    anchor: Instant,
    month_first: bool | None,
    whole: bool,
) -> Iterator[DateSpan]:
    for sentence in sentences(folded):
        plain = folded.plain[sentence.start : sentence.end]
        if not language.trigger.search(plain):
            continue
        told = verbs(folded.accented[sentence.start : sentence.end], language)
        reader = _Reader(language, plain, told, anchor.local(), month_first, whole)
        for hit in reader.hits():
            begin, stop = (folded.offsets[sentence.start + each] for each in (hit.start, hit.end))
            yield _as_span(hit, text[begin:stop], begin, reader.today)


def _as_span(hit: _Hit, words: str, offset: int, today: date) -> DateSpan:
    interval = hit.interval
    return DateSpan(
        interval.start,
        interval.end,
        interval.precision,
        words,
        offset,
        _direction(interval, today),
        hit.bound,
        hit.edge,
    )


def _direction(interval: Interval, today: date) -> Tense:
    if interval.end < today:
        return Tense.PAST
    return Tense.FUTURE if interval.start > today else Tense.NONE
