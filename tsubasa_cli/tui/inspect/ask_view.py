"""The debugger of memory: what a question would recall, in which order, why, and at what price."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tsubasa_cli.conversation.recollection import MOST_TOKENS
from tsubasa_cli.memory.by_hand import span_of
from tsubasa_cli.memory.explain import (
    Candidate,
    Explanation,
    Verdict,
    estimated_tokens,
    explain,
    note_tokens,
)
from tsubasa_cli.memory.values import Observation
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.charts import bar
from tsubasa_cli.tui.inspect.dialogs import AskLine
from tsubasa_cli.tui.inspect.line_words import short_day, validity
from tsubasa_cli.tui.inspect.pane import Moment, Pane
from tsubasa_cli.tui.inspect.space import Space

METER = 8
LONGEST = 300
LITTLE = 0.995
"""A factor above takes nothing worth telling."""
HOW = "Type a question as you would in a chat. Nothing is sent to the model."


class QuestionField(Input):
    """The question; Esc and Down lead to the answer."""

    BINDINGS = [Binding("escape,down", "leave", "To the answer", show=False)]

    def action_leave(self) -> None:
        self.query_ancestor(AskView).focus_answer()


class AskView(Pane):
    """A question, and every candidate with its reasons."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "block", "What the model would read", id="ask_block"),
        Binding("d", "day", "Ask as of a day", id="ask_day"),
        Binding("i", "ask", "Change the question", id="ask_again"),
    ]

    def __init__(self, space: Space, moment: Moment, id: str | None = None) -> None:
        super().__init__(space, moment, id)
        self._as_of: date | None = None
        self._found: Explanation | None = None
        self._shown: list[Candidate | None] = []
        self._is_asking = False

    def compose(self) -> ComposeResult:
        yield QuestionField(placeholder="What would you ask?", id="question", compact=True)
        yield Static(Content(HOW), id="ask-summary")
        yield OptionList(id="candidates", compact=True)
        yield Static("", id="ask-block", markup=False)

    def on_mount(self) -> None:
        self.query_one("#ask-block").display = False

    def focus_list(self) -> None:
        target = "#candidates" if self._shown else "#question"
        self.screen.set_focus(self.query_one(target))

    def reload(self) -> None:
        if self._found is not None:
            self._ask(self._found.question)

    @property
    def is_settled(self) -> bool:
        return not self._is_asking

    @property
    def memory(self) -> Observation | None:
        listing = self.query_one(OptionList)
        if listing.highlighted is None:
            return None
        candidate = self._shown[listing.highlighted]
        return candidate.item.observation if candidate else None

    # ------------------------------------------------------------------ asking

    @on(Input.Submitted, "#question")
    def _asked(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            self._ask(event.value.strip())

    def focus_answer(self) -> None:
        """Take the focus to the candidates, at once: the next key is for them already."""
        self.screen.set_focus(self.query_one(OptionList))

    def action_ask(self) -> None:
        self.screen.set_focus(self.query_one(QuestionField))

    def _ask(self, question: str) -> None:
        self._is_asking = True
        self._explain(question)

    @work(exclusive=True, group="explain")
    async def _explain(self, question: str) -> None:
        try:
            k = self.space.settings.memory.recall_count
            found = await asyncio.to_thread(
                lambda: explain(
                    self.space.memory, question, now=self.moment(), k=k, as_of=self._as_of
                )
            )
            self._show(found)
        finally:
            self._is_asking = False

    @work
    async def action_day(self) -> None:
        line = await self.app.push_screen_wait(
            AskLine(
                "Ask as of which day?",
                '2024-05-03, "May 2024" · empty: as the question itself tells',
                check=lambda text: span_of(text, self.moment()) if text.strip() else None,
            )
        )
        if line is None:
            return
        self._as_of = span_of(line, self.moment()).end if line.strip() else None
        self.reload()

    def action_block(self) -> None:
        shown = self.query_one("#ask-block", Static)
        shown.display = not shown.display

    # ------------------------------------------------------------------ showing

    def _show(self, found: Explanation) -> None:
        self._found = found
        self.query_one("#ask-summary", Static).update(Content(summary(found, self._as_of)))
        self.query_one("#ask-block", Static).update(
            Content(wording.visible_text(found.block) or "Nothing goes with the question.")
        )
        listing = self.query_one(OptionList)
        lines = list(_options(found))
        self._shown = [candidate for candidate, _ in lines]
        listing.set_options([option for _, option in lines])
        listing.highlighted = next((n for n, each in enumerate(self._shown) if each), None)
        if found.candidates:
            listing.focus()


def summary(found: Explanation, as_of: date | None) -> str:
    """What goes with the question, and why not more."""
    brought, tokens = len(found.recalled), estimated_tokens(found.block)
    parts = [
        f"{wording.memories(brought)} would go with it"
        + (f", about {tokens:,} tokens of {MOST_TOKENS:,} at most" if brought else "")
    ]
    if found.candidates:
        word = "reaches" if found.best >= found.gate else "does not reach"
        parts.append(f"the best fit is {found.best:.2f} and {word} the {found.gate:.2f} it takes")
    day = as_of or (found.period.end if found.period else None)
    if day:
        parts.append(f"as of {short_day(day)}")
    return " · ".join(parts)


def _options(found: Explanation) -> Iterator[tuple[Candidate | None, Option]]:
    heading = ""
    for number, candidate in enumerate(found.candidates, 1):
        is_in = candidate.verdict in (Verdict.PINNED, Verdict.RECALLED)
        title = "Goes with the question" if is_in else "Looked at, and left out"
        if title != heading:
            heading = title
            yield None, Option(Content.styled(title, "$foreground-muted bold"), disabled=True)
        yield candidate, Option(_candidate(candidate, number, is_in=is_in))


def _candidate(candidate: Candidate, number: int, *, is_in: bool) -> Content:
    item = candidate.item
    words = item.observation.statement if item.observation else item.turn.text if item.turn else ""
    about = validity(item.observation) if item.observation else "a message of yours"
    style = "$foreground" if is_in else "$foreground-muted"
    return Content.assemble(
        (f"{number:>2}  ", "$accent" if is_in else "$foreground-muted"),
        (wording.first_line(words, LONGEST), style),
        (f"  {about}", "$foreground-muted"),
        ("\n    ", ""),
        (bar(min(item.score, 1.0), METER), "$primary"),
        (f" {item.score:.2f}  {' · '.join(reasons(candidate))}", "$foreground-muted"),
        *([] if is_in and candidate.verdict is Verdict.RECALLED else [_verdict(candidate)]),
    )


def _verdict(candidate: Candidate) -> tuple[str, str]:
    return (f"\n    {candidate.verdict.value}", "$warning")


def reasons(candidate: Candidate) -> list[str]:
    """Why it was found and where it stands: meaning, words, names, day, age, and what it costs."""
    found = []
    if candidate.dense is not None:
        found.append(f"meaning {max(candidate.dense, 0):.2f}")
    if candidate.words is not None:
        found.append(f"words {candidate.words:.1f}")
    if candidate.names:
        found.append(f"names {', '.join(map(wording.visible_line, candidate.names))}")
    if candidate.is_dated:
        found.append("of that time")
    if candidate.freshness < LITTLE:
        found.append(f"age ×{candidate.freshness:.2f}")
    if candidate.nearness < LITTLE:
        found.append(f"about somebody else ×{candidate.nearness:.2f}")
    if candidate.verdict is not Verdict.PINNED:
        found.append(f"fit {max(candidate.strength, 0):.2f}")
    found.append(f"≈{note_tokens(candidate.item)} tokens")
    return found
