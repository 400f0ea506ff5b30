"""One memory in two lines: its words, and what there is to know at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content

from tsubasa_cli.memory.browsing import Entry
from tsubasa_cli.memory.values import Observation, Origin, Status
from tsubasa_cli.tui import wording

if TYPE_CHECKING:
    from tsubasa_cli.memory.finding import Hit
    from tsubasa_cli.memory.word_diff import Piece

GLYPHS = {
    Status.ACTIVE: " ",
    Status.SUPERSEDED: "○",
    Status.QUARANTINED: "?",
    Status.FORGOTTEN: "–",
    Status.ERASED: "×",
}
PINNED = "◆"
ERASED_WORDS = "(erased)"
STATES = {
    Status.ACTIVE: "believed",
    Status.QUARANTINED: "waiting for you",
    Status.SUPERSEDED: "no longer so",
    Status.FORGOTTEN: "forgotten",
    Status.ERASED: "erased",
}
ORIGINS = {
    Origin.USER_SAID: "said in a chat",
    Origin.USER_EDITED: "written by hand",
    Origin.IMPORTED: "imported",
}
_STATES = {
    Status.SUPERSEDED: "no longer so",
    Status.QUARANTINED: "waits for your yes (a) or no (f)",
    Status.FORGOTTEN: "forgotten",
    Status.ERASED: "erased for good",
}
_EDITS = {"same": "", "gone": "$error strike", "new": "$success bold"}
_CHANNELS = {"dense": "meaning", "words": "words", "pinned": "pinned"}


@dataclass(frozen=True, slots=True)
class LineWords:
    """What is written in the two lines of a memory; ``notes`` begins with what matters most."""

    glyph: str
    statement: str
    notes: str
    state: str = ""
    score: str = ""
    is_gone: bool = False


def line_words(entry: Entry, hit: Hit | None, lead: str = "") -> LineWords:
    """The words of a memory in a list; ``lead`` stands before its notes."""
    memory = entry.memory
    glyph = PINNED if memory.pinned and memory.status is Status.ACTIVE else GLYPHS[memory.status]
    return LineWords(
        glyph=glyph,
        statement=memory.statement if memory.status is not Status.ERASED else ERASED_WORDS,
        notes=" · ".join(part for part in (lead, *notes(entry)) if part),
        state=_STATES.get(memory.status, ""),
        score=_score(hit),
        is_gone=memory.status in (Status.SUPERSEDED, Status.FORGOTTEN, Status.ERASED),
    )


def notes(entry: Entry) -> list[str]:
    """What there is to know: kind, days, use, learning, tags."""
    memory = entry.memory
    return [
        memory.kind.value,
        validity(memory),
        f"recalled {entry.recalled:,}×" if entry.recalled else "",
        learned(entry),
        "by hand" if memory.origin is Origin.USER_EDITED else "",
        " ".join(f"#{wording.visible_line(tag)}" for tag in memory.tags),
    ]


def validity(memory: Observation) -> str:
    """ "since 3 May 2026", "on 3 May 2026", "3 May 2026 – 4 June 2026", "said 3 May 2026"."""
    begun = memory.valid_from or memory.event_from
    last = memory.last_day
    if begun and last and begun != last:
        return f"{short_day(begun)} – {short_day(last)}"
    if last:
        return f"on {short_day(last)}" if begun else f"until {short_day(last)}"
    if memory.valid_from:
        return f"since {short_day(memory.valid_from)}"
    if memory.event_from:
        return f"on {short_day(memory.event_from)}"
    return f"said {short_day(memory.recorded_at.local().date())}"


def learned(entry: Entry) -> str:
    """Whether the model knows it by heart: as it is, in an earlier wording, or not."""
    if entry.learned_version is None:
        return ""
    is_current = entry.learned_version >= entry.memory.version
    return "by heart" if is_current else "by heart, old"


def short_day(day: date) -> str:
    """A day as "3 May 2026"."""
    return f"{day.day} {day:%b %Y}"


def fitted(text: str, width: int) -> str:
    """The beginning of ``text`` on one line of at most ``width`` cells, harmless to a terminal."""
    if width <= 0:
        return ""
    line = wording.visible_line(text[: width * 4 + 8])
    if cell_len(line) <= width and len(text) <= width * 4 + 8:
        return line
    kept, cells = [], 0
    for character in line:
        cells += cell_len(character)
        if cells > width - 1:
            break
        kept.append(character)
    return f"{''.join(kept).rstrip()}…"


def _score(hit: Hit | None) -> str:
    if hit is None:
        return ""
    if hit.score is None:
        return "holds the words"
    ways = " ".join(
        f"{_CHANNELS.get(name, name)} {value:.2f}" for name, value in hit.channels if value > 0
    )
    return f"{hit.score:.2f}  {ways}".rstrip()


def diffed(pieces: Sequence[Piece]) -> Content:
    """A change of words: what is gone struck through, what is new in bold."""
    return Content.assemble(
        *((wording.visible_words(piece.text), _EDITS[piece.edit.value]) for piece in pieces)
    )
