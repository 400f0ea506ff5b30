"""How learning stands, in a few lines."""

from __future__ import annotations

from dataclasses import dataclass

from tsubasa_cli.learn.ground import Ground
from tsubasa_cli.learn.runs import changed_since
from tsubasa_cli.learn.values import LearnRun, RunState
from tsubasa_cli.models.model import Model
from tsubasa_cli.storage.locks import is_night_at_work


@dataclass(frozen=True, slots=True)
class Status:
    """``model`` answers now; ``changed`` memories are new or other since what it knows;
    ``last`` is the newest run, ``open_`` the one that is at work or can be resumed."""

    model: str
    personal: Model | None
    changed: int
    last: LearnRun | None
    open_: LearnRun | None
    is_at_work: bool = False

    def lines(self) -> list[str]:
        """For people."""
        told = []
        if self.personal and self.personal.knows_as_of:
            day = f"{self.personal.knows_as_of.local():%-d %B %Y at %H:%M}"
            told.append(f"{self.model} is in service; it knows you as of {day}.")
        else:
            told.append(f"{self.model or 'No model'} is in service; it knows nothing by heart.")
        told.append(self._news())
        if self.open_ and self.is_at_work:
            told.append(f"The run {self.open_.id} is at work, at: {self.open_.stage}.")
        elif self.open_:
            told.append(f"The run {self.open_.id} stopped at: {self.open_.stage}.")
            told.append("Go on with: tsubasa learn --resume")
        elif self.last and self.last.state in (RunState.FAILED, RunState.REFUSED):
            told.append(f"The last run, {self.last.id}, did not succeed: {self.last.reason}")
        return told

    def _news(self) -> str:
        number = f"{self.changed:,} {'memory' if self.changed == 1 else 'memories'}"
        if not self.personal:
            return f"{number} can be learned."
        return f"{number} {'has' if self.changed == 1 else 'have'} changed since."


def status_of(ground: Ground) -> Status:
    """How learning stands now."""
    model = ground.shelf.in_service()
    personal = model if model is not None and model.is_personal else None
    runs = ground.runs.all()
    known = next((run for run in runs if personal and run.id == personal.run_id), None)
    changed = changed_since(ground.connection, known.snapshot_event if known else 0)
    return Status(
        model.name if model else "",
        personal,
        len(changed),
        runs[0] if runs else None,
        ground.runs.unfinished(),
        is_night_at_work(ground.paths.locks),
    )
