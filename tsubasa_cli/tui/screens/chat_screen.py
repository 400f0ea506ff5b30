"""What the user can do in the chat: write, send, stop, go back, branch, copy, find."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on, work
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from tsubasa_cli.conversation.events import Exchange, Overflow
from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.errors import InputError, TsubasaError
from tsubasa_cli.storage.values import Role, Turn
from tsubasa_cli.tui.clock import Clock
from tsubasa_cli.tui.commands import Invocation
from tsubasa_cli.tui.conductor import Conductor
from tsubasa_cli.tui.editor import edit_text, editor_command
from tsubasa_cli.tui.message_actions import MessageActions
from tsubasa_cli.tui.screens.chat_commands import run_command
from tsubasa_cli.tui.screens.chat_memory import ChatMemory
from tsubasa_cli.tui.screens.overflow import OverflowDialog
from tsubasa_cli.tui.session_actions import SessionActions
from tsubasa_cli.tui.unsent import joined
from tsubasa_cli.tui.widgets.composer import Composer
from tsubasa_cli.tui.widgets.sidebar import SessionList, Sidebar
from tsubasa_cli.tui.widgets.transcript import Transcript
from tsubasa_cli.tui.widgets.utterance import Utterance
from tsubasa_cli.tui.widgets.welcome import Welcome

SMALLEST_MEASURED_BYTES = 2_000
"""Shorter messages fit any window, so they are not measured before they are sent."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way ``to`` a chat, whichever chat is shown meanwhile. ``typed`` is what
    stood in the composer, ``editing`` the turn that it replaces."""

    to: Conductor
    text: str
    typed: str
    editing: int | None = None


class ChatScreen(ChatMemory):
    """The chat with its keys and commands."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Stop the reply", id="stop"),
        Binding("ctrl+n", "app.new_chat", "New chat", id="new_chat", priority=True),
        Binding("ctrl+s,f3", "sessions", "Find a chat", id="sessions", priority=True),
        Binding("ctrl+r", "regenerate", "Answer again", id="regenerate", priority=True),
        Binding("f4", "edit_last", "Edit and resend", id="edit_message"),
        Binding("alt+left", "branch(-1)", "Previous version", id="previous_branch"),
        Binding("alt+right", "branch(1)", "Next version", id="next_branch"),
        Binding("ctrl+y", "copy_reply", "Copy the last reply", id="copy_reply", priority=True),
        Binding("ctrl+e", "external_editor", "Write in $EDITOR", id="editor", priority=True),
        Binding("ctrl+t", "app.choose_theme", "Colours", id="themes", priority=True),
        Binding("ctrl+o", "app.choose_model", "Models", id="models", priority=True),
        Binding("f1", "app.help", "Help", id="help", priority=True),
        Binding("pageup", "scroll(-1)", "Scroll up", id="scroll_up", priority=True),
        Binding("pagedown", "scroll(1)", "Scroll down", id="scroll_down", priority=True),
        Binding("ctrl+home", "beginning", "First message", id="beginning", priority=True),
        Binding("ctrl+end", "end", "Newest message", id="end", priority=True),
        Binding("tab", "cycle(1)", "Next area", id="next_area", show=False),
        Binding("shift+tab", "cycle(-1)", "Previous area", id="previous_area", show=False),
        Binding("ctrl+z", "undo_delete", "Undo delete", id="undo_delete", show=False),
    ]

    def __init__(self, workspace: Workspace, conductor: Conductor, clock: Clock) -> None:
        super().__init__(workspace, conductor, clock)
        self.session_actions = SessionActions(self, workspace)
        self.message_actions = MessageActions(self)

    # ------------------------------------------------------------------ sending

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        self._dispatch(Letter(event.to, event.text, event.typed, event.editing))

    @on(Welcome.Suggested)
    def _suggested(self, event: Welcome.Suggested) -> None:
        self.composer.field.focus()
        self.send(event.text)

    def send(self, text: str) -> None:
        """Commit a message to the open chat and queue its reply, in the order of calling."""
        self._dispatch(Letter(self.conductor, text, text))

    def _dispatch(self, letter: Letter) -> None:
        letter.to.unsent.leaving.append(letter.typed)
        self._deliver(letter)

    @work
    async def _deliver(self, letter: Letter) -> None:
        async with letter.to.unsent.turn:
            await self._attempt(self._measure_and_commit(letter))

    async def _measure_and_commit(self, letter: Letter) -> None:
        is_committed = False
        try:
            fitting = await self._fitting(letter)
            if fitting is not None:
                await self._commit(letter, fitting)
                is_committed = True
        finally:
            letter.to.unsent.leaving.remove(letter.typed)
            if not is_committed:
                self._give_back(letter)
            await self._keep_unsent(letter.to)

    def _give_back(self, letter: Letter) -> None:
        if self._shows(letter.to):
            self.composer.give_back(letter.typed, letter.editing)
        else:
            letter.to.unsent.typed = joined(letter.typed, letter.to.unsent.typed)

    async def _commit(self, letter: Letter, text: str) -> None:
        to = letter.to
        if letter.editing is None:
            exchange = await to.send(text)
        else:
            await to.stop_all()
            exchange = await to.chat.edit(letter.editing, text)
            to.answer(exchange.reply)
        if self._shows(to):
            await self._show_exchange(exchange, is_edit=letter.editing is not None)

    async def _show_exchange(self, exchange: Exchange, *, is_edit: bool) -> None:
        if is_edit:
            await self.reload()
        elif exchange.question.id not in {turn.id for turn in self._turns()}:
            await self.transcript.add(exchange.question, exchange.reply)
            self._remember_questions()
        self.remove_class("-empty")
        await self.transcript.follow_end()
        self._show_queue()
        self.show_title()
        self.show_switches()

    def _shows(self, conductor: Conductor) -> bool:
        return conductor is self.conductor

    async def _fitting(self, letter: Letter) -> str | None:
        """The message if it fits, a trimmed one if the user wants that, else None."""
        text = letter.text
        size = len(text.encode("utf-8", errors="replace"))
        if size <= max(SMALLEST_MEASURED_BYTES, self.workspace.host.window // 2):
            return text
        await self._keep_unsent(letter.to)
        self.composer.busy("Measuring the message…")
        try:
            over = await letter.to.chat.overflow(text)
        finally:
            if self._shows(letter.to):
                self.composer.busy("")
        return text if over is None else await self._trimmed(letter, over)

    async def _trimmed(self, letter: Letter, over: Overflow) -> str | None:
        if not self._shows(letter.to):
            raise InputError(
                f"A message is {over.over:,} tokens too long.",
                next_step=f"It is kept as the draft of {letter.to.chat.session.title!r}.",
            )
        wish = await self.app.push_screen_wait(OverflowDialog(over))
        return await letter.to.chat.trim(letter.text) if wish == "trim" else None

    # ------------------------------------------------------------------ drafts and commands

    @on(Composer.DraftChanged)
    async def _draft(self, event: Composer.DraftChanged) -> None:
        if self._shows(event.to):
            await self._attempt(self.save_draft())

    async def save_draft(self) -> None:
        """Keep what is in the composer now."""
        await self._keep_unsent(self.conductor)

    async def _keep_unsent(self, conductor: Conductor) -> None:
        if self._shows(conductor):
            conductor.unsent.typed = self.composer.draft
        await conductor.unsent.keep()

    @on(Composer.CommandGiven)
    def _command(self, event: Composer.CommandGiven) -> None:
        self._run_command(event.invocation)

    @work
    async def _run_command(self, invocation: Invocation) -> None:
        await self._attempt(run_command(self, invocation))

    @on(Composer.CommandUnknown)
    def _unknown(self, event: Composer.CommandUnknown) -> None:
        near = " or ".join(f"/{name}" for name in event.unknown.near)
        hint = f"Did you mean {near}? " if near else ""
        self.notify(
            f"{hint}Type / to see all commands, or // to send a message that begins with a slash.",
            title=f"There is no /{event.unknown.name}",
            severity="warning",
            markup=False,
        )

    async def _attempt(self, action: Coroutine[Any, Any, None]) -> None:
        """Do something; tell the user when it cannot be done."""
        try:
            await action
        except TsubasaError as error:
            self.tell(error)

    # ------------------------------------------------------------------ messages

    @on(Utterance.Wished)
    def _wished(self, event: Utterance.Wished) -> None:
        self._fulfil(event.utterance, event.wish)

    @work
    async def _fulfil(self, utterance: Utterance, wish: str) -> None:
        actions = self.message_actions
        match wish:
            case "copy":
                await self._attempt(actions.copy(utterance.words, "the message"))
            case "copy_code":
                await self._attempt(actions.copy_code(utterance.words))
            case "retry":
                await self._attempt(actions.retry(utterance.turn))
            case "edit":
                self._begin_edit(utterance.turn)
            case "previous_branch" | "next_branch":
                step = -1 if wish == "previous_branch" else 1
                await self._attempt(actions.step_branch(utterance.branch, step))

    def _begin_edit(self, turn: Turn) -> None:
        if turn.role is Role.USER:
            self.composer.begin_edit(turn.id, turn.text)
        else:
            self.notify("Only your own messages can be edited; r answers again.")

    def focus_turn(self, turn_id: int) -> None:
        """Put the focus on a message, if it is mounted."""
        for utterance in self.transcript.utterances:
            if utterance.turn.id == turn_id:
                utterance.focus()

    @on(Transcript.EdgePassed)
    def _below_last(self) -> None:
        self.composer.field.focus()

    # ------------------------------------------------------------------ sessions

    @on(Sidebar.Wished)
    def _session_wished(self, event: Sidebar.Wished) -> None:
        self._for_session(event)

    @work
    async def _for_session(self, event: Sidebar.Wished) -> None:
        match event.wish:
            case "rename":
                await self._attempt(self.session_actions.rename(event.session))
            case "export_markdown":
                await self._attempt(self.session_actions.export(event.session, "md"))
            case "export_json":
                await self._attempt(self.session_actions.export(event.session, "json"))
        self._mark_session()

    # ------------------------------------------------------------------ keys

    def action_leave(self) -> None:
        """Esc: close what is open, stop what is written, else come back to the composer."""
        if self.composer.menu.is_open:
            self.composer.menu.close()
        elif self._overlay_is_open:
            self._hide_overlay()
        elif self.conductor.busy:
            self.conductor.stop()
        elif not self.composer.cancel_edit():
            self._hide_overlay()
        self.composer.field.focus()

    @work
    async def action_regenerate(self) -> None:
        last = self._last(Role.ASSISTANT)
        if last:
            await self._attempt(self.message_actions.retry(last))

    def action_edit_last(self) -> None:
        focused = self.focused
        turn = focused.turn if isinstance(focused, Utterance) else self._last(Role.USER)
        if turn and turn.role is Role.ASSISTANT:
            turn = next((t for t in self._turns() if t.id == turn.parent_id), None)
        if turn:
            self._begin_edit(turn)

    @work
    async def action_branch(self, step: int) -> None:
        await self._attempt(self.message_actions.step_branch(self._last_branch(), step))

    @work
    async def action_copy_reply(self) -> None:
        last = self._last(Role.ASSISTANT)
        await self._attempt(self.message_actions.copy(self._words_of(last), "the last reply"))

    @work
    async def action_external_editor(self) -> None:
        await self._attempt(self._write_outside())

    async def _write_outside(self) -> None:
        command = editor_command(self.workspace.settings.look.editor)
        try:
            with self.app.batch_update(), self.app.suspend():
                text = await asyncio.to_thread(edit_text, self.composer.text, command)
        except SuspendNotSupported as error:
            raise InputError("This terminal cannot make room for an editor.") from error
        self.app.refresh(layout=True)
        self.composer.text = text
        self.composer.field.focus()

    def action_sessions(self) -> None:
        """Show the list and search it; from the list, come back."""
        sidebar = self.query_one(Sidebar)
        if sidebar.has_focus_within:
            self._hide_overlay()
            self.composer.field.focus()
            return
        self.add_class("-sidebar-asked")
        sidebar.reload()
        self.query_one("#session-search", Input).focus()

    @property
    def _overlay_is_open(self) -> bool:
        """Whether the list is there because it was asked for, not because it always is."""
        return self.has_class("-sidebar-asked") and not (
            self.has_class("-sidebar") and self.has_class("-wide")
        )

    def _hide_overlay(self) -> None:
        self.remove_class("-sidebar-asked")

    @on(Sidebar.Chosen)
    def _session_chosen(self) -> None:
        self._hide_overlay()

    async def action_undo_delete(self) -> None:
        await self.query_one(Sidebar).undo_delete()

    def action_scroll(self, step: int) -> None:
        if step < 0:
            self.transcript.scroll_page_up(animate=False)
        else:
            self.transcript.scroll_page_down(animate=False)

    async def action_beginning(self) -> None:
        await self.transcript.show_beginning()

    async def action_end(self) -> None:
        await self.transcript.follow_end()

    def action_cycle(self, step: int) -> None:
        """Tab: from the composer to the messages, to the sessions, and round."""
        areas = self._areas()
        here = next((i for i, area in enumerate(areas) if area.has_focus_within), 0)
        area = areas[(here + step) % len(areas)]
        match area:
            case Transcript():
                area.focus_last()
            case Sidebar():
                area.query_one(SessionList).focus()
            case Welcome():
                area.query_one("#suggestions").focus()
            case _:
                area.focus()

    def _areas(self) -> list[Widget]:
        sidebar = self.query_one(Sidebar)
        middle = self.query_one(Welcome) if self.has_class("-empty") else self.transcript
        writing = [self.composer.field, *self.composer.attachments]
        return [*writing, *([sidebar] if sidebar.display else []), middle]
