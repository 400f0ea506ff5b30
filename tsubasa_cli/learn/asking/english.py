"""Statements about the user as clauses in which the user is "I" or "you" (English).

"The user lives in Bonn." is a clause with the subject "I", the verb "live" and the rest "in Bonn";
spoken back to the user it is "You live in Bonn."
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tsubasa_cli.memory.third_person.verbs import (
    COMMON,
    MODALS,
    PARTICIPLES,
    SAME_IN_PAST,
    add_s,
    is_adverb,
    is_past,
)

BE = frozenset({"am", "is", "are", "was", "were"})
_PAST_TO_BASE = {
    "ate": "eat", "became": "become", "began": "begin", "bought": "buy", "broke": "break",
    "brought": "bring", "built": "build", "came": "come", "caught": "catch", "chose": "choose",
    "did": "do", "drank": "drink", "drove": "drive", "fell": "fall", "felt": "feel",
    "flew": "fly", "forgot": "forget", "fought": "fight", "found": "find", "gave": "give",
    "got": "get", "grew": "grow", "had": "have", "heard": "hear", "held": "hold", "hid": "hide",
    "kept": "keep", "knew": "know", "laid": "lay", "learnt": "learn", "led": "lead",
    "left": "leave", "lent": "lend", "lost": "lose", "made": "make", "meant": "mean",
    "met": "meet", "paid": "pay", "ran": "run", "rang": "ring", "rode": "ride", "rose": "rise",
    "said": "say", "sang": "sing", "sat": "sit", "saw": "see", "sent": "send", "shot": "shoot",
    "slept": "sleep", "sold": "sell", "spent": "spend", "spoke": "speak", "stole": "steal",
    "stood": "stand", "swam": "swim", "taught": "teach", "thought": "think", "threw": "throw",
    "told": "tell", "took": "take", "understood": "understand", "went": "go", "woke": "wake",
    "won": "win", "wore": "wear", "wrote": "write", "drew": "draw", "dreamt": "dream",
}  # fmt: skip
_BASE_TO_PAST = {base: past for past, base in _PAST_TO_BASE.items()}
_BASE_TO_PAST |= {"be": "was", "put": "put", "read": "read", "cut": "cut", "quit": "quit"}
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_NAMED = re.compile(r"^(my [a-z][a-z -]*?)(?: [A-ZÀ-Þ][\w'’-]*)+$")
_KNOWN_VERBS = frozenset(
    {"is", "are", "was", "were", "has", "have", "had", "does", "did", "lives", "works"}
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A main clause: ``subject`` is "I", "my dog", "my sister Anna" …; ``verb`` its finite verb,
    agreeing with it; ``rest`` everything behind, without the full stop."""

    subject: str
    verb: str
    rest: str

    @property
    def is_be(self) -> bool:
        return self.verb in BE

    @property
    def is_past(self) -> bool:
        return self.verb not in BE and self.verb != "does" and is_past(self.verb)

    def text(self) -> str:
        """The clause as a sentence without its full stop."""
        return " ".join(part for part in (self.subject, self.verb, self.rest) if part)


def clause_of(statement: str, owner: str = "") -> Clause | None:
    """The clause that ``statement`` is, seen by the user; None where its grammar is not plain."""
    text = _bare(statement)
    head = _user_head(text, owner)
    if head is None:
        return _others_clause(text, owner)
    behind = text[head:].strip()
    if text[head : head + 1] in ("'", "’"):
        return _owned_clause(behind[2:].strip(), owner)
    return _users_clause(behind, owner)


def told_to_user(statement: str, owner: str = "") -> str:
    """``statement`` as one says it to the user: "You live in Bonn." """
    clause = clause_of(statement, owner)
    if clause is None:
        said = _to_second(_bare(statement), owner, "your", "you")
    else:
        said = _second_person(clause)
    return f"{said[:1].upper()}{said[1:]}."


def in_the_past(clause: Clause) -> Clause:
    """The clause as it is told of a time that is over."""
    if clause.is_past or clause.verb in ("was", "were"):
        return clause
    if clause.verb in ("do", "does"):
        return Clause(clause.subject, "did", clause.rest)
    past = {"am": "was", "is": "was", "are": "were"}.get(clause.verb)
    return Clause(clause.subject, past or past_of(base_of(clause.verb)), clause.rest)


def of_somebody(clause: Clause, name: str) -> Clause:
    """The same clause about ``name`` in place of the user. What is the user's loses its own name:
    "Bob's sister Jorunn" would be the user's sister after all."""
    rest = re.sub(r"\bmy\b", "their", clause.rest)
    if clause.subject == "I":
        return Clause(name, third_person(clause.verb), rest)
    subject = re.sub(r"^my\b", f"{name}'s", _NAMED.sub(r"\1", clause.subject))
    return Clause(subject if subject != clause.subject else name, clause.verb, rest)


def base_of(verb: str) -> str:
    """The infinitive of a finite verb."""
    if verb in BE:
        return "be"
    if verb in ("has", "had"):
        return "have"
    if verb in _PAST_TO_BASE:
        return _PAST_TO_BASE[verb]
    if verb in SAME_IN_PAST:
        return verb
    if verb.endswith("ed") and is_past(verb):
        return _without_ed(verb)
    return _without_s(verb)


def past_of(base: str) -> str:
    """The past form of an infinitive."""
    if base in _BASE_TO_PAST:
        return _BASE_TO_PAST[base]
    if base.endswith("e"):
        return base + "d"
    if re.search(r"[^aeiou]y$", base):
        return base[:-1] + "ied"
    if re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", base):
        return base + base[-1] + "ed"
    return base + "ed"


def third_person(verb: str) -> str:
    """The form that goes with "she" of the form that goes with "I"."""
    if verb == "am":
        return "is"
    if verb in BE or verb in MODALS or is_past(verb):
        return "was" if verb == "were" else verb
    return add_s(verb)


def _bare(statement: str) -> str:
    text = re.sub(r"\s+", " ", statement).strip().rstrip(".")
    return re.sub(r"\s*\([^()]*\)$", "", text)


def _user_head(text: str, owner: str) -> int | None:
    names = ["the user", *([re.escape(owner), re.escape(owner.split()[0])] if owner else [])]
    found = re.match(rf"(?:{'|'.join(names)})(?=['’]s\b|\s)", text, re.IGNORECASE)
    return found.end() if found else None


def _users_clause(behind: str, owner: str) -> Clause | None:
    adverbs, verb, rest = _verb_first(behind)
    if not verb or verb in ("and", "or"):
        return None
    rest = _to_second(" ".join([*adverbs, rest]).strip(), owner, "my", "me", theirs=True)
    return Clause("I", _first_person(verb), _coordinated(rest))


def _owned_clause(behind: str, owner: str) -> Clause | None:
    words = behind.split()
    for place in range(1, len(words)):
        if _is_finite(words[place]):
            subject = _to_second(" ".join(words[:place]), owner, "my", "me")
            rest = _to_second(" ".join(words[place + 1 :]), owner, "my", "me")
            return Clause(f"my {subject}", words[place], rest)
    return None


def _others_clause(text: str, owner: str) -> Clause | None:
    words = text.split()
    for place in range(1, min(len(words), 9)):
        if _is_finite(words[place]):
            subject = _to_second(" ".join(words[:place]), owner, "my", "me")
            subject = subject[:1].lower() + subject[1:] if subject.startswith("My ") else subject
            rest = _to_second(" ".join(words[place + 1 :]), owner, "my", "me")
            return Clause(subject, words[place], rest)
    return None


def _verb_first(behind: str) -> tuple[list[str], str, str]:
    words = behind.split()
    adverbs: list[str] = []
    while words and is_adverb(words[0].casefold()):
        adverbs.append(words.pop(0))
    if not words or not _WORD.fullmatch(words[0]):
        return adverbs, "", ""
    return adverbs, words[0], " ".join(words[1:])


def _is_finite(word: str) -> bool:
    low = word.casefold()
    if low in _KNOWN_VERBS or low in MODALS or low in _PAST_TO_BASE:
        return True
    if low.endswith("ed"):
        return is_past(low)
    return low.endswith("s") and _without_s(low) in COMMON


def _first_person(verb: str) -> str:
    if verb == "is":
        return "am"
    if verb == "has":
        return "have"
    if verb == "does":
        return "do"
    if verb in BE or verb in MODALS or is_past(verb):
        return verb
    return _without_s(verb)


def _second_person(clause: Clause) -> str:
    verb = clause.verb
    if clause.subject == "I":
        verb = {"am": "are", "was": "were"}.get(verb, verb)
    subject = "you" if clause.subject == "I" else re.sub(r"\bmy\b", "your", clause.subject)
    rest = re.sub(r"\bmy\b", "your", clause.rest)
    rest = re.sub(r"\bme\b", "you", re.sub(r"\bmyself\b", "yourself", rest))
    return " ".join(part for part in (subject, verb, rest) if part)


def _to_second(text: str, owner: str, owns: str, is_object: str, theirs: bool = False) -> str:
    """``text`` with the user, and what is theirs, named by pronouns."""
    names = ["the user", *([re.escape(owner), re.escape(owner.split()[0])] if owner else [])]
    who = "|".join(names)
    text = re.sub(rf"\b(?:{who})['’]s\b", owns, text, flags=re.IGNORECASE)
    text = re.sub(rf"\b(?:{who})\b", is_object, text, flags=re.IGNORECASE)
    if theirs:
        text = re.sub(r"\btheir\b", owns, text)
        text = re.sub(r"\bthemsel(?:f|ves)\b", "myself" if owns == "my" else "yourself", text)
    return text


def _coordinated(rest: str) -> str:
    """Verbs joined by "and" agree with the new subject too."""

    def agreeing(found: re.Match[str]) -> str:
        verb = found[2]
        known = verb in ("is", "has", "does") or _without_s(verb) in COMMON
        return f"{found[1]} {_first_person(verb)}" if known else found[0]

    return re.sub(r"\b(and|but|or) ([a-z]+s)\b", agreeing, rest)


def _without_s(verb: str) -> str:
    irregular = {"has": "have", "does": "do", "goes": "go", "is": "be"}
    if verb in irregular:
        return irregular[verb]
    if verb.endswith("ies") and len(verb) > 4:
        return verb[:-3] + "y"
    if re.search(r"(?:ss|sh|ch|x|zz)es$", verb):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


def _without_ed(verb: str) -> str:
    stem = verb[:-2]
    for candidate in (stem, stem + "e", stem[:-1]):
        if candidate in COMMON:
            return candidate
    if verb.endswith("ied"):
        return verb[:-3] + "y"
    if re.search(r"([bdgklmnprt])\1$", stem) and not re.search(r"(?:ll|ss)$", stem):
        return stem[:-1]
    if re.search(r"(?:[iao]t|[^aeiou]at|[aeiou][csvz]|[uod]g|[rn]s|at|iv|ov|id|ir|ur|ib)$", stem):
        return stem + "e"
    return stem


__all__ = [
    "BE",
    "PARTICIPLES",
    "Clause",
    "base_of",
    "clause_of",
    "in_the_past",
    "of_somebody",
    "past_of",
    "told_to_user",
]
