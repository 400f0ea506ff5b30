"""What the inspector asks for: words, sentences, tags, a day, and whose change shall stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Select, Static, TextArea

from tsubasa_cli.errors import InputError
from tsubasa_cli.memory.by_hand import as_statement, span_of
from tsubasa_cli.memory.reshaping import Revision
from tsubasa_cli.memory.values import Kind, Observation
from tsubasa_cli.memory.word_diff import word_diff
from tsubasa_cli.storage.values import Instant
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.inspect.dialog import InspectDialog
from tsubasa_cli.tui.inspect.line_words import diffed, validity


class MemoryForm(InspectDialog[Revision | None]):
    """The words, the kind and the days of a memory. Ctrl+S or Enter on a field saves."""

    AUTO_FOCUS = "#words"
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-tall")]
    BINDINGS = [
        Binding("escape", "leave", "Close", id="dialog_leave"),
        Binding("ctrl+s", "accept", "Save", id="dialog_accept", priority=True),
    ]

    def __init__(
        self,
        title: str,
        revision: Revision | None = None,
        trouble: str = "",
        *,
        is_new: bool = False,
    ) -> None:
        """``revision`` is what to begin with; without one the kind is told by the words. One that
        ``is_new`` has not ended."""
        super().__init__()
        self._title_text = title
        self._given = revision
        self._trouble = trouble
        self._is_new = is_new

    def compose(self) -> ComposeResult:
        given = self._given or Revision("", Kind.STATE)
        with VerticalScroll(classes="dialog -form", can_focus=False):
            yield Static(Content(self._title_text), classes="dialog-title")
            yield TextArea(given.statement, compact=True, highlight_cursor_line=False, id="words")
            with Horizontal(classes="form-row"):
                yield Static("Kind", classes="form-label")
                yield Select(
                    [(kind.value, kind) for kind in Kind],
                    value=given.kind if self._given else Select.NULL,
                    allow_blank=self._given is None,
                    prompt="as its words tell",
                    compact=True,
                    id="kind",
                )
            with Horizontal(classes="form-row"):
                yield Static("Since, or on", classes="form-label")
                yield Input(given.since, placeholder="not known", id="since")
            with Horizontal(classes="form-row", id="until-row"):
                yield Static("Until", classes="form-label")
                yield Input(given.until, placeholder="still so", id="until")
            yield Static(Content(self._trouble), id="form-trouble")
            yield Static(
                "Ctrl+S saves · Tab next field · Esc leaves it as it is", classes="dialog-hint"
            )

    def on_mount(self) -> None:
        area = self.query_one("#words", TextArea)
        area.move_cursor(area.document.end)
        self._tell(self._trouble)
        self.query_one("#until-row").display = not self._is_new

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        """Behind the keys that the text has not seen yet: what is typed is what is saved."""
        self.query_one(TextArea).call_later(self._accept)

    def _accept(self) -> None:
        try:
            self.dismiss(self._read())
        except InputError as error:
            self._tell(" ".join(part for part in (error.what, error.why, error.next_step) if part))

    def _read(self) -> Revision:
        """What the fields hold; ``InputError`` for what cannot be used."""
        from tsubasa_cli.memory.facts import kind_of

        statement = as_statement(self.query_one("#words", TextArea).text)
        since, until = (
            self.query_one(f"#{name}", Input).value.strip() for name in ("since", "until")
        )
        for day in filter(None, (since, until)):
            span_of(day, Instant.now())
        kind = self.query_one("#kind", Select).value
        return Revision(
            statement, kind if isinstance(kind, Kind) else kind_of(statement), since, until
        )

    def _tell(self, trouble: str) -> None:
        note = self.query_one("#form-trouble", Static)
        note.update(Content(wording.visible(trouble)))
        note.display = bool(trouble)

    def action_leave(self) -> None:
        self.dismiss(None)


class AskLine(InspectDialog[str | None]):
    """Asks for one line, and says what is wrong with it until ``check`` is content."""

    BINDINGS = [Binding("escape", "leave", "Close", id="dialog_leave")]

    def __init__(
        self,
        title: str,
        hint: str,
        value: str = "",
        check: Callable[[str], object] = lambda _: None,
    ) -> None:
        super().__init__()
        self._title_text = title
        self._hint = hint
        self._value = value
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(self._title_text), classes="dialog-title")
            yield Input(self._value)
            yield Static("", id="form-trouble")
            yield Static(Content(self._hint), classes="dialog-hint")

    def on_mount(self) -> None:
        self.query_one("#form-trouble").display = False

    @on(Input.Submitted)
    def _accept(self, event: Input.Submitted) -> None:
        try:
            self._check(event.value)
        except InputError as error:
            note = self.query_one("#form-trouble", Static)
            note.update(Content(wording.visible(f"{error.what} {error.next_step}")))
            note.display = True
        else:
            self.dismiss(event.value)

    def action_leave(self) -> None:
        self.dismiss(None)


class AskLines(InspectDialog[list[str] | None]):
    """Asks for sentences, one on each line; ``least`` of them, at most ``most``."""

    BINDINGS = [
        Binding("escape", "leave", "Close", id="dialog_leave"),
        Binding("ctrl+s", "accept", "Save", id="dialog_accept", priority=True),
    ]

    def __init__(self, title: str, text: str, hint: str, least: int, most: int) -> None:
        super().__init__()
        self._title_text = title
        self._text = text
        self._hint = hint
        self._least = least
        self._most = most

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -tall"):
            yield Static(Content(self._title_text), classes="dialog-title")
            yield TextArea(self._text, compact=True, highlight_cursor_line=False)
            yield Static("", id="form-trouble")
            yield Static(
                Content(f"{self._hint}\nCtrl+S saves · Esc leaves it as it is"),
                classes="dialog-hint",
            )

    def on_mount(self) -> None:
        self.query_one("#form-trouble").display = False
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)

    def action_accept(self) -> None:
        """Behind the keys that the text has not seen yet."""
        self.query_one(TextArea).call_later(self._accept)

    def _accept(self) -> None:
        lines = [line for line in self.query_one(TextArea).text.splitlines() if line.strip()]
        try:
            self._require(lines)
        except InputError as error:
            note = self.query_one("#form-trouble", Static)
            note.update(Content(wording.visible(f"{error.what} {error.next_step}")))
            note.display = True
        else:
            self.dismiss(lines)

    def _require(self, lines: list[str]) -> None:
        for line in lines:
            as_statement(line)
        if not self._least <= len(lines) <= self._most:
            wanted = (
                "one sentence on one line"
                if self._most == 1
                else f"{self._least} to {self._most} sentences, each on a line of its own"
            )
            raise InputError(f"There are {len(lines)}.", next_step=f"Write {wanted}.")

    def action_leave(self) -> None:
        self.dismiss(None)


@dataclass(frozen=True, slots=True)
class Clash:
    """Two hands on one memory: as the user saw it, as they want it (empty: not in words), and as
    it is now."""

    seen: Observation
    now: Observation
    wanted: str = ""


class Conflict(InspectDialog[str]):
    """Somebody else was faster: shows both, and asks whose shall stand.

    Returns "mine", "theirs", "edit", or "" when it is dismissed.
    """

    AUTO_FOCUS = "#answer-theirs"
    BINDINGS = [
        Binding("escape", "leave", "Close", id="dialog_leave"),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(self, clash: Clash, by: str = "") -> None:
        """``by`` says who changed it meanwhile."""
        super().__init__()
        self._clash = clash
        self._by = by

    def compose(self) -> ComposeResult:
        clash = self._clash
        with VerticalScroll(classes="dialog -conflict", can_focus=False):
            yield Static("It has changed meanwhile", classes="dialog-title")
            yield Static(
                Content("Nothing was written. This is what happened, and what you wanted."),
                classes="dialog-text",
            )
            yield from self._side(f"Now{self._by}", clash.seen, clash.now.statement, clash.now)
            if clash.wanted:
                yield from self._side("What you wrote", clash.seen, clash.wanted, None)
            else:
                yield from self._side("What you saw", clash.seen, clash.seen.statement, clash.seen)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Keep theirs", id="answer-theirs", compact=True)
                yield Button(
                    "Take mine" if clash.wanted else "Do it anyway",
                    id="answer-mine",
                    compact=True,
                )
                if clash.wanted:
                    yield Button("Edit again", id="answer-edit", compact=True)

    def _side(
        self, title: str, seen: Observation, statement: str, at: Observation | None
    ) -> ComposeResult:
        yield Static(Content(title), classes="help-heading")
        yield Static(diffed(word_diff(seen.statement, statement)))
        if at is not None:
            yield Static(Content(_state(at)), classes="dialog-text")

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("answer-"))

    def action_leave(self) -> None:
        self.dismiss("")


def _state(memory: Observation) -> str:
    """What of a memory its words do not tell."""
    parts = [f"version {memory.version}", memory.status.value, memory.kind.value, validity(memory)]
    return " · ".join(filter(None, [*parts, "pinned" if memory.pinned else ""]))
