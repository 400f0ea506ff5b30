"""What the model said: its thinking, its words as Markdown, and how it ended."""

from __future__ import annotations

from textual import work
from textual.app import ComposeResult
from textual.widgets import Markdown, Static

from tsubasa_cli.storage.values import Branch, Turn, TurnStatus
from tsubasa_cli.tui import keys, wording
from tsubasa_cli.tui.flow import follow
from tsubasa_cli.tui.live_reply import LiveReply, Stage, Trouble
from tsubasa_cli.tui.widgets.notice import Notice
from tsubasa_cli.tui.widgets.obeyed_notice import ObeyedNotice
from tsubasa_cli.tui.widgets.thinking import Thinking
from tsubasa_cli.tui.widgets.utterance import Utterance

ENDINGS = {
    TurnStatus.STOPPED: "stopped",
    TurnStatus.INTERRUPTED: "interrupted · {again} answers again",
    TurnStatus.TRUNCATED: "cut off: the context window or the token limit is reached",
    TurnStatus.PENDING: "not answered yet · {again} answers it",
    TurnStatus.STREAMING: "being written elsewhere",
}


class Reply(Utterance):
    """A reply; with ``live`` it grows while it is made. ``recalled`` memories went into it."""

    def __init__(
        self,
        turn: Turn,
        branch: Branch | None,
        live: LiveReply | None,
        *,
        recalled: int = 0,
        unfold: bool = False,
    ) -> None:
        super().__init__(turn, branch)
        self._made = live
        self._live = live if live and not live.ended else None
        self._trouble = live.trouble if live and live.ended else None
        self._recalled = recalled
        self._unfold = unfold
        self._said = 0
        self._label = ""
        self._footer = Static("", markup=False, classes="footer")
        self._markdown = Markdown("" if self._live else wording.visible(turn.text), classes="words")

    @property
    def words(self) -> str:
        return "".join(self._live.text) if self._live else self.turn.text

    @property
    def source(self) -> str:
        """The Markdown that is on screen now."""
        return self._markdown.source

    def compose(self) -> ComposeResult:
        if self.turn.thinking and not self._live:
            yield Thinking(self.turn.thinking, collapsed=not self._unfold)
        if self._made and self._made.obeyed:
            yield ObeyedNotice(self._made.obeyed, taken_back=self._made.taken_back)
        yield self._markdown
        if self._trouble:
            yield self._notice(self._trouble)
        yield self._footer

    @property
    def is_busy(self) -> bool:
        return self._live is not None

    def on_mount(self) -> None:
        self._footer.display = False
        self.refresh_footer()
        if self._live:
            self.add_class("-live")
            self._follow(self._live)

    def refresh_footer(self) -> None:
        parts = (self._state_label(), self._memory_label(), self.branch_label())
        label = "  ".join(part for part in parts if part)
        if label != self._label:
            self._label = label
            self._footer.update(label)
            self._footer.display = bool(label)
        self._markdown.display = bool(self._said or self.turn.text)

    def action_unfold(self) -> None:
        for block in self.query(Thinking):
            block.collapsed = not block.collapsed

    @work
    async def _follow(self, live: LiveReply) -> None:
        changed = live.watch()
        try:
            await follow(changed, self._catch_up, lambda: live.ended)
        finally:
            live.unwatch(changed)

    async def _catch_up(self) -> None:
        live = self._live
        if live is None or not self.is_mounted:
            return
        ended = live.ended
        await self._show_thinking(live)
        if live.obeyed and not self.query(ObeyedNotice):
            await self.show_obeyed()
        pieces = live.text[self._said :]
        self._said += len(pieces)
        self.refresh_footer()
        if pieces:
            await self._markdown.append(wording.visible("".join(pieces)))
        if ended:
            await self._settle(live)
        await self.wait_for_refresh()

    async def _show_thinking(self, live: LiveReply) -> None:
        if not live.thinking:
            return
        for block in self.query(Thinking):
            block.say("".join(live.thinking), live.thinking_seconds, ended=bool(live.text))
            return
        await self.mount(Thinking(collapsed=not self._unfold), before=self._markdown)

    async def show_obeyed(self) -> None:
        """Show what the question changed in the memory, or that it was taken back."""
        self.wake()
        await self.query_children(ObeyedNotice).remove()
        if self._made and self._made.obeyed:
            notice = ObeyedNotice(self._made.obeyed, taken_back=self._made.taken_back)
            await self.mount(notice, before=self._markdown)

    async def _settle(self, live: LiveReply) -> None:
        """Show the reply as it was committed."""
        self._live = None
        self.turn = live.turn
        self.remove_class("-live")
        for block in self.query(Thinking):
            block.say(live.turn.thinking, live.thinking_seconds, ended=True)
        text = wording.visible(live.turn.text)
        if self._markdown.source.strip() != text.strip():
            await self._markdown.update(text)
        if live.trouble:
            await self.explain(live.trouble)
        self.refresh_footer()

    async def explain(self, trouble: Trouble) -> None:
        """Say why the reply broke off, below what there is of it."""
        await self.query_children(Notice).remove()
        await self.mount(self._notice(trouble), after=self._markdown)

    def _state_label(self) -> str:
        if self._live:
            return "" if self._live.stage is Stage.WRITING else f"{self._live.stage}…"
        ending = ENDINGS.get(self.turn.status, "")
        return ending.format(again=self._key_to_answer_again()) if "{" in ending else ending

    def _memory_label(self) -> str:
        recalled = self._made.recalled if self._made and self._made.recalled else self._recalled
        return f"{wording.memories(recalled)} · /why" if recalled else ""

    def _key_to_answer_again(self) -> str:
        return keys.in_force(self.screen, "regenerate") or "r"

    def _notice(self, trouble: Trouble) -> Notice:
        next_step = trouble.next_step
        if trouble.engine_is_back:
            next_step = f"It was started again: {self._key_to_answer_again()} answers again."
        return Notice(trouble.what, trouble.why, next_step)
