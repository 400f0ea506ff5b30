"""Through the gate: candidates are tried in their order until one passes, on two papers.

What a candidate is chosen by is not what it is judged by: the first paper (other questions, other
text) tells a hopeless candidate cheaply, the second decides. The base takes both papers once; a
candidate takes of them what it passes, and the first part that it fails. So what goes into service
has passed every check, and what does not has cost little.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tsubasa_cli.errors import DiskFullError, StorageError, TsubasaError
from tsubasa_cli.learn.base_engine import engine_with
from tsubasa_cli.learn.cache import Cache
from tsubasa_cli.learn.candidates import Candidate, Deployed, candidates_for, deploy
from tsubasa_cli.learn.files import read_json, write_json
from tsubasa_cli.learn.gate.exam import (
    ROUNDS_OF_BASE,
    Paper,
    Part,
    Result,
    manner_of,
    set_paper,
    take_exam,
)
from tsubasa_cli.learn.gate.remembered import Remembered
from tsubasa_cli.learn.gate.verdict import Check, change_survived, passes, verdict
from tsubasa_cli.learn.ground import Night, Progress
from tsubasa_cli.learn.lessons import Notes
from tsubasa_cli.learn.materials import Passage, controls, prose, prose_for_selection
from tsubasa_cli.learn.values import PausedError, Purpose, QuestionAnswer, Stage
from tsubasa_cli.storage.paths import make_private_folder

MOST_SELECTING, SPOKEN_SELECTING = 60, 24
MOST_JUDGED, SPOKEN_JUDGED = 160, 80
"""Questions of the two papers, and how many of them are answered aloud."""


_Examine = Callable[..., Awaitable[Result]]
"""``take_exam`` with what is particular to the base, or to a candidate."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a candidate: the checks of the paper that it failed, or of the last."""

    candidate: Candidate
    projection: dict[str, float]
    paper: str
    checks: tuple[Check, ...]
    trouble: str = ""

    @property
    def passed(self) -> bool:
        return not self.trouble and self.paper == "judge" and passes(self.checks)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.candidate.name,
            "words": self.candidate.in_words(),
            "projection": self.projection,
            "paper": self.paper,
            "passed": self.passed,
            "trouble": self.trouble,
            "checks": [check.to_json() for check in self.checks],
        }


@dataclass(frozen=True, slots=True)
class Passed:
    """How the gate was left: ``winner`` None when nothing passed. ``base`` and ``after`` are the
    results of ``paper``, ``after`` of the winner, or of the last that came furthest; the judging
    paper where any came to it."""

    tried: tuple[Tried, ...]
    winner: Deployed | None
    paper: Paper
    base: Result
    after: Result | None


class Gate:
    """One night's gate."""

    def __init__(self, night: Night, questions: Sequence[QuestionAnswer], notes: Notes) -> None:
        self._night = night
        self._notes = notes
        self._papers = {
            "select": _paper(questions, Purpose.SELECT, night.recipe.paper),
            "judge": _paper(questions, Purpose.JUDGE, night.recipe.paper),
        }
        self._disk_error: TsubasaError | None = None
        make_private_folder(night.folder.exams)

    def pass_through(self) -> Passed:
        """Try candidate after candidate. Raises ``PausedError`` between two steps, and the disk's
        error when nothing passes and there was no room for one of them: that is no verdict."""
        tried: list[Tried] = []
        last: dict[str, Result] = {}
        for candidate in self._candidates():
            found, deployed, result = self._try(candidate)
            tried.append(found)
            if result is not None:
                last[found.paper] = result
            self._tell(found)
            if found.passed and deployed is not None:
                return self._left(tried, deployed, last)
            if deployed is not None:
                deployed.own_file.unlink(missing_ok=True)
        if self._disk_error is not None:
            raise self._disk_error
        return self._left(tried, None, last)

    def _left(
        self, tried: Sequence[Tried], winner: Deployed | None, last: Mapping[str, Result]
    ) -> Passed:
        name = "judge" if "judge" in last else "select"
        base = self._of_base(name)
        return Passed(tuple(tried), winner, self._papers[name], base, last.get(name))

    def _candidates(self) -> list[Candidate]:
        wishes = self._night.wishes
        return list(
            candidates_for(wishes.apply, wishes.recipe.scales, self._night.master is not None)
        )

    def _try(self, candidate: Candidate) -> tuple[Tried, Deployed | None, Result | None]:
        try:
            deployed = deploy(self._night, candidate, self._written)
        except TsubasaError as error:
            if isinstance(error, DiskFullError | StorageError):
                self._disk_error = error
            return Tried(candidate, {}, "", (), f"{error.what} {error.why}"), None, None
        survived = change_survived(deployed.least, self._night.recipe)
        if not survived.passed:
            return Tried(candidate, deployed.projection, "", (survived,)), deployed, None
        return self._judged(candidate, deployed)

    def _judged(
        self, candidate: Candidate, deployed: Deployed
    ) -> tuple[Tried, Deployed | None, Result | None]:
        checks: list[Check] = []
        for name in self._papers:
            base = self._of_base(name)
            result = self._of_candidate(name, base, deployed)
            checks = self._checks(name, base, result, deployed)
            if _is_out(name, checks):
                return Tried(candidate, deployed.projection, name, tuple(checks)), deployed, result
        return Tried(candidate, deployed.projection, "judge", tuple(checks)), deployed, result

    def _checks(self, name: str, base: Result, result: Result, deployed: Deployed) -> list[Check]:
        return verdict(self._papers[name], base, result, deployed.least, self._night.recipe)

    def _written(self, done: int, total: int) -> None:
        self._night.hooks.on_progress(Progress(Stage.APPLY, done, total))
        self._stop_if_wanted()

    def _tell(self, tried: Tried) -> None:
        failed = ", ".join(check.name for check in tried.checks if not check.passed)
        outcome = "passed" if tried.passed else f"refused ({tried.trouble or failed})"
        self._night.hooks.on_message(f"{tried.candidate.in_words()}: {outcome}.")

    # ------------------------------------------------------------------ exams

    def _of_base(self, paper: str) -> Result:
        """What of it bears on no memory is known from earlier nights."""
        with self._cache() as cache:
            remember = Remembered(cache, *self._base_key())
            examine = partial(take_exam, remember=remember, rounds=ROUNDS_OF_BASE)
            return self._result(f"base-{paper}", paper, self._night.base.path, None, examine)

    def _of_candidate(self, paper: str, base: Result, deployed: Deployed) -> Result:
        """No more of the exam than it takes to refuse."""
        name = f"{deployed.candidate.name}-{paper}"

        def is_refused(result: Result) -> bool:
            return _is_out(paper, self._checks(paper, base, result, deployed))

        def is_usable(result: Result) -> bool:
            return set(result.parts) == set(Part) or is_refused(result)

        examine = partial(take_exam, is_enough=is_refused)
        return self._result(name, paper, deployed.model, deployed.adapter, examine, is_usable)

    def _result(
        self,
        name: str,
        paper: str,
        model: Path,
        adapter: Path | None,
        examine: _Examine,
        is_usable: Callable[[Result], bool] = lambda _result: True,
    ) -> Result:
        """From its file when that exam was taken before, in the same manner: base and candidate
        are not compared when the one drew its replies and the other did not, or otherwise. An exam
        that a refusal cut short is taken again when it is no refusal any more, as after an
        update: what was not asked is not passed."""
        file = self._night.folder.exams / f"{name}-{manner_of(self._night.sampling)}.json"
        known = Result.from_json(read_json(file)) if file.exists() else None
        if known is not None and is_usable(known):
            return known
        self._stop_if_wanted()
        result = asyncio.run(self._take(paper, model, adapter, examine))
        write_json(file, result.to_json())
        return Result.from_json(read_json(file))

    async def _take(
        self, paper: str, model: Path, adapter: Path | None, examine: _Examine
    ) -> Result:
        ground, system = self._night.ground, self._night.system_prompt
        asked, sampling = self._papers[paper], self._night.sampling
        async with engine_with(ground.paths, ground.settings.engine, model, adapter) as engine:
            return await examine(engine, asked, self._notes, system, sampling, self._step)

    def _base_key(self) -> tuple[str, ...]:
        """Another llama.cpp, or another device, rounds differently."""
        layers = self._night.ground.settings.engine.gpu_layers
        return self._night.base_sha256, version("llama-cpp-python"), str(layers)

    @contextmanager
    def _cache(self) -> Iterator[Cache]:
        cache = Cache(self._night.ground.paths.learn_cache)
        try:
            yield cache
        finally:
            cache.close()

    def _step(self, done: int, total: int) -> None:
        self._night.hooks.on_progress(Progress(Stage.GATE, done, total))
        self._stop_if_wanted()

    def _stop_if_wanted(self) -> None:
        if self._night.hooks.should_stop():
            raise PausedError


def _is_out(paper: str, checks: Sequence[Check]) -> bool:
    """The first paper is short: it turns away what fails beyond doubt, the second what fails."""
    if paper == "select":
        return any(check.is_hopeless for check in checks)
    return not passes(checks)


def _paper(questions: Sequence[QuestionAnswer], purpose: Purpose, share: float) -> Paper:
    asked = [qa for qa in questions if qa.purpose is purpose]
    if purpose is Purpose.SELECT:
        text = _pieces(prose_for_selection())
        general, sizes = controls()[::3], (MOST_SELECTING, SPOKEN_SELECTING)
    else:
        text = _pieces(prose())
        general, sizes = controls(), (MOST_JUDGED, SPOKEN_JUDGED)
    most, spoken = (max(round(share * size), 8) for size in sizes)
    return set_paper(asked, _part(general, share), _part(text, share), most, spoken)


def _pieces(passages: Sequence[Passage]) -> list[str]:
    """All of the text, of every kind in turn: a part of them is text of every kind."""
    rows = zip_longest(*(passage.pieces() for passage in passages))
    return [piece for row in rows for piece in row if piece is not None]


def _part(things: Sequence[Any], share: float) -> Sequence[Any]:
    return things[: max(math.ceil(share * len(things)), 2)]
