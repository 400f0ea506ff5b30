"""How memories stand beside a question: each with one day, and none that misleads."""

from __future__ import annotations

from datetime import date

import pytest

from tsubasa_cli.memory.block import render_block
from tsubasa_cli.memory.recall import Recalled
from tsubasa_cli.memory.values import Observation
from tsubasa_cli.storage.values import Instant

NOTED = Instant(1_777_800_000_000, 120)


@pytest.mark.parametrize(
    ("statement", "happened", "gone", "note"),
    [
        ("The user likes tea.", None, None, "The user likes tea. (noted 3 May 2026)"),
        (
            "The user moved to Porto in April 2026.",
            date(2026, 4, 1),
            None,
            "The user moved to Porto in April 2026.",
        ),
        ("The user moved.", date(2026, 4, 1), None, "The user moved. (noted 3 May 2026)"),
        (
            "The user works at Acme.",
            None,
            date(2026, 5, 4),
            "The user works at Acme. (until 3 May 2026)",
        ),
    ],
)
def test_a_memory_is_told_with_one_day(
    statement: str, happened: date | None, gone: date | None, note: str
) -> None:
    memory = Observation("m1", statement, NOTED, event_from=happened, valid_to=gone)
    assert render_block([Recalled(1.0, (), memory)]).splitlines()[1] == f"- {note}"
