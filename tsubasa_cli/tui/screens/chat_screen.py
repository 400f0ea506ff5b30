"""What the user can do in the chat: write, send, stop, go back, branch, copy, find."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar

from textual import on, work
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.widgets import Input

from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.errors import InputError, TsubasaError
from tsubasa_cli.storage.values import Role, Turn
from tsubasa_cli.tui.clock import Clock
from tsubasa_cli.tui.commands import Invocation
from tsubasa_cli.tui.conductor import Conductor
from tsubasa_cli.tui.editor import edit_text, editor_command
from tsubasa_cli.tui.message_actions import MessageActions
from tsubasa_cli.tui.screens.chat_commands import run_command
from tsubasa_cli.tui.screens.chat_view import ChatView
from tsubasa_cli.tui.screens.overflow import OverflowDialog
from tsubasa_cli.tui.session_actions import SessionActions
from tsubasa_cli.tui.widgets.composer import Composer
from tsubasa_cli.tui.widgets.sidebar import SessionList, Sidebar
from tsubasa_cli.tui.widgets.transcript import Transcript
from tsubasa_cli.tui.widgets.utterance import Utterance
from tsubasa_cli.tui.widgets.welcome import Welcome

SMALLEST_MEASURED_BYTES = 2_000
"""Shorter messages fit any window, so they are not measured before they are sent."""


class ChatScreen(ChatView):
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
        self._sending = asyncio.Lock()

    # ------------------------------------------------------------------ sending

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        self.send(event.text, event.editing)

    @on(Welcome.Suggested)
    def _suggested(self, event: Welcome.Suggested) -> None:
        self.composer.field.focus()
        self.send(event.text)

    @work
    async def send(self, text: str, editing: int | None = None) -> None:
        """Commit a message and queue its reply, in the order of calling."""
        async with self._sending:
            await self._attempt(self._measure_and_commit(text, editing))

    async def _measure_and_commit(self, text: str, editing: int | None) -> None:
        fitting = await self._fitting(text)
        if fitting is None:
            return
        if self.composer.text.strip() in (text.strip(), f"/{text.strip()}"):
            self.composer.clear()
        try:
            await self._commit(fitting, editing)
        except TsubasaError:
            self.composer.text = text
            raise

    async def _commit(self, text: str, editing: int | None) -> None:
        if editing is None:
            exchange = await self.conductor.send(text)
            await self.transcript.add(exchange.question, exchange.reply)
            self._remember_questions()
        else:
            await self.conductor.stop_all()
            exchange = await self.chat.edit(editing, text)
            self.conductor.answer(exchange.reply)
            await self.reload()
        self.remove_class("-empty")
        await self.transcript.follow_end()
        self._show_queue()
        self.show_title()
        self.show_thinking_switch()

    async def _fitting(self, text: str) -> str | None:
        """``text`` if it fits, a trimmed one if the user wants that, else None."""
        size = len(text.encode("utf-8", errors="replace"))
        if size <= max(SMALLEST_MEASURED_BYTES, self.workspace.host.window // 2):
            return text
        self.composer.busy("Measuring the message…")
        try:
            over = await self.chat.overflow(text)
            if over is None:
                return text
            wish = await self.app.push_screen_wait(OverflowDialog(over))
            return await self.chat.trim(text) if wish == "trim" else None
        finally:
            self.composer.busy("")
            self.composer.field.focus()

    # ------------------------------------------------------------------ drafts and commands

    @on(Composer.DraftChanged)
    async def _draft(self, event: Composer.DraftChanged) -> None:
        if event.text != self.chat.session.draft and not self._sending.locked():
            await self.chat.save_draft(event.text)

    async def save_draft(self) -> None:
        """Keep what is in the composer now."""
        if self.composer.editing is None and self.composer.text != self.chat.session.draft:
            await self.chat.save_draft(self.composer.text)

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
            with self.app.suspend():
                text = edit_text(self.composer.text, command)
        except SuspendNotSupported as error:
            raise InputError("This terminal cannot make room for an editor.") from error
        self.app.refresh(layout=True)
        self.composer.text = text
        self.composer.field.focus()

    def action_sessions(self) -> None:
        """Show the list and search it; from the list, come back."""
        sidebar = self.query_one(Sidebar)
        if sidebar.has_focus_within:
            self.action_leave()
            return
        self.add_class("-sidebar-asked")
        sidebar.reload()
        self.query_one("#session-search", Input).focus()

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
            case _:
                area.query_one("#composer-input, #suggestions").focus()

    def _areas(self) -> list[Composer | Transcript | Sidebar | Welcome]:
        sidebar = self.query_one(Sidebar)
        middle = self.query_one(Welcome) if self.has_class("-empty") else self.transcript
        return [self.composer, *([sidebar] if sidebar.display else []), middle]
