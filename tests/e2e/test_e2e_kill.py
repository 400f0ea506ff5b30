"""``kill -9`` at random moments of a streaming chat: every word that was sent is there after."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from e2e.terminal import Terminal

from tsubasa_cli.conversation.workspace import open_workspace
from tsubasa_cli.storage.database import find_damage, open_database
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import TurnStatus

ENTER = "\r"


@pytest.fixture
def endless_home(home: Paths, endless_qwen3: Path) -> Paths:
    """A home whose model answers without end, so that every kill hits a streaming reply."""
    workspace = open_workspace(home)
    workspace.models.import_file(endless_qwen3, in_place=True)
    workspace.models.use(endless_qwen3.stem)
    workspace.store.create()
    return home


def check_nothing_is_lost(home: Paths, sent: list[str]) -> None:
    connection, report = open_database(home)
    assert report.moved_aside is None
    assert find_damage(connection) == []
    store = SessionStore(connection, "checker")
    store.recover(home.locks)
    kept = [
        turn.text
        for session in store.recent()
        for turn in store.path(session.id)
        if turn.role == "user"
    ]
    assert sorted(kept) == sorted(sent)
    connection.close()


def kill_at_random(home: Paths, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    sent: list[str] = []
    for number in range(rounds):
        terminal = Terminal("chat", *(["--continue"] if sent else []), home=home.data)
        terminal.wait_for("Ask anything")
        if sent:
            terminal.wait_for("interrupted")
        message = f"message number {number} of this test"
        terminal.type(message + ENTER)
        terminal.wait_until(lambda screen, m=message: "Ask anything" in screen and m in screen)
        sent.append(message)
        delay = chance.random() * 2.5
        if is_streaming := chance.random() < 0.8:
            terminal.wait_for("writing")
        time.sleep(delay)
        terminal.kill()
        check_nothing_is_lost(home, sent)
        store = SessionStore(open_database(home)[0])
        reply = store.path(store.recent()[0].id)[-1]
        assert reply.status is TurnStatus.INTERRUPTED
        if is_streaming and delay > 1.2:
            assert "one two" in reply.text + reply.thinking


def test_a_few_kills(endless_home: Paths) -> None:
    kill_at_random(endless_home, rounds=3, seed=1)


@pytest.mark.slow
def test_fifty_kills(endless_home: Paths) -> None:
    kill_at_random(endless_home, rounds=50, seed=2)


@pytest.mark.parametrize("seed", range(3))
def test_a_partial_reply_is_there_up_to_the_last_second(endless_home: Paths, seed: int) -> None:
    environment = {**os.environ, "TSUBASA_HOME": str(endless_home.data)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tsubasa_cli", "chat", "-p", "Go on", "--no-think"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    assert process.stdout is not None
    heard: list[tuple[float, bytes]] = []
    end = None
    while end is None or time.monotonic() < end:
        heard.append((time.monotonic(), os.read(process.stdout.fileno(), 4096)))
        if end is None:
            end = time.monotonic() + 1.2 + random.Random(seed).random() * 2
    killed = time.monotonic()
    process.kill()
    process.wait()
    check_nothing_is_lost(endless_home, ["Go on"])
    store = SessionStore(open_database(endless_home)[0])
    kept = store.path(store.recent()[0].id)[-1].text
    due = b"".join(part for at, part in heard if at < killed - 1.0).decode().strip()
    assert due
    assert kept.startswith(due)


def test_a_killed_engine_is_told_restarted_and_costs_nothing(endless_home: Paths) -> None:
    import psutil

    terminal = Terminal("chat", home=endless_home.data)
    terminal.wait_for("Ask anything")
    terminal.type("Go on" + ENTER)
    terminal.wait_for("three four five")
    engines = [
        child
        for child in psutil.Process(terminal.pid).children(recursive=True)
        if "tsubasa_cli.engine.worker" in child.cmdline()
    ]
    assert len(engines) == 1
    os.kill(engines[0].pid, signal.SIGKILL)
    terminal.wait_for("stopped unexpectedly")
    terminal.type("Once more" + ENTER)
    terminal.wait_for("writing")
    store = SessionStore(open_database(endless_home)[0])
    terminal.wait_until(lambda _: store.path(store.recent()[0].id)[-1].status == "streaming")
    terminal.close()
    check_nothing_is_lost(endless_home, ["Go on", "Once more"])
