"""The style sheets of the program. A screen that is opened on top of others brings its own."""

from __future__ import annotations

from pathlib import Path, PurePath

_HERE = Path(__file__).parent

EVERYWHERE: PurePath = _HERE / "app.tcss"
DIALOGS: PurePath = _HERE / "screens" / "dialogs.tcss"
CHAT: list[str | PurePath] = [EVERYWHERE, _HERE / "screens" / "chat_screen.tcss", DIALOGS]
