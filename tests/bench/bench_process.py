"""Steps of a measurement in processes of their own, each with its seconds and its peak memory."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def peak_mb() -> float:
    """The most memory that this process ever had, in MB. Where the system tells it, that of this
    program alone: ``ru_maxrss`` begins with what the parent had when it started the process."""
    if STATUS.exists():
        found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
        assert found is not None
        return int(found[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


@contextmanager
def measured() -> Iterator[None]:
    """Tell the parent the seconds within, and the peak so far (imports included)."""
    start = time.perf_counter()
    yield
    tell(seconds=time.perf_counter() - start)


def tell(**figures: float) -> None:
    """Tell the parent ``figures``, and the peak so far."""
    print(json.dumps({**figures, "peak_mb": peak_mb()}), flush=True)


def figures_of(script: str, *arguments: object) -> Any:
    """What ``script``, run with ``arguments``, told last; nothing when it told nothing."""
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}
