"""Writing a long message in the user's own editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from tsubasa_cli.errors import InputError


def editor_command(configured: str) -> list[str]:
    """The editor to call: the setting, else $VISUAL, else $EDITOR; ``InputError`` without one."""
    command = configured or os.environ.get("VISUAL", "") or os.environ.get("EDITOR", "")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(
            f"The editor command {command!r} cannot be read.", why=str(error)
        ) from error
    if not words:
        raise InputError(
            "No editor is set.",
            next_step="Set $EDITOR, or look.editor in the settings.",
        )
    return words


def edit_text(text: str, command: list[str]) -> str:
    """Let the user edit ``text`` in ``command`` and return what was saved.

    Blocks until the editor ends. ``InputError`` when it cannot be started or fails, or when the
    file cannot be written or read; the text is then unchanged.
    """
    try:
        return _edit_in_file(text, command)
    except (OSError, UnicodeError) as error:
        raise InputError(
            "What the editor saved cannot be read; the text is unchanged.", why=str(error)
        ) from error


def _edit_in_file(text: str, command: list[str]) -> str:
    descriptor, name = tempfile.mkstemp(prefix="tsubasa-", suffix=".md")
    file = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
        _run([*command, name])
        return file.read_text("utf-8", errors="replace").removesuffix("\n")
    finally:
        file.unlink(missing_ok=True)


def _run(command: list[str]) -> None:
    try:
        ended = subprocess.run(command, check=False)
    except OSError as error:
        raise InputError(
            f"The editor {command[0]!r} could not be started.",
            why=error.strerror or str(error),
            next_step="Set $EDITOR, or look.editor in the settings.",
        ) from error
    if ended.returncode != 0:
        raise InputError(f"The editor ended with code {ended.returncode}; the text is unchanged.")
