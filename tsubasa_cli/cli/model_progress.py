"""Progress of downloads and copies: a bar on standard error if that is a terminal, else a line."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from tsubasa_cli.cli import context
from tsubasa_cli.models.amounts import in_words
from tsubasa_cli.models.pull import PullProgress, Stage

NARROW = 80
_WORDS = {
    Stage.LISTING: "Looking up",
    Stage.DOWNLOADING: "Downloading",
    Stage.CHECKING: "Checking",
    Stage.PRESENT: "Here already",
}


class _Display:
    """A bar that exists only on a terminal. Ctrl+C is heard even where Python drops it (it does so
    while it runs a finalizer): then it ends what is shown at the next step."""

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False)
        wide = console.width >= NARROW
        text = TextColumn("{task.description}")
        columns = [text, BarColumn(bar_width=None), DownloadColumn()]
        if wide:
            columns += [TransferSpeedColumn(), TimeRemainingColumn()]
        self.on_terminal = sys.stderr.isatty()
        self._bar = Progress(*columns, console=console, transient=True, expand=True)
        self._task: TaskID | None = None
        self._description = ""
        self._is_interrupted = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        if self.on_terminal:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGINT, self._before)
        if self.on_terminal:
            self._bar.stop()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._is_interrupted = True
        raise KeyboardInterrupt

    def _require_wanted(self) -> None:
        if self._is_interrupted:
            raise KeyboardInterrupt

    def _move(self, description: str, done: int, total: int) -> None:
        """Set the bar; a new description starts a new one, so that speeds are not mixed."""
        if self._task is None or description != self._description:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(escape(description), total=total or None)
            self._description = description
        self._bar.update(self._task, completed=done, total=total or None)


class PullDisplay(_Display):
    """Shows ``PullProgress``; remembers whether the file was here already."""

    def __init__(self) -> None:
        super().__init__()
        self.was_present = False
        self._said: set[str] = set()

    def show(self, progress: PullProgress) -> None:
        self._require_wanted()
        self.was_present |= progress.stage is Stage.PRESENT
        if self.on_terminal:
            retry = " (connection lost, trying again)" if progress.retry else ""
            self._move(f"{_WORDS[progress.stage]}{retry}", progress.done, progress.total)
        elif progress.stage is Stage.DOWNLOADING:
            self._say_once(_in_a_line(progress))

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            context.say(line)


class CopyDisplay(_Display):
    """Shows bytes done of bytes in all. ``doing`` is what happens to the file."""

    def __init__(self, name: str, doing: str = "Importing") -> None:
        super().__init__()
        self._name, self._doing = name, doing

    def show(self, done: int, total: int) -> None:
        self._require_wanted()
        if self.on_terminal:
            self._move(f"{self._doing} {self._name}", done, total)


def _in_a_line(progress: PullProgress) -> str:
    if progress.retry:
        return "Connection lost; trying again."
    resumed = f", going on at {in_words(progress.resumed_from)}" if progress.resumed_from else ""
    return f"Downloading {progress.file} ({in_words(progress.total)}{resumed})"
