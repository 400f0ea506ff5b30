"""A program: nights that are killed at random moments, and what is there afterwards.

``python killed_nights.py FOLDER MODEL KILLS SEED``. Libraries are imported once; each night runs in
a fork of this process, which is killed with SIGKILL while the stage in question is at work. What
the stage then writes must be, byte for byte, what an undisturbed night writes.
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
from pathlib import Path

from night_helpers import TINY, steady_threads, tiny_ground, tiny_night

from tsubasa_cli.learn.ground import Hooks
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
PATIENCE = 120.0


class Nights:
    """One home, and the nights in it."""

    def __init__(self, home: Path, model: Path, chance: random.Random) -> None:
        self.paths = Paths(home, home)
        self._model = model
        self._chance = chance
        self._open: int | None = None

    def prepare(self) -> str:
        """A run that has been begun; its id."""
        ground = tiny_ground(self.paths.ensure(), self._model)
        night = tiny_night(ground, Apply.ADAPTER, TINY)
        ground.connection.close()
        return night.run_id

    def start(self) -> int:
        """Go on with the run in a process of its own."""
        child = os.fork()
        if child:
            return child
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        try:
            run_night(resumed(tiny_ground(self.paths, self._model), Hooks()))
        except BaseException as error:
            sys.stderr.write(f"night: {error!r}\n")
            os._exit(1)
        os._exit(0)

    def stage(self) -> str:
        """The stage that the run is at."""
        return self._of_run("stage")

    def state(self) -> str:
        """How the run stands."""
        return self._of_run("state")

    def _of_run(self, column: str) -> str:
        with sqlite3.connect(self.paths.database, timeout=30) as connection:
            return str(connection.execute(f"SELECT {column} FROM learn_runs").fetchone()[0])

    def outputs(self, run_id: str, stage: Stage) -> dict[str, str]:
        """Digests of what a stage wrote."""
        root = self.paths.learn / run_id
        files = [file for pattern in WATCHED[stage] for file in sorted(root.glob(pattern))]
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def check_service(self) -> None:
        """The model in service is a whole file that can be read, and the database is sound."""
        ground = tiny_ground(self.paths, self._model)
        model = ground.shelf.require()
        read_header(model.adapter or model.path)
        assert ground.connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        ground.connection.close()


def wait_for(nights: Nights, child: int, stage: Stage) -> bool:
    """Until the run is at ``stage``; False when the night is over before."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        if nights.stage() == stage:
            return True
        time.sleep(0.01)
    raise AssertionError(f"the night never came to {stage}")


def run_to_the_end(nights: Nights) -> None:
    """The night comes to a verdict, if it has not yet."""
    if nights.state() in ("running", "paused"):
        _, status = os.waitpid(nights.start(), 0)
        assert status == 0, "a resumed night failed"
    assert nights.state() in ("promoted", "refused"), nights.state()


def undisturbed(nights: Nights, run_id: str) -> dict[Stage, dict[str, str]]:
    """What each stage writes when nothing happens."""
    child = nights.start()
    kept: dict[Stage, dict[str, str]] = {}
    while not os.waitpid(child, os.WNOHANG)[0]:
        for stage in STAGES:
            found = nights.outputs(run_id, stage)
            kept[stage] = found if len(found) >= len(kept.get(stage, {})) else kept[stage]
        time.sleep(0.02)
    for stage in (Stage.TRAIN, Stage.GATE):
        kept[stage] = nights.outputs(run_id, stage) or kept[stage]
    return kept


def killed_in(
    nights: Nights, run_id: str, stage: Stage, kills: int, chance: random.Random
) -> tuple[int, dict[str, str]]:
    """Kill ``kills`` nights in ``stage``; how many that hit, and what the stage wrote."""
    before = nights.paths.data.with_name(f"before-{stage}")
    shutil.copytree(nights.paths.data, before)
    hit, spent, wrote = 0, 0.3, {}
    while hit < kills:
        child = nights.start()
        if not wait_for(nights, child, stage):
            _restore(nights, before)
            continue
        time.sleep(chance.uniform(0, spent))
        is_in_it = nights.stage() == stage
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        nights.check_service()
        hit += is_in_it
        spent = min(1.5 * spent, 3.0) if is_in_it else max(spent / 2, 0.02)
        if not is_in_it:
            _restore(nights, before)
    child = nights.start()
    while not os.waitpid(child, os.WNOHANG)[0]:
        found = nights.outputs(run_id, stage)
        wrote = found if len(found) >= len(wrote) else wrote
        if nights.stage() not in STAGES[: STAGES.index(stage) + 1]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.005)
    wrote = nights.outputs(run_id, stage) or wrote
    shutil.rmtree(before)
    return hit, wrote


def _restore(nights: Nights, before: Path) -> None:
    shutil.rmtree(nights.paths.data)
    shutil.copytree(before, nights.paths.data)


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
    nights = Nights(folder / "home", model, chance)
    run_id = nights.prepare()
    shutil.copytree(folder / "home", folder / "undisturbed")
    expected = undisturbed(Nights(folder / "undisturbed", model, chance), run_id)
    for stage in STAGES:
        hit, wrote = killed_in(nights, run_id, stage, kills, chance)
        assert wrote, f"{stage} wrote nothing"
        assert wrote == expected[stage], f"{stage}: {wrote} is not {expected[stage]}"
        sys.stdout.write(f"{stage}: {hit} kills, the same {len(wrote)} files\n")
        sys.stdout.flush()
    run_to_the_end(nights)
    nights.check_service()


if __name__ == "__main__":
    main()
