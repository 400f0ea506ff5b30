"""Distilling that is killed again and again loses no fact, and learns none twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tsubasa_cli.memory.memory import Memory
from tsubasa_cli.memory.values import Status
from tsubasa_cli.storage.paths import Paths

LIFE = (
    "I work at Acme as a data analyst.",
    "My sister Ana lives in Toronto.",
    "I have two cats called Miso and Tofu.",
    "I am allergic to nuts.",
    "I started at Globex last Monday as a product manager.",
    "My birthday is on 3 May.",
    "I moved to Porto in April.",
    "I play the cello on Thursdays.",
    "I don't eat meat any more.",
    "My car is a red Fiat.",
    "I am going to Japan next spring.",
    "I ran the Berlin marathon in 2019.",
)
KILLS = 20


def tsubasa(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tsubasa_cli", "memory", *arguments],
        env={**os.environ, "TSUBASA_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def lived(folder: Path) -> Path:
    """A log of ``LIFE``, three turns a session, a week apart."""
    file = folder / "life.jsonl"
    lines = (
        {
            "session": f"s{place // 3}",
            "time": f"2026-0{place // 3 + 1}-05T09:0{place % 3}:00+01:00",
            "role": "user",
            "text": text,
        }
        for place, text in enumerate(LIFE)
    )
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def known(home: Path) -> tuple[list[str], list[str], int, set[str]]:
    """The active and the superseded statements, the turns that wait, where the index differs."""
    memory = Memory(Paths(data=home, config=home))
    try:
        memory.catch_up()
        active = sorted(o.statement for o in memory.log.all())
        past = sorted(o.statement for o in memory.log.all(status=(Status.SUPERSEDED,)))
        return active, past, len(memory.log.pending()), memory.index.differences()
    finally:
        memory.close()


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    file = lived(tmp_path)
    commands = (("import", "log", str(file)), ("process", "--wait"))
    began = time.monotonic()
    assert tsubasa(tmp_path / "calm", *commands[0]).wait(300) == 0
    took = time.monotonic() - began
    wanted = known(tmp_path / "calm")
    assert wanted[2:] == (0, set())
    chance = random.Random(1)
    kills = 0
    for round_ in range(KILLS // 2):
        home = tmp_path / f"rough{round_}"
        for command in commands:
            process = tsubasa(home, *command)
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.1, 0.9) * took)
            kills += process.poll() is None
            process.kill()
            process.wait()
        for command in commands:
            assert tsubasa(home, *command).wait(300) == 0
        assert known(home) == wanted
    assert kills >= KILLS // 4
