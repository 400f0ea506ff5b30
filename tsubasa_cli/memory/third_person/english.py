"""English: "I've sold my car" becomes "The user has sold their car"."""

from __future__ import annotations

import re

from tsubasa_cli.memory.third_person.verbs import (
    AUXILIARIES,
    COMMON,
    MODALS,
    PARTICIPLES,
    SAME_IN_PAST,
    UNCHANGED,
    add_s,
    is_adverb,
    is_past,
)
from tsubasa_cli.memory.wordlist import words_of

_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|\s+|.", re.DOTALL)
_CONTRACTED = re.compile(r"(?i)\b(?:(i|we)['’](m|ve|d|ll|re)|(im|ive))\b(?=(?: (\w+))?(?: (\w+))?)")
_SPELT_OUT = {"m": "am", "ve": "have", "ll": "will", "re": "are", "im": "am", "ive": "have"}
_SLANG = {"wanna": "wants to", "gotta": "has to", "hafta": "has to"}
_LOOSE = {"gonna": "going to", "wanna": "want to", "gotta": "got to"}
_CONJUNCTIONS = frozenset({"and", "or", "but", "then"})
_NOW = frozenset({"now", "only", "just", "still", "mostly", "always"})
_AFTER_VERBS = words_of(
    "a an the my our his her their at in on for to with from only every it them"
)
_OTHER_SUBJECTS = words_of("he she it they you we who which that there this these those")
_PAST_CUE = re.compile(
    r"(?i)\b(?:yesterday|ago|last (?:night|week|month|year|spring|summer|autumn|fall|winter|"
    r"\w+day)|in (?:19|20)\d\d|back (?:then|in)|when i was|finally|just)\b"
)


def tell(text: str, name: str) -> str:
    """``text`` with its speaker as ``name`` ("Anna"; "" for "the user")."""
    who = name or "the user"
    plain = _NEGATED.sub(_spelt_out, text)
    introduced = _INTRODUCED.match(plain)
    if introduced and introduced[1] not in _PEOPLES:
        return f"{who}'s name is {introduced[1]}"
    called = _CALLED.match(plain)
    if called:
        return f"{who} wants to be called {called[1]}"
    both = _BOTH.match(plain)
    if both:
        return f"{who} and their {both[1]}" + _Telling(plain[both.end() :], who, "both").told()
    return _Telling(plain, who).told()


_INTRODUCED = re.compile(
    r"(?:I['’]m|I am) ([A-ZÀ-Þ][\wÀ-ÿ-]+)(?=$|[.!,] ?(?:$|nice|by the way|and you))"
)
_CALLED = re.compile(
    r"(?i)(?:please |just |so |you (?:can|may|could) |"
    r"everyone (?:can )?)*call me (?-i:([A-ZÀ-Þ][\wÀ-ÿ-]+))"
)
_PEOPLES = words_of(
    "American Argentinian Asian Australian Austrian Belgian Brazilian British Bulgarian Canadian "
    "Chilean Chinese Colombian Croatian Cuban Czech Danish Dutch Egyptian English Ethiopian "
    "European "
    "Filipino Finnish French German Ghanaian Greek Hungarian Indian Indonesian Iranian Iraqi Irish "
    "Israeli Italian Jamaican Japanese Kenyan Korean Latino Latina Lebanese Malaysian Mexican "
    "Moroccan "
    "Nepali Nigerian Norwegian Pakistani Peruvian Polish Portuguese Romanian Russian Scottish "
    "Serbian "
    "Slovak Spanish Swedish Swiss Syrian Thai Tunisian Turkish Ukrainian Vietnamese Welsh Black "
    "White "
    "Buddhist Catholic Christian Hindu Jewish Mormon Muslim Protestant Sikh Atheist Vegan "
    "Vegetarian "
    "Gay Lesbian Bisexual Trans Queer Libra Aries Taurus Gemini Cancer Leo Virgo Scorpio "
    "Sagittarius"
)
_BOTH = re.compile(
    r"(?i)(?:my|our) ((?:[\w-]+ ){0,2}?[\w-]+(?:,? (?-i:[A-Z])[\w-]+,?)?) and (?:i|me)\b"
)
_NEGATED = re.compile(
    r"(?i)\b(is|are|was|were|does|did|has|have|had|would|could|should|must|might|need|do)n['’]t\b|"
    r"\b(can|wo|sha)(?:n)?['’]t\b"
)


def _spelt_out(match: re.Match[str]) -> str:
    if match[1]:
        return f"{match[1]} not"
    return {"c": "cannot", "w": "will not", "s": "shall not"}[match[2][0].casefold()]


class _Telling:
    """One pass over the words; ``told`` holds who spoke last and which verb waits to agree."""

    def __init__(self, text: str, who: str, subject: str = "") -> None:
        self.words = _TOKEN.findall(_CONTRACTED.sub(_apart, text))
        self.who = who
        self.is_past = bool(_PAST_CUE.search(text))
        self.out: list[str] = []
        self.subject = subject
        """ "i", "we", "both" (somebody and the user), or "" while none was met."""
        self.awaits_verb = False
        self.conjoins = False
        self.was_deed = False

    def told(self) -> str:
        for place, word in enumerate(self.words):
            if not word.strip():
                self.out.append(word)
            else:
                self.out.append(self._word(place, word))
        return "".join(self.out)

    def _word(self, place: int, word: str) -> str:
        low = word.casefold().replace("’", "'")
        person = self._person(place, low)
        if person is not None:
            return person
        if self.awaits_verb:
            return self._after_i(place, word, low)
        if low in _LOOSE:
            return _LOOSE[low]
        if low in _OTHER_SUBJECTS and self.subject:
            self.conjoins = False
        if low in MODALS or low in {"to", "did", "didn't"}:
            self.conjoins = False
        if self.conjoins and low in COMMON and self._before(place) in _CONJUNCTIONS:
            return add_s(word)
        if self._goes_on(place, low):
            return add_s(word)
        return word

    def _goes_on(self, place: int, low: str) -> bool:
        """A present after a past: "I sold the car and now share one"."""
        if self.subject != "i" or low not in COMMON or low in SAME_IN_PAST:
            return False
        before = [w.casefold() for w in self.words[:place] if w.strip()][-2:]
        joined = before[-1:] == ["and"] or (before[:1] == ["and"] and before[1] in _NOW)
        return joined and self.was_deed and self._next(place) in _AFTER_VERBS

    def _person(self, place: int, low: str) -> str | None:
        if low == "i" and not self._is_letter(place):
            return self._i(place)
        if low == "we":
            self.subject, self.conjoins = "we", False
            return f"{self.who} and others"
        owning = {"my": "their", "our": "their", "mine": "theirs", "ours": "theirs"}
        if low in owning:
            return owning[low] if self._is_known(low) else f"{self.who}'s"
        if low in {"me", "us"}:
            return "them" if self._is_known(low) else self.who
        return {"myself": "themselves", "ourselves": "themselves"}.get(low)

    def _is_known(self, low: str) -> bool:
        """Whether "they" can only be the user: the last subject was "I" (or "we", for "our")."""
        return self.subject in {"i", "both"} or (
            self.subject == "we" and low in {"our", "us", "ours"}
        )

    def _is_letter(self, place: int) -> bool:
        """The roman numeral or the letter: "World War I", "vitamin I"."""
        before = self._raw_before(place)
        return before[:1].isupper() and place > 2 and self._next(place) in {"", ".", ","}

    def _i(self, place: int) -> str:
        joined = self._before(place) == "and" and not self._ends_clause_before(place)
        self.subject = "i"
        self.awaits_verb = not joined
        self.conjoins = False
        return self.who

    def _ends_clause_before(self, place: int) -> bool:
        """In "… and I": whether a verb came before, so that "I" begins a clause of its own."""
        earlier = [w.casefold() for w in self.words[: max(0, place - 3)] if w.strip()]
        return any(
            w in UNCHANGED or w in AUXILIARIES or w in MODALS or is_past(w) or w in COMMON
            or (w.endswith("s") and w[:-1] in COMMON)
            for w in earlier
        )  # fmt: skip

    def _after_i(self, place: int, word: str, low: str) -> str:
        if is_adverb(low) or not low[:1].isalpha() or self._is_no_longer(place, low):
            return word
        self.awaits_verb = False
        if low in _SLANG:
            return _SLANG[low]
        if low in AUXILIARIES:
            self.conjoins = low in {"have"} and self._next(place) not in PARTICIPLES
            return AUXILIARIES[low]
        if low in MODALS or low in UNCHANGED or is_past(low):
            self.was_deed = is_past(low) and low not in UNCHANGED
            return word
        if low in SAME_IN_PAST and (self.is_past or low == "quit"):
            return word
        self.conjoins = True
        return add_s(word)

    def _is_no_longer(self, place: int, low: str) -> bool:
        return (low == "no" and self._next(place) == "longer") or (
            low == "longer" and self._before(place) == "no"
        )

    def _before(self, place: int) -> str:
        return self._raw_before(place).casefold()

    def _raw_before(self, place: int) -> str:
        return next((w for w in reversed(self.words[:place]) if w.strip()), "")

    def _next(self, place: int) -> str:
        return next(
            (w.casefold() for w in self.words[place + 1 :] if w.strip() and not is_adverb(w)), ""
        )


def _apart(match: re.Match[str]) -> str:
    person, short, both, following, after = match.groups()
    ending = (short or both).casefold()
    if ending == "d":
        verb = after if following and is_adverb(following.casefold()) else following
        return f"{person} had" if _follows_had(verb or "") else f"{person} would"
    return f"{person or 'I'} {_SPELT_OUT[ending]}"


def _follows_had(verb: str) -> bool:
    low = verb.casefold()
    return low in PARTICIPLES - {"run", "become", "come"} or low == "better" or low.endswith("ed")
