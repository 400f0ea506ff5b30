"""How many threads llama.cpp should use: the physical cores this process may run on."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def default_threads(quota_file: Path = CGROUP_QUOTA) -> int:
    """Physical cores (hyper-threads slow matrix products down), bounded by the CPU affinity and,
    in a container, by its CPU quota: more threads than CPUs wait for each other."""
    counts = [psutil.cpu_count(logical=False) or os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        counts.append(len(os.sched_getaffinity(0)))
    quota = _quota(quota_file)
    if quota is not None:
        counts.append(quota)
    return max(1, min(counts))


def _quota(quota_file: Path) -> int | None:
    """CPUs granted by cgroup v2 (``quota period`` in microseconds), rounded up."""
    try:
        quota, period = quota_file.read_text().split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):
        return None
