"""Keys as people read them, and what may be remapped."""

from __future__ import annotations

from typing import Any

from textual.binding import Binding
from textual.screen import Screen

_NAMES = {
    "escape": "Esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "question_mark": "?",
    "slash": "/",
    "asterisk": "*",
    "comma": ",",
    "full_stop": ".",
    "hash": "#",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
}


def spoken(key: str) -> str:
    """ "ctrl+n" as "Ctrl+N"; alternatives are separated by " or "."""
    return " or ".join(_spoken(each.strip()) for each in key.split(","))


def _spoken(key: str) -> str:
    *modifiers, last = key.split("+")
    name = _NAMES.get(last) or (last if len(last) == 1 and not modifiers else last.capitalize())
    return "+".join([*(modifier.capitalize() for modifier in modifiers), name])


def in_force(screen: Screen[Any], binding_id: str) -> str:
    """The first key that does ``binding_id`` on ``screen`` now; empty when none does."""
    for active in screen.active_bindings.values():
        if active.binding.id == binding_id:
            return spoken(active.binding.key)
    return ""


def of(binding: Binding, keymap: dict[str, str]) -> str:
    """The keys of ``binding``, after the user's own mapping."""
    return spoken(keymap.get(binding.id or "", binding.key))
