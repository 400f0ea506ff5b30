"""What every view and every dialog of the inspector looks like, as SVG, narrow and wide, by day and
by night. ``--snapshot-update`` accepts a change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea
from tui.inspect_driver import NAMED, Inspecting
from tui.inspect_life import NOW, fill_life

from tsubasa_cli.memory.values import Actor, Change, Op
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings_file import set_value
from tsubasa_cli.storage.values import Instant
from tsubasa_cli.tui.inspect.app import InspectApp
from tsubasa_cli.tui.inspect.ask_view import AskView
from tsubasa_cli.tui.inspect.conversation_view import ConversationView
from tsubasa_cli.tui.inspect.dialogs import AskLine, AskLines, Conflict, MemoryForm
from tsubasa_cli.tui.inspect.erase_dialog import EraseDialog
from tsubasa_cli.tui.inspect.filter_dialog import FilterDialog
from tsubasa_cli.tui.inspect.keys_page import KeysPage
from tsubasa_cli.tui.inspect.reading import Reading
from tsubasa_cli.tui.inspect.space import Space, open_space
from tsubasa_cli.tui.screens.confirm import Confirm

SIZES = {60: (60, 24), 120: (120, 40)}
LOOKS = [(width, theme) for width in SIZES for theme in ("tsubasa-day", "tsubasa-night")]

Scene = Callable[[Inspecting], Awaitable[None]]


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def theme() -> str:
    return "tsubasa-night"


@pytest.fixture
def space(home: Paths, theme: str) -> Iterator[Space]:
    set_value(home, "look.theme", theme)
    opened = open_space(home)
    yield opened
    opened.close()


# ---------------------------------------------------------------------- scenes


async def the_list(inspector: Inspecting) -> None:
    await _at(inspector, "nuts")


async def a_search_with_scores(inspector: Inspecting) -> None:
    await inspector.find("what do I drink, tea or coffee")
    await inspector.press("w")


async def marked_ones(inspector: Inspecting) -> None:
    await _at(inspector, "trip")
    await inspector.press("space", "space", "space")


async def one_memory(inspector: Inspecting) -> None:
    await _at(inspector, "job")
    await inspector.press("enter")


async def a_forgotten_one(inspector: Inspecting) -> None:
    await _at(inspector, "tea")
    await inspector.press("f")
    await inspector.until(lambda: "Forgotten" in inspector.note)


async def filters(inspector: Inspecting) -> None:
    await inspector.press("v")
    dialog = await inspector.until_open(FilterDialog)
    await inspector.until(lambda: dialog._ticks)
    await inspector.press("down", "enter", "down", "enter")


async def filtered(inspector: Inspecting) -> None:
    await filters(inspector)
    await inspector.press("v")
    await inspector.until_back()


async def the_conversation(inspector: Inspecting) -> None:
    await _at(inspector, "drive")
    await inspector.press("g")
    await inspector.until_open(ConversationView)


async def editing(inspector: Inspecting) -> None:
    await _at(inspector, "home")
    await inspector.press("e")
    form = await inspector.until_open(MemoryForm)
    _still(form)


async def an_edit_that_cannot_be(inspector: Inspecting) -> None:
    await editing(inspector)
    inspector.app.screen.query_one("#until", Input).value = "soon-ish"
    await inspector.press("ctrl+s")


async def noting(inspector: Inspecting) -> None:
    await inspector.press("n")
    form = await inspector.until_open(MemoryForm)
    form.query_one("#words", TextArea).text = "I keep bees."
    _still(form)


async def tagging(inspector: Inspecting) -> None:
    await _at(inspector, "tea")
    await inspector.press("t")
    _still(await inspector.until_open(AskLine))


async def merging(inspector: Inspecting) -> None:
    await _at(inspector, "tea")
    await inspector.press("space", "space", "m")
    _still(await inspector.until_open(AskLines))


async def splitting(inspector: Inspecting) -> None:
    await _at(inspector, "job")
    await inspector.press("s")
    _still(await inspector.until_open(AskLines))


async def erasing(inspector: Inspecting) -> None:
    await _at(inspector, "nuts")
    await inspector.press("x")
    dialog = await inspector.until_open(EraseDialog)
    await inspector.until(lambda: not dialog.query_one("#assent", Input).disabled)
    inspector.app.screen.query_one("#place-lines").update(_without_paths(dialog))
    _still(dialog)


async def undoing_what_others_did(inspector: Inspecting) -> None:
    await inspector.press("u")
    await inspector.until_open(Confirm)


async def a_conflict(inspector: Inspecting) -> None:
    life = inspector.life
    await _at(inspector, "tea")
    await inspector.press("e")
    form = await inspector.until_open(MemoryForm)
    update = replace(life["tea"], statement="The user prefers coffee to tea.")
    with patch.object(Instant, "now", return_value=NOW):
        inspector.space.memory.log.commit([Change(Op.UPDATE, update)], actor=Actor.MODEL)
    await inspector.until(lambda: inspector.memory.statement == update.statement)
    form.query_one("#words", TextArea).text = "The user prefers green tea to coffee."
    await inspector.pilot.press("ctrl+s")
    await inspector.until_open(Conflict)


async def all_keys(inspector: Inspecting) -> None:
    await inspector.press("question_mark")
    await inspector.until_open(KeysPage)


async def the_timeline(inspector: Inspecting) -> None:
    await inspector.press("2", "left")


async def true_on_a_day(inspector: Inspecting) -> None:
    await inspector.press("2", "comma", "t")


async def reading_in_the_timeline(inspector: Inspecting) -> None:
    await inspector.press("2", "left", "enter")
    await inspector.until_open(Reading)


async def asking(inspector: Inspecting) -> None:
    await inspector.press("3")
    inspector.screen.query_one("#question", Input).cursor_blink = False
    await inspector.pilot.press(*(NAMED.get(c, c) for c in "Where did I live in 2024?"), "enter")
    await inspector.until(lambda: inspector.screen.query_one(AskView)._shown)
    await inspector.settle()


async def what_the_model_reads(inspector: Inspecting) -> None:
    await asking(inspector)
    await inspector.press("b")


async def stats(inspector: Inspecting) -> None:
    await inspector.press("4")
    await inspector.until(lambda: "Growth" in inspector.text())


SCENES: list[Scene] = [
    the_list, a_search_with_scores, marked_ones, one_memory, a_forgotten_one, filters, filtered,
    the_conversation, editing, an_edit_that_cannot_be, noting, tagging, merging, splitting,
    erasing, undoing_what_others_did, a_conflict, all_keys, the_timeline, true_on_a_day,
    reading_in_the_timeline, asking, what_the_model_reads, stats,
]  # fmt: skip


@pytest.mark.parametrize(("width", "theme"), LOOKS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_scene(snap_compare: Any, space: Space, scene: Scene, width: int) -> None:
    life = fill_life(space)
    assert snap_compare(_app(space), terminal_size=SIZES[width], run_before=_playing(scene, life))


@pytest.mark.usefixtures("theme")
@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_an_empty_store(snap_compare: Any, space: Space, width: int) -> None:
    async def nothing(_: Inspecting) -> None:
        return

    app = _app(space)
    assert snap_compare(app, terminal_size=SIZES[width], run_before=_playing(nothing, {}))


@pytest.mark.parametrize(
    "scene", [the_list, one_memory, the_timeline, asking, stats], ids=lambda scene: scene.__name__
)
def test_a_terminal_of_20_by_10(snap_compare: Any, space: Space, scene: Scene) -> None:
    life = fill_life(space)
    app = _app(space)
    assert snap_compare(app, terminal_size=(20, 10), run_before=_playing(scene, life))


# ---------------------------------------------------------------------- how


def _app(space: Space) -> InspectApp:
    app = InspectApp(space, moment=lambda: NOW)
    app.animation_level = "none"
    return app


def _playing(scene: Scene, life: dict[str, Any]) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def play(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, InspectApp)
        inspector = Inspecting(app, pilot, life)
        await inspector.until(lambda: app.space.memory.finder.is_ready)
        inspector.memories.search.cursor_blink = False
        await inspector.settle()
        await scene(inspector)
        await inspector.settle()

    return play


async def _at(inspector: Inspecting, name: str) -> None:
    await inspector.on(inspector.life[name])


def _still(dialog: Any) -> None:
    """No cursor blinks in a picture."""
    for field in dialog.query("Input, TextArea"):
        field.cursor_blink = False


def _without_paths(dialog: EraseDialog) -> Any:
    """The places, without the names that differ from run to run."""
    from tsubasa_cli.tui.inspect.erase_dialog import places

    assert dialog._plan is not None
    return places(tuple(replace(place, where="here") for place in dialog._plan.places))
