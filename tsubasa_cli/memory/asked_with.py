"""The words that an attribute is asked for with, from ``cues/asked_with.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from tsubasa_cli.memory.slots import slot_values
from tsubasa_cli.memory.text import stems


def asked_with(statement: str, subject: str, language: str) -> list[str]:
    """Index words by which questions for the attributes of ``subject`` find a statement that gives
    them a value; none for what has no slot."""
    slots = slot_values(statement, subject)
    return [word for slot in slots for word in _words_of(language, slot)]


@cache
def _words_of(language: str, slot: str) -> tuple[str, ...]:
    listed = _listed().get(language, {})
    head, colon, _ = slot.partition(":")
    return tuple(stems(listed.get(head + colon, ""), language))


@cache
def _listed() -> Mapping[str, Mapping[str, str]]:
    file = resources.files("tsubasa_cli.memory") / "cues" / "asked_with.toml"
    return tomllib.loads(file.read_text("utf-8"))
