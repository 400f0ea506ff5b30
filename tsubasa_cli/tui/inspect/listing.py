"""A list of any length: only the lines in sight are ever read and drawn."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tsubasa_cli.memory.browsing import Entry
from tsubasa_cli.tui.inspect.line_words import LineWords, fitted, line_words

if TYPE_CHECKING:
    from tsubasa_cli.memory.finding import Hit

KEPT_ENTRIES = 1_000
"""Records kept of the lines seen; those seen longest ago are read again."""
AHEAD = 20
"""Lines read beyond those in sight, before and after."""
GUTTER = 3
LOW = 8
"""Lines of a terminal below which a memory takes one line instead of two."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list shows: memories by ``seq``, in order. ``total`` counts those that are still on
    their way too; ``hits`` say how each was found."""

    seqs: Sequence[int] = ()
    hits: Mapping[int, Hit] = field(default_factory=dict)
    total: int = 0


class MemoryLines(ScrollView, can_focus=True):
    """Memories, two lines each. Space marks one; what is done is done to the marked ones."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lines--statement", "lines--gone", "lines--notes", "lines--state", "lines--glyph",
        "lines--mark", "lines--score", "lines--cursor", "lines--cursor-blurred",
    }  # fmt: skip
    BINDING_GROUP_TITLE = "In a list of memories"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "to_end(-1)", "First", show=False),
        Binding("end", "to_end(1)", "Last", show=False),
        Binding("enter", "choose", "Read all about it", id="inspect_read"),
        Binding("space", "mark", "Mark it", id="inspect_mark"),
    ]

    cursor: reactive[int] = reactive(0, always_update=True)
    shows_scores: reactive[bool] = reactive(False)

    @dataclass
    class Wanted(Message):
        """Lines came into sight that have to be read."""

        lines: MemoryLines
        seqs: list[int]

        @property
        def control(self) -> MemoryLines:
            return self.lines

    @dataclass
    class Highlighted(Message):
        """The cursor is on another memory, or on one that has changed; None: on none."""

        lines: MemoryLines
        entry: Entry | None

        @property
        def control(self) -> MemoryLines:
            return self.lines

    @dataclass
    class Chosen(Message):
        """The memory under the cursor is to be read."""

        lines: MemoryLines
        entry: Entry

        @property
        def control(self) -> MemoryLines:
            return self.lines

    @dataclass
    class MarksChanged(Message):
        """Others are marked."""

        lines: MemoryLines

    def __init__(self, lead: Callable[[Entry], str] = lambda _: "", id: str | None = None) -> None:
        """``lead`` gives the words before the notes of a line."""
        super().__init__(id=id)
        self._lead = lead
        self._listing = Listing()
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._stale: set[int] = set()
        self._asked: set[int] = set()
        self._told: Entry | None = None
        self.marked: dict[int, Entry] = {}
        self.materialised = 0
        """How many records were taken in since the start, for who wants to know."""

    # ------------------------------------------------------------------ what is shown

    @property
    def listing(self) -> Listing:
        return self._listing

    @property
    def entry(self) -> Entry | None:
        """The memory under the cursor, as far as it is read."""
        seq = self.seq
        return None if seq is None else self._entries.get(seq)

    @property
    def seq(self) -> int | None:
        seqs = self._listing.seqs
        return seqs[self.cursor] if 0 <= self.cursor < len(seqs) else None

    def show(self, listing: Listing, *, at_top: bool = False) -> None:
        """Show other memories. The cursor stays on its memory if that is among them, else in its
        place; ``at_top`` puts it on the first."""
        before, place = self.seq, self.cursor
        self._listing = listing
        self._asked.clear()
        self._resize()
        self.cursor = 0 if at_top else self._place_of(before, place)
        if at_top:
            self.scroll_to(y=0, animate=False)
        self.refresh()
        self._tell()

    def supply(self, entries: Mapping[int, Entry]) -> None:
        """Records that were asked for."""
        self.take(entries)
        self.refresh()
        self._tell()

    def take(self, entries: Mapping[int, Entry]) -> None:
        """Records that will be asked for by what is shown next."""
        self.materialised += len(entries)
        self._asked -= entries.keys()
        self._stale -= entries.keys()
        for seq, entry in entries.items():
            self._entries[seq] = entry
            self._entries.move_to_end(seq)
            if seq in self.marked:
                self.marked[seq] = entry
        while len(self._entries) > KEPT_ENTRIES:
            self._entries.popitem(last=False)

    def doubt(self) -> None:
        """Something has changed: read again what is in sight, show the old until then."""
        self._stale = set(self._entries)
        self._asked.clear()
        self.refresh()

    def unmark(self) -> None:
        """Mark none."""
        if self.marked:
            self.marked.clear()
            self.post_message(self.MarksChanged(self))
            self.refresh()

    def mark_all(self, entries: Mapping[int, Entry]) -> None:
        """Mark these besides."""
        self.marked |= entries
        self.post_message(self.MarksChanged(self))
        self.refresh()

    def _place_of(self, seq: int | None, place: int) -> int:
        seqs = self._listing.seqs
        if seq is not None:
            if place < len(seqs) and seqs[place] == seq:
                return place
            try:
                return seqs.index(seq)
            except ValueError:
                pass
        return max(min(place, len(seqs) - 1), 0)

    # ------------------------------------------------------------------ moving

    def validate_cursor(self, cursor: int) -> int:
        return max(min(cursor, len(self._listing.seqs) - 1), 0)

    def watch_cursor(self) -> None:
        height = self.line_height
        self.scroll_to_region(
            Region(0, self.cursor * height, max(self.size.width, 1), height),
            animate=False,
            force=True,
        )
        self.refresh()
        self._tell()

    def watch_shows_scores(self) -> None:
        self.refresh()

    def action_move(self, step: int) -> None:
        self.cursor += step

    def action_page(self, direction: int) -> None:
        self.cursor += direction * max(self.size.height // self.line_height - 1, 1)

    def action_to_end(self, direction: int) -> None:
        self.cursor = 0 if direction < 0 else len(self._listing.seqs) - 1

    def action_choose(self) -> None:
        if self.entry:
            self.post_message(self.Chosen(self, self.entry))

    def action_mark(self) -> None:
        entry = self.entry
        if entry is None:
            return
        if self.marked.pop(entry.seq, None) is None:
            self.marked[entry.seq] = entry
        self.post_message(self.MarksChanged(self))
        self.cursor += 1

    def on_click(self, event: events.Click) -> None:
        line = int(self.scroll_offset.y + event.y) // self.line_height
        if line < len(self._listing.seqs):
            self.cursor = line

    def _tell(self) -> None:
        """Say which memory is under the cursor, once for each reading of it."""
        entry = self.entry
        if entry is not None and entry is not self._told:
            self._told = entry
            self.post_message(self.Highlighted(self, entry))
        elif self.seq is None and self._told is not None:
            self._told = None
            self.post_message(self.Highlighted(self, None))

    # ------------------------------------------------------------------ drawing

    @property
    def line_height(self) -> int:
        return 1 if self.app.size.height < LOW + 4 else 2

    def _resize(self) -> None:
        self.virtual_size = Size(
            self.scrollable_content_region.width, len(self._listing.seqs) * self.line_height
        )

    def on_resize(self) -> None:
        self._resize()
        self.watch_cursor()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line, part = divmod(int(self.scroll_offset.y) + y, self.line_height)
        if line >= len(self._listing.seqs):
            return Strip.blank(width, self.rich_style)
        seq = self._listing.seqs[line]
        entry = self._entries.get(seq)
        if entry is None or seq in self._stale:
            self._ask()
        segments = [Segment("" if part else "   …", self._base(line))]
        if entry is not None:
            words = line_words(entry, self._listing.hits.get(seq), self._lead(entry))
            mark = "▌" if entry.seq in self.marked else " "
            segments = (
                self._foot(words, line, width) if part else self._head(words, line, width, mark)
            )
        return Strip(segments).adjust_cell_length(width, self._base(line))

    def _head(self, words: LineWords, line: int, width: int, mark: str) -> list[Segment]:
        base = self._base(line)
        score = words.score if self.shows_scores else ""
        score = score if cell_len(score) + GUTTER + 24 < width else score.split("  ")[0][:12]
        room = width - GUTTER - (cell_len(score) + 2 if score else 0) - 1
        text = fitted(words.statement, room)
        style = self._style("gone" if words.is_gone else "statement", base)
        segments = [
            Segment(mark, self._style("mark", base)),
            Segment(words.glyph, self._style("glyph", base)),
            Segment(" ", base),
            Segment(text, style),
        ]
        if score:
            segments.append(Segment(" " * (room - cell_len(text) + 2), base))
            segments.append(Segment(score, self._style("score", base)))
        return segments

    def _foot(self, words: LineWords, line: int, width: int) -> list[Segment]:
        base, room = self._base(line), width - GUTTER
        state = fitted(words.state, room)
        gap = " · " if state else ""
        notes = fitted_notes(words.notes, room - cell_len(state + gap))
        return [
            Segment(" " * GUTTER, base),
            Segment(state, self._style("state", base)),
            Segment(f"{gap if notes else ''}{notes}", self._style("notes", base)),
        ]

    def _base(self, line: int) -> Style:
        if line != self.cursor:
            return self.rich_style
        name = "lines--cursor" if self.has_focus else "lines--cursor-blurred"
        return self.rich_style + self.get_component_rich_style(name)

    def _style(self, name: str, base: Style) -> Style:
        """A component's colour, blended onto what is behind it: Rich knows no transparency."""
        styles = self.get_component_styles(f"lines--{name}")
        behind = Color.from_rich_color(base.bgcolor)
        color = behind.blend(styles.color, styles.color.a, 1.0)
        return base + Style(color=color.rich_color) + styles.text_style

    def _ask(self) -> None:
        """Ask for the lines in sight and near it, once for all that are drawn now."""
        height = self.size.height // self.line_height + 1
        first = int(self.scroll_offset.y) // self.line_height
        window = self._listing.seqs[max(first - AHEAD, 0) : first + height + AHEAD]
        missing = [
            seq
            for seq in window
            if seq not in self._asked and (seq not in self._entries or seq in self._stale)
        ]
        if missing:
            self._asked.update(missing)
            self.post_message(self.Wanted(self, missing))


def fitted_notes(text: str, width: int) -> str:
    """Notes cut at a separator, so that no half of one is left."""
    if cell_len(text) <= width:
        return fitted(text, width)
    kept = ""
    for part in text.split(" · "):
        longer = f"{kept} · {part}" if kept else part
        if cell_len(longer) > width:
            break
        kept = longer
    return fitted(kept or text, width)
