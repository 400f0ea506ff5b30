"""The ``tsubasa`` command. Errors become three plain lines on standard error, and an exit code.

Exit codes: 0 done, 1 other error, 2 bad input or settings, 3 not found, 4 storage, 5 model,
6 engine, 7 message too large, 8 conflict, 9 refused by the gate, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tsubasa_cli import __version__
from tsubasa_cli.cli.chat_command import chat
from tsubasa_cli.cli.config_commands import config_app
from tsubasa_cli.cli.doctor_command import doctor
from tsubasa_cli.cli.learn_commands import learn_app
from tsubasa_cli.cli.memory_commands import memory_app
from tsubasa_cli.cli.model_commands import model_app
from tsubasa_cli.cli.session_commands import session_app
from tsubasa_cli.errors import InputError, TsubasaError

INTERRUPTED = 130

app = typer.Typer(
    name="tsubasa",
    help="An assistant in your terminal, on your own machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("chat")(chat)
app.add_typer(model_app, name="model")
app.add_typer(session_app, name="session")
app.add_typer(memory_app, name="memory")
app.add_typer(learn_app, name="learn")
app.add_typer(config_app, name="config")
app.command("doctor")(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tsubasa {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """An assistant in your terminal, on your own machine."""


def run() -> None:
    """Entry point: run the command, render what went wrong, exit."""
    try:
        _require_text(sys.argv)
        app()
    except TsubasaError as error:
        report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        sys.exit(INTERRUPTED)


def _require_text(arguments: list[str]) -> None:
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                "An argument is not UTF-8 text.",
                why=ascii(argument),
                next_step="Check the terminal's encoding, or convert the text with iconv.",
            ) from error


def report(error: TsubasaError) -> None:
    """Say what happened, why, and what to do next, on standard error."""
    lines = [f"tsubasa: {error.what}", error.why, error.next_step]
    sys.stderr.write("\n".join(line for line in lines if line) + "\n")
