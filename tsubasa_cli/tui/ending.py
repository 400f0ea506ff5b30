"""How an application of ours ends when something goes wrong: in words, and without showing what the
user wrote."""

from __future__ import annotations

from textual.app import App
from textual.css.query import NoMatches
from textual.worker import WorkerFailed

from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.tui.telling import TellsErrors, tell

FAULT = "Tsubasa stopped because of a fault of its own. What was said is kept.\n"


class EndsInWords(TellsErrors, App[None]):
    """An application whose ``last_words`` are to be raised when it has ended, if there are any."""

    last_words: TsubasaError | None = None

    def _handle_exception(self, error: Exception) -> None:
        """An error in words ends a worker, not the program. Anywhere else it ends the program with
        those words, not with a traceback that would show what the user wrote. A worker that finds
        its widgets gone because the program is ending has nothing to tell."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        if isinstance(cause, NoMatches) and not self.is_running:
            return
        if not isinstance(cause, TsubasaError):
            super()._handle_exception(error)
        elif isinstance(error, WorkerFailed):
            tell(self, cause)
        else:
            self.last_words = self.last_words or cause
            self.exit(return_code=cause.exit_code)

    def _fatal_error(self) -> None:
        """A fault of the program's own is told by where it is, without the values of variables:
        they hold what the user wrote."""
        from rich.console import Group
        from rich.segment import Segments
        from rich.traceback import Traceback

        told = Group(FAULT, Traceback(show_locals=False))
        self._exit_renderables.append(Segments(self.console.render(told, self.console.options)))
        self._close_messages_no_wait()
