"""A real terminal for the real program: a pty, and what a person would see on it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

PATIENCE_SECONDS = 60.0


class Terminal:
    """``tsubasa`` on a pty of its own. Keys go in, ``screen`` is what shows."""

    def __init__(self, *arguments: str, home: Path, columns: int = 100, rows: int = 30) -> None:
        environment = {**os.environ, "TSUBASA_HOME": str(home), "TERM": "xterm-256color"}
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "tsubasa_cli", *arguments],
            env=environment,  # type: ignore[arg-type]
            dimensions=(rows, columns),
            timeout=PATIENCE_SECONDS,
        )

    @property
    def screen(self) -> str:
        """The screen now, line by line."""
        self._read()
        return "\n".join(line.rstrip() for line in self._screen.display)

    def wait_for(self, *wanted: str) -> str:
        """The screen once all of ``wanted`` show on it."""
        return self.wait_until(lambda screen: all(words in screen for words in wanted))

    def wait_until(self, condition: Callable[[str], bool]) -> str:
        """The screen once ``condition`` holds for it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            screen = self.screen
            if condition(screen):
                return screen
            if not self._child.isalive():
                raise AssertionError(f"it ended:\n{self.screen}")
            time.sleep(0.02)
        raise AssertionError(f"waited in vain; the screen:\n{self.screen}")

    @property
    def pid(self) -> int:
        return int(self._child.pid)

    def type(self, keys: str) -> None:
        self._child.send(keys)

    def kill(self) -> None:
        """As the kernel would: at once, nothing can be tidied up."""
        self._child.kill(signal.SIGKILL)
        self._child.wait()

    def wait_for_exit(self) -> int | None:
        """The exit code, after the program ended by itself."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._child.isalive() and time.monotonic() < deadline:
            self._read()
            time.sleep(0.02)
        self._child.close(force=True)
        return self._child.exitstatus

    def close(self) -> None:
        self._child.close(force=True)

    def _read(self) -> None:
        while True:
            try:
                self._stream.feed(self._child.read_nonblocking(65536, timeout=0))
            except (pexpect.TIMEOUT, pexpect.EOF):
                return
