"""All commands of ``tsubasa``, as Typer parses them."""

from __future__ import annotations

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
