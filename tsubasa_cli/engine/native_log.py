"""What llama.cpp says: warnings go to the engine's log, the last errors explain a refusal.

llama.cpp logs file names, tensor names and sizes, never text of a conversation; still the log is
bounded, so that no loop of warnings can fill a disk.
"""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from collections import deque

import llama_cpp.llama_cpp as llama

WARN = 3
ERROR = 4
CONTINUED = 5
"""ggml's log levels (ggml.h, ``enum ggml_log_level``)."""

LOG_BYTES = 256 * 1024
"""What one engine process may write to its log."""


class NativeLog:
    """Receives llama.cpp's messages; keeps the recent errors and warnings."""

    def __init__(self) -> None:
        self._recent: deque[str] = deque(maxlen=40)
        self._level = 0
        self._budget = LOG_BYTES
        self.is_muted = False
        """While llama.cpp complains of what was asked of it (a batch that is given up)."""
        self._callback = llama.llama_log_callback(self._receive)
        llama.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _receive(self, level: int, text: bytes, _user_data: object) -> None:
        if level != CONTINUED:
            self._level = level
        if self.is_muted or self._level not in (WARN, ERROR):
            return
        line = text.decode("utf-8", "replace")
        if self._level == ERROR and line.strip():
            self._recent.append(line.strip())
        self.write(line)

    def write(self, line: str) -> None:
        """Append to the log while there is budget left."""
        data = line.encode("utf-8", "replace")
        if len(data) <= self._budget:
            self._budget -= len(data)
            os.write(sys.stderr.fileno(), data)

    def forget(self) -> None:
        """Start a new explanation: drop the errors seen so far."""
        self._recent.clear()

    def errors(self) -> list[str]:
        """The errors since ``forget``, oldest first, without llama.cpp's function names."""
        return [_without_origin(line) for line in self._recent]

    def failure(self, error: BaseException) -> None:
        """Log where ``error`` came from, without its message: that might quote the user."""
        frames = traceback.extract_tb(error.__traceback__)
        where = " < ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in reversed(frames))  # noqa: PTH119
        self.write(f"{type(error).__name__} at {where}\n")


def _without_origin(line: str) -> str:
    head, separator, rest = line.partition(": ")
    return rest if separator and " " not in head else line
