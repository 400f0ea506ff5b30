"""What can be asked of a clause: the question itself, direct and indirect, and what answers it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tsubasa_cli.learn.asking.english import BE, Clause, base_of
from tsubasa_cli.memory.third_person.verbs import COMMON, MODALS
from tsubasa_cli.memory.wordlist import words_of

_DATE = (
    r"(?:(?:\d{1,2} )?(?:January|February|March|April|May|June|July|August|September|October|"
    r"November|December)(?: \d{1,2})?(?:,? \d{4})?|(?:early |late )?(?:spring|summer|autumn|"
    r"winter) \d{4}|\d{4}-\d{2}-\d{2}|\d{4})"
)
_WHEN = re.compile(rf"^(?P<what>.*?)\s*\b(?P<prep>on|in|since|until) (?P<date>{_DATE})$")
_CALLED = re.compile(r"^(?P<how>called|named) (?P<value>.+)$")
_ADJECTIVE = re.compile(
    r"^(?P<adjective>(?:very |really |quite )?(?!a\b|an\b|the\b|my\b|not\b|in\b|at\b|on\b)[a-z-]+)"
    r" (?P<prep>to|of|at|in|for|from|with|about|on|by) (?P<value>.+)$"
)
_PLACE = re.compile(r"^(?P<prep>in|at|near|from|on) (?P<value>.+)$")
_BEHIND = re.compile(
    r"^(?P<prep>in|at|near|to|from|into|for|with|about|as|on|by|of|through) (?P<value>.+)$"
)
_TO_DO = re.compile(r"^to (?P<value>[a-z].+)$")
_DOING = re.compile(r"^(?P<doing>[a-z]+ing)\b(?: (?P<to>to) (?P<value>.+))?")
_BORN = re.compile(r"^born (?P<prep>in|on) (?P<value>.+)$")
_NEXT_CLAUSE = re.compile(r",? (?:and|but) [a-z]+ .*$")
_OBJECT = re.compile(
    r"^(?P<value>.+?)(?P<behind>(?: (?:in|at|on|with|for|from|every|since|near|to|by|after|before|"
    r"during|as|because|while|whenever) .+)?)$"
)
_NAMED_THING = re.compile(
    r"\b(?:an?|my|the) (?P<thing>(?:[a-z-]+ )?[a-z-]+) (?:named|called) (?P<value>[A-ZÀ-Þ][\w'’-]*)"
)
_PLACE_VERBS = words_of(
    "live work start study move grow stay travel go come reside commute teach volunteer train shop "
    "park meet swim relocate settle"
)
_PEOPLE = re.compile(
    r"\b(?:sister|brother|mother|father|wife|husband|partner|girlfriend|boyfriend|daughter|son|"
    r"friend|boss|manager|dentist|doctor|teacher|coach|neighbou?r|colleague|landlord|landlady|"
    r"therapist|cousin|uncle|aunt|grandmother|grandfather|flatmate|roommate|trainer)\b"
)
_DAYS = re.compile(r"\b(?:birthday|anniversary|appointment|deadline|wedding|exam|flight)\b")


@dataclass(frozen=True, slots=True)
class Core:
    """A question: ``direct`` with its question mark, ``indirect`` as part of another sentence;
    ``value`` are the words that answer it."""

    direct: str
    indirect: str
    value: str


def cores_of(clause: Clause) -> list[Core]:
    """What can be asked of ``clause``, the plainest first; none of them gives its answer away."""
    found = [*_cores(clause)]
    unique = {core.direct: core for core in reversed(found) if _is_fair(core)}
    return list(reversed(unique.values()))


def _cores(clause: Clause) -> Iterator[Core]:
    timed = _WHEN.match(clause.rest)
    plain = Clause(clause.subject, clause.verb, _first_of(clause.rest))
    if timed:
        plain = Clause(clause.subject, clause.verb, timed["what"])
    yield from _about_be(plain) if clause.is_be else _about_doing(plain)
    if timed and clause.verb not in MODALS:
        wh = "since when" if timed["prep"] == "since" else "when"
        yield _ask(wh, plain, timed["what"], timed["date"])
    named = _NAMED_THING.search(clause.rest)
    if named:
        of = f"my {named['thing']}"
        yield Core(f"What is the name of {of}?", f"what the name of {of} is", named["value"])


def _about_be(clause: Clause) -> Iterator[Core]:
    rest = clause.rest
    if called := _CALLED.match(rest):
        yield _ask("what", clause, called["how"], called["value"])
        owner = _possessive(clause.subject)
        yield Core(f"What is {owner} name?", f"what {owner} name is", called["value"])
    elif re.fullmatch(r"\d{1,3}(?: years old)?", rest) and _has_age(clause.subject):
        yield _ask("how old", clause, "", rest)
    elif born := _BORN.match(rest):
        wh = "where" if born["value"][:1].isupper() and born["prep"] == "in" else "when"
        yield _ask(wh, clause, "born", born["value"])
    elif doing := _DOING.match(rest):
        if doing["to"]:
            yield _ask("what", clause, f"{doing['doing']} to do", doing["value"])
        else:
            yield _ask("what", clause, "doing", rest)
    elif place := _PLACE.match(rest):
        wh = "when" if _DAYS.search(clause.subject) else "where"
        yield _ask(wh, clause, "from" if place["prep"] == "from" else "", place["value"])
    elif adjective := _ADJECTIVE.match(rest):
        wh = "who" if adjective["adjective"] in ("married", "engaged") else "what"
        wh = "where" if adjective["prep"] == "from" else wh
        how = f"{adjective['adjective']} {adjective['prep']}"
        yield _ask(wh, clause, how, adjective["value"])
    elif clause.subject != "I" and rest:
        yield _ask(_wh_for(clause.subject, rest), clause, "", rest)
    elif rest.startswith(("a ", "an ")):
        yield Core("What do I do, or what am I?", "what I do, or what I am", rest)


def _about_doing(clause: Clause) -> Iterator[Core]:
    rest = clause.rest
    base = base_of(clause.verb)
    if clause.verb in MODALS:
        return
    if clause.verb in ("do", "does", "did") and rest.startswith("not "):
        yield from _about_not_doing(clause)
    elif (to_do := _TO_DO.match(rest)) and base not in _PLACE_VERBS:
        yield _ask("what", clause, "to do", to_do["value"])
    elif behind := _BEHIND.match(rest):
        yield _behind(clause, base, behind["prep"], behind["value"])
    elif (found := _OBJECT.match(rest)) and rest:
        behind_it = found["behind"].strip()
        yield _ask("what", clause, behind_it, found["value"])
        placed = re.match(r"(in|at|near) (?P<value>.+)$", behind_it)
        if placed:
            yield _ask("where", clause, found["value"], placed["value"])


def _behind(clause: Clause, base: str, prep: str, value: str) -> Core:
    if base in _PLACE_VERBS and prep in ("in", "at", "near", "on"):
        return _ask("where", clause, "", value)
    if prep in ("to", "from", "into") and base in _PLACE_VERBS:
        return _ask("where", clause, prep.removesuffix("in") or prep, value)
    wh = "who" if prep in ("with", "for") and value[:1].isupper() else "what"
    return _ask(wh, clause, prep, value)


def _about_not_doing(clause: Clause) -> Iterator[Core]:
    _, _, doing = clause.rest.partition(" ")
    verb, _, value = doing.partition(" ")
    if value:
        negated = {"do": "don't", "does": "doesn't", "did": "didn't"}[clause.verb]
        direct = f"What {negated} {clause.subject} {verb}?"
        yield Core(direct, f"what {clause.subject} {negated} {verb}", value)


def _ask(wh: str, clause: Clause, remainder: str, value: str) -> Core:
    subject, verb = clause.subject, clause.verb
    if verb in BE:
        direct, base = f"{wh} {verb} {subject}", remainder
    else:
        does = "does" if subject != "I" else "do"
        helper = "did" if clause.is_past else does
        direct, base = f"{wh} {helper} {subject} {base_of(verb)}", remainder
    direct = f"{direct} {base}".strip()
    if verb in BE and not remainder:
        indirect = f"{wh} {subject} {verb}"
    else:
        indirect = f"{wh} {subject} {verb} {remainder}".strip()
    return Core(f"{direct[:1].upper()}{direct[1:]}?", indirect, value.strip(" ,"))


def _wh_for(subject: str, value: str) -> str:
    if _DAYS.search(subject):
        return "when"
    return "who" if _PEOPLE.search(subject) and value[:1].isupper() else "what"


def _first_of(rest: str) -> str:
    """Without a second clause: "as an electrician and play chess" asks for one thing."""
    found = _NEXT_CLAUSE.search(rest)
    if found and base_of(found[0].split()[1]) in COMMON:
        return rest[: found.start()]
    return rest


def _has_age(subject: str) -> bool:
    return subject == "I" or bool(_PEOPLE.search(subject)) or subject[:1].isupper()


def _possessive(subject: str) -> str:
    return "my" if subject == "I" else f"{subject}'s"


def _is_fair(core: Core) -> bool:
    """The answer's telling words are not in the question."""
    asked = set(re.findall(r"\w+", core.direct.casefold()))
    told = [w for w in re.findall(r"\w+", core.value.casefold()) if len(w) > 2 or w.isdigit()]
    return bool(core.value) and (not told or any(word not in asked for word in told))
