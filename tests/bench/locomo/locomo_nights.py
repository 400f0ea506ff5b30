"""One night in a speaker's home, by the product's own path: ``tsubasa learn --apply adapter`` on
the model of the benchmark, through the gate. What the gate refuses does not serve here either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from locomo_homes import Home

from tsubasa_cli.learn.files import read_json
from tsubasa_cli.learn.ground import Ground, Hooks, Night, Wishes
from tsubasa_cli.learn.night import begin, resumed, spend_night
from tsubasa_cli.learn.plan import make_plan, require_feasible
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.values import Apply, LearnRun, RunState
from tsubasa_cli.models.model import Model
from tsubasa_cli.models.shelf import ModelShelf
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.settings import EngineSettings, MemorySettings, Settings

NIGHT_KEY = ("conversation", "speaker", "run")
ENDED = (RunState.PROMOTED, RunState.REFUSED)
NOTHING = "nothing to learn"
"""How it stands with a home whose memory is empty: no run is begun there."""
LIBRARIES = ("torch", "transformers", "peft", "llama-cpp-python")


@dataclass(frozen=True, slots=True)
class Learning:
    """How nights learn: their budget in ``seconds`` (0: as long as it takes), CPU ``threads``
    (0: the libraries choose), device, and recipe."""

    seconds: float = 0
    threads: int = 0
    device: str = "auto"
    recipe: Recipe = Recipe()  # noqa: RUF009 - a frozen value

    def wishes(self) -> Wishes:
        """As the product is asked."""
        return Wishes(Apply.ADAPTER, self.seconds or None, self.device, self.recipe)


@dataclass(frozen=True, slots=True)
class Taught:
    """How a home's night ended: its ``run``, None where there was nothing to learn, and the
    adapter that serves now, None for the base alone."""

    run: LearnRun | None
    adapter: Path | None

    @property
    def is_paused(self) -> bool:
        return self.run is not None and self.run.state is RunState.PAUSED


class HomeNight:
    """The night of one home, with ``model`` as its base. Each method may take a thread's time; use
    it as a context of that thread."""

    def __init__(self, home: Home, model: Path, learning: Learning) -> None:
        self._home, self._model, self._learning = home, model.absolute(), learning

    def taught(self, hooks: Hooks) -> Taught:
        """Go on with the night, or begin it; nothing where it came to its end before.

        Raises ``TsubasaError`` where the product does: a model too large for this machine, no
        memory left; ``SystemExit`` when the night began with another budget or recipe.
        """
        with self._ground() as ground:
            base = self._base(ground)
            run = self._ended(ground, base)
            night = self._night(ground, base, hooks) if run is None else None
            if night is not None:
                self._steady()
                run = spend_night(ground, lambda: night).run
            serving = ground.shelf.require()
            return Taught(run, serving.adapter if serving.is_personal else None)

    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        with self._ground() as ground:
            return self._ended(ground, self._base(ground)) is not None

    # ------------------------------------------------------------- inside

    @contextmanager
    def _ground(self) -> Iterator[Ground]:
        paths = self._home.paths
        settings = Settings(
            engine=EngineSettings(threads=self._learning.threads),
            memory=MemorySettings(owner=self._home.speaker),
        )
        connection = connect(paths)
        try:
            yield Ground(paths, settings, connection, ModelShelf(paths, lambda: connect(paths)))
        finally:
            connection.close()

    def _base(self, ground: Ground) -> Model:
        """The model of the benchmark, in service unless a night has put another there."""
        known = (m for m in ground.shelf.list() if m.path == self._model and not m.is_personal)
        base = next(known, None) or ground.shelf.import_file(self._model, in_place=True)
        if ground.shelf.chosen_name() is None:
            ground.shelf.use(base.name)
        return base

    def _ended(self, ground: Ground, base: Model) -> LearnRun | None:
        digest = ground.shelf.digest(base.name)
        runs = (run for run in ground.runs.all() if run.base_sha256 == digest)
        ended = next((run for run in runs if run.state in ENDED), None)
        if ended is not None:
            self._require_alike(ground, ended)
        return ended

    def _night(self, ground: Ground, base: Model, hooks: Hooks) -> Night | None:
        """The night that was stopped, else a new one; None where the memory is empty."""
        stopped = ground.runs.unfinished()
        if stopped is not None:
            self._require_alike(ground, stopped)
            return resumed(ground, hooks)
        wishes = self._learning.wishes()
        plan = make_plan(ground, base, wishes)
        if not plan.memories:
            return None
        require_feasible(plan, base, wishes)
        return begin(ground, base, wishes, hooks)

    def _require_alike(self, ground: Ground, run: LearnRun) -> None:
        """A home has one night, or its answers would be of several models."""
        if not self._learning.wishes().would_repeat(read_json(ground.folder(run.id).wishes)):
            raise SystemExit(
                f"The night of {self._home.speaker}'s home had another budget or recipe. Say"
                " --learn-seconds as it was then, or take another --out."
            )

    def _steady(self) -> None:
        import torch

        if self._learning.threads:
            torch.set_num_threads(self._learning.threads)


def night_record(home: Home, taught: Taught, learning: Learning) -> dict[str, Any]:
    """What a night came to and what it cost, without a word of what was learned. ``turns`` are
    the user's, seconds are by stage and over all sittings."""
    report = json.loads(taught.run.report or "{}") if taught.run else {}
    return {
        "conversation": home.conversation.name,
        "speaker": home.speaker,
        "run": taught.run.id if taught.run else "",
        "state": taught.run.state.value if taught.run else NOTHING,
        "reason": taught.run.reason if taught.run else "",
        "turns": sum(who == home.speaker for who, _ in home.conversation.turns.values()),
        "budget_seconds": learning.seconds,
        "device": report.get("device", ""),
        "memories": report.get("memories", 0),
        "lessons": report.get("lessons", 0),
        "steps": len(report.get("kl", ())),
        "seconds": report.get("seconds", {}),
        "route": report.get("route", ""),
        "checks": [
            {name: check[name] for name in ("name", "passed", "value", "low", "high", "bound")}
            for check in report.get("checks", ())
        ],
        "versions": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }
