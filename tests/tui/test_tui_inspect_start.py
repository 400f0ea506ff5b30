"""What the inspector loads and does before its first picture, and what it leaves for later."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings_file import set_value
from tsubasa_cli.tui import starting

LATER = {
    "chromadb", "numpy", "pydantic", "tomlkit", "typer", "dateparser", "snowballstemmer",
    "tsubasa_cli.memory.index", "tsubasa_cli.memory.log", "tsubasa_cli.memory.finding",
    "tsubasa_cli.memory.text", "tsubasa_cli.memory.erase", "tsubasa_cli.storage.sessions",
    "tsubasa_cli.conversation.why", "tsubasa_cli.tui.inspect.dialogs",
    "tsubasa_cli.tui.inspect.detail_words", "tsubasa_cli.tui.inspect.ask_view",
    "tsubasa_cli.tui.inspect.timeline_view", "tsubasa_cli.tui.inspect.stats_view",
}  # fmt: skip
"""Needed by nobody who only looks at the first lines."""

START = """
import sys
from tsubasa_cli.cli import main, inspecting
from tsubasa_cli.tui import starting
from tsubasa_cli.tui.inspect.app import InspectApp
from tsubasa_cli.tui.inspect.space import open_space

def done():
    print(*sys.modules)
    app.exit()

starting.done = done
space = open_space()
app = InspectApp(space)
app.run(headless=True, size=(120, 40))
space.close()
"""


@pytest.mark.parametrize("theme", ["", "tsubasa-day"])
def test_the_first_picture_loads_only_what_it_shows(home: Paths, theme: str) -> None:
    if theme:
        set_value(home, "look.theme", theme)
    done = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert "tsubasa_cli.tui.inspect.listing" in loaded
    checks_settings = {"pydantic"} if theme else set()
    assert not loaded & (LATER - checks_settings)


def test_the_collector_rests_until_the_first_picture() -> None:
    starting.begin()
    try:
        assert not gc.isenabled()
    finally:
        starting.done()
    assert gc.isenabled()
    gc.unfreeze()


def test_a_collector_that_never_rested_is_left_alone() -> None:
    before = gc.get_freeze_count()
    starting.done()
    assert gc.isenabled()
    assert gc.get_freeze_count() == before
