"""The plot of a night is an SVG that shows every memory within its frame."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tsubasa_cli.learn.plot import LEFT, LONGEST_LABEL, MOST_ROWS, MOST_TICKS, WIDTH, plot_of
from tsubasa_cli.learn.report import MemoryOutcome

SVG = "{http://www.w3.org/2000/svg}"


def _outcome(statement: str, before: float = 4.0) -> MemoryOutcome:
    return MemoryOutcome("m1", statement, before, before / 4, before / 2, True, "")


def _dots(plot: ElementTree.Element) -> list[float]:
    return [float(dot.attrib["cx"]) for dot in plot.iter(f"{SVG}circle")]


def _texts(plot: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in plot.iter(f"{SVG}text")]


@pytest.mark.parametrize("before", [0.0, 0.3, 4.0, 31.0])
def test_every_dot_is_within_the_frame_and_the_axis_is_readable(before: float) -> None:
    plot = ElementTree.fromstring(plot_of([1.0, 0.5], [_outcome("The user rows.", before)]))
    assert all(LEFT <= x <= WIDTH - 20 for x in _dots(plot))
    ticks = [text for text in plot.iter(f"{SVG}text") if text.get("text-anchor") == "middle"]
    assert 1 <= len(ticks) <= MOST_TICKS + 1


def test_long_statements_are_cut_and_markup_is_text() -> None:
    long = "The user said <b>that & this</b> " * 5
    plot = ElementTree.fromstring(plot_of([1.0], [_outcome(long), _outcome("1 < 2 & 3")]))
    assert "1 < 2 & 3" in _texts(plot)
    [cut] = [text for text in _texts(plot) if text.startswith("The user said <b>")]
    assert len(cut) <= LONGEST_LABEL
    assert cut.endswith("…")


def test_many_memories_are_not_all_shown_and_none_is_no_obstacle() -> None:
    many = ElementTree.fromstring(plot_of([1.0], [_outcome("The user rows.")] * (MOST_ROWS + 5)))
    assert len(_dots(many)) == 3 * MOST_ROWS
    assert _dots(ElementTree.fromstring(plot_of([], []))) == []
