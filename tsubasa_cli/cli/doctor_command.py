"""``tsubasa doctor``: is everything in order, and if not, what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tsubasa_cli.cli import context

PROBLEM_FOUND = 1


def doctor(
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Mend the database: move a damaged one aside, save its rows."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this installation. Exit code 1: something needs mending."""
    from tsubasa_cli.cli.checks import Health, all_checks

    if repair:
        _repair()
    checks = list(all_checks())
    if as_json:
        context.print_json([asdict(check) for check in checks])
    else:
        marks = {
            Health.GOOD: ("✓", "green"),
            Health.FAIR: ("!", "yellow"),
            Health.BAD: ("✗", "red"),
        }
        for check in checks:
            mark, colour = marks[check.health]
            typer.secho(f"{mark} ", fg=colour, nl=False)
            typer.echo(f"{check.name}: {check.detail}")
            if check.next_step:
                typer.echo(f"    → {check.next_step}")
    if any(check.health is Health.BAD for check in checks):
        raise typer.Exit(PROBLEM_FOUND)


def _repair() -> None:
    from tsubasa_cli.storage.database import open_database

    connection, report = open_database(context.paths())
    connection.close()
    context.say(report.notice() or "The database is sound; there was nothing to mend.")
