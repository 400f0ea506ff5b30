"""Choose the model of a chat, or fetch one from the catalogue."""

from __future__ import annotations

import asyncio

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.models.catalogue import CATALOGUE, CatalogueEntry
from tsubasa_cli.models.fit import fits, recommendation
from tsubasa_cli.models.machine import Machine, this_machine
from tsubasa_cli.models.shelf import Model, Source
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.download import Download, DownloadStopped
from tsubasa_cli.tui.screens.dialog import Dialog
from tsubasa_cli.tui.widgets.download_bar import DownloadBar


class ModelPicker(Dialog[str | None]):
    """Returns the name of an installed model; fetches one first if it is only in the catalogue."""

    BINDINGS = [Binding("escape", "leave", "Close", id="dialog_leave")]

    def __init__(self, workspace: Workspace, current: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._current = current
        self._installed: list[Model] = []
        self._download: Download | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide -picker"):
            yield Static("Models", classes="dialog-title")
            yield OptionList(compact=True)
            with Vertical(id="picker-foot"):
                yield DownloadBar()
                yield Static("", id="picker-trouble", markup=False)
                yield Static("Enter uses or downloads, Esc closes", classes="dialog-hint")

    def on_mount(self) -> None:
        self._fill()

    @work(exclusive=True, group="models")
    async def _fill(self) -> None:
        self._installed = await asyncio.to_thread(self._workspace.models.list)
        machine = await asyncio.to_thread(this_machine)
        options = [_heading("Installed"), *(self._installed_option(m) for m in self._installed)]
        here = {model.name for model in self._installed}
        more = [entry for entry in CATALOGUE if entry.name not in here]
        options += [_heading("To download"), *(_entry_option(e, machine) for e in more)]
        listing = self.query_one(OptionList)
        listing.set_options(options)
        ids = [option.id for option in options]
        listing.highlighted = ids.index(f"use:{self._current}") if self._current in here else 1

    def _installed_option(self, model: Model) -> Option:
        size = wording.decimal_size(model.size_bytes)
        small = "small starter model" if model.source is Source.STARTER else ""
        mark = "in use" if model.name == self._current else ""
        notes = [size, model.quantization, small, mark, model.problem]
        return _option(f"use:{model.name}", model.name, notes)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        kind, _, name = (event.option_id or "").partition(":")
        if kind == "use":
            self.dismiss(name)
        elif self._download is None:
            self._fetch(name)

    @work(exclusive=True, group="fetch")
    async def _fetch(self, name: str) -> None:
        bar = self.query_one(DownloadBar)
        trouble = self.query_one("#picker-trouble", Static)
        trouble.update("")
        self._download = Download(self._workspace, bar.follow)
        try:
            model = await self._download.run(name)
        except DownloadStopped:
            bar.end("Stopped. What arrived is kept: downloading again goes on from there.")
        except TsubasaError as error:
            bar.end()
            trouble.update(str(error))
        else:
            self.dismiss(model.name)
        finally:
            self._download = None

    def on_unmount(self) -> None:
        """A download that nobody sees is paused: its thread would keep the program from ending."""
        if self._download:
            self._download.stop()

    def action_leave(self) -> None:
        if self._download:
            self._download.stop()
        else:
            self.dismiss(None)


def _entry_option(entry: CatalogueEntry, machine: Machine) -> Option:
    best = recommendation(machine)
    advice = entry.good_for if fits(entry, machine) else "too big for this machine"
    if best and best.name == entry.name:
        advice = f"recommended: {advice}"
    return _option(
        f"get:{entry.name}", entry.name, [wording.decimal_size(entry.size_bytes), advice]
    )


def _option(key: str, name: str, notes: list[str]) -> Option:
    note = " · ".join(note for note in notes if note)
    return Option(Content.assemble((f"{name:<16}", ""), (note, "$foreground-muted")), id=key)


def _heading(text: str) -> Option:
    return Option(Content.styled(text, "$foreground-muted bold"), disabled=True)
