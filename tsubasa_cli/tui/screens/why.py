"""What a reply knew: the memories that went into it, and where each of them was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tsubasa_cli.conversation.why import Reason, Source
from tsubasa_cli.tui import memory_words, wording
from tsubasa_cli.tui.screens.dialog import Dialog

NOTHING = "No memories were used for this reply."


class Why(Dialog[Source | None]):
    """Returns the source that the user wants to see in its chat, None when it is dismissed."""

    VERTICAL_BREAKPOINTS = [(0, "-low"), (16, "-tall")]

    BINDINGS = [
        Binding("escape,f6,q", "leave", "Close", id="dialog_leave"),
        Binding("j", "step('down')", show=False),
        Binding("k", "step('up')", show=False),
    ]

    def __init__(self, reasons: Sequence[Reason], explanation: str = "") -> None:
        """``explanation`` says why there is nothing, when that is known."""
        super().__init__()
        self._reasons = reasons
        self._explanation = explanation
        self._sources: dict[str, Source] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide -reasons"):
            if not self._reasons:
                yield Static(NOTHING, classes="dialog-title")
                yield Static(Content(self._explanation), classes="dialog-text")
                yield Static("Esc closes", classes="dialog-hint")
                return
            number = wording.memories(len(self._reasons))
            yield Static(f"{number} went into this reply", classes="dialog-title")
            yield OptionList(*self._lines(), compact=True)
            yield Static(
                "Enter opens the chat where it was said, Esc closes", classes="dialog-hint"
            )

    def on_mount(self) -> None:
        self.query(".dialog-text").set(display=bool(self._explanation))

    def _lines(self) -> Iterator[Option]:
        for place, reason in enumerate(self._reasons):
            if place:
                yield Option("", disabled=True)
            yield from self._lines_of(reason, place)

    def _lines_of(self, reason: Reason, place: int) -> Iterator[Option]:
        """A line for each source, the first below what it is the source of."""
        for number, source in enumerate(reason.sources or (None,)):
            key = f"{place}-{number}"
            if source and source.session_id:
                self._sources[key] = source
            parts = [*([] if number else [_head(reason)]), *_places(source, reason)]
            yield Option(Content("\n").join(parts), id=key)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        source = self._sources.get(event.option_id or "")
        if source is None:
            self.notify("There is no chat to open: it was written by hand, or its chat is gone.")
        else:
            self.dismiss(source)

    def action_step(self, direction: str) -> None:
        for listing in self.query(OptionList):
            getattr(listing, f"action_cursor_{direction}")()

    def action_leave(self) -> None:
        self.dismiss(None)


def _head(reason: Reason) -> Content:
    """What the model read, without repeating a message that is its own source."""
    if not reason.memory_id:
        return Content.styled("An earlier message of yours", "$foreground bold")
    return Content.styled(wording.visible_line(reason.statement), "$foreground bold")


def _places(source: Source | None, reason: Reason) -> list[Content]:
    changed = "worded differently by now" if reason.changed else ""
    found = memory_words.found_by(reason.channels)
    said = memory_words.origin(source) if source else memory_words.BY_HAND
    notes = " · ".join(part for part in (said, found, changed) if part)
    lines = [Content.styled(notes, "$foreground-muted")]
    if source and source.turn_id is not None:
        lines.insert(0, Content(memory_words.quoted(source)))
    return lines
