"""The inspector on a real terminal: search, edit, undo, erase; and opened from a chat."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from e2e.terminal import Terminal

from tsubasa_cli.memory.by_hand import note
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.values import Op, Status
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths

Open = Callable[..., Terminal]

ENTER, ESCAPE, CTRL_Q, CTRL_S, CTRL_A, CTRL_K, F2 = (
    "\r", "\x1b", "\x11", "\x13", "\x01", "\x0b", "\x1bOQ",
)  # fmt: skip


@pytest.fixture
def open_terminal(home: Paths) -> Iterator[Open]:
    opened: list[Terminal] = []

    def open_(*arguments: str, **size: int) -> Terminal:
        terminal = Terminal(*arguments, home=home.data, **size)
        opened.append(terminal)
        return terminal

    yield open_
    for terminal in opened:
        terminal.close()


def test_search_edit_undo_erase(home: Paths, open_terminal: Open) -> None:
    log = MemoryLog(connect(home))
    boat = note(log, "My boat is called Zephyrine.")
    note(log, "I prefer tea to coffee.")

    terminal = open_terminal("memory", "inspect", columns=120, rows=36)
    terminal.wait_for("2 memories", "Zephyrine", "prefers tea")
    terminal.type("/zeph")
    terminal.wait_until(lambda screen: "1 found" in screen and "tea" not in screen)
    terminal.type(ENTER)
    terminal.type("e")
    terminal.wait_for("Edit the memory")
    terminal.type(CTRL_A)
    terminal.type(CTRL_K)
    terminal.wait_until(lambda screen: screen.count("boat is called") < 3)
    terminal.type("The user's boat is called Marguerite.")
    terminal.wait_for("Marguerite.")
    terminal.type(CTRL_S)
    terminal.wait_for("Corrected; u undoes it.")
    assert log.get(boat.id).statement == "The user's boat is called Marguerite."

    terminal.type("u")
    terminal.wait_for("Undone: corrected")
    assert log.get(boat.id).statement == boat.statement
    terminal.wait_for("is called Zephyrine")

    terminal.type("x")
    terminal.wait_for("type erase to go on", "My boat is called Zephyrine")
    terminal.type("erase" + ENTER)
    terminal.wait_for("Erased for good: 1 memory")
    assert log.get(boat.id).status is Status.ERASED
    assert [event.op for event in log.history(boat.id)] == [Op.ADD, Op.EDIT, Op.UNDO, Op.ERASE]
    terminal.type("q")
    assert terminal.wait_for_exit() == 0
    left = [file for file in home.data.rglob("*") if file.is_file() and _holds(file, b"Zephyrine")]
    assert left == []


def test_with_words_to_look_for(home: Paths, open_terminal: Open) -> None:
    log = MemoryLog(connect(home))
    note(log, "My boat is called Zephyrine.")
    note(log, "I prefer tea to coffee.")
    terminal = open_terminal("memory", "inspect", "boat")
    terminal.wait_until(lambda screen: "1 found" in screen and "tea" not in screen)
    terminal.type(CTRL_Q)
    assert terminal.wait_for_exit() == 0


def test_a_tiny_terminal(home: Paths, open_terminal: Open) -> None:
    note(MemoryLog(connect(home)), "I keep bees.")
    terminal = open_terminal("memory", "inspect", columns=20, rows=10)
    terminal.wait_for("The user keeps")
    terminal.type(ENTER)
    terminal.wait_for("Because you said")
    terminal.type(CTRL_Q)
    assert terminal.wait_for_exit() == 0


def test_from_the_chat_and_back(home: Paths, open_terminal: Open) -> None:
    note(MemoryLog(connect(home)), "I keep bees.")
    terminal = open_terminal("chat")
    terminal.wait_for("Welcome")
    terminal.type(ESCAPE)
    terminal.wait_for("Ask anything")
    terminal.type(F2)
    terminal.wait_for("The user keeps bees.", "2 Timeline")
    terminal.type("q")
    terminal.wait_for("Ask anything")
    terminal.type("/inspect")
    terminal.wait_for("question and correct")
    terminal.type(ENTER)
    terminal.wait_for("The user keeps bees.", "2 Timeline")
    terminal.type("q")
    terminal.wait_for("Ask anything")
    terminal.type(CTRL_Q)
    assert terminal.wait_for_exit() == 0


def test_in_a_pipe_it_says_what_to_use_instead(home: Paths) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tsubasa_cli", "memory", "inspect"],
        env={**os.environ, "TSUBASA_HOME": str(home.data)},
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert "tsubasa memory list" in done.stderr


def test_with_options_it_is_a_command_like_any_other() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tsubasa_cli", "memory", "inspect", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert "erase for good" in run("--help").stdout
    assert run("--nonsense").returncode == 2


def _holds(file: object, words: bytes) -> bool:
    return words in file.read_bytes()  # type: ignore[attr-defined]
