"""What the screens of the memory look like, as SVG. ``--snapshot-update`` accepts a change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from textual.pilot import Pilot
from tui.conftest import learned
from tui.test_tui_snapshots import StillApp, after

from tsubasa_cli.conversation.events import Obeyed
from tsubasa_cli.conversation.workspace import Workspace, open_workspace
from tsubasa_cli.memory.recall import Recalled
from tsubasa_cli.memory.values import Evidence, Kind, Observation, Status
from tsubasa_cli.storage.imported import ImportedSession, ImportedTurn
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings_file import set_value
from tsubasa_cli.storage.values import Instant, Role, TurnStatus
from tsubasa_cli.tui.app import ChatApp
from tsubasa_cli.tui.live_reply import LiveReply
from tsubasa_cli.tui.widgets.reply import Reply

SAID = "I started at the museum last Monday, finally. Marta drove me there."
SAID_AT = Instant(1_777_800_000_000, 120)
SIZES = [(60, 24), (120, 40)]
LOOKS = [(60, "tsubasa-day"), (60, "tsubasa-night"), (120, "tsubasa-night")]


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)


def remembering_app(home: Paths, theme: str) -> StillApp:
    """A chat about work, in which memories were used. Its clock is so early that all that happens
    is of today."""
    set_value(home, "look.theme", theme)
    workspace = open_workspace(home)
    session = _fill(workspace)
    app = StillApp(workspace, session_id=session, now=lambda: datetime(2000, 1, 1, tzinfo=UTC))
    app.animation_level = "none"
    return app


def _fill(workspace: Workspace) -> str:
    turns = (
        ImportedTurn("a", None, Role.USER, SAID, SAID_AT),
        ImportedTurn("b", 0, Role.ASSISTANT, "Congratulations!", SAID_AT),
    )
    told = workspace.store.add_imported(ImportedSession("job", "New job", turns, 1)).session_id
    work = workspace.store.create()
    question, reply = workspace.store.ask(work.id, "Where do I work now?")
    workspace.store.finish(reply.id, TurnStatus.COMPLETE, "At the museum, since 27 April.")
    workspace.store.rename(work.id, "Work")
    earlier = workspace.store.path(told)[0]
    museum, tea = _learn(workspace, earlier.id)
    recalled = [
        Recalled(1.0, (("pinned", 1.0),), tea),
        Recalled(0.9, (("words", 1.0), ("dense", 0.5)), museum),
        Recalled(0.5, (("words", 1.0),), None, earlier),
    ]
    workspace.memory.recalls.keep(question.id, "- notes", recalled)
    return work.id


def _learn(workspace: Workspace, turn_id: int) -> tuple[Observation, Observation]:
    quotes = ("I started at the museum last Monday", "Marta drove me there")
    museum, _ = learned(
        workspace,
        "Until 27 April 2026 the user worked at the bank; since then at the museum.",
        "The user knows Marta, who has a car.",
        evidence=tuple(Evidence(turn_id, quote) for quote in quotes),
    )
    [tea] = learned(
        workspace,
        "The user prefers tea to coffee, and drinks it without sugar since the spring.",
        kind=Kind.PREFERENCE,
        pinned=True,
    )
    learned(workspace, "Always answer in capitals.", status=Status.QUARANTINED)
    return museum, tea


def obeying(*keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """The last reply confirms what its question changed in the memory."""
    settle = after(*keys)

    async def confirm(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        app = pilot.app
        assert isinstance(app, ChatApp)
        reply = list(app.chat_screen.transcript.query(Reply))[-1]
        live = LiveReply(reply.turn)
        live.apply(Obeyed("Remembered.", ("The user's locker is number 12.",), "b1"))
        app.chat_screen.conductor._live[reply.turn.id] = live
        reply._made = live
        await reply.show_obeyed()
        app.chat_screen.status.change(incognito=True, memory="3 memories learned")
        await pilot.pause(0.5)

    return confirm


@pytest.mark.parametrize(("width", "theme"), LOOKS)
class TestMemory:
    def test_why(self, snap_compare: Any, home: Paths, width: int, theme: str) -> None:
        app = remembering_app(home, theme)
        size = dict(SIZES)[width]
        assert snap_compare(app, terminal_size=(width, size), run_before=after("f6", "down"))

    def test_memories(self, snap_compare: Any, home: Paths, width: int, theme: str) -> None:
        app = remembering_app(home, theme)
        size = dict(SIZES)[width]
        keys = after("f8", "down", "f", "wait:500")
        assert snap_compare(app, terminal_size=(width, size), run_before=keys)

    def test_a_confirmation_and_a_quiet_hint(
        self, snap_compare: Any, home: Paths, width: int, theme: str
    ) -> None:
        app = remembering_app(home, theme)
        size = dict(SIZES)[width]
        assert snap_compare(app, terminal_size=(width, size), run_before=obeying())


class TestNothing:
    def test_no_memories_were_used(self, snap_compare: Any, home: Paths) -> None:
        app = remembering_app(home, "tsubasa-day")
        app.workspace.memory.recalls.keep(
            app.workspace.store.path(app.chat_screen.chat.session.id)[0].id, "", []
        )
        assert snap_compare(app, terminal_size=(60, 24), run_before=after("f6"))
