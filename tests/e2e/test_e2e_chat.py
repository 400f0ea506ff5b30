"""A newcomer's first minutes, on a real terminal with the real starter model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from e2e.terminal import Terminal

from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import TurnStatus

Open = Callable[..., Terminal]

ENTER, ESCAPE, DOWN, CTRL_Q = "\r", "\x1b", "\x1b[B", "\x11"


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


def test_from_nothing_to_an_answer_and_back_the_next_day(home: Paths, open_terminal: Open) -> None:
    terminal = open_terminal("chat")
    terminal.wait_for("Welcome", "starter model")
    terminal.type(DOWN)
    terminal.type(ENTER)
    terminal.wait_for("Ask anything")
    terminal.type("What is the capital of France?" + ENTER)
    terminal.wait_until(lambda screen: "The capital of France is" in screen and "ready" in screen)
    terminal.type("a thought not yet sent")
    terminal.wait_for("a thought not yet sent")
    terminal.type(CTRL_Q)
    assert terminal.wait_for_exit() == 0

    store = SessionStore(connect(home))
    [session] = store.recent()
    question, reply = store.path(session.id)
    assert question.text == "What is the capital of France?"
    assert reply.status is TurnStatus.COMPLETE
    assert session.draft == "a thought not yet sent"

    again = open_terminal("chat", "--continue", columns=60, rows=24)
    again.wait_for("What is the capital of France?", reply.text[:20], "a thought not yet sent")
    again.type(CTRL_Q)
    assert again.wait_for_exit() == 0


def test_a_tiny_terminal_still_chats(home: Paths, open_terminal: Open) -> None:
    terminal = open_terminal("chat", columns=20, rows=10)
    terminal.wait_for("Welcome")
    terminal.type(ESCAPE)
    terminal.wait_for("Ask")
    terminal.type("hi" + ENTER)
    store = SessionStore(connect(home))
    terminal.wait_until(lambda _: any(store.path(s.id)[-1].text for s in store.recent()))
    terminal.type(CTRL_Q)
    assert terminal.wait_for_exit() == 0
