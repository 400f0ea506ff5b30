"""The chat application: opens chats, owns the look, and ends without losing anything."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from textual import events, on, work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tsubasa_cli.conversation.chat import Overrides
from tsubasa_cli.conversation.workspace import Workspace, open_chat
from tsubasa_cli.errors import InputError, NotFoundError, TsubasaError
from tsubasa_cli.memory.erase import Erasure
from tsubasa_cli.storage.settings_file import set_value
from tsubasa_cli.tui.clock import local_now
from tsubasa_cli.tui.conductor import Conductor
from tsubasa_cli.tui.ending import EndsInWords
from tsubasa_cli.tui.remembering import Remembering
from tsubasa_cli.tui.screens.chat_memory import ChatMemory
from tsubasa_cli.tui.screens.chat_screen import ChatScreen
from tsubasa_cli.tui.screens.first_run import FirstRun, needs_first_run
from tsubasa_cli.tui.screens.help import Help
from tsubasa_cli.tui.screens.model_picker import ModelPicker
from tsubasa_cli.tui.screens.theme_picker import ThemePicker
from tsubasa_cli.tui.stylesheets import CHAT
from tsubasa_cli.tui.themes import DEFAULT_THEME, OWN_THEMES
from tsubasa_cli.tui.widgets.composer import Composer
from tsubasa_cli.tui.widgets.sidebar import Sidebar
from tsubasa_cli.tui.widgets.welcome import Welcome

COLLECTOR_THRESHOLDS = (20_000, 20, 50)
STOP_SECONDS = 2.0
"""How long quitting waits for a reply to be committed as stopped."""


def run_chat(
    workspace: Workspace,
    session_id: str | None = None,
    first_message: str | None = None,
    overrides: Overrides | None = None,
) -> None:
    """Run the chat until the user leaves it; closes ``workspace``.

    Raises ``NotFoundError`` when there is no such session, and what could be told nowhere on the
    screen.
    """
    app = ChatApp(workspace, session_id, first_message, overrides)
    app.run()
    if app.last_words:
        raise app.last_words
    if app.return_code:
        sys.exit(app.return_code)


def _calm_the_collector() -> None:
    """Keep what is loaded by now out of the garbage collector's rounds: a full round over a screen
    of messages takes 100 ms and more, in the middle of streaming."""
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


class ChatApp(EndsInWords):
    """Shows ``session_id`` or a new chat. ``now`` is the clock of the session list."""

    TITLE = "Tsubasa"
    CSS_PATH = CHAT
    HORIZONTAL_BREAKPOINTS = []
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Leave", id="quit", priority=True),
    ]

    def __init__(
        self,
        workspace: Workspace,
        session_id: str | None = None,
        first_message: str | None = None,
        overrides: Overrides | None = None,
        now: Callable[[], datetime] = local_now,
    ) -> None:
        super().__init__()
        self.workspace = workspace
        self._overrides = overrides
        self._first_message = first_message
        self._engine_turn = asyncio.Lock()
        self._answering: dict[str, Conductor] = {}
        self._is_leaving = False
        for theme in OWN_THEMES:
            self.register_theme(theme)
        self.set_keymap(workspace.settings.keys)
        self.chat_screen = ChatScreen(workspace, self._conduct(session_id), now)
        self.remembering = Remembering(
            workspace,
            is_busy=self._is_busy,
            show=self._show_memory,
            tell=self.chat_screen.tell,
            later=self.set_timer,
            spawn=partial(self.run_worker, group="distil"),
        )

    def get_default_screen(self) -> Screen[None]:
        return self.chat_screen

    def on_mount(self) -> None:
        self._wear(self.workspace.settings.look.theme)
        for notice in self.workspace.notices:
            self.notify(notice, title="At the start", timeout=15, markup=False)

    @on(ChatScreen.Opened)
    def _opened(self) -> None:
        _calm_the_collector()
        self._begin()
        self.remembering.disturbed()

    # ------------------------------------------------------------------ the first minute

    @work
    async def _begin(self) -> None:
        """Load the model behind the first frame; ask for one when there is none."""
        if self._first_message is None and await asyncio.to_thread(needs_first_run, self.workspace):
            await self.push_screen_wait(FirstRun(self.workspace))
        self.load_model()
        if self._first_message:
            self.chat_screen.send(self._first_message)

    @work(exclusive=True, group="load")
    async def load_model(self) -> None:
        """Get the open chat's model ready."""
        try:
            await self.workspace.host.ready(self._model())
        except TsubasaError as error:
            self.chat_screen.tell(error)
        else:
            self.chat_screen.engine_ready()
            if not self._engine_turn.locked():
                with suppress(TsubasaError):
                    await self.chat_screen.chat.warm()

    def _model(self) -> str | None:
        asked = self._overrides.model if self._overrides else None
        return asked or self.chat_screen.chat.session.model

    # ------------------------------------------------------------------ chats

    def _conduct(self, session_id: str | None) -> Conductor:
        """The conductor of a session: the one that is still answering, or a new one."""
        if session_id in self._answering:
            return self._answering[session_id or ""]
        chat = open_chat(self.workspace, session_id, self._overrides)
        return Conductor(chat, self._engine_turn, self._spawn)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> object:
        return self.run_worker(work, group="replies", exit_on_error=True)

    async def open_session(self, session_id: str | None) -> None:
        """Show a session, or a new chat."""
        screen = self.chat_screen
        await screen.save_draft()
        before = screen.conductor
        self._answering = {k: c for k, c in self._answering.items() if c.busy or c.unsent.leaving}
        if before.busy or before.unsent.leaving:
            self._answering[before.chat.session.id] = before
        elif before.chat.session.id:
            await before.chat.close()
        await screen.open(self._conduct(session_id))
        self.remembering.chat_left()
        if self._model() in (None, self.workspace.host.model_name):
            self.load_model()

    @on(Sidebar.Chosen)
    async def _chosen(self, event: Sidebar.Chosen) -> None:
        if event.session_id != self.chat_screen.chat.session.id:
            try:
                await self.open_session(event.session_id)
            except NotFoundError as error:
                self.chat_screen.tell(error)
        self.chat_screen.composer.field.focus()

    @on(Sidebar.Deleted)
    async def _deleted(self, event: Sidebar.Deleted) -> None:
        if background := self._answering.pop(event.session.id, None):
            await background.stop_all()
        if event.session.id == self.chat_screen.chat.session.id:
            await self.chat_screen.conductor.stop_all()
            await self.open_session(None)

    async def action_new_chat(self) -> None:
        session = self.chat_screen.chat.session
        if session.head_id is not None or not session.memory:
            await self.open_session(None)
        self.chat_screen.composer.field.focus()

    async def open_at(self, session_id: str, turn_id: int) -> None:
        """Show a message in its chat; ``NotFoundError`` when the chat is gone."""
        if session_id != self.chat_screen.chat.session.id:
            if not await asyncio.to_thread(self.workspace.store.is_kept, session_id):
                raise NotFoundError("The chat where it was said is deleted.")
            await self.open_session(session_id)
        await self.chat_screen.show_turn(turn_id)

    # ------------------------------------------------------------------ memory

    async def on_event(self, event: events.Event) -> None:
        """Whoever types wants the machine for themselves."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self.remembering.disturbed()
        await super().on_event(event)

    @on(Composer.Submitted)
    @on(Welcome.Suggested)
    def _sent(self) -> None:
        self.remembering.message_sent()

    async def prepare_erasing(self) -> None:
        """Make sure that no words are on their way to where they would be erased.

        Raises ``InputError`` while a reply is written or memories are learned.
        """
        if self._is_busy() or self.remembering.is_running:
            raise InputError(
                "Something is being written now, and it may hold the words.",
                next_step="Wait for it or stop it with Esc, then erase.",
            )
        await self.chat_screen.save_draft()

    async def let_go_of(self, erasure: Erasure) -> None:
        """Drop what is held outside the database of chats whose words were erased: the model's
        saved states, and the open chat with its draft."""
        for session_id in erasure.session_ids:
            self.workspace.host.forget_state(session_id)
        opened = self.chat_screen.chat.session.id
        if opened in erasure.session_ids:
            await self.chat_screen.transcript.show((), {})
            await self.chat_screen.open(self._conduct(opened))

    def _is_busy(self) -> bool:
        conductors = (self.chat_screen.conductor, *self._answering.values())
        return self._engine_turn.locked() or any(each.busy for each in conductors)

    def _show_memory(self, words: str) -> None:
        if self.is_running and self.chat_screen.is_mounted:
            self.chat_screen.status.change(memory=words)

    @work(exclusive=True, group="incognito")
    async def action_incognito(self) -> None:
        """Let the open chat, if nothing is said in it yet, or a new one leave no memories."""
        if not self.workspace.settings.memory.enabled:
            raise InputError("Memory is switched off in the settings: every chat is incognito.")
        screen = self.chat_screen
        if not screen.chat.remembers:
            self.notify("This chat is incognito already. An ordinary one: /new")
            return
        if screen.chat.session.head_id is not None:
            await self.open_session(None)
        await screen.chat.set_memory(False)
        screen.show_switches()
        screen.composer.field.focus()
        self.notify("This chat reads no memories and leaves none.", title="Incognito")

    # ------------------------------------------------------------------ look and models

    def _wear(self, theme: str) -> None:
        self.theme = theme if theme in self.available_themes else DEFAULT_THEME

    @work
    async def action_choose_theme(self, name: str = "") -> None:
        chosen: str | None = name
        if not name:
            picker = ThemePicker(list(self.available_themes), self.theme)
            chosen = await self.push_screen_wait(picker)
        if chosen and chosen not in self.available_themes:
            self.notify(f"There is no theme {chosen!r}.", severity="warning", markup=False)
        elif chosen:
            self.theme = chosen
            await self._remember_theme(chosen)

    async def _remember_theme(self, name: str) -> None:
        try:
            await asyncio.to_thread(set_value, self.workspace.paths, "look.theme", name)
        except TsubasaError as error:
            self.chat_screen.tell(error)

    @work
    async def action_choose_model(self, name: str = "") -> None:
        chosen: str | None = name
        if not name:
            current = self.workspace.host.model_name
            chosen = await self.push_screen_wait(ModelPicker(self.workspace, current))
        if chosen:
            await self.use_model(chosen)

    async def use_model(self, name: str) -> None:
        """Answer the open chat with another model from now on."""
        try:
            await self.chat_screen.chat.set_model(name)
        except TsubasaError as error:
            self.chat_screen.tell(error)
            return
        if not self.chat_screen.conductor.busy:
            self.load_model()

    def action_help(self) -> None:
        self.push_screen(Help(self.workspace))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the command palette offers: everything that has a key."""
        if screen is self.chat_screen:
            for binding in (*ChatScreen.BINDINGS, *ChatMemory.BINDINGS):
                if isinstance(binding, Binding) and binding.show:
                    yield SystemCommand(
                        binding.description, self._key_of(binding), self._doing(binding.action)
                    )
            yield SystemCommand(
                "Incognito chat", "It reads no memories and leaves none", self.action_incognito
            )
        yield SystemCommand("Leave", "Everything is saved", self.action_quit)

    def _key_of(self, binding: Binding) -> str:
        from tsubasa_cli.tui import keys

        return keys.of(binding, self.workspace.settings.keys)

    def _doing(self, action: str) -> Callable[[], Coroutine[Any, Any, object]]:
        async def do() -> object:
            return await self.run_action(action, self.chat_screen)

        return do

    # ------------------------------------------------------------------ the end

    async def action_quit(self) -> None:
        """Save the draft, stop what is written, keep the KV state, stop the engine."""
        if self._is_leaving:
            return
        self._is_leaving = True
        self.remembering.stop()
        with suppress(TsubasaError):
            await self.chat_screen.save_draft()
        self.run_worker(self._leave())

    async def _leave(self) -> None:
        conductor = self.chat_screen.conductor
        for each in (conductor, *self._answering.values()):
            each.drop_queue()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(
                    conductor.stop_all(), *(each.stop_all() for each in self._answering.values())
                )
            await conductor.chat.close()
        except (TimeoutError, TsubasaError):
            self.log("A reply was still being written.")
        self.exit()

    async def on_unmount(self) -> None:
        """However the program ends, the engine ends with it."""
        self.remembering.stop()
        await self.workspace.close()
