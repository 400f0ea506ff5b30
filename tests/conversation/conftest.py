"""Open workspaces on real models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tsubasa_cli.conversation.workspace import Workspace, open_workspace
from tsubasa_cli.storage.paths import Paths

OpenOn = Callable[[Path], Awaitable[Workspace]]


@pytest.fixture
async def open_on(home: Paths) -> AsyncIterator[OpenOn]:
    """Open the workspace of ``home`` with a model file in service; closed at the end."""
    opened: list[Workspace] = []

    async def open_(model: Path) -> Workspace:
        workspace = open_workspace(home)
        opened.append(workspace)
        names = {known.name for known in workspace.models.list()}
        if model.stem not in names:
            workspace.models.import_file(model, in_place=True)
        workspace.models.use(model.stem)
        return workspace

    yield open_
    for workspace in opened:
        await workspace.close()
