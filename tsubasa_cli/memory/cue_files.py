"""Cues: what tells a joke from a fact, an order from a wish. Regular expressions kept as data.

A file has sections (``[name]``), one expression a line, ``#`` for remarks; ``{owner}`` stands for
an expression defined above it as ``{owner} = …``. Expressions ignore case unless a section's head
says ``[name: exact]``.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_HEAD = re.compile(r"\[(\w+)(: exact)?\]")
_DEFINITION = re.compile(r"\{(\w+)\} = (.+)")


@cache
def cues(name: str) -> dict[str, tuple[re.Pattern[str], ...]]:
    """The sections of ``cues/<name>.txt``, each with its expressions in order."""
    text = (resources.files("tsubasa_cli.memory") / "cues" / f"{name}.txt").read_text("utf-8")
    sections: dict[str, list[re.Pattern[str]]] = {}
    known: dict[str, str] = {}
    here: list[re.Pattern[str]] = []
    flags = re.IGNORECASE
    for line in text.splitlines():
        head, definition = _HEAD.fullmatch(line), _DEFINITION.fullmatch(line)
        if head:
            here = sections.setdefault(head.group(1), [])
            flags = re.NOFLAG if head.group(2) else re.IGNORECASE
        elif definition:
            known[definition.group(1)] = _filled(definition.group(2), known)
        elif line and not line.startswith("#"):
            here.append(re.compile(_filled(line, known), flags))
    return {section: tuple(patterns) for section, patterns in sections.items()}


def _filled(expression: str, known: dict[str, str]) -> str:
    for name, meaning in known.items():
        expression = expression.replace(f"{{{name}}}", meaning)
    return expression


def found(name: str, section: str, text: str) -> re.Match[str] | None:
    """The first match of an expression of ``section`` in ``text``."""
    for pattern in cues(name)[section]:
        match = pattern.search(text)
        if match:
            return match
    return None
