"""RECONCILE by template: what was, until when, and what is so since then (TSUBASA §4.1).

The model has no say in these sentences, so neither half can be lost or invented. A narrative
stands alone for a retriever, and ``current_part`` gives back what holds today.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tsubasa_cli.memory.third_person.verbs import is_past
from tsubasa_cli.memory.values import Observation, Precision
from tsubasa_cli.memory.wordlist import words_of

MOST_PAST = 2
"""Former values that a narrative tells; older ones are in the memory's history."""
LONGEST_PART = 200
"""Characters of one former value; the whole of it is in the memory's history."""


@dataclass(frozen=True, slots=True)
class _Words:
    """``until`` and ``since`` frame what lasted, ``before`` and ``then`` what happened."""

    until: str
    until_month: str
    before: str
    before_month: str
    since: str
    then: str
    planned: str


_WORDS = {
    "en": _Words(
        "until {}", "until {}", "before {}", "before {}",
        "; since then: ", "; then: ", "planned before",
    ),
    "de": _Words(
        "bis {}", "bis {}", "vor dem {}", "vor {}",
        "; seitdem: ", "; danach: ", "vorher geplant",
    ),
    "es": _Words(
        "hasta el {}", "hasta {}", "antes del {}", "antes de {}",
        "; desde entonces: ", "; después: ", "antes planeado",
    ),
    "fr": _Words(
        "jusqu'au {}", "jusqu'en {}", "avant le {}", "avant {}",
        " ; depuis : ", " ; ensuite : ", "prévu auparavant",
    ),
}  # fmt: skip
_SINCE = re.compile(
    "|".join(re.escape(mark) for words in _WORDS.values() for mark in (words.since, words.then))
)
_UNTIL = (
    r"(?:until|bis|hasta|jusqu'(?:au|en)|before(?= \w+ \w* ?\d)|vor(?= \w+\.? \w*\.? ?\w* ?\d)|"
    r"antes del?|avant)"
)
_PAST = re.compile(
    rf"(?:^|; )(?P<until>{_UNTIL} [^:;]{{1,40}}): ?(?P<text>.*?)(?=; {_UNTIL} [^:;]{{1,40}}: |$)",
    re.IGNORECASE | re.DOTALL,
)
_PLANNED = re.compile(
    r"\s*\((?:" + "|".join(words.planned for words in _WORDS.values()) + r"): .*\)\.?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_HEAD = re.compile(
    r"(?:The (?=user)|User |(?:Der|Die) (?=Nutzer|Benutzer)|(?:El|La) (?=usuari)|L(?=['’]utilisat)|"
    r"(?:My|His|Her|Their|Meine?|Mi|Mon|Ma|In|On|At|For|From|After|Since|Because|He|She|They|A|An|"
    r"Now|Today|Last|This|That|Am|Im|Seit|Jetzt|Nun|Desde|Ahora|En|Maintenant|Depuis|Désormais) |"
    r"(?:Der|Die|Das) |(?:The|El|La|Los|Las|Le|Les) (?=[a-zß-ÿ]))",
)
_DEEDS = {
    "en": re.compile(
        r"(?:[^.;]{0,60}?,? )?(?:[Tt]he user|[Uu]ser|They|they|[A-ZÀ-Þ][\w-]+)"
        r"(?:['’]s [\w-]+(?: [A-ZÀ-Þ][\w-]+)?)?(?: and others)?,? (?:[a-z]+ly |also |just |"
        r"finally )*"
        r"(?:(?:has|have|had) )?(?:just |finally |already )?(?P<verb>[a-z]+)(?: (?P<next>[a-z]+))?"
    ),
    "de": re.compile(r".*\b(?:ist|hat|sind|haben)\b.*\b\w*ge\w{2,}(?:t|en)\W*$", re.DOTALL),
    "es": re.compile(r"(?:\w+ ){1,3}?(?:se |ha |han )?(?:\w+(?:ó|é|aron|ieron)|mudado|casado)\b"),
    "fr": re.compile(r".{0,40}?\b(?:a|ont|est|sont|s['’]est) (?:\w+ )?\w+(?:é|i|u|is|it)e?s?\b"),
}
_LASTING = words_of(
    "was were had knew felt thought kept lived worked loved liked hated wanted needed used "
    "preferred enjoyed owned stayed meant understood"
)
"""Past forms that tell how it was, not what happened."""


def reconciled(old: Observation, new: Observation, day: date, precision: Precision | None) -> str:
    """One sentence that tells both: ``old`` until ``day``, ``new`` since."""
    words = _words(new.language)
    before, after = current_part(old.statement), current_part(new.statement)
    forms = (words.until, words.until_month)
    if _happened(before, old.language):
        forms = (words.before, words.before_month)
    form = forms[0] if _is_exact(precision) else forms[1]
    until = form.format(_rendered(day, precision, new.language))
    past = [*past_parts(old.statement), (until, _bounded(before))][-MOST_PAST:]
    told = "; ".join(f"{when}: {_inside(text)}" for when, text in past)
    since = words.then if _happened(after, new.language) else words.since
    return _capital(f"{told}{since}{_inside(after)}.")


def _happened(text: str, language: str) -> bool:
    """Whether ``text`` tells what happened ("moved to Lyon"), not how things stand."""
    deed = _DEEDS[language if language in _DEEDS else "en"].match(text)
    if deed is None or "verb" not in deed.groupdict():
        return deed is not None
    verb, following = deed["verb"], deed["next"] or ""
    if verb in ("was", "were", "got"):
        return verb == "got" or is_past(following)
    return is_past(verb) and verb not in _LASTING


def after_a_plan(plan: Observation, new: Observation) -> str:
    """What came of a plan, with the plan in brackets."""
    planned = _inside(_bounded(current_part(plan.statement)))
    statement = current_part(new.statement).rstrip(".")
    return f"{statement} ({_words(new.language).planned}: {planned})."


def current_part(statement: str) -> str:
    """What a statement says of today: all of it, or what a narrative ends in."""
    after = _SINCE.split(statement, maxsplit=1)
    if len(after) == 2 and past_parts(statement):
        return _capital(after[1])
    return _PLANNED.sub("", statement) or statement


def past_parts(statement: str) -> Sequence[tuple[str, str]]:
    """The former values that a narrative tells: (until when, what), oldest first."""
    before = _SINCE.split(statement, maxsplit=1)
    if len(before) != 2:
        return []
    found = _PAST.finditer(before[0])
    return [(part["until"][0].casefold() + part["until"][1:], part["text"]) for part in found]


def with_current(statement: str, current: str) -> str:
    """``statement`` with ``current`` in place of what it says of today; the past stays told."""
    since = _SINCE.search(statement)
    if since and past_parts(statement):
        return f"{statement[: since.end()]}{_inside(current)}."
    return current


def _words(language: str) -> _Words:
    return _WORDS.get(language, _WORDS["en"])


def _is_exact(precision: Precision | None) -> bool:
    return precision in (None, Precision.DAY, Precision.WEEK, Precision.RANGE)


def _rendered(day: date, precision: Precision | None, language: str) -> str:
    from tsubasa_cli.memory.dates import render_day

    exact = Precision.DAY if _is_exact(precision) else precision or Precision.DAY
    return render_day(day, exact, language if language in _WORDS else "en")


def _bounded(text: str) -> str:
    if len(text) <= LONGEST_PART:
        return text
    return text[:LONGEST_PART].rsplit(" ", 1)[0].rstrip(",;: ") + "…"


def _inside(text: str) -> str:
    """A sentence inside another: no full stop, a small letter where the first word allows one."""
    plain = re.sub(r"\s+", " ", text).strip().rstrip(".").replace("; ", ", ")
    return plain[0].casefold() + plain[1:] if _HEAD.match(plain) else plain


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
