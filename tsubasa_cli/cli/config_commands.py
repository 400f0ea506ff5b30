"""``tsubasa config``: show, find, edit and set what can be set."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Any

import typer

from tsubasa_cli.cli import context
from tsubasa_cli.errors import ConfigError, InputError

THEME = "look.theme"

config_app = typer.Typer(help="Show and change the settings.", no_args_is_help=True)


@config_app.command("show")
def show(
    key: Annotated[str, typer.Argument(help="Only this setting or table.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every setting, what it may be, and what it is for."""
    from tsubasa_cli.storage.settings_file import entries

    shown = [
        entry
        for entry in entries(context.settings())
        if not key or entry.key == key or entry.key.startswith(f"{key}.")
    ]
    if not shown:
        raise ConfigError(
            f"There is no setting {key}.", next_step="tsubasa config show lists all settings."
        )
    if as_json:
        context.print_json({entry.key: entry.value for entry in shown})
        return
    for entry in shown:
        mark = "" if entry.is_default else "  (changed)"
        typer.echo(f"{entry.key} = {_literal(entry.value)}{mark}")
        typer.echo(f"    {entry.description} Allowed: {entry.allowed}.")


@config_app.command("path")
def path() -> None:
    """Print where the settings file is."""
    typer.echo(str(context.paths().settings))


@config_app.command("set", context_settings={"ignore_unknown_options": True})
def set_(
    key: Annotated[str, typer.Argument(help="The setting, for example chat.thinking.")],
    value: Annotated[str, typer.Argument(help="Its new value.")],
) -> None:
    """Change one setting."""
    from tsubasa_cli.storage.settings_file import set_value

    if key == THEME:
        _require_theme(value)
    set_value(context.paths(), key, value)
    context.say(f"{key} is now {value.removesuffix('.')}.")


def _require_theme(name: str) -> None:
    from textual.theme import BUILTIN_THEMES

    from tsubasa_cli.tui.themes import OWN_THEMES

    known = [theme.name for theme in OWN_THEMES] + sorted(BUILTIN_THEMES)
    if name not in known:
        raise InputError(
            f"There is no theme {name!r}.", next_step=f"There are: {', '.join(known)}."
        )


@config_app.command("edit")
def edit() -> None:
    """Open the settings file in your editor, and check it afterwards."""
    import shlex
    import subprocess

    from tsubasa_cli.storage.settings_file import ensure_file, load_settings

    file = ensure_file(context.paths())
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        subprocess.run([*shlex.split(command), str(file)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(
            f"The editor {command!r} did not work.",
            why=str(error),
            next_step=f"Set $EDITOR, or open {file} yourself.",
        ) from error
    load_settings(context.paths())
    sys.stderr.write("The settings are fine.\n")


def _literal(value: Any) -> str:
    return "(not set)" if value is None else json.dumps(value, ensure_ascii=False)
