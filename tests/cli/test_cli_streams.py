"""Standard streams that are full, closed, or know ASCII only: words and an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tsubasa_cli.memory import by_hand
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths

COMMAND = f"{sys.executable} -m tsubasa_cli"
FULL = 4


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("tsubasa", COMMAND, 1)],
        input=b"",
        capture_output=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


@pytest.fixture(autouse=True)
def known(home: Paths) -> None:
    log = MemoryLog(connect(home))
    by_hand.note(log, "I met Zoë at the “Café” 𠮷 today.")


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-"])
@pytest.mark.parametrize(
    "command",
    ["memory list", "memory list --json", "memory stats", "memory export -", "memory --help"],
)
def test_output_that_cannot_be_written(command: str, redirection: str) -> None:
    done = shell(f"tsubasa {command} {redirection}")
    assert done.returncode == FULL, done.stderr.decode()
    assert done.stderr.decode().splitlines()[0] == "tsubasa: The output cannot be written."
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_more_than_a_buffer_of_it(home: Paths) -> None:
    log = MemoryLog(connect(home))
    for number in range(20):
        by_hand.note(log, f"It is {number}: {'so ' * 300}.")
    done = shell("tsubasa memory list > /dev/full")
    assert (done.returncode, b"Traceback" in done.stderr) == (FULL, False)


@pytest.mark.parametrize("command", ["memory list", "memory list --json", "memory --help"])
def test_a_reader_that_stops_reading_is_no_error_to_tell_of(command: str) -> None:
    done = shell(f"{{ sleep 0.5; tsubasa {command}; echo $? >&2; }} | true")
    assert done.stderr == b"1\n"


def test_closed_input_and_closed_messages() -> None:
    assert shell("tsubasa memory list --kind event <&-").returncode == 0
    assert shell("tsubasa memory show nothing 2>&-").returncode == 3


@pytest.mark.parametrize("command", ["memory list", "memory list --json", "memory export -"])
def test_a_pipe_of_ascii_holds_all_of_it(command: str) -> None:
    done = shell(f"tsubasa {command}", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr.decode()
    assert "Zoë at the “Café” 𠮷" in done.stdout.decode()
    if "json" in command:
        assert "𠮷" in json.loads(done.stdout)[0]["statement"]


def test_a_terminal_of_ascii_is_told_what_it_understands(home: Paths, tmp_path: Path) -> None:
    del home
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "TERM": "dumb"}
    arguments = ["-m", "tsubasa_cli", "memory", "list"]
    terminal = pexpect.spawn(
        sys.executable, arguments, env=environment, dimensions=(24, 200), cwd=str(tmp_path)
    )
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0, terminal.before
    assert b"Zo\\xeb" in terminal.before
