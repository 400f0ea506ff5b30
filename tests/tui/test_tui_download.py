"""Fetching a model from the screens, from a hub on the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import HubServer, serve_hub
from textual.widgets import OptionList, Static
from tui.conftest import driving

from tsubasa_cli.conversation.workspace import open_workspace
from tsubasa_cli.models.fit import recommendation
from tsubasa_cli.models.machine import this_machine
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings_file import set_value


@pytest.fixture
def hub(tiny_qwen3: Path) -> Iterator[HubServer]:
    """Holds the model that is recommended for this machine (in truth the scripted one)."""
    entry = recommendation(this_machine())
    assert entry is not None
    size = entry.name.removeprefix("qwen3-").upper()
    name = f"Qwen3-{size}-{entry.default_quant}.gguf"
    with serve_hub() as server:
        server.repos[entry.repo] = {name: tiny_qwen3.read_bytes()}
        yield server


class TestDownload:
    async def test_it_can_be_paused_goes_on_and_leads_to_the_chat(
        self, quiet_home: Paths, hub: HubServer
    ) -> None:
        set_value(quiet_home, "models.endpoint", hub.url)
        workspace = open_workspace(quiet_home)
        hub.hold_after = 100_000
        async with driving(workspace, welcome=True) as chat:
            ways = chat.app.screen.query_one("#ways", OptionList)
            await chat.until(lambda: ways.option_count)
            await chat.press("enter")
            text = chat.app.screen.query_one(".download-text", Static)
            await chat.until(lambda: " of " in str(text.render()))
            await chat.press("escape")
            hub.hold_after = None
            hub.go_on.set()
            await chat.until(lambda: "Stopped" in str(text.render()))
            await chat.press("enter")
            await chat.until(lambda: chat.app.screen is chat.screen)
            assert any(served.range for served in hub.log)
            await chat.until(lambda: workspace.host.model_name.startswith("qwen3-"))
            await chat.send("hi")
            await chat.until_answered()
            assert chat.replies[0].source.startswith("Hello!")
