"""When the engine dies, when there is no model, when the terminal is tiny."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from textual.widgets import OptionList, Static
from textual.worker import WorkerFailed
from tui.conftest import driving, fill

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings_file import load_settings, set_value
from tsubasa_cli.storage.values import TurnStatus
from tsubasa_cli.tui.screens.first_run import FirstRun
from tsubasa_cli.tui.screens.help import Help
from tsubasa_cli.tui.screens.prompt_dialog import LineDialog
from tsubasa_cli.tui.widgets.notice import Notice


class TestEngine:
    async def test_a_killed_engine_is_told_restarted_and_loses_nothing(
        self, endless_space: Workspace
    ) -> None:
        async with driving(endless_space) as chat:
            await chat.send("talk on")
            await chat.until(lambda: chat.replies and len(chat.replies[0].words) > 40)
            engine = endless_space.host.engine
            assert engine is not None
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGKILL)
            await chat.until(lambda: chat.transcript.query(Notice))
            await chat.until(lambda: not chat.screen.conductor.busy)
            reply = chat.replies[0]
            assert reply.turn.status is TurnStatus.INTERRUPTED
            assert reply.turn.text.startswith("one two three")
            await chat.press("shift+tab", "r")
            await chat.until(lambda: chat.replies and chat.replies[0].turn.id != reply.turn.id)
            await chat.until(lambda: len(chat.replies[0].words) > 10)
            await chat.press("escape")
            await chat.until_answered()


class TestFirstRun:
    async def test_one_key_leads_to_the_starter(self, space: Workspace) -> None:
        async with driving(space, welcome=True) as chat:
            ways = chat.app.screen.query_one("#ways", OptionList)
            await chat.until(lambda: ways.option_count)
            assert "memory" in str(chat.app.screen.query_one("#machine", Static).render())
            ways.highlighted = ways.get_option_index("starter")
            await chat.press("enter")
            await chat.until(lambda: chat.app.screen is chat.screen)
            await chat.send("Hi")
            await chat.until_answered()

    async def test_offline_a_download_fails_with_words_and_the_rest_works(
        self, quiet_home: Paths
    ) -> None:
        from tsubasa_cli.conversation.workspace import open_workspace

        set_value(quiet_home, "models.endpoint", "http://127.0.0.1:9")
        async with driving(open_workspace(quiet_home), welcome=True) as chat:
            ways = chat.app.screen.query_one("#ways", OptionList)
            await chat.until(lambda: ways.option_count)
            await chat.press("enter")
            await chat.until(lambda: chat.app.screen.query(Notice))
            assert isinstance(chat.app.screen, FirstRun)
            await chat.press("escape")
            await chat.until(lambda: chat.app.screen is chat.screen)

    async def test_a_file_can_be_imported(self, space: Workspace, tiny_qwen3: Path) -> None:
        async with driving(space, welcome=True) as chat:
            ways = chat.app.screen.query_one("#ways", OptionList)
            await chat.until(lambda: ways.option_count)
            ways.highlighted = ways.get_option_index("import")
            await chat.press("enter")
            await chat.until(lambda: isinstance(chat.app.screen, LineDialog))
            chat.app.screen.query_one("Input").value = str(tiny_qwen3)  # type: ignore[attr-defined]
            await chat.press("enter")
            await chat.until(lambda: chat.app.screen is chat.screen)
            await chat.until(lambda: space.host.model_name == "Tiny-Qwen3")

    async def test_with_no_model_at_all_the_starter_is_hinted_at(
        self, space: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tsubasa_cli.models.shelf.starter_file", lambda: None)
        async with driving(space, welcome=True) as chat:
            ways = chat.app.screen.query_one("#ways", OptionList)
            await chat.until(lambda: ways.option_count)
            prompts = " ".join(str(option.prompt) for option in ways.options)
            assert "pip install 'tsubasa-cli[starter]'" in prompts
            await chat.press("escape")
            await chat.until(lambda: chat.app.screen is chat.screen)
            await chat.send("anybody?")
            await chat.until(lambda: chat.transcript.query(Notice))
            assert space.store.recent()


class TestFaults:
    async def test_a_fault_of_its_own_shows_where_but_not_what_the_user_wrote(
        self, space: Workspace, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def fail(words: str) -> None:
            raise RuntimeError(len(words))

        with pytest.raises(WorkerFailed):
            async with driving(space) as chat:
                chat.app.run_worker(fail("my secret is xyzzy"))
                await chat.until(lambda: chat.app.return_code)
                chat.app._print_error_renderables()
        told = capsys.readouterr().err
        assert "a fault of its own" in told
        assert "test_tui_trouble.py" in told
        assert "xyzzy" not in told


class TestTerminals:
    @pytest.mark.parametrize("size", [(20, 10), (60, 24), (200, 60)])
    async def test_a_chat_works_at_any_size(
        self, qwen_space: Workspace, size: tuple[int, int]
    ) -> None:
        async with driving(qwen_space, size=size) as chat:
            await chat.send("hi")
            await chat.until_answered()
            field = chat.composer.field
            assert field.region.height >= 1
            assert field.region.bottom <= size[1]
            assert chat.screen.status.region.bottom <= size[1]

    async def test_resizing_keeps_the_end_in_sight(self, space: Workspace) -> None:
        session = fill(space, 20)
        async with driving(space, session_id=session) as chat:
            await chat.until(lambda: len(chat.transcript.utterances) >= 30)
            for size in ((60, 20), (20, 10), (140, 50), (110, 36)):
                await chat.pilot.resize_terminal(*size)
                await chat.pilot.pause(0.1)
            assert chat.transcript.is_vertical_scroll_end
            assert chat.replies[-1].region.bottom <= chat.transcript.region.bottom

    @pytest.mark.parametrize("keys", ["f1", "ctrl+o", "ctrl+t", "ctrl+p"])
    async def test_every_dialog_opens_and_closes_on_a_tiny_terminal(
        self, space: Workspace, keys: str
    ) -> None:
        session = fill(space, 1)
        async with driving(space, size=(20, 10), session_id=session) as chat:
            await chat.press(keys)
            await chat.until(lambda: chat.app.screen is not chat.screen)
            await chat.press("escape")
            await chat.until(lambda: chat.app.screen is chat.screen)


class TestLook:
    async def test_a_theme_is_kept(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            assert chat.app.theme == "tsubasa-night"
            await chat.press("ctrl+t", "down", "enter")
            await chat.until(lambda: load_settings(space.paths).look.theme == "tsubasa-day")
            assert chat.app.theme == "tsubasa-day"

    async def test_leaving_the_picker_brings_the_old_theme_back(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.press("ctrl+t", "down", "down")
            await chat.until(lambda: chat.app.theme != "tsubasa-night")
            await chat.press("escape")
            assert chat.app.theme == "tsubasa-night"

    async def test_keys_can_be_remapped(self, quiet_home: Paths) -> None:
        from tsubasa_cli.conversation.workspace import open_workspace

        set_value(quiet_home, "keys.help", "f9")
        workspace = open_workspace(quiet_home)
        session = fill(workspace, 1)
        async with driving(workspace, session_id=session) as chat:
            await chat.press("f9")
            await chat.until(lambda: isinstance(chat.app.screen, Help))
