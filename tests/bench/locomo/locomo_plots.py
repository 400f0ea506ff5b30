"""The quality–cost curve as a drawing: a measure against the context tokens of a question. It is
dark where the reader's system is, and lies on a ground of its own everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 56, 58
FLOOR_TOKENS = 10
"""Where no context stands on the logarithmic axis."""
COLOURS = (
    "#d6336c", "#868e96", "#1c7ed6", "#845ef7", "#ae3ec9", "#e8590c", "#b08900", "#2f9e44",
    "#1098ad", "#a0522d",
)  # fmt: skip
"""Three to one and more against both grounds."""
STYLE = """<style>
.ground { fill: #ffffff } .ink { fill: #343a40 } .quiet { fill: #6c757d }
.grid { stroke: #e9ecef } .halo { stroke: #ffffff }
@media (prefers-color-scheme: dark) {
.ground { fill: #161b22 } .ink { fill: #e6edf3 } .quiet { fill: #9aa4af }
.grid { stroke: #30363d } .halo { stroke: #161b22 }
}
</style>"""
RADIUS, OUR_RADIUS = 4.0, 5.5
LABEL_SIZE, LETTER = 10, 6.0
"""Pixels: how high a label's letters are, and how wide at most."""
TICK_LETTER = 7.0
AROUND = ((7, -5), (7, 12), (-7, -5), (-7, 12), (0, -10), (0, 18), (12, 4), (-12, 4))
"""Where a label may stand by its dot, the best first."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One system at one ``k``: mean context tokens, a share, and its bounds (0..1)."""

    label: str
    tokens: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle that something takes up."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


def curve(
    title: str,
    axis: str,
    families: Mapping[str, Sequence[Dot]],
    note: str,
    systems: Sequence[str] = (),
) -> str:
    """An SVG with a line a family, the first on top; ``note`` stands below the title. A family has
    the colour of its place among ``systems``, so that it is the same in every drawing."""
    known = list(dict.fromkeys([*systems, *families]))
    scale = _Scale([dot for family in families.values() for dot in family])
    taken = [
        _around(scale.x(dot.tokens), scale.y(dot.value), OUR_RADIUS)
        for family in families.values()
        for dot in family
    ]
    taken.append(_Box(WIDTH - RIGHT, 0, WIDTH, HEIGHT))
    parts = [_head(title, note), *_grid(scale, axis)]
    drawn: list[str] = []
    for place, (name, family) in enumerate(families.items()):
        colour = COLOURS[known.index(name) % len(COLOURS)]
        dots = sorted(family, key=lambda dot: dot.tokens)
        lines = [*_family(name, dots, colour, scale, is_first=place == 0)]
        drawn = [*lines, *drawn, *_labels(dots, colour, scale, taken)]
        parts.append(_legend(name, colour, place))
    return "\n".join([*parts, *drawn, "</svg>\n"])


class _Scale:
    def __init__(self, dots: Sequence[Dot]) -> None:
        most = max((dot.tokens for dot in dots), default=1_000.0)
        self.decades = math.log10(max(most * 1.3, 100.0))
        self.top = max(0.1, math.ceil(max((dot.high for dot in dots), default=1.0) * 10) / 10)

    def x(self, tokens: float) -> float:
        share = (math.log10(max(tokens, FLOOR_TOKENS)) - 1) / (self.decades - 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)

    def ticks(self) -> Iterator[int]:
        """10, 20, 50, 100, 200 and so on, as far as the axis goes."""
        for decade in range(1, math.floor(self.decades) + 1):
            for step in (1, 2, 5):
                if math.log10(step * 10**decade) <= self.decades:
                    yield step * 10**decade


def _head(title: str, note: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="12">\n{STYLE}\n'
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="8"/>\n'
        f'<text class="ink" x="{LEFT}" y="26" font-size="15" font-weight="600">'
        f"{escape(title)}</text>\n"
        f'<text class="quiet" x="{LEFT}" y="43" font-size="11">{escape(note)}</text>'
    )


def _grid(scale: _Scale, axis: str) -> Iterator[str]:
    for step in range(round(scale.top * 10) + 1):
        y = scale.y(step / 10)
        yield _grid_line(LEFT, y, WIDTH - RIGHT, y)
        yield _ink(LEFT - 8, y + 4, str(step * 10), "end")
    free_from = 0.0
    for tokens in scale.ticks():
        x, words = scale.x(tokens), "≤ 10" if tokens == FLOOR_TOKENS else f"{tokens:,}"
        yield _grid_line(x, TOP, x, HEIGHT - BOTTOM)
        half = TICK_LETTER * len(words) / 2
        if x - half >= free_from:
            yield _ink(x, HEIGHT - BOTTOM + 18, words, "middle")
            free_from = x + half + TICK_LETTER
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield _ink(middle, HEIGHT - 14, "context tokens per question (log)", "middle")
    turned = f'text-anchor="middle" transform="rotate(-90 20 {HEIGHT / 2:.0f})"'
    yield f'<text class="ink" x="20" y="{HEIGHT / 2:.0f}" {turned}>{escape(axis)}, %</text>'


def _family(
    name: str, dots: Sequence[Dot], colour: str, scale: _Scale, *, is_first: bool
) -> Iterator[str]:
    points = " ".join(f"{scale.x(dot.tokens):.1f},{scale.y(dot.value):.1f}" for dot in dots)
    width = 3 if is_first else 2
    yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    for dot in dots:
        x, radius = scale.x(dot.tokens), OUR_RADIUS if is_first else RADIUS
        yield (
            f'<line x1="{x:.1f}" y1="{scale.y(dot.low):.1f}" x2="{x:.1f}" '
            f'y2="{scale.y(dot.high):.1f}" stroke="{colour}" stroke-opacity="0.4"/>'
        )
        told = f"{name} {dot.label}: {100 * dot.value:.1f} at {dot.tokens:.0f} tokens"
        yield (
            f'<circle cx="{x:.1f}" cy="{scale.y(dot.value):.1f}" r="{radius}" fill="{colour}">'
            f"<title>{escape(told)}</title></circle>"
        )


def _labels(dots: Sequence[Dot], colour: str, scale: _Scale, taken: list[_Box]) -> Iterator[str]:
    """Each label where nothing stands yet; where all is full, none: the dot tells it when the
    pointer is on it."""
    for dot in dots:
        x, y = scale.x(dot.tokens), scale.y(dot.value)
        for right, down in AROUND if dot.label else ():
            box = _label_box(x + right, y + down, dot.label, right)
            if not any(box.meets(other) for other in taken):
                taken.append(box)
                yield (
                    f'<text class="halo" x="{box.left:.1f}" y="{box.bottom:.1f}" fill="{colour}" '
                    f'font-size="{LABEL_SIZE}" stroke-width="3" paint-order="stroke">'
                    f"{escape(dot.label)}</text>"
                )
                break


def _label_box(x: float, y: float, label: str, right: int) -> _Box:
    width = LETTER * len(label)
    left = x if right > 0 else x - width if right < 0 else x - width / 2
    return _Box(left, y - LABEL_SIZE + 1, left + width, y)


def _around(x: float, y: float, radius: float) -> _Box:
    return _Box(x - radius, y - radius, x + radius, y + radius)


def _legend(name: str, colour: str, place: int) -> str:
    x, y = WIDTH - RIGHT + 18, TOP + 14 + 22 * place
    dot = f'<circle cx="{x}" cy="{y - 4}" r="4.5" fill="{colour}"/>'
    return f"{dot}\n{_ink(x + 12, y, name, 'start')}"


def _grid_line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _ink(x: float, y: float, words: str, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="ink" {place}>{escape(words)}</text>'
