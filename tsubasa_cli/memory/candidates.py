"""The clauses of the user's turns that may be facts, each with what it needs to stand alone.

By rule, for every model alike: a pronoun gets its person, a correction gets the sentence that it
corrects, a joke takes back what it follows. The assistant's words are never read here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from tsubasa_cli.memory import facts, people, slips
from tsubasa_cli.memory.commands import DontSave, Forget, Remember, intent_of
from tsubasa_cli.memory.cue_files import found
from tsubasa_cli.memory.language import language_of
from tsubasa_cli.memory.openings import announces
from tsubasa_cli.memory.presupposed import presupposed_in
from tsubasa_cli.memory.sentences import LAUGHED, Piece, clauses, mask_quotes, sentences
from tsubasa_cli.memory.values import Evidence
from tsubasa_cli.memory.worth import Veto, Worth, worth_of
from tsubasa_cli.storage.values import Role, Turn

MOST_JOINED = 3
"""Clauses that one observation may be made of."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A clause and what it needs to stand alone.

    ``text`` is the clause as it is to be told: its words with pronouns replaced, what it corrects
    put right. ``question`` is the assistant's, where the words are only its answer: it tells what
    they mean and is no evidence. ``is_presupposed``: no statement, but what a question takes for
    granted. ``evidence`` are exact substrings of turns; the first is of
    ``turn``.
    """

    turn: Turn
    text: str
    piece: Piece
    evidence: tuple[Evidence, ...]
    language: str
    worth: Worth
    corrects: bool = False
    added: tuple[str, ...] = ()
    parts: int = 1
    question: str = ""
    is_presupposed: bool = False

    @property
    def said(self) -> str:
        """All the words that speak for it."""
        return " ".join(evidence.quote for evidence in self.evidence)


def candidates(
    turns: Sequence[Turn], targets: Collection[int], known: Mapping[str, str] | None = None
) -> list[Candidate]:
    """The candidates of the user's ``targets`` (turn ids), in order, vetoed ones left out. The
    other ``turns`` of the branch tell who is who and what was taken back; ``known`` are people who
    were named in earlier sessions, by name."""
    reader = _Reader(known or {})
    for turn in turns:
        if turn.role is Role.USER:
            reader.read(turn)
        else:
            reader.asked = facts.question_about_user(turn.text)
    return [candidate for candidate in reader.kept if candidate.turn.id in targets]


class _Reader:
    """Reads the user's turns in order; ``kept`` holds what may be facts, with their scores."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.kept: list[Candidate] = []
        self.people: dict[str, str] = dict(known)
        self.language = "en"
        self._person = ""
        self._person_said: Evidence | None = None
        self._is_correcting = 0
        """The turn that began with "Sorry, not Leipzig", if that is all it said so far."""
        self._turns: list[Turn] = []
        self.asked = ""
        """The assistant's last words, if they asked the user something."""

    def read(self, turn: Turn) -> None:
        intent = intent_of(turn.text)
        if _takes_back(turn.text) or (isinstance(intent, DontSave) and intent.previous):
            self._drop_last_turn()
        self._turns.append(turn)
        self.language = language_of(turn.text, self.language)
        if isinstance(intent, DontSave | Forget):
            return
        start = intent.start if isinstance(intent, Remember) else None
        before = len(self.kept)
        for sentence in sentences(turn.text):
            self._read_sentence(turn, sentence, start)
        if _is_joking(turn.text):
            del self.kept[before:]
        elif len(self.kept) == before and intent is None:
            self._read_answer(turn)
        self.asked = ""

    def _read_answer(self, turn: Turn) -> None:
        """A bare answer, "Biscuit." to "What is your dog called?": kept with its question."""
        text = turn.text.strip()
        if not self.asked or not facts.answers(text):
            return
        start = turn.text.index(text)
        piece = Piece(text, start, start + len(text))
        evidence = (Evidence(turn.id, text),)
        worth = Worth(0.5, None, ("answer",))
        self.kept.append(
            Candidate(turn, text, piece, evidence, self.language, worth, question=self.asked)
        )

    def _drop_last_turn(self) -> None:
        if self._turns:
            last = self._turns[-1].id
            self.kept = [candidate for candidate in self.kept if candidate.turn.id != last]

    def _read_sentence(self, turn: Turn, sentence: Piece, start: int | None) -> None:
        if found("speech", "absurd", mask_quotes(sentence.text)):
            return
        for piece in clauses(sentence):
            told_to = start is not None and piece.end > start
            if told_to and start is not None and piece.start < start:
                piece = Piece(turn.text[start : piece.end], start, piece.end)
            is_opening = announces(piece.text)
            if not is_opening:
                self._read_clause(turn, piece, told_to)
            self.people |= people.people_in(piece.text)
            person = people.person_in(piece.text) or people.pet_in(piece.text)
            person = person or (people.known_in(piece.text, self.people) if is_opening else "")
            if person:
                self._person, self._person_said = person, Evidence(turn.id, piece.text)

    def _read_clause(self, turn: Turn, piece: Piece, told_to: bool) -> None:
        if slips.only_corrects(piece.text):
            self._is_correcting = turn.id
            return
        worth = worth_of(piece, self.language, self.people, told_to=told_to)
        evidence = (Evidence(turn.id, piece.text),)
        plain = facts.with_subject(facts.without_lead(piece.text), self.language)
        text = people.with_relation(plain, self.people) if self.language == "en" else plain
        added = (text[: -len(plain)],) if text != plain else ()
        candidate = Candidate(turn, text, piece, evidence, self.language, worth, added=added)
        if worth.veto in (None, Veto.NOBODY, Veto.REQUEST) and slips.is_correction(piece.text):
            self._correct(candidate)
        elif worth.veto in (None, Veto.NOBODY):
            leant = facts.leans(piece.text) and self._go_on(candidate)
            if worth.veto is None and not leant:
                self.kept.append(replace(candidate, corrects=self._is_correcting == turn.id))
                self._is_correcting = 0
        is_aside = worth.veto in (Veto.QUESTION, Veto.REQUEST, Veto.NOBODY)
        if is_aside and self.language == "en":
            self._read_between_the_lines(turn, piece)

    def _read_between_the_lines(self, turn: Turn, piece: Piece) -> None:
        """What a question or a request takes for granted, unless it was told before."""
        for each in presupposed_in(piece.text):
            if any(name in each.text.split() for name in self.people):
                continue
            words = piece.text[each.start : each.end]
            place = Piece(words, piece.start + each.start, piece.start + each.end)
            worth = Worth(1.0, None, ("presupposed",))
            evidence = (Evidence(turn.id, words),)
            self.kept.append(
                Candidate(turn, each.text, place, evidence, "en", worth, is_presupposed=True)
            )

    # ------------------------------------------------------------- what leans on something else

    def _correct(self, candidate: Candidate) -> None:
        """The sentence that had Maria in it, put right by "No, it's Marta, not Maria"."""
        correction = self._correction(candidate)
        earlier = self._sentence_with(correction.wrong) if correction else None
        names_both = (slips.correction_in(candidate.piece.text) or _NOTHING).wrong
        is_told_in_full = facts.speaks_of_self(
            slips.without_meaning(candidate.text), candidate.language
        )
        if correction and earlier and not (is_told_in_full and names_both):
            self._put_right(candidate, correction, *earlier)
        elif candidate.worth.veto is None and not _is_fragment(candidate.text, correction):
            self.kept.append(replace(candidate, corrects=True))

    def _correction(self, candidate: Candidate) -> slips.Correction | None:
        correction = slips.correction_in(candidate.piece.text)
        if correction is None or correction.wrong or not self.kept:
            return correction
        wrong = slips.counterpart_of(correction.right, self.kept[-1].piece.text)
        return slips.Correction(correction.right, wrong)

    def _put_right(
        self, candidate: Candidate, correction: slips.Correction, turn: Turn, piece: Piece
    ) -> None:
        wrong = re.compile(rf"(?<!\w){re.escape(correction.wrong)}(?!\w)", re.IGNORECASE)
        right = wrong.sub(lambda _: correction.right, piece.text).rstrip(" .!")
        self.kept = [c for c in self.kept if c.turn.id != turn.id or c.piece.start != piece.start]
        self.kept.append(
            replace(
                candidate,
                text=facts.without_lead(f"{right}, not {correction.wrong}"),
                evidence=(*candidate.evidence, Evidence(turn.id, piece.text)),
                worth=Worth(max(candidate.worth.score, 1.0), None, ("correction",)),
                corrects=True,
            )
        )

    def _sentence_with(self, wrong: str) -> tuple[Turn, Piece] | None:
        """The last clause of the user's that says ``wrong``, and whose it is."""
        if not wrong:
            return None
        pattern = re.compile(rf"(?<!\w){re.escape(wrong)}(?!\w)", re.IGNORECASE)
        for turn in reversed(self._turns):
            for sentence in reversed(sentences(turn.text)):
                for piece in reversed(clauses(sentence)):
                    told = facts.speaks_of_self(piece.text, self.language)
                    if pattern.search(piece.text) and told and not slips.is_correction(piece.text):
                        return turn, piece
        return None

    def _go_on(self, candidate: Candidate) -> bool:
        """A clause that leans on the one before: its pronoun's person, or more about the same."""
        pronoun = facts.pronoun_of(candidate.piece.text)
        recent = [turn.id for turn in self._turns[-2:]]
        named = self._person_said
        person = people.person_for(pronoun["who"], self._person) if pronoun else ""
        if pronoun and person and named is not None and named.turn_id in recent:
            return self._give(candidate, pronoun, person, named)
        last = self.kept[-1] if self.kept else None
        if last is None or last.is_presupposed or last.turn.id != candidate.turn.id:
            return False
        return last.parts < MOST_JOINED and self._join(last, candidate)

    def _give(
        self, candidate: Candidate, pronoun: re.Match[str], person: str, named: Evidence
    ) -> bool:
        """A clause about ``person``, whom the words ``named`` tell of."""
        text = people.with_person(candidate.text, pronoun["who"], person)
        worth = worth_of(Piece(text, 0, len(text)), candidate.language, self.people)
        if worth.veto is not None:
            return False
        evidence: tuple[Evidence, ...] = (*candidate.evidence, named)
        if named.turn_id == candidate.turn.id:
            start = candidate.turn.text.rfind(named.quote, 0, candidate.piece.start)
            quote = candidate.turn.text[max(0, start) : candidate.piece.end]
            evidence = (Evidence(candidate.turn.id, quote),)
        self.kept.append(
            replace(
                candidate,
                text=text,
                evidence=evidence,
                worth=worth,
                added=(person,),
            )
        )
        return True

    def _join(self, last: Candidate, candidate: Candidate) -> bool:
        gap = candidate.turn.text[last.piece.end : candidate.piece.start]
        if len(gap.strip(" \n.!,;-–—…")) > 6 or not _adds(candidate.text):
            return False
        start, end = last.piece.start, candidate.piece.end
        quote = candidate.turn.text[start:end]
        text = f"{last.text.rstrip(' .!')}. {candidate.text}"
        piece = Piece(quote, start, end)
        evidence = (Evidence(last.turn.id, quote), *last.evidence[1:])
        self.kept[-1] = replace(
            last, text=text, piece=piece, evidence=evidence, parts=last.parts + 1
        )
        return True


_NOTHING = slips.Correction("", "")


def _is_fragment(text: str, correction: slips.Correction | None) -> bool:
    """ "I meant my sister, not my brother", with nothing that it could put right."""
    plain = slips.without_meaning(text).lstrip(" ,")
    is_all = correction is not None and plain.startswith(correction.right)
    is_clause = re.match(r"(?i)(?:i|i['’]\w+|we|my [\w' ]+ (?:is|are|was|were))\b", plain)
    return (is_all and not is_clause) or "meant" in text.casefold()


def _adds(text: str) -> bool:
    """Whether a sentence that goes on has something to tell: "It was so much fun!" has not."""
    return bool(
        re.search(r"\d", text) or len(text.split()) > 6 or re.search(r"\b[A-Z]\w", text[1:])
    )


def _takes_back(text: str) -> bool:
    return len(text.split()) <= 14 and found("speech", "joke_before", text) is not None


def _is_joking(text: str) -> bool:
    """A turn that calls itself a joke, at its end or as a whole."""
    last = re.split(r"(?<=[.!?])\s+", text.strip())[-1]
    return found("speech", "joke", last) is not None and LAUGHED.search(last) is None
