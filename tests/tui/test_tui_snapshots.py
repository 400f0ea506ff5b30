"""What the screens look like, as SVG. ``pytest tests/tui --snapshot-update`` accepts a change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tsubasa_cli.conversation.events import EngineState, Phase, WindowUse
from tsubasa_cli.conversation.workspace import Workspace, open_workspace
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings_file import set_value
from tsubasa_cli.storage.values import TurnStatus
from tsubasa_cli.tui.app import ChatApp
from tsubasa_cli.tui.widgets.composer import Composer
from tsubasa_cli.tui.widgets.status_line import render_status

ANSWER = """They follow their food:

- In **warm air** insects rise.
- Before rain they stay low.

```python
height = "low" if rain else "high"
```
"""
SIZES = [(60, 24), (120, 40), (20, 10)]
THEMES = ["tsubasa-night", "tsubasa-day"]


class StillApp(ChatApp):
    """The application without its engine: nothing moves by itself."""

    def load_model(self) -> None:  # type: ignore[override]
        """The state of the engine is set by the test."""


def still_app(home: Paths, theme: str, *, empty: bool = False) -> StillApp:
    set_value(home, "look.theme", theme)
    workspace = open_workspace(home)
    session = _fill(workspace)
    app = StillApp(
        workspace,
        session_id=None if empty else session,
        now=lambda: datetime(2026, 5, 3, 12, 0, tzinfo=UTC),
    )
    app.animation_level = "none"
    return app


def _fill(workspace: Workspace) -> str:
    session = workspace.store.create()
    _, reply = workspace.store.ask(session.id, "Why do swallows fly low before rain?")
    workspace.store.finish(reply.id, TurnStatus.COMPLETE, ANSWER, "About food, I think.")
    _, reply = workspace.store.ask(session.id, "Always?")
    workspace.store.finish(reply.id, TurnStatus.STOPPED, "Mostly, but")
    workspace.store.rename(session.id, "Swallows before rain")
    return session.id


def after(*keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def settle(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, ChatApp)
        while not app.chat_screen.query(Composer):
            await pilot.pause(0.05)
        await pilot.pause(0.5)
        app.chat_screen.composer.field.cursor_blink = False
        app.chat_screen.status.change(
            engine=EngineState(Phase.READY, "qwen3-4b"),
            window=WindowUse(3_100, 4_096),
            speed=21.0,
            thinking=True,
        )
        await pilot.press(*keys)
        await pilot.pause(0.5)

    return settle


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)


class TestChat:
    @pytest.mark.parametrize("theme", THEMES)
    @pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
    def test_a_conversation(
        self, snap_compare: Any, home: Paths, size: tuple[int, int], theme: str
    ) -> None:
        assert snap_compare(still_app(home, theme), terminal_size=size, run_before=after())

    def test_an_empty_chat(self, snap_compare: Any, home: Paths) -> None:
        app = still_app(home, "tsubasa-night", empty=True)
        assert snap_compare(app, terminal_size=(100, 30), run_before=after())

    def test_the_thinking_of_a_focused_reply(self, snap_compare: Any, home: Paths) -> None:
        app = still_app(home, "tsubasa-night")
        keys = after("shift+tab", "up", "up", "enter")
        assert snap_compare(app, terminal_size=(100, 30), run_before=keys)

    def test_the_command_menu(self, snap_compare: Any, home: Paths) -> None:
        app = still_app(home, "tsubasa-day")
        assert snap_compare(app, terminal_size=(60, 24), run_before=after("slash", "e"))

    def test_the_help(
        self, snap_compare: Any, home: Paths, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def open_it(pilot: Pilot[Any]) -> None:
            short = property(lambda _: Path("settings.toml"))
            monkeypatch.setattr(Paths, "settings", short)
            await after("f1")(pilot)

        app = still_app(home, "tsubasa-night")
        assert snap_compare(app, terminal_size=(100, 40), run_before=open_it)


class TestStatusLine:
    @pytest.mark.parametrize(
        ("width", "shown"),
        [
            (100, "● ready  qwen3-4b  thinking on  21 tok/s  █████████· 3.1k/4.1k"),
            (24, "● ready  3.1k/4.1k"),
            (9, "● ready"),
        ],
    )
    def test_it_leaves_out_what_matters_least(self, width: int, shown: str) -> None:
        from tsubasa_cli.tui.widgets.status_line import Status

        status = Status(EngineState(Phase.READY, "qwen3-4b"), WindowUse(3_100, 4_096), 21.0, True)
        line = render_status(status, width).plain
        assert line.split("█")[0].split() == shown.split("█")[0].split()

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            (EngineState(Phase.LOADING, "m", "42%", 0.42), "loading 42 %"),
            (EngineState(Phase.READING, "m", "512/2,100", 0.24), "reading 512/2,100"),
            (EngineState(Phase.RESTARTING), "restarting"),
        ],
    )
    def test_the_engine_in_words(self, state: EngineState, words: str) -> None:
        from tsubasa_cli.tui.widgets.status_line import engine_words

        assert engine_words(state) == words
