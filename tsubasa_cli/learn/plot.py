"""The plot of a night, written by hand as SVG: how the KL fell, and what each memory gained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from tsubasa_cli.learn.report import MemoryOutcome

WIDTH, CURVE_HEIGHT, ROW, LEFT = 760, 180, 16, 300
INK, FAINT, BEFORE, AFTER, TEACHER = "#334155", "#cbd5e1", "#94a3b8", "#0f766e", "#f59e0b"
MOST_ROWS, LONGEST_LABEL, MOST_TICKS = 60, 44, 8


def plot_of(kl: Sequence[float], outcomes: Sequence[MemoryOutcome]) -> str:
    """One SVG: training above, memories below (nats per token; a bar from before to after)."""
    shown = outcomes[:MOST_ROWS]
    height = CURVE_HEIGHT + 72 + ROW * len(shown)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_curve(kl),
        *_rows(shown),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _curve(kl: Sequence[float]) -> list[str]:
    smooth = _smoothed(kl)
    top = max(smooth, default=1.0) or 1.0
    span = max(len(smooth) - 1, 1)
    points = " ".join(
        f"{40 + (WIDTH - 60) * i / span:.1f},{30 + (CURVE_HEIGHT - 40) * (1 - v / top):.1f}"
        for i, v in enumerate(smooth)
    )
    base = CURVE_HEIGHT - 10
    return [
        f'<text x="40" y="18">KL to the teacher, nats per token, over {len(kl)} steps</text>',
        f'<line x1="40" y1="{base}" x2="{WIDTH - 20}" y2="{base}" stroke="{FAINT}"/>',
        f'<text x="6" y="34">{top:.2f}</text><text x="6" y="{base}">0</text>',
        f'<polyline points="{points}" fill="none" stroke="{AFTER}" stroke-width="1.5"/>',
    ]


def _smoothed(values: Sequence[float], window: int = 9) -> list[float]:
    half = window // 2
    around = (values[max(i - half, 0) : i + half + 1] for i in range(len(values)))
    return [sum(part) / len(part) for part in around]


def _rows(outcomes: Sequence[MemoryOutcome]) -> list[str]:
    top = CURVE_HEIGHT + 40
    bottom = top + ROW * len(outcomes)
    most = max((max(o.before, o.after, o.teacher) for o in outcomes), default=1.0) or 1.0

    def x(nats: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - 20) * nats / most:.1f}"

    lines = [
        f'<text x="40" y="{top - 14}">Held-out answers, nats per token: '
        f'<tspan fill="{BEFORE}">before</tspan> → <tspan fill="{AFTER}">after</tspan>, '
        f'<tspan fill="{TEACHER}">with the note in sight</tspan></text>'
    ]
    for tick in range(0, int(most) + 1, math.ceil(most / MOST_TICKS)):
        lines += [
            f'<line x1="{x(tick)}" y1="{top}" x2="{x(tick)}" y2="{bottom}" stroke="{FAINT}"/>',
            f'<text x="{x(tick)}" y="{bottom + 14}" text-anchor="middle">{tick}</text>',
        ]
    for place, outcome in enumerate(outcomes):
        y = top + ROW * place + 8
        before, after, teacher = map(x, (outcome.before, outcome.after, outcome.teacher))
        label = _cut(outcome.statement, LONGEST_LABEL)
        lines += [
            f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(label)}</text>',
            f'<line x1="{before}" y1="{y}" x2="{after}" y2="{y}" stroke="{AFTER}" '
            'stroke-width="2"/>',
            f'<circle cx="{before}" cy="{y}" r="3" fill="{BEFORE}"/>',
            f'<circle cx="{after}" cy="{y}" r="3.5" fill="{AFTER}"/>',
            f'<circle cx="{teacher}" cy="{y}" r="2.5" fill="{TEACHER}"/>',
        ]
    return lines


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
