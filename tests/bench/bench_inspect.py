"""How fast the inspector is on a large memory: start against an empty Textual app, and typing.

    python tests/bench/bench_inspect.py [COUNT [FOLDER]]      default: 100000 in a temporary folder

Start: whole processes in turn on a terminal of 120 by 40, compiled as an installation compiles
them: ``tsubasa memory inspect`` up to the picture that holds the first memory's words, and an empty
application up to its first picture; the medians of the ratios of pairs, by the clock and by the
processor's time, which other programs disturb less. Typing: questions letter by letter as fast as
results come; from a key's arrival in the field until its rows are on the list. A FOLDER is filled
and indexed when it is empty and used again when it is not; a theme is chosen in it, so that there
are settings to load.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pexpect
import psutil

PAIRS = 15
QUESTIONS = 25
ROWS, COLUMNS = 40, 120
HERE = Path(__file__).parent
EMPTY = "from textual.app import App; App().run()"
BLANK_LINE = " " * COLUMNS


def main(count: int, folder: Path) -> None:
    fill(count, folder)
    start(folder)
    asyncio.run(typing(folder))


def fill(count: int, folder: Path) -> None:
    """A store of ``count`` memories with its index, unless it is there."""
    sys.path.insert(0, str(HERE.parent))
    from large_store import fill_large

    from tsubasa_cli.memory.memory import Memory
    from tsubasa_cli.storage.database import connect
    from tsubasa_cli.storage.paths import Paths
    from tsubasa_cli.storage.settings_file import set_value

    paths = Paths(folder, folder).ensure()
    connection = connect(paths)
    if not connection.execute("SELECT 1 FROM observations LIMIT 1").fetchone():
        begun = time.perf_counter()
        fill_large(connection, count)
        memory = Memory(paths)
        memory.catch_up()
        memory.close()
        print(f"filled and indexed in {time.perf_counter() - begun:.0f} s")
    if not paths.settings.exists():
        set_value(paths, "look.theme", "tsubasa-day")
    number = connection.execute("SELECT count(*) FROM observations").fetchone()[0]
    connection.close()
    print(f"{number:,} memories")


def start(folder: Path) -> None:
    empty = (["-c", EMPTY], BLANK_LINE)
    ours = (["-m", "tsubasa_cli", "memory", "inspect"], _first_words(folder))
    with tempfile.TemporaryDirectory() as compiled:
        environment = _installed(folder, compiled)
        for command, sign in (empty, ours):
            _cost(command, sign, environment)
        pairs = [(_cost(*ours, environment), _cost(*empty, environment)) for _ in range(PAIRS)]
    for number, clock in enumerate(("clock", "processor")):
        took = [
            statistics.median(side[number] for side in sides) for sides in zip(*pairs, strict=True)
        ]
        ratio = statistics.median(a[number] / b[number] for a, b in pairs)
        print(
            f"start by the {clock}: first rows {took[0]:.2f} s, empty app {took[1]:.2f} s:"
            f" ×{ratio:.2f} (median of {PAIRS} pairs)"
        )


def _first_words(folder: Path) -> str:
    """How the statement at the top of the list begins."""
    from tsubasa_cli.storage.database import connect
    from tsubasa_cli.storage.paths import Paths

    connection = connect(Paths(folder, folder))
    row = connection.execute(
        "SELECT statement FROM observations WHERE status IN ('active', 'quarantined')"
        " ORDER BY recorded_ms DESC, seq DESC LIMIT 1"
    ).fetchone()
    connection.close()
    return str(row[0])[:30]


def _installed(folder: Path, compiled: str) -> dict[str, str]:
    """Modules are compiled once, as pip does it, even where this checkout never keeps that."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    return {**kept, **terminal, "TSUBASA_HOME": str(folder), "PYTHONPYCACHEPREFIX": compiled}


def _cost(arguments: list[str], sign: str, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of the clock and of the processor until ``sign`` is on the process's terminal."""
    begun = time.perf_counter()
    child = pexpect.spawn(
        sys.executable, arguments, env=environment, dimensions=(ROWS, COLUMNS), timeout=60
    )
    child.expect_exact(sign)
    took, spent = time.perf_counter() - begun, psutil.Process(child.pid).cpu_times()
    child.send("\x11")
    child.expect(pexpect.EOF)
    child.close()
    return took, spent.user + spent.system


async def typing(folder: Path) -> None:
    from large_store import NOW, sentence

    from tsubasa_cli.storage.paths import Paths
    from tsubasa_cli.tui.inspect.app import InspectApp
    from tsubasa_cli.tui.inspect.space import open_space

    space = open_space(Paths(folder, folder))
    app, chance = InspectApp(space, moment=lambda: NOW), random.Random(3)
    app.animation_level = "none"
    took: list[float] = []
    async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
        while not space.memory.finder.is_ready:
            await pilot.pause(0.05)
        view = app.inspector.memories
        await _typed(app, "warm")
        for _ in range(QUESTIONS):
            words = sentence(chance).split()
            question = " ".join(chance.sample(words, 3))
            took += [await _typed(app, question[:end]) for end in range(1, len(question) + 1)]
            view.search.value = ""
            await pilot.pause(0.4)
    space.close()
    cuts = statistics.quantiles(took, n=100)
    print(
        f"typing {len(took)} keys: p50 {cuts[49] * 1e3:.0f} ms, p95 {cuts[94] * 1e3:.0f} ms,"
        f" p99 {cuts[98] * 1e3:.0f} ms from key to rows"
    )


async def _typed(app: object, text: str) -> float:
    """Seconds from ``text`` in the field until its rows are on the list."""
    view = app.inspector.memories  # type: ignore[attr-defined]
    begun = time.perf_counter()
    view.search.value = text
    for _ in range(30_000):
        is_shown = view.shown is not None and view.shown.text == text.strip()
        if is_shown and (view.lines.entry is not None or not view.lines.listing.seqs):
            return time.perf_counter() - begun
        await asyncio.sleep(0.001)
    raise SystemExit(f"nothing came for {text!r}")


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as temporary:
        main(number, Path(sys.argv[2]) if len(sys.argv) > 2 else Path(temporary))
