"""``kill -9`` at random moments of every stage: what is written afterwards is the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("killed_nights.py")


def _run(folder: Path, model: Path, kills: int, kind: str) -> str:
    folders = [str(PROGRAM.parent), *sys.path]
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            str(PROGRAM),
            str(folder),
            str(model),
            str(kills),
            "7",
            kind,
        ],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(filter(None, folders)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
def test_twenty_kills_in_every_stage_change_nothing(tmp_path: Path, tiny_model: Path) -> None:
    told = _run(tmp_path, tiny_model, 20, "tiny")
    assert told.count("20 kills") == 6


def test_a_kill_in_every_stage_changes_nothing(tmp_path: Path, tiny_model: Path) -> None:
    told = _run(tmp_path, tiny_model, 1, "tiny")
    assert told.count("1 kills") == 6


@pytest.mark.slow
def test_a_kill_in_every_stage_of_a_real_model_changes_nothing(
    tmp_path: Path, smollm2: Path
) -> None:
    """One memory, a step of training, a gate of few questions: three minutes of one core."""
    told = _run(tmp_path, smollm2, 1, "real")
    assert told.count("1 kills") == 6
