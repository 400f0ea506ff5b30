"""What this machine has: memory, video memory, processor. Nothing heavy is imported for it."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

PROBE_SECONDS = 3.0
_CGROUP = Path("/sys/fs/cgroup")
_DRM = Path("/sys/class/drm")


@dataclass(frozen=True, slots=True)
class Machine:
    """Amounts are bytes. ``unified_memory``: the GPU uses the same memory (Apple silicon), and
    the video memory is 0 here."""

    ram_total: int
    ram_available: int
    vram_total: int = 0
    vram_free: int = 0
    unified_memory: bool = False
    cpu_name: str = ""
    cpu_flags: frozenset[str] = frozenset()
    physical_cores: int = 1


def this_machine() -> Machine:
    """This machine, now."""
    total, available = _memory()
    video_total, video_free = _video_memory()
    name, flags = _processor()
    return Machine(
        ram_total=total,
        ram_available=available,
        vram_total=video_total,
        vram_free=video_free,
        unified_memory=sys.platform == "darwin" and platform.machine() == "arm64",
        cpu_name=name,
        cpu_flags=flags,
        physical_cores=psutil.cpu_count(logical=False) or psutil.cpu_count() or 1,
    )


def _memory() -> tuple[int, int]:
    """Total and available bytes; inside a container, what its limit leaves."""
    memory = psutil.virtual_memory()
    limit = _read_number(_CGROUP / "memory.max")
    if limit is None or limit >= memory.total:
        return memory.total, memory.available
    used = _read_number(_CGROUP / "memory.current") or 0
    return limit, min(memory.available, max(limit - used, 0))


def _video_memory() -> tuple[int, int]:
    """Total and free bytes over all discrete GPUs that their drivers tell of."""
    total, free = _nvidia_memory()
    for card in _DRM.glob("card[0-9]*/device/mem_info_vram_total"):
        size = _read_number(card) or 0
        used = _read_number(card.with_name("mem_info_vram_used")) or 0
        total, free = total + size, free + max(size - used, 0)
    return total, free


def _nvidia_memory() -> tuple[int, int]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0, 0
    query = [program, "--query-gpu=memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            query, capture_output=True, text=True, timeout=PROBE_SECONDS, check=True
        )
        return parse_nvidia(answer.stdout)
    except (OSError, subprocess.SubprocessError):
        return 0, 0


def parse_nvidia(answer: str) -> tuple[int, int]:
    """Sums nvidia-smi's lines of "total, free" in MiB; a line without numbers counts nothing."""
    total = free = 0
    for line in answer.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 2 and all(cell.isdigit() for cell in cells):
            total += int(cells[0]) << 20
            free += int(cells[1]) << 20
    return total, free


@lru_cache(maxsize=1)
def _processor() -> tuple[str, frozenset[str]]:
    """The processor's name and its feature flags, in lower case."""
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string"), frozenset(
            _sysctl("machdep.cpu.features").lower().split()
        )
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return platform.processor(), frozenset()
    return parse_cpuinfo(text)


def parse_cpuinfo(text: str) -> tuple[str, frozenset[str]]:
    """The first processor's name and flags in the text of ``/proc/cpuinfo``."""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip().lower(), value.strip())
    flags = facts.get("flags") or facts.get("features") or ""
    return facts.get("model name", platform.processor()), frozenset(flags.lower().split())


def _sysctl(key: str) -> str:
    try:
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, timeout=PROBE_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def _read_number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
