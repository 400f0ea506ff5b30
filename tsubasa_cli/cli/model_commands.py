"""``tsubasa model``: what is installed, what could be, and how it gets here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tsubasa_cli.cli import context
from tsubasa_cli.cli.model_export import export
from tsubasa_cli.errors import InputError

INTERRUPTED = 130

model_app = typer.Typer(help="Get, choose and remove models.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Use = Annotated[bool, typer.Option("--use", help="Put it into service at once.")]


def _complete_installed(incomplete: str) -> list[str]:
    names = [model.name for model in context.shelf().list()]
    return [name for name in names if name.lower().startswith(incomplete.lower())]


def _complete_catalogue(incomplete: str) -> list[str]:
    from tsubasa_cli.models.catalogue import CATALOGUE

    return [entry.name for entry in CATALOGUE if entry.name.startswith(incomplete.lower())]


Installed = Annotated[
    str, typer.Argument(help="The model's name.", autocompletion=_complete_installed)
]


@model_app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the models that are here, those to pull, and what fits."""
    from tsubasa_cli.cli import model_tables

    overview = model_tables.take_stock(context.shelf())
    if as_json:
        context.print_json(overview.as_json())
    else:
        model_tables.print_overview(overview)


@model_app.command("pull")
def pull(
    name: Annotated[
        str,
        typer.Argument(
            help="qwen3-4b, qwen3-4b:q8_0, or any repository as OWNER/REPO[:QUANT or :FILE].",
            autocompletion=_complete_catalogue,
        ),
    ],
    use: Use = False,
    master: Annotated[
        bool,
        typer.Option("--master", help="Also its unquantized weights, which learning keeps best."),
    ] = False,
) -> None:
    """Download a model. Interrupted downloads go on where they stopped."""
    from tsubasa_cli.cli.model_progress import PullDisplay
    from tsubasa_cli.models.catalogue import resolve
    from tsubasa_cli.models.pull import pull as bring
    from tsubasa_cli.models.pull_master import pull_master as bring_master

    entry = resolve(name).entry
    if entry:
        _note_if_too_big(entry.name)
    shelf, display = context.shelf(), PullDisplay()
    try:
        with display:
            endpoint = context.settings().models.endpoint
            model = bring(name, shelf, context.paths(), endpoint, display.show)
            was_present = display.was_present
            if master:
                bring_master(model, context.paths(), endpoint, display.show)
    except KeyboardInterrupt:
        context.say("Stopped. What arrived is kept: the same command goes on from there.")
        raise typer.Exit(INTERRUPTED) from None
    arrived = "is here already, and intact" if was_present else "is here, and intact"
    context.say(f"{model.name} {arrived}: {model.path}")
    if master:
        context.say("Its master is here too.")
    _offer(model.name, use)


@model_app.command("use")
def use_(name: Installed) -> None:
    """Put a model into service: new replies come from it."""
    model = context.shelf().use(name)
    context.say(f"{model.name} is in service.")


@model_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A GGUF file.")],
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it; else the file's name.")
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Leave the file where it is.")
    ] = False,
    use: Use = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even if its architecture is unknown here.")
    ] = False,
) -> None:
    """Add a GGUF file of yours. It is checked first, and copied (or hard-linked) here."""
    from tsubasa_cli.cli.model_progress import CopyDisplay

    try:
        with CopyDisplay(file.name) as display:
            model = context.shelf().import_file(
                file, name=name, in_place=in_place, force=force, on_progress=display.show
            )
    except KeyboardInterrupt:
        context.say("Stopped. Nothing was imported.")
        raise typer.Exit(INTERRUPTED) from None
    context.say(f"{model.name} is imported: {model.path}")
    _offer(model.name, use)


@model_app.command("info")
def info(
    name: Annotated[
        str | None,
        typer.Argument(
            help="The model's name; without one, the model in service.",
            autocompletion=_complete_installed,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show all that is known of a model."""
    from tsubasa_cli.cli import model_tables

    shelf = context.shelf()
    model = shelf.get(name) if name else shelf.require()
    if as_json:
        context.print_json(model_tables.model_json(model))
    else:
        wanted = context.settings().engine.context_tokens
        model_tables.print_facts(model, wanted)


@model_app.command("remove")
def remove(
    name: Installed,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget a model, and delete its file if Tsubasa brought it here."""
    shelf = context.shelf()
    model = shelf.get(name)
    chosen = (shelf.chosen_name() or "").lower() == model.name.lower()
    if not yes and model.source != "starter":
        _confirm_removal(model.name, chosen, model.owns_file)
    if chosen and model.source != "starter":
        shelf.stand_down()
    shelf.remove(model.name)
    kept = "" if model.owns_file else f" Its file stays: {model.path}"
    context.say(f"{model.name} is removed.{kept}")


model_app.command("export")(export)


def _confirm_removal(name: str, chosen: bool, owns_file: bool) -> None:
    service = f"{name} is in service. " if chosen else ""
    what = "and delete its file" if owns_file else "(its file stays)"
    if sys.stdin.isatty():
        if context.confirm(f"{service}Remove {name} {what}?"):
            return
        raise typer.Exit(1)
    raise InputError(
        f"{service}Removing {name} needs a confirmation.", next_step="Add --yes to remove it."
    )


def _offer(name: str, use: bool) -> None:
    serving = context.shelf().in_service()
    if use:
        use_(name)
    elif serving and serving.name == name:
        context.say("It is in service.")
    else:
        context.say(f"Use it with: tsubasa model use {name}")


def _note_if_too_big(name: str) -> None:
    from tsubasa_cli.models.amounts import in_words
    from tsubasa_cli.models.catalogue import find
    from tsubasa_cli.models.fit import SMALLEST_CONTEXT, estimate_bytes, fits
    from tsubasa_cli.models.machine import this_machine

    machine, entry = this_machine(), find(name)
    if entry and not fits(entry, machine):
        need = in_words(estimate_bytes(entry, SMALLEST_CONTEXT))
        have = in_words(machine.ram_total + machine.vram_total)
        context.say(f"Note: {name} needs {need} of memory; this machine has {have}.")
