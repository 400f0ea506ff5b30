"""Pulling a model in the background of a screen, with a way to stop it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.models.pull import PullProgress, Stage, pull
from tsubasa_cli.models.shelf import Model
from tsubasa_cli.tui import wording


class DownloadStopped(Exception):  # noqa: N818 - a wish of the user, not an error
    """The user stopped the download; what arrived is kept for the next time."""


class Download:
    """One pull. ``on_progress`` is called in the event loop."""

    def __init__(self, workspace: Workspace, on_progress: Callable[[PullProgress], None]) -> None:
        self._workspace = workspace
        self._on_progress = on_progress
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let ``run`` end with ``DownloadStopped`` at the next piece."""
        self._stopped.set()

    async def run(self, name: str) -> Model:
        """Fetch ``name`` and put it into service. Raises ``TsubasaError``, ``DownloadStopped``."""
        loop = asyncio.get_running_loop()

        def tell(progress: PullProgress) -> None:
            if self._stopped.is_set():
                raise DownloadStopped
            loop.call_soon_threadsafe(self._on_progress, progress)

        return await asyncio.to_thread(self._pull, name, tell)

    def _pull(self, name: str, tell: Callable[[PullProgress], None]) -> Model:
        space = self._workspace
        endpoint = space.settings.models.endpoint
        model = pull(name, space.models, space.paths, endpoint, tell)
        return space.models.use(model.name)


def describe(progress: PullProgress) -> str:
    """One line about how far a download is."""
    if progress.stage is Stage.LISTING:
        return "Asking the hub…"
    if progress.stage is Stage.CHECKING:
        return "Checking what arrived…"
    done = f"{wording.decimal_size(progress.done)} of {wording.decimal_size(progress.total)}"
    rate = f" · {wording.decimal_size(int(progress.rate))}/s" if progress.rate else ""
    again = f" · connection lost, trying again ({progress.retry})" if progress.retry else ""
    return f"{done}{rate}{again}"
