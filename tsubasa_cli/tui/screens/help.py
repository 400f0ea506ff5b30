"""Keys and commands on one page, with the user's own keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.tui import keys
from tsubasa_cli.tui.commands import COMMANDS
from tsubasa_cli.tui.screens.dialog import Dialog

KEY_COLUMN = 36


class Help(Dialog[None]):
    """Scrolls; Esc or F1 closes it."""

    BINDINGS = [Binding("escape,f1,q", "leave", "Close", id="help_leave")]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._keymap = workspace.settings.keys
        self._settings_file = workspace.paths.settings

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -page"):
            yield Static("Keys", classes="dialog-title")
            for title, bindings in _sections():
                yield Static(title, classes="help-heading")
                yield Static(Content("\n").join(self._lines(bindings)))
            yield Static("Commands", classes="dialog-title")
            yield Static(Content("\n").join(_command_lines()))
            yield Static(
                Content(f"Keys can be changed under [keys] in {self._settings_file}"),
                classes="dialog-hint",
            )

    def _lines(self, bindings: Iterable[BindingType]) -> Iterator[Content]:
        for binding in bindings:
            if isinstance(binding, Binding) and binding.id and binding.description:
                yield _line(keys.of(binding, self._keymap), binding.description)

    def action_leave(self) -> None:
        self.dismiss(None)


def _sections() -> Iterator[tuple[str, Iterable[BindingType]]]:
    from tsubasa_cli.tui.screens.chat_memory import ChatMemory
    from tsubasa_cli.tui.screens.chat_screen import ChatScreen
    from tsubasa_cli.tui.screens.memories import MemoryList
    from tsubasa_cli.tui.widgets.attachment import Attachment
    from tsubasa_cli.tui.widgets.composer_input import ComposerInput
    from tsubasa_cli.tui.widgets.sidebar import SessionList
    from tsubasa_cli.tui.widgets.utterance import Utterance

    yield "Writing", ComposerInput.BINDINGS
    yield "Anywhere", ChatScreen.BINDINGS
    yield "Memory", ChatMemory.BINDINGS
    yield "On a message (Tab goes there)", Utterance.BINDINGS
    yield "In the list of chats", SessionList.BINDINGS
    yield "In the list of memories (F8)", MemoryList.BINDINGS
    yield "On a pasted text", Attachment.BINDINGS


def _command_lines() -> Iterator[Content]:
    for command in COMMANDS:
        yield _line(command.usage, command.description)
    yield _line("//text", "Send a message that begins with a slash")


def _line(key: str, what: str) -> Content:
    gap = " " * max(2, KEY_COLUMN - len(key))
    return Content.assemble((key, "$accent"), gap, (what, "$foreground"))
