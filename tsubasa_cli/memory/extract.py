"""From what the user said to candidate observations: TSUBASA §4.1, so that small models can do it.

Code finds the clauses that may be facts, resolves their dates and can always tell them. A model
adds what its calibration says it is good for: an opinion on what is worth keeping, sentences where
grammar is not sure, or, a strong one, everything from whole windows of turns.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from tsubasa_cli.memory.candidates import Candidate, candidates
from tsubasa_cli.memory.dating import dated, with_time
from tsubasa_cli.memory.extract_profile import RULES_ONLY, Profile, opinion_on
from tsubasa_cli.memory.observing import observe
from tsubasa_cli.memory.prompt_files import prompts_hash
from tsubasa_cli.memory.rewrite import Model, by_model, by_rule, is_grounded
from tsubasa_cli.memory.third_person import THE_USER, told
from tsubasa_cli.memory.values import Kind, Observation, Status
from tsubasa_cli.memory.window_facts import candidate_of
from tsubasa_cli.memory.windows import ExtractionError, Told, told_in
from tsubasa_cli.storage.values import Turn

__all__ = ["ExtractionError", "Extractor", "extract_by_rule"]

UNSURE = 1.5
"""Log-odds around zero within which a model is asked what it thinks of a clause."""
SURE = 1.0
"""Above this a clause is kept although a strong model passed it over."""


def extract_by_rule(
    turns: Sequence[Turn], targets: Collection[int], owner: str = ""
) -> list[Observation]:
    """The observations of the user turns ``targets`` of a branch, by code alone."""
    found = (c for c in candidates(turns, targets) if c.worth.is_kept)
    return [_observed_by_rule(candidate, owner) for candidate in found]


def _observed_by_rule(candidate: Candidate, owner: str) -> Observation:
    when = dated(candidate.text, candidate.turn.created_at, candidate.language)
    return observe(candidate, when, by_rule(candidate, when, owner), owner)


class Extractor:
    """Extracts with ``model`` as far as ``profile`` trusts it; without either, by rule alone.

    ``owner`` is what statements call the user, empty for "the user" in the turn's language;
    ``model_hash`` is noted in what is found.
    """

    def __init__(
        self,
        model: Model | None = None,
        owner: str = "",
        *,
        profile: Profile = RULES_ONLY,
        model_hash: str = "",
    ) -> None:
        self._model = model
        self._owner = owner
        self._profile = profile
        self._model_hash = model_hash

    async def extract(
        self,
        turns: Sequence[Turn],
        targets: Collection[int],
        known: Mapping[str, str] | None = None,
    ) -> list[Observation]:
        """The observations of the user turns ``targets`` (ids) among ``turns``, which are a
        session's branch up to the last of them, in order. ``known`` are the user's people of
        earlier sessions, by name (``people.told_of``).

        Raises ``ExtractionError`` when a model's answer is unusable for a turn, and what the model
        raises, ``PreemptedError`` among it; nothing is remembered of a run that raised.
        """
        found = candidates(turns, targets, known)
        if self._model is None:
            observations = await self._one_by_one(found, None)
        elif self._profile.reads_windows:
            observations = await self._by_windows(turns, targets, found, self._model)
        else:
            observations = await self._one_by_one(found, self._model)
        return [self._signed(observation) for observation in observations]

    def _signed(self, observation: Observation) -> Observation:
        version = prompts_hash(
            "extract_worth", "extract_rewrite", "extract_again", "extract_window"
        )
        return replace(observation, model_hash=self._model_hash, prompt_hash=version)

    # ------------------------------------------------------------- turn by turn

    async def _one_by_one(
        self, found: Sequence[Candidate], model: Model | None
    ) -> list[Observation]:
        return [
            await self._observed(candidate, model)
            for candidate in found
            if await self._is_kept(candidate, model)
        ]

    async def _is_kept(self, candidate: Candidate, model: Model | None) -> bool:
        worth = candidate.worth
        if model is None or not self._profile.opinion or abs(worth.score) > UNSURE:
            return worth.is_kept
        opinion = await opinion_on(candidate.text, model)
        if not math.isfinite(opinion):
            return worth.is_kept
        return worth.veto is None and worth.score + self._profile.weighed(opinion) > 0

    async def _observed(self, candidate: Candidate, model: Model | None) -> Observation:
        when = dated(candidate.text, candidate.turn.created_at, candidate.language)
        statement = None
        if not candidate.question:
            statement = told(when.text, candidate.language, self._owner)
        if statement is None and model is not None and self._profile.rewrites:
            statement = await by_model(candidate, when, self._owner, model)
        return observe(
            candidate, when, statement or by_rule(candidate, when, self._owner), self._owner
        )

    # ------------------------------------------------------------- whole windows

    async def _by_windows(
        self,
        turns: Sequence[Turn],
        targets: Collection[int],
        found: Sequence[Candidate],
        model: Model,
    ) -> list[Observation]:
        who = self._owner or THE_USER["en"]
        observations: dict[tuple[int, int], Observation] = {}
        for fact in await told_in(turns, list(targets), model, who):
            candidate = candidate_of(fact, found)
            if candidate is None:
                continue
            place = (candidate.turn.id, candidate.piece.start)
            if place not in observations:
                observations[place] = await self._stated(fact, candidate, model)
        for candidate in found:
            place = (candidate.turn.id, candidate.piece.start)
            if candidate.worth.is_kept and candidate.worth.score > SURE:
                observations.setdefault(place, _observed_by_rule(candidate, self._owner))
        return [observations[place] for place in sorted(observations)]

    async def _stated(self, fact: Told, candidate: Candidate, model: Model) -> Observation:
        """The model's statement when it is grounded, else another try, else the rule's; what no
        words of the user's carry waits for the user."""
        anchor, language = candidate.turn.created_at, candidate.language
        when = with_time(dated(candidate.text, anchor, language), fact.time_expr, anchor, language)
        stated = dated(fact.statement, anchor, language).text
        if not is_grounded(stated, candidate, when, self._owner):
            stated = await by_model(candidate, when, self._owner, model)
        observation = observe(
            candidate, when, stated or by_rule(candidate, when, self._owner), self._owner
        )
        if observation.kind is Kind.STATE:
            observation = replace(observation, kind=fact.kind)
        if not stated and not candidate.worth.is_kept:
            return replace(observation, status=Status.QUARANTINED)
        return observation
