"""What every view of the inspector can do."""

from __future__ import annotations

from collections.abc import Callable

from textual.containers import Vertical

from tsubasa_cli.memory.values import Observation
from tsubasa_cli.storage.values import Instant
from tsubasa_cli.tui.inspect.space import Space
from tsubasa_cli.tui.telling import TellsErrors

Moment = Callable[[], Instant]
"""The time of day, as something that a test can set."""


class Pane(TellsErrors, Vertical):
    """One view: shows something of ``space``."""

    def __init__(self, space: Space, moment: Moment, id: str | None = None) -> None:
        super().__init__(id=id)
        self.space = space
        self.moment = moment

    def focus_list(self) -> None:
        """Take the focus to what the view is about, at once: the next key is for it already."""

    def reload(self) -> None:
        """Something has changed: show it as it is now."""

    @property
    def memory(self) -> Observation | None:
        """The memory under the cursor, if there is one."""
        return None

    @property
    def is_settled(self) -> bool:
        """Whether everything that was asked for is shown."""
        return True
