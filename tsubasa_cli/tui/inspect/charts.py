"""Small charts of block characters, as wide as they are asked to be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from textual.content import Content

EIGHTHS = " ▁▂▃▄▅▆▇█"
_PARTS = " ▏▎▍▌▋▊▉█"


def bar(share: float, width: int) -> str:
    """A bar of ``share`` (0..1) of ``width`` cells, to an eighth of a cell; what is not nothing
    shows."""
    eighths = round(max(0.0, min(share, 1.0)) * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_PARTS[rest] if rest else "")).ljust(width)


def columns(values: Sequence[int], width: int, height: int) -> list[str]:
    """``values`` as columns from left to right, in ``height`` lines, the top one first. When there
    are more than fit, neighbours are added up; when there are few, each is as wide as fits."""
    if not values or width < 1 or height < 1:
        return []
    groups = grouped(values, width)
    wide = max(1, min(width // len(groups), 4))
    top = max(groups) or 1
    levels = [_level(value, top, height) for value in groups]
    gap = 1 if wide > 2 else 0
    return [
        "".join(_cell(level, row) * (wide - gap) + " " * gap for level in levels)
        for row in range(height - 1, -1, -1)
    ]


def grouped(values: Sequence[int], width: int) -> list[int]:
    """``values``, or sums of as many neighbours as it takes to be at most ``width``; the last
    group is full."""
    size = -(-len(values) // width)
    first = len(values) % size or size
    cuts = [0, *range(first, len(values) + 1, size)]
    return [sum(values[a:b]) for a, b in pairwise(cuts)]


def strip(values: Sequence[int], width: int) -> str:
    """One line of columns."""
    lines = columns(values, width, 1)
    return lines[0] if lines else ""


def row(label: str, value: str, share: float, width: int, label_width: int) -> Content:
    """A label, a bar, and a number behind it."""
    room = max(width - label_width - len(value) - 3, 4)
    return Content.assemble(
        (label[:label_width].ljust(label_width + 1), "$foreground-muted"),
        (bar(share, room), "$primary"),
        f" {value}",
    )


def _level(value: int, top: int, height: int) -> int:
    """How high a column is, in eighths of a line; what is not nothing shows."""
    level = round(value / top * height * 8)
    return max(level, 1) if value else 0


def _cell(level: int, row: int) -> str:
    return EIGHTHS[max(0, min(level - row * 8, 8))]
