"""What llama.cpp was built with, asked in a short-lived process: this one never imports it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from tsubasa_cli.engine.child import command, environment
from tsubasa_cli.engine.errors import ending_in_words
from tsubasa_cli.engine.safe_start import REBUILD
from tsubasa_cli.errors import EngineError

SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """``version`` is llama-cpp-python's, ``native_version`` llama.cpp's own; ``system_info`` lists
    the CPU features that it uses; ``threads`` is what the engine uses by default."""

    version: str
    native_version: str
    system_info: str
    supports_gpu: bool
    supports_mmap: bool
    threads: int


def build_info() -> BuildInfo:
    """Blocking, about a second. ``EngineError`` when llama.cpp cannot even be imported."""
    try:
        done = subprocess.run(
            command("tsubasa_cli.engine.build_report"),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=environment(),
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unusable(type(error).__name__) from error
    if done.returncode != 0:
        raise _unusable(_last_line(done.stderr) or f"It {ending_in_words(done.returncode)}.")
    return BuildInfo(**json.loads(done.stdout))


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _unusable(why: str) -> EngineError:
    return EngineError("llama.cpp cannot be used.", why=why, next_step=f"Rebuild it: {REBUILD}")
