"""Reading and writing the settings file, with errors that name file, key and allowed values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsubasa_cli.errors import ConfigError
from tsubasa_cli.storage.paths import Paths, make_private_folder, write_private
from tsubasa_cli.storage.settings import Settings
from tsubasa_cli.storage.settings_memo import keep, recalled

if TYPE_CHECKING:
    import tomlkit

    from tsubasa_cli.storage.settings_fields import Field


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
    text = _read(paths.settings)
    if not text:
        return Settings()
    known = recalled(paths.checked_settings, text)
    if known:
        return known
    settings = _checked(text, paths.settings)
    keep(paths.checked_settings, text, settings)
    return settings


def _checked(text: str, file: Path) -> Settings:
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(file, error) from error
    return _validated(document, file)


def entries(settings: Settings) -> Iterator[Entry]:
    """Every setting with its value, what it may be, and what it is for."""
    from tsubasa_cli.storage.settings_fields import all_fields

    for key, field in all_fields().items():
        value, default = _in(settings, key), _in(Settings(), key)
        yield Entry(key, value, value == default, field.allowed, field.description)


def _in(settings: Settings, key: str) -> Any:
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def set_value(paths: Paths, key: str, raw: str) -> Settings:
    """Write ``key`` (dotted) and return the settings then in force; comments are kept.

    ``raw`` is TOML if it reads as TOML, else a plain string. Nothing is written when the value is
    not allowed.
    """
    import tomlkit

    file = paths.settings
    document = _parsed(file)
    field = _field(key, file)
    table, _, name = key.rpartition(".")
    target: Any = document
    for part in filter(None, table.split(".")):
        if not isinstance(target.get(part), MutableMapping):
            target[part] = tomlkit.table()
        target = target[part]
    target[name] = _literal(raw, field)
    settings = _validated(document.unwrap(), file)
    make_private_folder(file.parent)
    write_private(file, tomlkit.dumps(document).encode())
    return settings


def ensure_file(paths: Paths) -> Path:
    """Create a settings file that explains itself, if there is none; returns its path."""
    if not paths.settings.exists():
        make_private_folder(paths.settings.parent)
        write_private(paths.settings, _commented_defaults().encode())
    return paths.settings


def _read(file: Path) -> str:
    """The text of the file; empty when there is none."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Cannot read the settings file {file}.",
            why=str(error),
            next_step="Mend its permissions or encoding, or move it away.",
        ) from error


def _parsed(file: Path) -> tomlkit.TOMLDocument:
    """The file with its comments, for changing it."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(_read(file))
    except TOMLKitError as error:
        raise _not_toml(file, error) from error


def _not_toml(file: Path, error: Exception) -> ConfigError:
    return ConfigError(
        f"The settings file {file} is not valid TOML.",
        why=str(error),
        next_step="Mend it with: tsubasa config edit",
    )


def _validated(document: Mapping[str, Any], file: Path) -> Settings:
    from pydantic import ValidationError

    from tsubasa_cli.storage.settings_fields import settings_of

    try:
        return settings_of(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        field = _field(key, file)
        raise ConfigError(
            f"{file}: {key} cannot be {json.dumps(first['input'], default=str)}.",
            why=f"Allowed: {field.allowed}.",
            next_step=f"Set it with: tsubasa config set {key} VALUE",
        ) from error


def _field(key: str, file: Path) -> Field:
    from tsubasa_cli.storage.settings_fields import field_of

    field = field_of(key)
    if field is None:
        raise _unknown_key(key, file)
    return field


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


def _literal(raw: str, field: Field) -> Any:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    if field.kind in (str, dict):
        return raw
    try:
        return tomlkit.parse(f"value = {raw}")["value"]
    except TOMLKitError:
        return raw


def _commented_defaults() -> str:
    import tomlkit

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
