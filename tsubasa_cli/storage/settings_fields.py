"""The settings one by one, read off their classes, and a file's tables made into them.

Only what checks or explains settings comes here, which no usual start does.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from annotated_types import Predicate
from pydantic import TypeAdapter

from tsubasa_cli.storage.settings import Settings

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_BOUNDS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
_OPEN_TABLE = "a table of text values"


@dataclass(frozen=True, slots=True)
class Field:
    """One setting. ``kind`` is its type, ``dict`` for a table in which the user makes the names;
    ``limits`` are what it must keep to besides (``annotated_types``)."""

    key: str
    kind: type
    limits: tuple[Any, ...]
    description: str

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        return " ".join((_WORDS.get(self.kind, _OPEN_TABLE), *_in_words(self.limits)))


@cache
def all_fields() -> Mapping[str, Field]:
    """Every setting by its dotted key, in the order of the classes."""
    schema = _adapter().json_schema()
    return {field.key: field for field in _fields_of(Settings, "", schema, schema["$defs"])}


def field_of(key: str) -> Field | None:
    """The setting that ``key`` names, or the table of the user's in which it lies."""
    known = all_fields()
    table = key.partition(".")[0]
    if table in known and known[table].kind is dict:
        return known[table]
    return known.get(key)


def settings_of(document: Mapping[str, Any]) -> Settings:
    """A file's tables as settings. Raises pydantic's ``ValidationError``."""
    return _adapter().validate_python(document)


@cache
def _adapter() -> TypeAdapter[Settings]:
    return TypeAdapter(Settings)


def _fields_of(
    section: type, prefix: str, schema: Mapping[str, Any], sections: Mapping[str, Any]
) -> Iterator[Field]:
    hints = get_type_hints(section, include_extras=True)
    for name in (each.name for each in fields(section)):
        hint = hints[name]
        if isinstance(hint, type) and is_dataclass(hint):
            inner = sections[hint.__name__]
            yield from _fields_of(hint, f"{prefix}{name}.", inner, sections)
            continue
        kind, limits = _kind_and_limits(hint)
        description = " ".join(schema["properties"][name].get("description", "").split())
        yield Field(f"{prefix}{name}", kind, limits, description)


def _kind_and_limits(hint: Any) -> tuple[type, tuple[Any, ...]]:
    """``hint`` is a type, perhaps with limits, perhaps with None for what is not set."""
    optional = [kind for kind in get_args(hint) if kind is not type(None)]
    if type(None) in get_args(hint):
        hint = optional[0]
    if get_origin(hint) is Annotated:
        kind, *limits = get_args(hint)
        return kind, tuple(limits)
    return get_origin(hint) or hint, ()


def _in_words(limits: tuple[Any, ...]) -> Iterator[str]:
    for limit in limits:
        if isinstance(limit, Predicate):
            yield inspect.getdoc(limit.func) or ""
        for name, word in _BOUNDS.items():
            if getattr(limit, name, None) is not None:
                yield f"{word} {getattr(limit, name)}"
