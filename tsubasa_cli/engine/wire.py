"""The protocol's form on the pipes: one JSON a line."""

from __future__ import annotations

import base64
import json
import sys
from array import array
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from tsubasa_cli.engine.protocol import Embedded, Event, Request


@cache
def _kinds(base: type) -> dict[str, type]:
    kinds = ((getattr(cls, "kind", ""), cls) for cls in _descendants(base))
    return {kind: cls for kind, cls in kinds if kind}


def _descendants(base: type) -> Iterator[type]:
    found: list[type] = base.__subclasses__()
    for cls in found:
        yield cls
        yield from _descendants(cls)


def encode(message: Request | Event) -> bytes:
    """One line of JSON, newline included. Lone surrogates, which no model could be told, become
    question marks."""
    body = {"kind": message.kind, **asdict(message)}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def decode_request(line: bytes) -> Request:
    """The inverse of ``encode`` for requests; ``ValueError`` on anything else."""
    return _decode(line, _kinds(Request))  # type: ignore[return-value]


def decode_event(line: bytes) -> Event:
    """The inverse of ``encode`` for events; ``ValueError`` on anything else."""
    return _decode(line, _kinds(Event))  # type: ignore[return-value]


def vectors_of(embedded: Embedded) -> list[list[float]]:
    """What ``embedded`` carries, one list per text."""
    floats = array("f", base64.b64decode(embedded.data))
    if sys.byteorder == "big":
        floats.byteswap()
    width = embedded.width
    return [floats[at : at + width].tolist() for at in range(0, len(floats), width)]


def _decode(line: bytes, kinds: dict[str, type]) -> object:
    body = json.loads(line)
    cls = kinds.get(body.pop("kind", ""))
    if cls is None:
        raise ValueError("unknown message kind")
    return _build(cls, body)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _build(cls: type, body: dict[str, Any]) -> Any:
    hints = _hints(cls)
    return cls(
        **{f.name: _value(hints[f.name], body[f.name]) for f in fields(cls) if f.name in body}
    )


def _value(hint: Any, raw: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        if raw is None:
            return None
        hint = next(arg for arg in get_args(hint) if arg is not NoneType)
    if get_origin(hint) is tuple:
        return tuple(_value(get_args(hint)[0], item) for item in raw)
    if is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, raw)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(raw)
    return raw
