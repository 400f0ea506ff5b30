"""The swallow of ``assets/wordmark.svg``, drawn in braille dots; its throat has the accent."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

LINES = (
    "⠀⠀⠀⠀⠒⠶⠶⠿⢿⣿⣿⣿⣿⣷⣶⣦⣤⣀⠀⢀⣠⣤⣄",
    "⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠉⠙⠻⣿⣿⣿⣿⣿⣿⣿⣿⡿⠃",
    "⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢀⣀⣬⣿⣿⣿⣿⣿⣿⡅",
    "⣀⣀⣀⣀⣠⣤⣤⣤⣶⣶⣿⣿⣿⡿⠟⠛⣿⣿⣿⣿⠃",
    "⠀⠀⠀⠀⠀⠈⠉⣩⣿⣿⣿⠟⠉⠀⠀⠀⣿⣿⣿⡟",
    "⠀⠀⠀⠀⠀⠀⣼⣿⡿⠋⠀⠀⠀⠀⠀⠀⣿⣿⠏",
    "⠀⠀⠀⠀⢀⣾⠟⠁⠀⠀⠀⠀⠀⠀⠀⣼⠟⠁",
    "⠀⠀⠀⠀⠞⠁⠀⠀⠀⠀⠀⠀⠀⠀⠈⠁",
)
THROAT = {1: (19, 21), 2: (20, 21)}


class Swallow(Static):
    """The mark."""

    def __init__(self) -> None:
        super().__init__(Content("\n").join([_coloured(row) for row in range(len(LINES))]))


def _coloured(row: int) -> Content:
    line = LINES[row]
    start, end = THROAT.get(row, (len(line), len(line)))
    return Content.assemble(
        (line[:start], "$primary"), (line[start:end], "$accent"), (line[end:], "$primary")
    )
