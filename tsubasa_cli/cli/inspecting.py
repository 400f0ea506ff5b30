"""Opening the inspector, with nothing loaded that its first picture does not need."""

from __future__ import annotations

import sys

from tsubasa_cli.errors import InputError
from tsubasa_cli.tui import starting


def open_inspector(search: str) -> None:
    """Run the inspector until the user leaves it; ``InputError`` without a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError(
            "The inspector needs a terminal.",
            next_step="In a pipe: tsubasa memory list, search or show, with --json.",
        )
    starting.begin()
    from tsubasa_cli.tui.inspect.app import run_inspector
    from tsubasa_cli.tui.inspect.space import open_space

    run_inspector(open_space(), search)
