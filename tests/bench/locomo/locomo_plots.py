"""The quality–cost curve as a drawing: a measure against the context tokens of a question."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 210, 56, 58
FLOOR_TOKENS = 10
"""Where no context stands on the logarithmic axis."""
COLOURS = ("#d6336c", "#1c7ed6", "#2b8a3e", "#e8590c", "#7048e8", "#495057", "#0c8599", "#868e96")


@dataclass(frozen=True, slots=True)
class Dot:
    """One system at one ``k``: mean context tokens, a share, and its bounds (0..1)."""

    label: str
    tokens: float
    value: float
    low: float
    high: float


def curve(title: str, axis: str, families: Mapping[str, Sequence[Dot]], note: str) -> str:
    """An SVG with a line a family, the first on top; ``note`` stands below the title."""
    dots = [dot for family in families.values() for dot in family]
    scale = _Scale(dots)
    parts = [_head(title, note), *_grid(scale, axis)]
    coloured = list(enumerate(zip(itertools.cycle(COLOURS), families.items(), strict=False)))
    for place, (colour, (name, family)) in reversed(coloured):
        parts += _family(name, sorted(family, key=lambda dot: dot.tokens), colour, scale)
        parts.append(_legend(name, colour, place))
    return "\n".join([*parts, "</svg>\n"])


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


def _head(title: str, note: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#343a40">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>\n'
        f'<text x="{LEFT}" y="26" font-size="15" font-weight="600">{escape(title)}</text>\n'
        f'<text x="{LEFT}" y="43" font-size="11" fill="#868e96">{escape(note)}</text>'
    )


def _grid(scale: _Scale, axis: str) -> list[str]:
    lines = []
    for step in range(round(scale.top * 10) + 1):
        y = scale.y(step / 10)
        lines.append(_line(LEFT, y, WIDTH - RIGHT, y, "#e9ecef"))
        lines.append(_text(LEFT - 8, y + 4, str(step * 10), "end"))
    for decade in range(1, math.floor(scale.decades) + 1):
        x, tokens = scale.x(10.0**decade), f"{10**decade:,}"
        lines.append(_line(x, TOP, x, HEIGHT - BOTTOM, "#f1f3f5"))
        lines.append(_text(x, HEIGHT - BOTTOM + 18, "≤ 10" if decade == 1 else tokens, "middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    lines.append(_text(middle, HEIGHT - 14, "context tokens per question (log)", "middle"))
    turned = f'transform="rotate(-90 20 {HEIGHT / 2:.0f})"'
    lines.append(
        f'<text x="20" y="{HEIGHT / 2:.0f}" text-anchor="middle" {turned}>{escape(axis)}</text>'
    )
    return lines


def _family(name: str, dots: Sequence[Dot], colour: str, scale: _Scale) -> list[str]:
    points = " ".join(f"{scale.x(dot.tokens):.1f},{scale.y(dot.value):.1f}" for dot in dots)
    drawn = [f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for dot in dots:
        x = scale.x(dot.tokens)
        drawn.append(_line(x, scale.y(dot.low), x, scale.y(dot.high), colour, opacity=0.35))
        told = f"{name} {dot.label}: {100 * dot.value:.1f} at {dot.tokens:.0f} tokens"
        drawn.append(
            f'<circle cx="{x:.1f}" cy="{scale.y(dot.value):.1f}" r="4.5" fill="{colour}">'
            f"<title>{escape(told)}</title></circle>"
        )
        if dot.label:
            drawn.append(_text(x + 6, scale.y(dot.value) - 6, dot.label, "start", colour, size=10))
    return drawn


def _legend(name: str, colour: str, place: int) -> str:
    x, y = WIDTH - RIGHT + 18, TOP + 14 + 22 * place
    return f'<circle cx="{x}" cy="{y - 4}" r="4.5" fill="{colour}"/>\n' + _text(
        x + 12, y, name, "start"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, opacity: float = 1.0) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-opacity="{opacity}"/>'
    )


def _text(
    x: float, y: float, words: str, anchor: str, colour: str = "#343a40", *, size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">'
        f"{escape(words)}</text>"
    )
