"""The settings one by one: what each may be, what it is for, and a file's tables made into them.

Types and rules are read off the classes of ``settings``, and descriptions off their source, when
somebody asks: without a settings file nobody does.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import pairwise
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from tsubasa_cli.storage import settings as classes
from tsubasa_cli.storage.settings import Rule, Settings

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_OPEN_TABLE = "a table of text values"


class UnknownKeyError(Exception):
    """There is no such setting. Never reaches the user."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class BadValueError(Exception):
    """A setting cannot have this value. Never reaches the user."""

    def __init__(self, key: str, value: Any) -> None:
        super().__init__(key)
        self.key, self.value = key, value


@dataclass(frozen=True, slots=True)
class Field:
    """One setting. ``kind`` is its type, ``dict`` for a table in which the user makes the names;
    ``section`` is the class that it stands in."""

    key: str
    section: type
    kind: type
    rule: Rule | None = None

    @property
    def name(self) -> str:
        return self.key.rpartition(".")[2]

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        words = _WORDS.get(self.kind, _OPEN_TABLE)
        return f"{words} {self.rule.allowed}" if self.rule else words

    @property
    def description(self) -> str:
        """What it is for, on one line."""
        return _descriptions().get((self.section.__name__, self.name), "")

    def checked(self, value: Any) -> Any:
        """``value`` as its type; ``BadValueError``. A whole number is a number too."""
        if self.kind is dict:
            return self._table(value)
        given = float(value) if self.kind is float and type(value) is int else value
        if type(given) is not self.kind or (self.rule and not self.rule.holds(given)):
            raise BadValueError(self.key, value)
        return given

    def _table(self, value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise BadValueError(self.key, value)
        for name, text in value.items():
            if not isinstance(text, str):
                raise BadValueError(f"{self.key}.{name}", text)
        return dict(value)


@cache
def all_fields() -> Mapping[str, Field]:
    """Every setting by its dotted key, in the order of the classes."""
    return {field.key: field for field in _fields_of(Settings, "")}


def field_of(key: str) -> Field:
    """The setting that ``key`` names, or the table that it lies in; ``UnknownKeyError``."""
    known = all_fields()
    table = key.partition(".")[0]
    if key in known:
        return known[key]
    if table in known and known[table].kind is dict:
        return known[table]
    raise UnknownKeyError(key)


def settings_of(document: Mapping[str, Any]) -> Settings:
    """A file's tables as settings; ``UnknownKeyError`` or ``BadValueError``."""
    settings: Settings = _made(Settings, "", document)
    return settings


def _made(section: type, prefix: str, table: Mapping[str, Any]) -> Any:
    hints = _hints(section)
    values = {}
    for name, value in table.items():
        key = f"{prefix}{name}"
        if name not in hints:
            raise UnknownKeyError(key)
        if not is_dataclass(hints[name]):
            values[name] = all_fields()[key].checked(value)
        elif isinstance(value, Mapping):
            values[name] = _made(hints[name], f"{key}.", value)
        else:
            raise UnknownKeyError(key)
    return section(**values)


def _fields_of(section: type, prefix: str) -> Iterator[Field]:
    for name, hint in _hints(section).items():
        if is_dataclass(hint) and isinstance(hint, type):
            yield from _fields_of(hint, f"{prefix}{name}.")
        else:
            yield _field(f"{prefix}{name}", section, hint)


def _field(key: str, section: type, hint: Any) -> Field:
    """``hint`` is a type, perhaps with a rule, perhaps with None for what is not set."""
    if get_origin(hint) is not None and NoneType in get_args(hint):
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    if get_origin(hint) is Annotated:
        kind, rule = get_args(hint)
        return Field(key, section, kind, rule)
    return Field(key, section, get_origin(hint) or hint)


@cache
def _hints(section: type) -> dict[str, Any]:
    hints = get_type_hints(section, vars(classes), include_extras=True)
    return {each.name: hints[each.name] for each in fields(section)}


@cache
def _descriptions() -> dict[tuple[str, str], str]:
    """What stands below the fields in the source, by class and name."""
    source = ast.parse(inspect.getsource(classes))
    return {
        (section.name, field.target.id): " ".join(str(text.value.value).split())
        for section in source.body
        if isinstance(section, ast.ClassDef)
        for field, text in pairwise(section.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }
