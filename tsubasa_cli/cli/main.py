"""The ``tsubasa`` command. Errors become three plain lines on standard error, and an exit code.

Exit codes: 0 done, 1 other error, 2 bad input or settings, 3 not found, 4 storage, 5 model,
6 engine, 7 message too large, 8 conflict, 9 refused by the gate, 130 interrupted.
"""

from __future__ import annotations

import sys

from tsubasa_cli.cli.streams import finish, install
from tsubasa_cli.errors import InputError, TsubasaError

INTERRUPTED = 130
UNREAD = 1
"""Whoever read the output has stopped: nobody is left to be told."""


def run() -> None:
    """Entry point: run the command, render what went wrong, exit."""
    install()
    try:
        try:
            _require_text(sys.argv)
            _obey(sys.argv[1:])
        finally:
            finish()
    except TsubasaError as error:
        report(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(UNREAD)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        sys.exit(INTERRUPTED)


def _obey(arguments: list[str]) -> None:
    """The inspector is on the screen before all commands and their options would be known; with
    options, or a help that is asked for, it is a command like any other."""
    if arguments[:2] == ["memory", "inspect"] and not any(a.startswith("-") for a in arguments):
        from tsubasa_cli.cli.inspecting import open_inspector

        open_inspector(" ".join(arguments[2:]))
    else:
        from tsubasa_cli.cli.commands import app

        app()


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
