"""The first minute: from nothing installed to the first answer, with one key."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.models.catalogue import CatalogueEntry
from tsubasa_cli.models.fit import recommendation
from tsubasa_cli.models.machine import Machine, this_machine
from tsubasa_cli.models.shelf import STARTER_NAME
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.download import Download, DownloadStopped
from tsubasa_cli.tui.screens.prompt_dialog import LineDialog
from tsubasa_cli.tui.widgets.download_bar import DownloadBar
from tsubasa_cli.tui.widgets.notice import Notice
from tsubasa_cli.tui.widgets.swallow import Swallow

STARTER_HINT = "pip install 'tsubasa-cli[starter]'"


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is to begin with."""

    machine: Machine
    recommended: CatalogueEntry | None
    has_starter: bool


def needs_first_run(workspace: Workspace) -> bool:
    """Whether no Qwen-3 is here and nothing was ever said. Reads files: call it in a thread."""
    models = workspace.models.list()
    if any(not model.problem and model.name != STARTER_NAME for model in models):
        return False
    return not models or not workspace.store.recent(1)


def look_around(workspace: Workspace) -> Situation:
    """This machine and what is installed. Asks the system: call it in a thread."""
    machine = this_machine()
    starter = any(model.name == STARTER_NAME for model in workspace.models.list())
    return Situation(machine, recommendation(machine), starter)


DECORATED_FROM = 28
"""Rows from which there is room for the swallow above everything that matters."""


class FirstRun(Screen[None]):
    """Ends when a model is there, or when the user wants to go on without one."""

    BINDINGS = [Binding("escape", "leave", "Back", id="first_run_leave")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (DECORATED_FROM, "-tall")]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._download: Download | None = None
        self._situation: Situation | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="first-run", can_focus=False):
            yield Swallow()
            yield Static("Welcome to Tsubasa", classes="dialog-title")
            yield Static(
                "Tsubasa talks with a language model that runs on this machine. "
                "What you write stays here. It needs a model to begin with.",
                classes="dialog-text",
            )
            yield Static("", id="machine", classes="dialog-text")
            yield OptionList(id="ways", compact=True)
            yield DownloadBar()
            yield Vertical(id="trouble")
            yield Static(
                "↑ ↓ choose · Enter begins · Esc looks around first", classes="dialog-hint"
            )

    def on_mount(self) -> None:
        self._look_around()

    @work
    async def _look_around(self) -> None:
        self._situation = await asyncio.to_thread(look_around, self._workspace)
        self.query_one("#machine", Static).update(_about(self._situation))
        ways = self.query_one("#ways", OptionList)
        ways.set_options(_ways(self._situation))
        ways.highlighted = 0
        ways.focus()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        match event.option_id:
            case "download":
                self._fetch()
            case "starter" | "without":
                self.dismiss(None)
            case "import":
                self._import()

    @work(exclusive=True, group="fetch")
    async def _fetch(self) -> None:
        entry = self._situation.recommended if self._situation else None
        if entry is None or self._download:
            return
        bar = self.query_one(DownloadBar)
        self._download = Download(self._workspace, bar.follow)
        await self.query_one("#trouble").remove_children()
        try:
            await self._download.run(entry.name)
        except DownloadStopped:
            bar.end("Stopped. What arrived is kept: downloading again goes on from there.")
        except TsubasaError as error:
            bar.end()
            if self.is_attached:
                await self._tell(error)
        else:
            self.dismiss(None)
        finally:
            self._download = None

    @work
    async def _import(self) -> None:
        asked = await self.app.push_screen_wait(
            LineDialog("Import a GGUF file", placeholder="~/models/qwen3-4b.gguf")
        )
        if not asked or not asked.strip():
            return
        try:
            shelf = self._workspace.models
            model = await asyncio.to_thread(shelf.import_file, Path(asked.strip()))
            await asyncio.to_thread(shelf.use, model.name)
        except TsubasaError as error:
            await self._tell(error)
        else:
            self.dismiss(None)

    async def _tell(self, error: TsubasaError) -> None:
        place = self.query_one("#trouble")
        await place.remove_children()
        notice = Notice(error.what, error.why, error.next_step)
        await place.mount(notice)
        notice.scroll_visible()

    def on_unmount(self) -> None:
        """A download that nobody sees is paused: its thread would keep the program from ending."""
        if self._download:
            self._download.stop()

    def action_leave(self) -> None:
        if self._download:
            self._download.stop()
        else:
            self.dismiss(None)


def _about(situation: Situation) -> Content:
    memory = wording.decimal_size(situation.machine.ram_total)
    video = situation.machine.vram_total
    graphics = f" and {wording.decimal_size(video)} of graphics memory" if video else ""
    entry = situation.recommended
    advice = (
        f"Recommended for it: {entry.name}, {entry.good_for}."
        if entry
        else "That is little for Qwen-3; the starter model will do."
    )
    return Content(f"This machine has {memory} of memory{graphics}. {advice}")


def _ways(situation: Situation) -> list[Option]:
    ways = []
    entry = situation.recommended
    if entry:
        size = wording.decimal_size(entry.size_bytes)
        ways.append(_way("download", f"Download {entry.name}", f"{size}, once; Esc pauses it"))
    if situation.has_starter:
        note = "here already; small and often wrong, good for a first look"
        ways.append(_way("starter", "Use the starter model", note))
    ways.append(_way("import", "Import a GGUF file", "a model that you have already"))
    if not situation.has_starter:
        ways.append(_way("without", "Look around first", f"a small starter: {STARTER_HINT}"))
    return ways


def _way(name: str, label: str, note: str) -> Option:
    return Option(
        Content.assemble((label, "bold"), "\n", (note, "$foreground-muted")),
        id=name,
    )
