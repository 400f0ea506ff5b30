"""Reading and writing the settings file, with errors that name file, key and allowed values."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import tomlkit
from pydantic import AfterValidator, BaseModel, ValidationError
from pydantic.fields import FieldInfo
from tomlkit.exceptions import TOMLKitError

from tsubasa_cli.errors import ConfigError
from tsubasa_cli.storage.paths import Paths, make_private_folder, write_private
from tsubasa_cli.storage.settings import Settings


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as ``config show`` prints it."""

    key: str
    value: Any
    is_default: bool
    allowed: str
    description: str


def load_settings(paths: Paths) -> Settings:
    """The settings in force. ``ConfigError`` when the file is unreadable or holds a bad value."""
    return _validate(_read(paths.settings), paths.settings)


def entries(settings: Settings) -> Iterator[Entry]:
    """Every setting with its value, what it may be, and what it is for."""
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if not isinstance(value, BaseModel):
            yield _entry(name, field, value)
            continue
        for inner_name, inner in type(value).model_fields.items():
            yield _entry(f"{name}.{inner_name}", inner, getattr(value, inner_name))


def set_value(paths: Paths, key: str, raw: str) -> Settings:
    """Write ``key`` (dotted) and return the settings then in force; comments are kept.

    ``raw`` is TOML if it reads as TOML, else a plain string. Nothing is written when the value is
    not allowed.
    """
    file = paths.settings
    document = _read(file)
    field = _field(key, file)
    table, _, name = key.rpartition(".")
    target: Any = document
    for part in filter(None, table.split(".")):
        if not isinstance(target.get(part), MutableMapping):
            target[part] = tomlkit.table()
        target = target[part]
    target[name] = _literal(raw, field)
    settings = _validate(document, file)
    make_private_folder(file.parent)
    write_private(file, tomlkit.dumps(document).encode())
    return settings


def ensure_file(paths: Paths) -> Path:
    """Create a settings file that explains itself, if there is none; returns its path."""
    if not paths.settings.exists():
        make_private_folder(paths.settings.parent)
        write_private(paths.settings, _commented_defaults().encode())
    return paths.settings


def _read(file: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(file.read_text("utf-8"))
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Cannot read the settings file {file}.",
            why=str(error),
            next_step="Mend its permissions or encoding, or move it away.",
        ) from error
    except TOMLKitError as error:
        raise ConfigError(
            f"The settings file {file} is not valid TOML.",
            why=str(error),
            next_step="Mend it with: tsubasa config edit",
        ) from error


def _validate(document: tomlkit.TOMLDocument, file: Path) -> Settings:
    try:
        return Settings.model_validate(document.unwrap())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise _unknown_key(key, file) from error
        allowed = _allowed(_field(key, file))
        raise ConfigError(
            f"{file}: {key} cannot be {json.dumps(first['input'], default=str)}.",
            why=f"Allowed: {allowed}.",
            next_step=f"Set it with: tsubasa config set {key} VALUE",
        ) from error


def _field(key: str, file: Path) -> FieldInfo:
    model: type[BaseModel] = Settings
    parts = key.split(".")
    for position, part in enumerate(parts):
        field = model.model_fields.get(part)
        if field is None:
            raise _unknown_key(key, file)
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
            continue
        if position == len(parts) - 1 or str(inner).startswith("dict["):
            return field
    raise _unknown_key(key, file)


def _unknown_key(key: str, file: Path) -> ConfigError:
    import difflib

    known = [entry.key for entry in entries(Settings())]
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    inside = [name for name in known if name.startswith(f"{key}.")]
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return ConfigError(
        f"{file}: there is no setting {key}.",
        why=f"{key} is a table of settings: {', '.join(inside)}." if inside else "",
        next_step=f"{hint}tsubasa config show lists all settings.",
    )


def _literal(raw: str, field: FieldInfo) -> Any:
    if field.annotation is str or str(field.annotation).startswith("dict["):
        return raw
    try:
        return tomlkit.parse(f"value = {raw}")["value"]
    except TOMLKitError:
        return raw


def _entry(key: str, field: FieldInfo, value: Any) -> Entry:
    default = field.get_default(call_default_factory=True)
    description = " ".join((field.description or "").split())
    return Entry(key, value, value == default, _allowed(field), description)


def _allowed(field: FieldInfo) -> str:
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
    kind = kinds[0] if kinds and not str(field.annotation).startswith("dict[") else field.annotation
    limits = [*field.metadata, *_inner_limits(kind)]
    base = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
    }.get(_plain(kind), "a table of text values")
    bounds = " ".join(filter(None, (_bound(limit) for limit in limits)))
    return f"{base} {bounds}".strip()


def _inner_limits(kind: Any) -> list[Any]:
    annotated = list(getattr(kind, "__metadata__", ()))
    return [limit for item in annotated for limit in getattr(item, "metadata", [item])]


def _plain(kind: Any) -> Any:
    return getattr(kind, "__origin__", kind)


def _bound(limit: Any) -> str:
    if isinstance(limit, AfterValidator):
        return inspect.getdoc(limit.func) or ""
    words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    return " ".join(
        f"{word} {getattr(limit, name)}" for name, word in words.items() if hasattr(limit, name)
    )


def _commented_defaults() -> str:
    lines = ["# Tsubasa's settings. Remove the # before a line to change it.", ""]
    table = None
    for entry in entries(Settings()):
        section, _, name = entry.key.rpartition(".")
        if section != table:
            lines += ["", f"[{section}]" if section else ""]
            table = section
        lines.append(f"# {entry.description} ({entry.allowed})")
        value = tomlkit.item(entry.value).as_string() if entry.value is not None else "…"
        lines.append(f"[{name}]" if isinstance(entry.value, dict) else f"# {name} = {value}")
    return "\n".join(lines).strip() + "\n"
