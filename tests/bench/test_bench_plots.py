"""The quality–cost curve: one colour a system, no label on another, legible on both grounds."""

from __future__ import annotations

import itertools
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parent / "locomo"))

from locomo_plots import COLOURS, LABEL_SIZE, LETTER, STYLE, Dot, curve
from locomo_systems import IN_WORDS

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*names: str) -> ElementTree.Element:
    """Lines that nearly coincide, as those of alike systems do."""
    families = {
        name: [
            Dot(str(k), 38.0 * k + place, 0.4 + k / 100 + place / 200, 0.3, 0.9) for k in (1, 3, 10)
        ]
        for place, name in enumerate(names)
    }
    return ElementTree.fromstring(curve("T", "F1", families, "<note>", list(IN_WORDS)))


def colours(picture: ElementTree.Element) -> dict[str, str]:
    """By system, as the dots say that have a name."""
    named = {}
    for circle in picture.iter(f"{SVG}circle"):
        title = circle.find(f"{SVG}title")
        if title is not None and title.text:
            named[title.text.split(" ", 1)[0]] = circle.get("fill", "")
    return named


def boxes(picture: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """What the labels by the dots take up: left, top, right, bottom."""
    labels = [text for text in picture.iter(f"{SVG}text") if text.get("class") == "halo"]
    places = [(float(t.get("x", "")), float(t.get("y", "")), t.text or "") for t in labels]
    return [(x, y - LABEL_SIZE + 1, x + LETTER * len(told), y) for x, y, told in places]


def test_a_system_has_one_colour_in_every_drawing_and_shares_it_with_none() -> None:
    everything = colours(drawn(*IN_WORDS))
    assert len(set(everything.values())) == len(IN_WORDS)
    few = colours(drawn("tsubasa", "full", "mem0"))
    assert few == {name: everything[name] for name in ("tsubasa", "full", "mem0")}


def test_labels_stand_apart_from_each_other_and_from_the_dots() -> None:
    picture = drawn("tsubasa", "static", "rag-utterances", "rag-hybrid")
    found = boxes(picture)
    assert len(found) >= 8
    for one, two in itertools.combinations(found, 2):
        assert one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
    centres = [c for c in picture.iter(f"{SVG}circle") if c.find(f"{SVG}title") is not None]
    for left, top, right, bottom in found:
        for dot in centres:
            x, y = float(dot.get("cx", "")), float(dot.get("cy", ""))
            assert not (left < x < right and top < y < bottom)


def luminance(colour: str) -> float:
    """Relative, after WCAG 2."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_is_legible_by_day_and_by_night(colour: str) -> None:
    grounds = re.findall(r"\.ground { fill: (#\w+) }", STYLE)
    assert len(grounds) == 2
    for ground in grounds:
        light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3.0
