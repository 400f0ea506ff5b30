"""``tsubasa learn schedule`` and ``unschedule``: the nightly run in the hands of the platform."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import time
from typing import Annotated

import typer

from tsubasa_cli.cli import context
from tsubasa_cli.errors import InputError, TsubasaError


def add_to(app: typer.Typer) -> None:
    """Give ``app`` (the group ``tsubasa learn``) these commands."""
    app.command("schedule")(schedule)
    app.command("unschedule")(unschedule)


def schedule(
    at: Annotated[str, typer.Argument(metavar="HH:MM", help="When: 02:30, on the 24-hour clock.")],
    using: Annotated[
        str,
        typer.Option(help="systemd, launchd or cron; else the best that works here."),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be written, and stop.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Learn every night at a given time, once the machine is idle. Shown before it is written."""
    from tsubasa_cli.learn import schedulers
    from tsubasa_cli.learn.clock import time_of
    from tsubasa_cli.learn.schedule import nightly

    job = nightly(time_of(at), context.paths().ensure())
    scheduler = schedulers.find_scheduler(using)
    context.write(f"{scheduler.propose(job).in_words()}\n")
    if dry_run:
        return
    if not yes:
        _confirm()
    schedulers.install(job, scheduler)
    _note(job.at)
    context.say(f"Tsubasa learns every night at {job.at:%H:%M} ({scheduler.name}).")


def unschedule() -> None:
    """Do not learn by night any more."""
    from tsubasa_cli.learn import schedulers

    removed = schedulers.remove()
    _note(None)
    if removed:
        context.say(f"The nightly run is removed from {' and '.join(removed)}.")
    else:
        context.say("Nothing was scheduled.")


def told() -> list[str]:
    """The schedule in a line; none where there is none, or the platform does not say."""
    from tsubasa_cli.learn import schedulers

    try:
        found = schedulers.scheduled()
    except TsubasaError:
        return []
    return [f"It learns every night at {found[1]:%H:%M} ({found[0]})."] if found else []


def _note(at: time | None) -> None:
    """So that a night that was missed can be told."""
    from tsubasa_cli.storage.night_record import note_schedule
    from tsubasa_cli.storage.values import Instant

    with closing(context.connect()) as connection:
        note_schedule(connection, at, Instant.now())


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise InputError(
            "Scheduling needs a confirmation.", next_step="Add --yes to write what is shown."
        )
    if not context.confirm("Write this?"):
        raise typer.Exit(1)
