"""The settings as the last check of their file left them.

Loading and running the check costs more than a start can spare, so a text is checked once. Whatever
is odd about the memo means only that the text is checked again.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tsubasa_cli import __version__
from tsubasa_cli.errors import StorageError
from tsubasa_cli.storage.paths import write_private
from tsubasa_cli.storage.settings import Settings


def recalled(memo: Path, text: str) -> Settings | None:
    """What the check made of ``text``, if that is what this version last checked."""
    try:
        version, checked, tables = json.loads(memo.read_text("utf-8"))
        return _built(tables) if (version, checked) == (__version__, text) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep(memo: Path, text: str, settings: Settings) -> None:
    """Note that ``text`` was checked. Where nothing can be written, it is checked each time."""
    if memo.parent.is_dir():
        with suppress(StorageError):
            write_private(memo, json.dumps([__version__, text, asdict(settings)]).encode())


def _built(tables: dict[str, dict[str, Any]]) -> Settings:
    default = Settings()
    names = [each.name for each in fields(Settings)]
    return Settings(**{name: type(getattr(default, name))(**tables[name]) for name in names})
