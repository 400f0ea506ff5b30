"""What the chat looks like, and how it follows what happens: nothing here acts."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from tsubasa_cli.conversation.chat import Chat
from tsubasa_cli.conversation.events import (
    ChatEvent,
    Compacted,
    Compacting,
    EngineRestarted,
    EngineState,
    NotRecalled,
    Recalling,
    ReplyEnded,
    ReplyFailed,
    Titled,
    WindowUse,
)
from tsubasa_cli.conversation.workspace import Workspace
from tsubasa_cli.engine.protocol import Stats
from tsubasa_cli.errors import StorageError, TsubasaError
from tsubasa_cli.storage.values import Branch, Role, Turn
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.clock import Clock
from tsubasa_cli.tui.conductor import Conductor
from tsubasa_cli.tui.live_reply import LiveReply
from tsubasa_cli.tui.telling import TellsErrors
from tsubasa_cli.tui.widgets.composer import Composer
from tsubasa_cli.tui.widgets.reply import Reply
from tsubasa_cli.tui.widgets.sidebar import Sidebar
from tsubasa_cli.tui.widgets.status_line import StatusLine
from tsubasa_cli.tui.widgets.transcript import Transcript, in_order
from tsubasa_cli.tui.widgets.utterance import Utterance
from tsubasa_cli.tui.widgets.welcome import Welcome

NARROW_BELOW = 90
LOW_BELOW = 16
ROOMY_FROM = 28
"""Lines from which the empty chat has room for the swallow."""


class ChatView(TellsErrors, Screen[None]):
    """Shows one chat at a time; ``open`` changes which."""

    AUTO_FOCUS = "#composer-input"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW_BELOW, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW_BELOW, "-tall"), (ROOMY_FROM, "-roomy")]

    class Opened(Message):
        """The first chat is on screen."""

    def __init__(self, workspace: Workspace, conductor: Conductor, clock: Clock) -> None:
        super().__init__()
        self.workspace = workspace
        self.conductor = conductor
        self._elsewhere: set[Conductor] = set()
        self._recalled: dict[int, int] = {}
        self._clock = clock

    def compose(self) -> ComposeResult:
        look = self.workspace.settings.look
        with Horizontal(id="body"):
            yield Sidebar(self.workspace.store, self._clock, self.workspace.delete_session)
            with Vertical(id="main"):
                yield Static("", id="title", markup=False)
                yield Welcome()
                yield Transcript(self._live, self._recalled_for, unfold_thinking=look.show_thinking)
                yield Composer()
                yield StatusLine()

    async def on_mount(self) -> None:
        self.workspace.host.watch(self._engine_changed)
        self._engine_changed(self.workspace.host.state)
        self.set_class(self.workspace.settings.look.sidebar, "-sidebar")
        await self.open(self.conductor)
        self.post_message(self.Opened())

    # ------------------------------------------------------------------ the open chat

    @property
    def chat(self) -> Chat:
        return self.conductor.chat

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    @property
    def composer(self) -> Composer:
        return self.query_one(Composer)

    @property
    def status(self) -> StatusLine:
        return self.query_one(StatusLine)

    def _live(self, turn_id: int) -> LiveReply | None:
        return self.conductor.live(turn_id)

    def _recalled_for(self, reply: Turn) -> int:
        return self._recalled.get(reply.parent_id or 0, 0)

    async def open(self, conductor: Conductor) -> None:
        """Show another chat; the one before goes on in the background if it is answering."""
        self._leave_to_itself(self.conductor)
        self.conductor = conductor
        self._elsewhere.discard(conductor)
        conductor.listener = self._heard
        self.status.change(speed=0.0, queued=conductor.queued)
        self.composer.busy("")
        self.composer.open(conductor, conductor.unsent.typed)
        await self.reload()
        await self.transcript.follow_end()
        self.show_title()
        self.show_switches()
        self._measure_window()
        self.composer.field.focus()

    def _leave_to_itself(self, conductor: Conductor) -> None:
        """Only the list of sessions shows what goes on in there from now on."""
        conductor.listener = self._heard_elsewhere if conductor.busy else None
        if conductor.busy:
            self._elsewhere.add(conductor)

    def _heard_elsewhere(self, _live: LiveReply, event: ChatEvent) -> None:
        if isinstance(event, ReplyEnded | ReplyFailed | Titled):
            self._elsewhere = {each for each in self._elsewhere if each.busy}
            self._mark_session()

    async def reload(self) -> None:
        """Show the branch as it is now."""
        turns = await self.chat.turns()
        branches = await self.chat.branches() if turns else {}
        summaries = await self.chat.summaries() if turns else []
        self._recalled = await self._count_recalled() if turns else {}
        await self.transcript.show(in_order(turns, summaries), branches)
        self.set_class(not turns, "-empty")
        self._remember_questions()
        self._mark_session()

    async def _count_recalled(self) -> dict[int, int]:
        """How many memories ride with each question of the open chat."""
        if not self.workspace.settings.memory.enabled:
            return {}
        recalls = self.workspace.memory.recalls
        return await asyncio.to_thread(recalls.counts, self.chat.session.id)

    def _remember_questions(self) -> None:
        self.composer.remember([turn.text for turn in self._turns() if turn.role is Role.USER])

    def show_title(self) -> None:
        """Show the chat's title."""
        title = wording.visible_line(self.chat.session.title) or "New chat"
        self.query_one("#title", Static).update(f"翼  {title}")
        self.app.sub_title = title
        self._mark_session()

    def show_switches(self) -> None:
        """Show the chat's model, whether the next reply may think, as far as it can, and whether
        the chat is incognito."""
        loaded = self.workspace.host.loaded
        thinks = loaded is None or loaded.thinks
        thinking = self.chat.thinking if thinks else None
        incognito = self.workspace.settings.memory.enabled and not self.chat.remembers
        self.status.change(thinking=thinking, model=self.chat.model or "", incognito=incognito)

    def _mark_session(self) -> None:
        conductors = (self.conductor, *self._elsewhere)
        busy = [each.chat.session.id for each in conductors if each.busy]
        self.query_one(Sidebar).mark(self.chat.session.id, busy)

    def reply_to(self, question: Turn) -> Turn | None:
        """The reply to ``question`` on the branch on show."""
        return next((turn for turn in self._turns() if turn.parent_id == question.id), None)

    def _turns(self) -> list[Turn]:
        return [item for item in self.transcript.items if isinstance(item, Turn)]

    def _last_branch(self) -> Branch | None:
        """The place among its siblings of the message in focus, else of the last that has any."""
        if isinstance(self.focused, Utterance) and self.focused.branch:
            return self.focused.branch
        placed = (u.branch for u in reversed(self.transcript.utterances) if u.branch)
        return next(placed, None)

    def _words_of(self, turn: Turn | None) -> str:
        """What a turn says by now."""
        live = self.conductor.live(turn.id) if turn else None
        if live and not live.ended:
            return "".join(live.text)
        return turn.text if turn else ""

    def tell(self, error: TsubasaError) -> None:
        """Show an error that belongs to no message."""
        rest = " ".join(part for part in (error.why, error.next_step) if part)
        self.notify(
            wording.visible(rest) or " ",
            title=wording.visible(error.what),
            severity="warning",
            timeout=8,
            markup=False,
        )

    def _last(self, role: Role) -> Turn | None:
        return next((turn for turn in reversed(self._turns()) if turn.role is role), None)

    # ------------------------------------------------------------------ what the chat reports

    def _heard(self, live: LiveReply, event: ChatEvent) -> None:
        match event:
            case Stats() as stats:
                self._show_speed(stats)
            case ReplyEnded(turn=turn) | ReplyFailed(turn=turn):
                self._reply_over(turn)
            case Compacting():
                self.composer.busy("Folding the oldest messages into a summary to make room…")
            case Compacted():
                self.composer.busy("")
                self._reload_soon()
            case EngineRestarted():
                self._explain(live)
            case Recalling(count=count):
                self._recalled[live.turn.parent_id or 0] = count
            case NotRecalled(what=what, why=why, next_step=next_step):
                self.tell(StorageError(what, why=why, next_step=next_step))
            case Titled():
                self.show_title()
            case _:
                return

    def _show_speed(self, stats: Stats) -> None:
        speed = stats.generated / stats.decode_seconds if stats.decode_seconds > 0.2 else 0.0
        window = WindowUse(stats.prompt + stats.generated, self.workspace.host.window)
        self.status.change(speed=speed, window=window)

    def _reply_over(self, turn: Turn) -> None:
        self.transcript.settle(turn)
        self.composer.busy("")
        self._show_queue()
        self._mark_session()
        self._tidy()

    @work(exclusive=True, group="tidy")
    async def _tidy(self) -> None:
        await self.transcript.prune()
        self._measure_window()

    @work(exclusive=True, group="reload")
    async def _reload_soon(self) -> None:
        await self.reload()

    @work
    async def _explain(self, live: LiveReply) -> None:
        for reply in self.transcript.query_children(Reply):
            if reply.turn.id == live.turn.id and live.trouble:
                await reply.explain(live.trouble)

    @work(exclusive=True, group="meter")
    async def _measure_window(self) -> None:
        with suppress(TsubasaError):
            window = await self.chat.meter()
            if self.query(StatusLine):
                self.status.change(window=window)

    def _engine_changed(self, state: EngineState) -> None:
        if self.is_running and self.query(StatusLine):
            self.status.change(engine=state)
            self.show_switches()

    def engine_ready(self) -> None:
        """The model is loaded: what was unknown without it can be shown."""
        self._measure_window()

    def _show_queue(self) -> None:
        self.status.change(queued=self.conductor.queued)
