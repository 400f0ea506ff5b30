"""A program: nights that are killed at random moments, and what is there afterwards.

``python killed_nights.py FOLDER MODEL KILLS SEED KIND``. Libraries are imported once; each night
runs in a fork of this process, which stands still as it enters the stage in question, is let go,
and is killed with SIGKILL a random moment later. What the stage then writes must be, byte for byte,
what an undisturbed night writes. The exams of the gate are real; its verdict is not, or nothing of
so little training would ever go into service, where a kill could do harm.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path

from night_helpers import STATEMENTS, TINY, steady_threads, tiny_ground, tiny_night

from tsubasa_cli.engine.protocol import Message
from tsubasa_cli.learn.base_engine import engine_with
from tsubasa_cli.learn.gate import passing
from tsubasa_cli.learn.gate.verdict import Check
from tsubasa_cli.learn.ground import Ground, Hooks, Progress
from tsubasa_cli.learn.night import resumed, run_night
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.values import Apply, Stage
from tsubasa_cli.models.file_copy import sha256_of
from tsubasa_cli.storage.paths import Paths

STAGES = (Stage.SNAPSHOT, Stage.SYNTHESIZE, Stage.TRACE, Stage.TRAIN, Stage.GATE)
WATCHED = {
    Stage.SNAPSHOT: ("snapshot.json",),
    Stage.SYNTHESIZE: ("questions.json", "lessons.json"),
    Stage.TRACE: ("traces/*.npz",),
    Stage.TRAIN: ("adapter.gguf",),
    Stage.GATE: ("exams/base-*.json", "exams/adapter-1-*.json"),
}


LEAST = Recipe(
    forms=1,
    others_per_fact=0,
    replay_share=0.1,
    recalled_share=0.0,
    known_recalled_share=0.0,
    past_recalled_share=0.0,
    irrelevant_share=0.0,
    epochs=1.0,
    fewest_steps=1,
    checkpoint_every=1,
    paper=0.01,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is learned, and how: of a real model the least that has all stages."""

    statements: tuple[str, ...]
    recipe: Recipe


KINDS = {
    "tiny": Kind(STATEMENTS, replace(TINY, scales=(1.0,))),
    "real": Kind(STATEMENTS[:1], replace(LEAST, scales=(1.0,))),
}


class Nights:
    """One home, and the nights in it.

    Only forks of this process open the home's database with the product's code, so nothing is
    left open here when a home is put back.
    """

    def __init__(self, home: Path, model: Path, kind: Kind) -> None:
        self.paths = Paths(home, home)
        self._model = model
        self._kind = kind

    def prepare(self) -> str:
        """A run that has been begun; its id."""
        self._in_a_fork(lambda: tiny_night(self._ground(), Apply.ADAPTER, self._kind.recipe))
        return self._of_run("id")

    def start(self, *halts: Stage) -> int:
        """Go on with the run in a process of its own, which stops as it enters one of ``halts``."""
        awaited = set(halts)

        def halt(progress: Progress) -> None:
            if progress.stage in awaited:
                awaited.remove(progress.stage)
                os.kill(os.getpid(), signal.SIGSTOP)

        return _forked(lambda: run_night(resumed(self._ground(), Hooks(on_progress=halt))))

    def outputs(self, run_id: str, stage: Stage) -> dict[str, str]:
        """Digests of what a stage wrote."""
        root = self.paths.learn / run_id
        files = [file for pattern in WATCHED[stage] for file in sorted(root.glob(pattern))]
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def check_service(self) -> None:
        """The model in service is the whole file that it was, and the database is sound."""

        def check() -> None:
            ground = self._ground()
            model = ground.shelf.require()
            assert model.sha256 == sha256_of(model.adapter or model.path)
            assert ground.connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"

        self._in_a_fork(check)

    def check_speech(self) -> None:
        """llama.cpp loads the model in service, and it speaks."""

        async def speak(ground: Ground) -> None:
            model, question = ground.shelf.require(), (Message("user", "Where do I live?"),)
            settings = ground.settings.engine
            async with engine_with(ground.paths, settings, model.path, model.adapter) as engine:
                said = await engine.complete(question, max_tokens=4)
            assert said.text

        self._in_a_fork(lambda: asyncio.run(speak(self._ground())))

    @property
    def is_promoted(self) -> bool:
        return self._of_run("state") == "promoted"

    def run_to_the_end(self) -> None:
        """The night puts what it learned into service."""
        _, status = os.waitpid(self.start(), 0)
        assert status == 0, "a resumed night failed"
        assert self.is_promoted, self._of_run("state")

    def _ground(self) -> Ground:
        return tiny_ground(self.paths.ensure(), self._model, self._kind.statements)

    def _of_run(self, column: str) -> str:
        with closing(sqlite3.connect(self.paths.database, timeout=30)) as connection:
            return str(connection.execute(f"SELECT {column} FROM learn_runs").fetchone()[0])

    def _in_a_fork(self, work: Callable[[], object]) -> None:
        _, status = os.waitpid(_forked(work), 0)
        assert status == 0, "a fork failed"

    def copy_to(self, folder: Path) -> None:
        """Keep the home as it is now."""
        shutil.copytree(self.paths.data, folder)

    def put_back(self, folder: Path) -> None:
        """The home as it was kept in ``folder``."""
        shutil.rmtree(self.paths.data)
        shutil.copytree(folder, self.paths.data)


def _forked(work: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        work()
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)
    os._exit(0)


def wait_until_halted(child: int) -> None:
    """Until the night stands still at the next stage it was to halt at."""
    _, status = os.waitpid(child, os.WUNTRACED)
    assert os.WIFSTOPPED(status), f"the night ended early: {status}"


def end(child: int) -> bool:
    """Kill a night; whether it was still at work, and not halted at the next stage."""
    halted, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
    assert not halted or os.WIFSTOPPED(status), f"the night ended by itself: {status}"
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return not halted


def undisturbed(
    nights: Nights, run_id: str
) -> tuple[dict[Stage, dict[str, str]], dict[Stage, float]]:
    """What each stage writes when nothing happens, and the seconds that it takes."""
    wrote, seconds = {}, {}
    child = nights.start(*STAGES, Stage.PROMOTE)
    wait_until_halted(child)
    for stage in STAGES:
        began = time.monotonic()
        os.kill(child, signal.SIGCONT)
        wait_until_halted(child)
        wrote[stage], seconds[stage] = nights.outputs(run_id, stage), time.monotonic() - began
    began = time.monotonic()
    os.kill(child, signal.SIGCONT)
    os.waitpid(child, 0)
    seconds[Stage.PROMOTE] = time.monotonic() - began
    assert nights.is_promoted
    return wrote, seconds


def killed_in(
    nights: Nights, run_id: str, stage: Stage, kills: int, moments: Iterator[float]
) -> dict[str, str]:
    """Kill ``kills`` nights in ``stage``, each so many seconds after it began; what the stage
    wrote in the end."""
    following = (*STAGES, Stage.PROMOTE)[STAGES.index(stage) + 1]
    before = nights.paths.data.with_name(f"before-{stage}")
    hits = 0
    for moment in islice(moments, 20 * kills):
        child = nights.start(stage, following)
        wait_until_halted(child)
        if not before.exists():
            nights.copy_to(before)
        os.kill(child, signal.SIGCONT)
        time.sleep(moment)
        was_at_work = end(child)
        nights.check_service()
        hits += was_at_work
        if hits == kills:
            break
        if not was_at_work:
            nights.put_back(before)
    assert hits == kills, f"only {hits} kills hit {stage}"
    child = nights.start(following)
    wait_until_halted(child)
    wrote = nights.outputs(run_id, stage)
    end(child)
    shutil.rmtree(before)
    return wrote


def killed_while_promoted(nights: Nights, moments: Iterator[float], kills: int) -> None:
    """Kill nights on the doorstep; each then has what it learned in service, or gets it there."""
    before = nights.paths.data.with_name("before-promote")
    for moment in islice(moments, kills):
        child = nights.start(Stage.PROMOTE)
        wait_until_halted(child)
        if not before.exists():
            nights.copy_to(before)
        os.kill(child, signal.SIGCONT)
        time.sleep(moment)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        nights.check_service()
        if not nights.is_promoted:
            nights.run_to_the_end()
        nights.check_service()
        nights.check_speech()
        nights.put_back(before)
    nights.run_to_the_end()


def _let_through(*_given: object) -> list[Check]:
    return [Check("let through", True, 1, 1, 1, 0, "")]


def main() -> None:
    folder, model, kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    chance, kind = random.Random(int(sys.argv[4])), KINDS[sys.argv[5]]
    import peft  # noqa: F401
    import transformers  # noqa: F401

    import tsubasa_cli.learn.teacher
    import tsubasa_cli.learn.train
    import tsubasa_cli.learn.weights.adapter
    import tsubasa_cli.learn.weights.load  # noqa: F401

    passing.verdict = _let_through  # type: ignore[assignment]
    steady_threads()
    nights = Nights(folder / "home", model, kind)
    run_id = nights.prepare()
    nights.copy_to(folder / "undisturbed")
    expected, seconds = undisturbed(Nights(folder / "undisturbed", model, kind), run_id)
    for stage in STAGES:
        moments = (chance.uniform(0, length) for length in repeat(seconds[stage]))
        wrote = killed_in(nights, run_id, stage, kills, moments)
        assert wrote, f"{stage} wrote nothing"
        assert wrote == expected[stage], f"{stage}: {wrote} is not {expected[stage]}"
        sys.stdout.write(f"{stage}: {kills} kills, the same {len(wrote)} files\n")
        sys.stdout.flush()
    moments = (chance.uniform(0, length) for length in repeat(seconds[Stage.PROMOTE]))
    killed_while_promoted(nights, moments, kills)
    sys.stdout.write(f"promote: {kills} kills, each in service\n")


if __name__ == "__main__":
    main()
