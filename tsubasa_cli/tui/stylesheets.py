"""The style sheets that every screen of the program wears."""

from __future__ import annotations

from pathlib import Path, PurePath

_HERE = Path(__file__).parent

COMMON: list[str | PurePath] = [_HERE / "app.tcss", _HERE / "screens" / "dialogs.tcss"]
CHAT: list[str | PurePath] = [
    _HERE / "app.tcss",
    _HERE / "screens" / "chat_screen.tcss",
    _HERE / "screens" / "dialogs.tcss",
]
