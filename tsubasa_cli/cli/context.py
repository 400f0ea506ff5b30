"""What commands share: the places, the settings, the shelf of models, and how output looks.

Everything is opened when it is asked for and not before, so that ``--help`` opens nothing.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

from tsubasa_cli.storage.paths import Paths

if TYPE_CHECKING:
    import sqlite3

    from rich.console import Console

    from tsubasa_cli.models.shelf import ModelShelf
    from tsubasa_cli.storage.sessions import SessionStore
    from tsubasa_cli.storage.settings import Settings


def paths() -> Paths:
    """Where everything lives in this run."""
    return Paths.from_environment()


def settings() -> Settings:
    """The settings in force; ``ConfigError``."""
    from tsubasa_cli.storage.settings_file import load_settings

    return load_settings(paths())


def connect() -> sqlite3.Connection:
    """The database, migrated if need be; ``StorageError``."""
    from tsubasa_cli.storage.database import connect as open_connection

    return open_connection(paths())


def store() -> SessionStore:
    """The sessions."""
    from tsubasa_cli.storage.sessions import SessionStore

    return SessionStore(connect())


def shelf() -> ModelShelf:
    """The models."""
    from tsubasa_cli.models.shelf import ModelShelf

    return ModelShelf(paths(), connect)


def console() -> Console:
    """Standard output: colours and tables on a terminal, plain text elsewhere."""
    from rich.console import Console

    return Console(highlight=False)


def print_json(body: Any) -> None:
    """Machine-readable output, one JSON document."""
    sys.stdout.write(json.dumps(body, ensure_ascii=False, indent=2) + "\n")


def printable(text: str) -> str:
    """``text`` as it may be shown: on a terminal, without characters that it would obey."""
    if not sys.stdout.isatty():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


def write(text: str) -> None:
    """Text of the user's or the model's on standard output, byte for byte into pipes."""
    sys.stdout.write(printable(text))


def say(text: str) -> None:
    """A message for the person, on standard error, so that pipes stay clean."""
    sys.stderr.write(f"{text}\n")


def confirm(question: str) -> bool:
    """Ask on the terminal; without one the answer is no."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")
