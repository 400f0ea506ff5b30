"""Copying, by the system's clipboard tools and else through the terminal (OSC 52)."""

from __future__ import annotations

import asyncio
from typing import Any

from textual.app import App


async def copy_text(app: App[Any], text: str) -> str:
    """Put ``text`` on the clipboard; returns by which way, in words for the user."""
    if await asyncio.to_thread(_copy_natively, text):
        return "Copied"
    app.copy_to_clipboard(text)
    return "Copied through the terminal"


def _copy_natively(text: str) -> bool:
    import pyperclip

    try:
        pyperclip.copy(text)  # type: ignore[no-untyped-call]
    except (pyperclip.PyperclipException, OSError):
        return False
    return True
