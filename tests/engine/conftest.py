"""An engine per test, closed when the test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.storage.paths import Paths


@pytest.fixture
def notices() -> list[str]:
    """What the engine told the user."""
    return []


@pytest.fixture
async def engine(home: Paths, notices: list[str]) -> AsyncIterator[Engine]:
    """An engine with nothing loaded."""
    made = Engine(home.engine_log, home.probes, notices.append)
    yield made
    await made.close()
