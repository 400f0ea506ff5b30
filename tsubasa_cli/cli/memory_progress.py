"""Progress of long work on the memory: a bar on standard error if that is a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tsubasa_cli.cli import context

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """How much is done, of how much; without a terminal, only what is being done."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True, highlight=False),
                transient=True,
                expand=True,
            )
            self._task = self._bar.add_task(self._description, total=None)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, done: int, total: int) -> None:
        """``done`` of ``total``."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None)

    def describe(self, description: str, total: int) -> None:
        """Say what is being done now, to how much."""
        if self._bar is None:
            context.say(f"{description}: {total:,} message{'' if total == 1 else 's'}.")
        elif self._task is not None:
            self._bar.update(self._task, description=description, total=total)
