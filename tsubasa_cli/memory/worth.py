"""Is a clause worth remembering? Vetoes that hold for every model, then a weighted sum of signs.

The weights were fitted on labelled turns; a language model's own opinion is one more sign, whose
weight its calibration decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tsubasa_cli.memory import facts, people
from tsubasa_cli.memory.cue_files import found
from tsubasa_cli.memory.sentences import Piece, mask_quotes
from tsubasa_cli.memory.third_person.verbs import COMMON
from tsubasa_cli.memory.wordlist import words_of


class Veto(StrEnum):
    """Why a clause can be no fact about the user, whatever a model thinks of it."""

    QUESTION = "question"
    REQUEST = "request"
    HYPOTHETICAL = "hypothetical"
    JOKE = "joke"
    HEARSAY = "hearsay"
    NOBODY = "nobody"
    """It speaks neither of the user nor of anybody of theirs."""


_WEIGHTS = {
    "": -1.0,
    "explicit": 4.0,
    "identity": 2.0,
    "life": 1.3,
    "preference": 0.7,
    "plan": 0.4,
    "event": 0.6,
    "kin": 0.8,
    "name": 0.6,
    "number": 0.5,
    "time": 0.8,
    "leads": 0.6,
    "long": 0.4,
    "short": -0.5,
    "meta": -2.6,
    "task": -1.0,
    "task_verb": -1.6,
    "moment": -2.6,
    "greeting": -3.0,
    "you": -1.0,
    "laugh": -1.0,
    "no_cues": 1.3,
    "acts": 0.5,
    "mine_is": 0.5,
    "us_only": -1.2,
    "cancelled": 1.5,
}
_TIME = re.compile(
    r"(?i)\b(?:yesterday|today|tomorrow|tonight|ago|since|until|last|next|every|in (?:19|20)\d\d|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|june|"
    r"july|august|september|october|november|december|spring|summer|autumn|winter|weekend|"
    r"gestern|heute|morgen|seit|letzte\w*|nächste\w*|ayer|hoy|mañana|desde|pasad[oa]|próxim[oa]|"
    r"hier|"
    r"lunes|martes|miércoles|jueves|viernes|sábado|domingo|montag|dienstag|mittwoch|donnerstag|"
    r"freitag|samstag|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|"
    r"demain|depuis|dernière?|prochaine?)\b"
)
_LEADS = re.compile(
    r"(?i)^(?:\W|(?:yesterday|today|tomorrow|last|next|since|in|on|this|\w+day|week|month|year|for|"
    r"the|past|\d+|years|ago|gestern|heute|seit|ayer|hoy|desde|hier|depuis)\b){0,8}"
    r"(?:i|i['’]\w+|we|my|our|ich|mein\w*|wir|yo|mis?|je|mon|ma|mes|nous)\b|j['’]"
)
_ACTS = re.compile(
    r"(?i)\b(?:i|we)(?:['’](?:ve|m|re|d))? (?:(?:\w+ly|also|just|even|often|always|never|now|still|"
    r"am|are|was|were|have|had|been) )*(?!(?:not|be|think|hope|guess|feel|am|are|was|were|have|had|"
    r"can|could|will|would|should|might|may|must|do (?:not|think|know|agree|see|that|it|so)|"
    r"did|don|ca|won|couldn|wouldn|know|mean|see|agree|believe|wish|wonder|understand|remember|"
    r"need|want|got)\b)(?:do|[a-z]{3,})\b"
)
_MINE_IS = re.compile(
    r"(?i)^my [\w'’ -]{2,40}? (?:is|are|was|were) (?!(?:down|slow|broken|dead|empty|full|back|not "
    r"working|wrong|right|that|to)\b)"
)
_ONLY_US = re.compile(r"(?i)\b(?:us|our)\b")
_I_OR_MINE = re.compile(r"(?i)\b(?:i|i['’]\w+|my|me|mine|we|we['’]\w+|myself)\b")
_NAME = re.compile(r"(?<=[\w,;] )[A-ZÀ-Þ][\wÀ-ÿ-]+")
_STRENGTHS = (
    "identity",
    "life",
    "preference",
    "plan",
    "event",
    "greeting",
    "meta",
    "moment",
    "laugh",
    "cancelled",
)


@dataclass(frozen=True, slots=True)
class Worth:
    """``score`` is a log-odds (above 0: keep). ``signs`` tells what it was made of."""

    score: float
    veto: Veto | None = None
    signs: tuple[str, ...] = ()

    @property
    def is_kept(self) -> bool:
        return self.veto is None and self.score > 0


def worth_of(
    piece: Piece, language: str, known: Mapping[str, str] | None = None, *, told_to: bool = False
) -> Worth:
    """How worth remembering ``piece`` is. ``known`` are people introduced before; ``told_to``: the
    user said "remember that"."""
    text = facts.without_lead(mask_quotes(piece.text)).replace("’", "'")
    veto = veto_of(piece, text, language, dict(known or {}), told_to)
    signs = _signs(text, language, told_to)
    return Worth(sum(_WEIGHTS[sign] for sign in ("", *signs)), veto, signs)


def veto_of(
    piece: Piece, text: str, language: str, known: dict[str, str], told_to: bool
) -> Veto | None:
    if piece.is_question or found("speech", "question", text):
        return Veto.QUESTION
    if found("speech", "joke", piece.text) or found("speech", "absurd", text):
        return Veto.JOKE
    if found("speech", "hypothetical", text):
        return Veto.HYPOTHETICAL
    if told_to:
        return None
    if found("speech", "request", text) and not found("speech", "called", text):
        return Veto.REQUEST
    if facts.is_hearsay(piece.text):
        return Veto.HEARSAY
    if found("speech", "called_off", text) or people.names_known_person(text, known):
        return None
    return None if facts.speaks_of_self(text, language) else Veto.NOBODY


def _signs(text: str, language: str, told_to: bool) -> tuple[str, ...]:
    signs = [name for name in _STRENGTHS if _shows(name, text)]
    signs += ["identity"] if facts.introduces(text) and "identity" not in signs else []
    signs += ["explicit"] if told_to or found("speech", "explicit", text) else []
    signs += ["kin"] if people.person_in(text) else []
    signs += ["name"] if _NAME.search(text) else []
    signs += ["number"] if re.search(r"\d", text) else []
    signs += ["time"] if _TIME.search(text) else []
    signs += ["leads"] if _LEADS.search(text) or facts.lacks_subject(text, language) else []
    if found("speech", "task", text):
        signs.append("task")
        signs += ["task_verb"] if found("speech", "task_verb", text) else []
    signs += [] if language in facts.LANGUAGES else ["no_cues"]
    words = max(len(text.split()), len(re.findall(r"[\u3040-\u9fff\uac00-\ud7af]", text)) // 2 + 1)
    signs += ["long"] if words >= 6 else ["short"] if words < 3 else []
    if language == "en":
        signs += ["acts"] if "meta" not in signs and _acts(text, words) else []
        signs += ["mine_is"] if "meta" not in signs and _MINE_IS.search(text) else []
        signs += ["us_only"] if _ONLY_US.search(text) and not _I_OR_MINE.search(text) else []
    signs += ["you"] if re.search(r"(?i)\b(?:you|your)\b", text) else []
    return tuple(signs)


def _shows(name: str, text: str) -> bool:
    match = found("speech", name, text)
    if match is None or name != "moment":
        return match is not None
    return match.start() <= _EARLY


_EARLY = 20
"""Characters; a mood that is told later ("… and I'm so stressed") does not spoil the rest."""


def _acts(text: str, words: int) -> bool:
    """Whether the user does something: in so many words, or with a verb of ordinary life."""
    act = _ACTS.search(text)
    if act is None:
        return False
    return words > 4 or act.group().split()[-1].casefold() in COMMON - _OF_THE_MOMENT


_OF_THE_MOMENT = words_of(
    "try check use wait see look think hope wish wonder say ask tell know mean understand agree "
    "believe "
    "feel hear find get give take put come go appreciate accept advise need want like love"
)
