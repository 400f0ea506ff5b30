"""The prompts of extraction: files, filled in, known by their hash."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from tsubasa_cli.engine.protocol import Message


@cache
def prompt_text(name: str) -> str:
    """``prompts/<name>.md``."""
    folder = resources.files("tsubasa_cli.memory") / "prompts"
    return (folder / f"{name}.md").read_text("utf-8").strip()


def asking(name: str, **words: str) -> tuple[Message, ...]:
    """The prompt as one message of the user's; ``words`` replace ``{key}``, and are not read for
    further keys."""
    text = prompt_text(name)
    parts = [text]
    for key, value in words.items():
        parts = _put(parts, f"{{{key}}}", value)
    return (Message("user", "".join(parts)),)


def _put(parts: list[str], key: str, value: str) -> list[str]:
    """``parts`` alternate between the prompt's own text and what was put in."""
    filled: list[str] = []
    for place, part in enumerate(parts):
        if place % 2:
            filled.append(part)
            continue
        pieces = part.split(key)
        for number, piece in enumerate(pieces):
            filled += [value, piece] if number else [piece]
    return filled


@cache
def prompts_hash(*names: str) -> str:
    """The version of several prompts: the first 12 digits of their SHA-256."""
    digest = hashlib.sha256("\0".join(prompt_text(name) for name in names).encode())
    return digest.hexdigest()[:12]
