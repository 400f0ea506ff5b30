"""How long the light commands take, as a ratio to importing the library that parses them.

    python tests/bench/bench_startup.py [PAIRS]

Each command runs in turn with ``python -c "import typer"``, compiled as an installation compiles
them; the medians of wall time and of processor time are compared pair by pair, so that a machine
whose speed drifts does not matter.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

COMMANDS = (["--help"], ["--version"], ["session", "list"], ["config", "show"])
YARDSTICK = [sys.executable, "-c", "import typer"]


def cost(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of one run."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(pairs: int) -> None:
    os.environ["TSUBASA_HOME"] = tempfile.mkdtemp()
    os.environ["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(f"medians of {pairs} pairs; ratio to: python -c 'import typer'")
    for arguments in COMMANDS:
        ours = [sys.executable, "-m", "tsubasa_cli", *arguments]
        cost(ours)
        rows = [(cost(ours), cost(YARDSTICK)) for _ in range(pairs)]
        wall = statistics.median(a[0] / b[0] for a, b in rows)
        cpu = statistics.median(a[1] / b[1] for a, b in rows)
        took = statistics.median(a[0] for a, _ in rows)
        print(f"tsubasa {' '.join(arguments):13} {took:6.3f} s  wall ×{wall:.2f}  cpu ×{cpu:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
