"""How late the event loop is while 100 tokens a second stream into a session of 1,000 messages.

Runs the real application on a pseudo-terminal of 120x40 (so that drawing is paid for too) with a
synthetic source of tokens, and prints the lag of a 5 ms timer: median, 95th percentile, maximum.

    python tests/bench/bench_ui_lag.py [--seconds 20] [--rate 100]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pexpect

from tsubasa_cli.conversation.chat import Chat
from tsubasa_cli.conversation.events import ChatEvent, ReplyEnded
from tsubasa_cli.conversation.workspace import Workspace, open_workspace
from tsubasa_cli.engine.protocol import Prefill, Stats, TextDelta
from tsubasa_cli.storage.values import Turn, TurnStatus
from tsubasa_cli.tui.app import ChatApp

EXCHANGES = 500
TICK_SECONDS = 0.005
PAGES_UP = 25
ANSWER = (
    "Swallows cross **two continents** twice a year, and nobody shows them the way.\n\n"
    "1. They read the sun and correct for its path.\n2. They read the stars.\n"
    "3. They feel the *magnetic field*, perhaps in the eye.\n\n"
    "```python\ndef bearing(sun: float, hour: float) -> float:\n"
    "    return (sun - 15 * (hour - 12)) % 360\n```\n\n"
    "So a young bird on its first journey still knows `south` from `north`.\n\n"
)
PLACES = ("at the end", "much mounted", "scrolled up")


class MetronomeChat(Chat):
    """Answers with ``ANSWER`` over and over, at a steady rate."""

    rate = 100.0
    seconds = 20.0

    async def answer(self, reply: Turn) -> AsyncIterator[ChatEvent]:
        yield Prefill(0, 40, 40)
        words = itertools.cycle([f"{word} " for word in ANSWER.split(" ")])
        started, said = time.perf_counter(), []
        while (elapsed := time.perf_counter() - started) < self.seconds:
            while len(said) < elapsed * self.rate:
                said.append(next(words))
                yield TextDelta(0, said[-1])
                if len(said) % 10 == 0:
                    yield Stats(0, 4000, 0, 40, len(said), 0.1, elapsed)
            await asyncio.sleep(1 / self.rate)
        text = "".join(said)
        turn = await asyncio.to_thread(
            self._store.finish, reply.id, TurnStatus.COMPLETE, text, "", None
        )
        yield ReplyEnded(turn)


def fill(workspace: Workspace) -> str:
    """A session of 1,000 messages."""
    session = workspace.store.create()
    for number in range(EXCHANGES):
        _, reply = workspace.store.ask(session.id, f"{number}: how do swallows find their way?")
        workspace.store.finish(reply.id, TurnStatus.COMPLETE, ANSWER)
    return session.id


async def watch_the_loop(lags: list[float], until: asyncio.Event) -> None:
    """Append, again and again, by how much a short sleep came late, in seconds."""
    while not until.is_set():
        started = time.perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        lags.append(time.perf_counter() - started - TICK_SECONDS)


async def measure(app: ChatApp, place: str) -> dict[str, float]:
    """Stream one reply with the viewport at ``place``."""
    screen = app.chat_screen
    transcript = screen.transcript
    if place != PLACES[0]:
        for _ in range(PAGES_UP):
            transcript.scroll_page_up(animate=False)
            await asyncio.sleep(0.3)
    if place == PLACES[1]:
        while transcript.mounted_range.stop < len(transcript.items):
            transcript.scroll_end(animate=False)
            await asyncio.sleep(0.3)
        await transcript.follow_end()
    lags: list[float] = []
    done = asyncio.Event()
    await screen.conductor.send("One more question?")
    if place != PLACES[2]:
        await screen.reload()
        await transcript.follow_end()
    watcher = asyncio.create_task(watch_the_loop(lags, done))
    await screen.conductor.idle()
    done.set()
    await watcher
    cuts = statistics.quantiles([lag * 1000 for lag in lags], n=100)
    return {
        "p50_ms": round(cuts[49], 2),
        "p95_ms": round(cuts[94], 2),
        "p99_ms": round(cuts[98], 2),
        "max_ms": round(max(lags) * 1000, 1),
        "mounted": len(transcript.mounted_range),
        "lines": transcript.virtual_size.height,
        "widgets": len(list(transcript.walk_children())),
    }


class BenchApp(ChatApp):
    """The application, which measures itself once it is on screen and then leaves."""

    result: Path

    def load_model(self) -> None:  # type: ignore[override]
        self.run_worker(self._measure())

    async def _measure(self) -> None:
        chat = self.chat_screen.conductor.chat
        chat.__class__ = MetronomeChat
        figures: dict[str, object] = {"messages": len(self.chat_screen.transcript.items)}
        await asyncio.sleep(1)
        for place in PLACES:
            figures[place] = await measure(self, place)
        self.result.write_text(json.dumps(figures))
        self.exit()


def inside(result: Path, seconds: float, rate: float) -> None:
    """The child: the application on its pseudo-terminal."""
    MetronomeChat.seconds, MetronomeChat.rate = seconds, rate
    workspace = open_workspace()
    app = BenchApp(workspace, session_id=fill(workspace))
    app.result = result
    app.run()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--rate", type=float, default=100.0)
    options.add_argument("--inside", type=Path)
    given = options.parse_args()
    if given.inside:
        inside(given.inside, given.seconds, given.rate)
        return
    with tempfile.TemporaryDirectory() as home:
        result = Path(home) / "lag.json"
        arguments = [__file__, "--inside", str(result)]
        arguments += ["--seconds", str(given.seconds), "--rate", str(given.rate)]
        environment = {**os.environ, "TSUBASA_HOME": home, "TERM": "xterm-256color"}
        child = pexpect.spawn(
            sys.executable, arguments, dimensions=(40, 120), env=environment, timeout=600
        )
        child.expect(pexpect.EOF)
        if not result.exists():
            sys.exit(f"The application ended early:\n{(child.before or b'')[-3000:].decode()}")
        for name, figures in json.loads(result.read_text()).items():
            print(f"{name:>14}: {figures}")


if __name__ == "__main__":
    main()
