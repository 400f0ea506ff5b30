"""RECONCILE by template: what was, until when, and what is so since then (TSUBASA §4.1).

The model has no say in these sentences, so neither half can be lost or invented. A narrative
stands alone for a retriever, and ``current_part`` gives back what holds today.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tsubasa_cli.memory.values import Observation, Precision

MOST_PAST = 2
"""Former values that a narrative tells; older ones are in the memory's history."""
LONGEST_PART = 200
"""Characters of one former value; the whole of it is in the memory's history."""


@dataclass(frozen=True, slots=True)
class _Words:
    until: str
    until_month: str
    since: str
    planned: str


_WORDS = {
    "en": _Words("until {}", "until {}", "; since then: ", "planned before"),
    "de": _Words("bis {}", "bis {}", "; seitdem: ", "vorher geplant"),
    "es": _Words("hasta el {}", "hasta {}", "; desde entonces: ", "antes planeado"),
    "fr": _Words("jusqu'au {}", "jusqu'en {}", " ; depuis : ", "prévu auparavant"),
}
_SINCE = re.compile("|".join(re.escape(words.since) for words in _WORDS.values()))
_PAST = re.compile(
    r"(?:^|; )(?P<until>(?:until|bis|hasta|jusqu'(?:au|en)) [^:;]{1,40}): ?(?P<text>.*?)"
    r"(?=; (?:until|bis|hasta|jusqu'(?:au|en)) [^:;]{1,40}: |$)",
    re.IGNORECASE | re.DOTALL,
)
_PLANNED = re.compile(
    r"\s*\((?:" + "|".join(words.planned for words in _WORDS.values()) + r"): .*\)\.?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_HEAD = re.compile(
    r"(?:The (?=user)|User |(?:Der|Die) (?=Nutzer|Benutzer)|(?:El|La) (?=usuari)|L(?=['’]utilisat)|"
    r"(?:My|His|Her|Their|Meine?|Mi|Mon|Ma|In|On|Since|Because|He|She|They) )",
)


def reconciled(old: Observation, new: Observation, day: date, precision: Precision | None) -> str:
    """One sentence that tells both: ``old`` until ``day``, ``new`` since."""
    words = _words(new.language)
    form = words.until if _is_exact(precision) else words.until_month
    until = form.format(_rendered(day, precision, new.language))
    past = [*past_parts(old.statement), (until, _bounded(current_part(old.statement)))][-MOST_PAST:]
    told = "; ".join(f"{when}: {_inside(text)}" for when, text in past)
    return _capital(f"{told}{words.since}{_inside(current_part(new.statement))}.")


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
