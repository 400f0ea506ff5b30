"""How fast the inspector is on a large memory: start against an empty Textual app, and typing.

    python tests/bench/bench_inspect.py [COUNT [FOLDER]]      default: 100000 in a temporary folder

Start: whole processes in turn, an empty application up to its first frame and the inspector up to
its first rows; the median of the ratios of pairs. Typing: questions letter by letter as fast as
results come; from a key's arrival in the field until its rows are on the list. A FOLDER is filled
and indexed when it is empty and used again when it is not.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAIRS = 15
QUESTIONS = 25
HERE = Path(__file__).parent

EMPTY = """
import time
from textual.app import App

class Empty(App):
    def on_ready(self):
        print(time.time())
        self.exit()

Empty().run(headless=True, size=(120, 40))
"""
INSPECTOR = """
import sys
import time
from pathlib import Path
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.tui.inspect.app import InspectApp
from tsubasa_cli.tui.inspect.listing import MemoryLines
from tsubasa_cli.tui.inspect.space import open_space

def supplied(lines, entries, supply=MemoryLines.supply):
    supply(lines, entries)
    lines.call_after_refresh(shown, lines.app)

def shown(app):
    print(time.time())
    app.exit()

MemoryLines.supply = supplied
folder = Path(sys.argv[1])
space = open_space(Paths(folder, folder))
InspectApp(space).run(headless=True, size=(120, 40))
space.close()
"""


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

    paths = Paths(folder, folder).ensure()
    connection = connect(paths)
    if not connection.execute("SELECT 1 FROM observations LIMIT 1").fetchone():
        begun = time.perf_counter()
        fill_large(connection, count)
        memory = Memory(paths)
        memory.catch_up()
        memory.close()
        print(f"filled and indexed in {time.perf_counter() - begun:.0f} s")
    number = connection.execute("SELECT count(*) FROM observations").fetchone()[0]
    connection.close()
    print(f"{number:,} memories")


def start(folder: Path) -> None:
    empty, ours = [sys.executable, "-c", EMPTY], [sys.executable, "-c", INSPECTOR, str(folder)]
    for command in (empty, ours):
        _seconds(command)
    pairs = [(_seconds(ours), _seconds(empty)) for _ in range(PAIRS)]
    ratio = statistics.median(a / b for a, b in pairs)
    took = [statistics.median(side) for side in zip(*pairs, strict=True)]
    print(
        f"start  first rows {took[0]:.2f} s, empty app {took[1]:.2f} s: ×{ratio:.2f}"
        f" (median of {PAIRS} pairs)"
    )


def _seconds(command: list[str]) -> float:
    """From the start of the process to the moment that it prints."""
    begun = time.time()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0]) - begun


async def typing(folder: Path) -> None:
    from large_store import NOW, sentence

    from tsubasa_cli.storage.paths import Paths
    from tsubasa_cli.tui.inspect.app import InspectApp
    from tsubasa_cli.tui.inspect.space import open_space

    space = open_space(Paths(folder, folder))
    app, chance = InspectApp(space, moment=lambda: NOW), random.Random(3)
    app.animation_level = "none"
    took: list[float] = []
    async with app.run_test(size=(120, 40)) as pilot:
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
