"""A program: nights that are killed at random moments, and what is there afterwards.

``python killed_nights.py FOLDER MODEL KILLS SEED``. Libraries are imported once; each night runs in
a fork of this process, which stands still as it enters the stage in question, is let go, and is
killed with SIGKILL a random moment later. What the stage then writes must be, byte for byte, what
an undisturbed night writes.
"""

from __future__ import annotations

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
from itertools import islice, repeat
from pathlib import Path

from night_helpers import TINY, steady_threads, tiny_ground, tiny_night

from tsubasa_cli.learn.ground import Ground, Hooks, Progress
from tsubasa_cli.learn.night import resumed, run_night
from tsubasa_cli.learn.values import Apply, Stage
from tsubasa_cli.models.gguf_header import read_header
from tsubasa_cli.storage.paths import Paths

STAGES = (Stage.SNAPSHOT, Stage.SYNTHESIZE, Stage.TRACE, Stage.TRAIN, Stage.GATE)
WATCHED = {
    Stage.SNAPSHOT: ("snapshot.json",),
    Stage.SYNTHESIZE: ("questions.json", "lessons.json"),
    Stage.TRACE: ("traces/*.npz",),
    Stage.TRAIN: ("adapter.gguf",),
    Stage.GATE: ("exams/base-*.json", "exams/adapter-1-*.json"),
}


class Nights:
    """One home, and the nights in it.

    Only forks of this process open the home's database with the product's code, so nothing is
    left open here when a home is put back.
    """

    def __init__(self, home: Path, model: Path) -> None:
        self.paths = Paths(home, home)
        self._model = model

    def prepare(self) -> str:
        """A run that has been begun; its id."""
        self._in_a_fork(lambda: tiny_night(self._ground(), Apply.ADAPTER, TINY))
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
        """The model in service is a whole file that can be read, and the database is sound."""

        def check() -> None:
            ground = self._ground()
            model = ground.shelf.require()
            read_header(model.adapter or model.path)
            assert ground.connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"

        self._in_a_fork(check)

    def run_to_the_end(self) -> None:
        """The night comes to a verdict."""
        _, status = os.waitpid(self.start(), 0)
        assert status == 0, "a resumed night failed"
        assert self._of_run("state") in ("promoted", "refused"), self._of_run("state")

    def _ground(self) -> Ground:
        return tiny_ground(self.paths.ensure(), self._model)

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
    end(child)
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


def main() -> None:
    folder, model, kills, seed = (
        Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    )  # fmt: skip
    import peft  # noqa: F401
    import transformers  # noqa: F401

    import tsubasa_cli.learn.teacher
    import tsubasa_cli.learn.train
    import tsubasa_cli.learn.weights.adapter
    import tsubasa_cli.learn.weights.load  # noqa: F401

    steady_threads()
    chance = random.Random(seed)
    nights = Nights(folder / "home", model)
    run_id = nights.prepare()
    nights.copy_to(folder / "undisturbed")
    expected, seconds = undisturbed(Nights(folder / "undisturbed", model), run_id)
    for stage in STAGES:
        moments = (chance.uniform(0, length) for length in repeat(seconds[stage]))
        wrote = killed_in(nights, run_id, stage, kills, moments)
        assert wrote, f"{stage} wrote nothing"
        assert wrote == expected[stage], f"{stage}: {wrote} is not {expected[stage]}"
        sys.stdout.write(f"{stage}: {kills} kills, the same {len(wrote)} files\n")
        sys.stdout.flush()
    nights.run_to_the_end()
    nights.check_service()


if __name__ == "__main__":
    main()
