"""Ways to ask a question, from ``prompts/frames.toml`` and ``prompts/unknown.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from tsubasa_cli.learn.asking.cores import Core


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something about the user that may not be known."""

    key: str
    direct: str
    indirect: str


@cache
def frames(group: str) -> dict[str, str]:
    """The ways to ask of a group, by name: "train", "select", "judge", "confirm" …"""
    return dict(_file("frames")[group])


@cache
def people() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """People who may be anybody, and such as the user calls theirs ("my neighbour Frank")."""
    listed = _file("unknown")
    return tuple(listed["people"]), tuple(listed["own_people"])


@cache
def attributes() -> tuple[Attribute, ...]:
    """What is asked although it was never told."""
    return tuple(Attribute(**entry) for entry in _file("unknown")["attributes"])


@cache
def slot_cores(slot: str, value: str) -> tuple[Core, ...]:
    """How to ask for the attribute ``slot``, which has ``value``; none where it is not listed."""
    listed = _file("slots").get(slot, {})
    return tuple(Core(direct, indirect, value) for direct, indirect in listed.items())


def asked(frame: str, core: Core, other: Core | None = None, value: str = "") -> str:
    """``core`` asked in the way of ``frame``; ``value`` is what the frame may suggest."""
    second = other or core
    small = second.direct if second.direct.startswith("I ") else _small(second.direct)
    return frame.format(
        direct=core.direct,
        indirect=core.indirect,
        indirect2=second.indirect,
        small=small,
        value=value,
        stem=core.direct.rstrip("?"),
        bare=core.direct.rstrip("?").casefold(),
    )


def claimed(frame: str, claim: str) -> str:
    """``claim``, a sentence without its full stop, put in doubt in the way of ``frame``."""
    return frame.format(claim=claim)


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


@cache
def _file(name: str) -> dict[str, Any]:
    folder = resources.files("tsubasa_cli.learn") / "prompts"
    return tomllib.loads((folder / f"{name}.toml").read_text("utf-8"))
