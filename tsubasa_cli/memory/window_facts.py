"""Where a strong model's fact was said: the clause whose words it shares."""

from __future__ import annotations

from collections.abc import Sequence

from tsubasa_cli.memory import facts
from tsubasa_cli.memory.candidates import Candidate
from tsubasa_cli.memory.language import language_of
from tsubasa_cli.memory.sentences import Piece, clauses, sentences
from tsubasa_cli.memory.text import stems
from tsubasa_cli.memory.values import Evidence
from tsubasa_cli.memory.windows import Told
from tsubasa_cli.memory.worth import Veto, worth_of

LEAST_SHARED = 0.34
"""Of a statement's content words, with the clause that it is taken to come from."""


def candidate_of(fact: Told, found: Sequence[Candidate]) -> Candidate | None:
    """The candidate that ``fact`` tells, one that the rules passed over included; None where no
    clause of its turn carries it, or what carries it is a joke, a question or the like."""
    language = language_of(fact.turn.text)
    pieces = [piece for sentence in sentences(fact.turn.text) for piece in clauses(sentence)]
    best = max(
        pieces, key=lambda piece: _shared(fact.statement, piece.text, language), default=None
    )
    if best is None or _shared(fact.statement, best.text, language) < LEAST_SHARED:
        return None
    for candidate in found:
        is_here = candidate.turn.id == fact.turn.id
        if is_here and candidate.piece.start <= best.start < candidate.piece.end:
            return candidate
    return _passed_over(fact, best, language)


def _passed_over(fact: Told, piece: Piece, language: str) -> Candidate | None:
    worth = worth_of(piece, language)
    if worth.veto not in (None, Veto.NOBODY):
        return None
    evidence = (Evidence(fact.turn.id, piece.text),)
    text = facts.without_lead(piece.text)
    return Candidate(fact.turn, text, piece, evidence, language, worth)


def _shared(statement: str, text: str, language: str) -> float:
    said = set(stems(statement, language)) - {"user", "nutzer", "usuari", "utilis"}
    return len(said & set(stems(text, language))) / len(said) if said else 0.0
