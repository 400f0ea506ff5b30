"""Where the user writes: field, pasted texts, command menu, and what was sent before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from tsubasa_cli.tui.commands import Invocation, PlainText, Unknown, read_line
from tsubasa_cli.tui.unsent import joined
from tsubasa_cli.tui.widgets.attachment import Attachment
from tsubasa_cli.tui.widgets.composer_input import LARGE_PASTE_BYTES, ComposerInput
from tsubasa_cli.tui.widgets.slash_menu import SlashMenu

if TYPE_CHECKING:
    from tsubasa_cli.tui.conductor import Conductor

DRAFT_PAUSE_SECONDS = 0.5


class Composer(Vertical):
    """Collects a message. What is in it is the draft until it is sent."""

    @dataclass
    class Submitted(Message):
        """A message was taken out of the composer, to be sent to the chat of ``to``.

        ``typed`` is what to give back when it cannot be sent; ``editing`` is the turn that it
        replaces.
        """

        text: str
        typed: str
        editing: int | None
        to: Conductor

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
        """The user paused in writing to the chat of ``to``."""

        to: Conductor

    def __init__(self) -> None:
        super().__init__(id="composer")
        self.editing: int | None = None
        self._to: Conductor | None = None
        self._attachments: list[Attachment] = []
        self._history: list[str] = []
        self._recalled: int | None = None
        self._set_aside = ""
        self._draft_timer = self.set_timer(DRAFT_PAUSE_SECONDS, self._tell_draft, pause=True)
        self._draft_timer.stop()

    def compose(self) -> ComposeResult:
        yield SlashMenu()
        yield Static("", id="composer-note", markup=False)
        yield Vertical(id="attachments")
        yield ComposerInput(self._send, self._paste)

    def on_mount(self) -> None:
        self.query_one("#composer-note").display = False
        self._show_attachments()

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
        pasted = [attachment.text for attachment in self._attachments]
        return "\n\n".join(part for part in (self.field.text, *pasted) if part)

    @text.setter
    def text(self, text: str) -> None:
        for attachment in self._attachments:
            attachment.remove()
        self._attachments = []
        self._show_attachments()
        if len(text) >= LARGE_PASTE_BYTES:
            self.field.replace_all("")
            self._add_attachment(text)
        else:
            self.field.replace_all(text)

    @property
    def draft(self) -> str:
        """What is typed but not sent, without what is only another wording of a message."""
        return self.text if self.editing is None else self._set_aside

    @property
    def attachments(self) -> list[Attachment]:
        """The pasted texts, oldest first."""
        return list(self._attachments)

    def open(self, to: Conductor, draft: str) -> None:
        """Write to another chat from now on, beginning with ``draft``."""
        self._to = to
        self._recalled = None
        self._end_editing()
        self.text = draft

    def give_back(self, text: str, editing: int | None) -> None:
        """Put a message back that could not be sent, before what was written meanwhile."""
        if editing is not None:
            self.begin_edit(editing, text)
        elif self.editing is not None:
            self._set_aside = joined(text, self._set_aside)
        else:
            self.text = joined(text, self.text)

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

    def _send(self) -> None:
        if self.menu.is_open:
            self.menu.offer(self.field.text)
        if (chosen := self.menu.chosen) and self.field.text.strip() != f"/{chosen.name}":
            self._complete()
            if chosen.argument:
                return
        self.menu.close()
        self._read(self.text)

    def _read(self, text: str) -> None:
        if not text.strip() or self._to is None:
            return
        meant = PlainText(text) if self._attachments else read_line(text)
        match meant:
            case PlainText(text=words):
                self.post_message(self.Submitted(words, text, self.editing, self._to))
                self._taken()
            case Invocation():
                self.field.replace_all("")
                self.post_message(self.CommandGiven(meant))
            case Unknown():
                self.post_message(self.CommandUnknown(meant))

    def _taken(self) -> None:
        """The message is on its way: come back to what was set aside for it, or to nothing."""
        self._recalled = None
        if not self.cancel_edit():
            self.text = ""

    @on(ComposerInput.Completed)
    async def _tab(self, event: ComposerInput.Completed) -> None:
        event.stop()
        if self.menu.is_open:
            self._complete()
        else:
            await self.run_action("screen.cycle(1)")

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
        elif self._recalled is not None or not self.text:
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
        if recalled != self.text:
            self._recalled = None
            self.menu.offer(self.field.text)
        self.field.choosing = self.menu.is_open or self._recalled is not None
        self._draft_timer.stop()
        self._draft_timer = self.set_timer(DRAFT_PAUSE_SECONDS, self._tell_draft)

    def _tell_draft(self) -> None:
        if self._to is not None:
            self.post_message(self.DraftChanged(self._to))

    # ------------------------------------------------------------------ pasted texts

    def _paste(self, text: str) -> None:
        self._recalled = None
        self._add_attachment(text)
        self._tell_draft()

    def _add_attachment(self, text: str) -> None:
        attachment = Attachment(text)
        self._attachments.append(attachment)
        self._show_attachments()
        self.query_one("#attachments").mount(attachment)

    def _drop(self, attachment: Attachment) -> None:
        self._attachments.remove(attachment)
        attachment.remove()
        self._show_attachments()

    def _show_attachments(self) -> None:
        self.query_one("#attachments").display = bool(self._attachments)

    @on(ComposerInput.Emptied)
    def _remove_last(self, event: ComposerInput.Emptied) -> None:
        event.stop()
        if self._attachments:
            self._drop(self._attachments[-1])
            self._tell_draft()

    @on(Attachment.Removed)
    def _remove(self, event: Attachment.Removed) -> None:
        event.stop()
        self._drop(event.attachment)
        self._tell_draft()
        self.field.focus()

    @on(Attachment.Expanded)
    def _expand(self, event: Attachment.Expanded) -> None:
        event.stop()
        self._drop(event.attachment)
        self.field.insert(event.attachment.text, self.field.document.end)
        self.field.focus()
