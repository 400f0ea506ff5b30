"""Where the user writes: field, pasted texts, command menu, and what was sent before."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from tsubasa_cli.tui.commands import Invocation, PlainText, Unknown, read_line
from tsubasa_cli.tui.widgets.attachment import Attachment
from tsubasa_cli.tui.widgets.composer_input import LARGE_PASTE_BYTES, ComposerInput
from tsubasa_cli.tui.widgets.slash_menu import SlashMenu

DRAFT_PAUSE_SECONDS = 0.5


class Composer(Vertical):
    """Collects a message. What is in it is the draft until it is sent."""

    @dataclass
    class Submitted(Message):
        """A message is to be sent; ``editing`` is the turn that it replaces."""

        text: str
        editing: int | None

    @dataclass
    class CommandGiven(Message):
        """A slash command was entered."""

        invocation: Invocation

    @dataclass
    class CommandUnknown(Message):
        """Something like a slash command was entered."""

        unknown: Unknown

    @dataclass
    class DraftChanged(Message):
        """The user paused in writing."""

        text: str

    def __init__(self) -> None:
        super().__init__(id="composer")
        self.editing: int | None = None
        self._history: list[str] = []
        self._recalled: int | None = None
        self._set_aside = ""
        self._draft_timer = self.set_timer(DRAFT_PAUSE_SECONDS, self._tell_draft, pause=True)
        self._draft_timer.stop()

    def compose(self) -> ComposeResult:
        yield SlashMenu()
        yield Static("", id="composer-note", markup=False)
        yield Vertical(id="attachments")
        yield ComposerInput()

    def on_mount(self) -> None:
        self.query_one("#composer-note").display = False

    # ------------------------------------------------------------------ what is in it

    @property
    def field(self) -> ComposerInput:
        return self.query_one(ComposerInput)

    @property
    def menu(self) -> SlashMenu:
        return self.query_one(SlashMenu)

    @property
    def text(self) -> str:
        """The whole message, pasted texts included."""
        pasted = [attachment.text for attachment in self.query(Attachment)]
        return "\n\n".join(part for part in (self.field.text, *pasted) if part)

    @text.setter
    def text(self, text: str) -> None:
        self.query(Attachment).remove()
        if len(text) >= LARGE_PASTE_BYTES:
            self.field.replace_all("")
            self._add_attachment(text)
        else:
            self.field.replace_all(text)

    def clear(self) -> None:
        """Empty it after its text was sent."""
        self.text = ""
        self._recalled = None
        self._end_editing()

    def remember(self, sent: list[str]) -> None:
        """What Up brings back, oldest first."""
        self._history = sent
        self._recalled = None

    def begin_edit(self, turn_id: int, text: str) -> None:
        """Offer ``text`` for another wording; what was being written is set aside."""
        if self.editing is None:
            self._set_aside = self.text
        self.editing = turn_id
        self.text = text
        self._note("Editing a message: Enter sends it as a new version, Esc leaves it as it was")
        self.field.focus()

    def cancel_edit(self) -> bool:
        """Go back to what was being written before; False when nothing is being edited."""
        if self.editing is None:
            return False
        aside = self._set_aside
        self._end_editing()
        self.text = aside
        return True

    def busy(self, note: str) -> None:
        """Say what is being done with the text, or nothing any more."""
        self._note(note)

    def _end_editing(self) -> None:
        self.editing = None
        self._set_aside = ""
        self._note("")

    def _note(self, text: str) -> None:
        line = self.query_one("#composer-note", Static)
        line.update(text)
        line.display = bool(text)

    # ------------------------------------------------------------------ keys of the field

    @on(ComposerInput.Sent)
    def _send(self, event: ComposerInput.Sent) -> None:
        event.stop()
        if (chosen := self.menu.chosen) and self.field.text.strip() != f"/{chosen.name}":
            self._complete()
            if chosen.argument:
                return
        self.menu.close()
        self._read(self.text)

    def _read(self, text: str) -> None:
        if not text.strip():
            return
        meant = PlainText(text) if self.query(Attachment) else read_line(text)
        match meant:
            case PlainText(text=words):
                self.post_message(self.Submitted(words, self.editing))
            case Invocation():
                self.field.replace_all("")
                self.post_message(self.CommandGiven(meant))
            case Unknown():
                self.post_message(self.CommandUnknown(meant))

    @on(ComposerInput.Completed)
    def _tab(self, event: ComposerInput.Completed) -> None:
        event.stop()
        if self.menu.is_open:
            self._complete()
        else:
            self.screen.focus_next()

    def _complete(self) -> None:
        chosen = self.menu.chosen
        if chosen:
            self.field.replace_all(f"/{chosen.name}{' ' if chosen.argument else ''}")
            self.menu.close()

    @on(ComposerInput.Stepped)
    def _step(self, event: ComposerInput.Stepped) -> None:
        event.stop()
        if self.menu.is_open:
            self.menu.step(event.step)
        elif self._recalled is not None or not self.field.text:
            self._recall(event.step)

    def _recall(self, step: int) -> None:
        position = (len(self._history) if self._recalled is None else self._recalled) + step
        if position < 0 or not self._history:
            return
        if position >= len(self._history):
            self._recalled = None
            self.text = ""
            return
        self.text = self._history[position]
        self._recalled = position
        self.menu.close()

    @on(ComposerInput.Changed)
    def _changed(self, event: ComposerInput.Changed) -> None:
        event.stop()
        recalled = self._recalled is not None and self._history[self._recalled]
        if recalled != self.field.text:
            self._recalled = None
            self.menu.offer(self.field.text)
        self.field.choosing = self.menu.is_open or self._recalled is not None
        self._draft_timer.stop()
        self._draft_timer = self.set_timer(DRAFT_PAUSE_SECONDS, self._tell_draft)

    def _tell_draft(self) -> None:
        if self.editing is None:
            self.post_message(self.DraftChanged(self.text))

    # ------------------------------------------------------------------ pasted texts

    @on(ComposerInput.LargePasted)
    def _paste(self, event: ComposerInput.LargePasted) -> None:
        event.stop()
        self._add_attachment(event.text)
        self._tell_draft()

    def _add_attachment(self, text: str) -> None:
        self.query_one("#attachments").mount(Attachment(text))

    @on(Attachment.Removed)
    async def _remove(self, event: Attachment.Removed) -> None:
        event.stop()
        await event.attachment.remove()
        self._tell_draft()
        self.field.focus()

    @on(Attachment.Expanded)
    async def _expand(self, event: Attachment.Expanded) -> None:
        event.stop()
        await event.attachment.remove()
        self.field.insert(event.attachment.text, self.field.document.end)
        self.field.focus()
