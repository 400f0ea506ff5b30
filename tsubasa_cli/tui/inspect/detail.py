"""All about one memory, on a page to scroll."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

if TYPE_CHECKING:
    from tsubasa_cli.memory.dossier import Dossier


class Detail(VerticalScroll, can_focus=True):
    """Shows a dossier. Scrolls with the usual keys."""

    BINDING_GROUP_TITLE = "On a memory"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("space", "page_down", show=False),
    ]

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.dossier: Dossier | None = None

    def compose(self) -> ComposeResult:
        yield Static("", id="detail-words")

    def show(self, dossier: Dossier | None) -> None:
        """Show it; from its beginning when it is another memory."""
        is_same = bool(dossier and self.dossier and dossier.memory.id == self.dossier.memory.id)
        self.dossier = dossier
        self._draw()
        if not is_same:
            self.scroll_to(y=0, animate=False)

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width = max(self.scrollable_content_region.width, 8)
        lines = _lines(self.dossier, width) if self.dossier else []
        self.query_one("#detail-words", Static).update(Content("\n").join(lines))


def _lines(dossier: Dossier, width: int) -> list[Content]:
    from tsubasa_cli.tui.inspect.detail_words import sections

    return list(sections(dossier, width))
