"""A night on the terminal: one line per stage, with what is left and what it takes."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tsubasa_cli.cli import context
from tsubasa_cli.learn.values import Stage

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from tsubasa_cli.learn.ground import Progress

WORDS = {
    Stage.SNAPSHOT: "Reading the memory",
    Stage.SYNTHESIZE: "Asking the model as it is",
    Stage.TRACE: "Listening to the teacher",
    Stage.TRAIN: "Learning",
    Stage.APPLY: "Writing the model",
    Stage.GATE: "Examining it",
    Stage.PROMOTE: "Putting it into service",
}


class NightDisplay:
    """Bars on a terminal; elsewhere one line when a stage begins."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._stage: Stage | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bars = Progress(
                TextColumn("{task.description:<26}"),
                BarColumn(bar_width=28),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[detail]}"),
                console=Console(stderr=True, highlight=False),
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()

    def show(self, progress: Progress) -> None:
        """Follow the night."""
        if progress.stage is not self._stage:
            self._enter(progress.stage)
        if self._bars and self._task is not None:
            memory = f"{progress.memory_bytes / 1e9:.1f} GB" if progress.memory_bytes else ""
            detail = ", ".join(part for part in (progress.detail, memory) if part)
            self._bars.update(
                self._task,
                completed=progress.done,
                total=progress.total or None,
                detail=detail,
            )

    def say(self, message: str) -> None:
        """A sentence between the bars."""
        if self._bars:
            self._bars.console.print(f"  {message}", style="dim")
        else:
            context.say(message)

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        if self._bars:
            self._finish()
            self._task = self._bars.add_task(WORDS[stage], total=None, detail="")
        else:
            context.say(f"{WORDS[stage]} …")

    def _finish(self) -> None:
        if self._bars and self._task is not None:
            task = next(t for t in self._bars.tasks if t.id == self._task)
            total = task.total or 1
            self._bars.update(self._task, total=total, completed=total)
