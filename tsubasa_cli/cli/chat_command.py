"""``tsubasa chat``: the chat on a terminal; with ``-p`` or a pipe, one question and its answer."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from tsubasa_cli.errors import InputError

if TYPE_CHECKING:
    from tsubasa_cli.conversation.chat import Overrides


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asked for."""

    prompt: str | None
    session: str | None
    continue_: bool
    overrides: Overrides
    as_json: bool = False
    trim: bool = False


def chat(
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt", "-p", help="Ask this and print the answer; piped input is added to it."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="With -p: print the answer as JSON.")
    ] = False,
    continue_: Annotated[
        bool, typer.Option("--continue", "-c", help="Go on with the latest conversation.")
    ] = False,
    session: Annotated[
        str | None, typer.Option("--session", "-s", help="Go on with this conversation (its id).")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Answer with this model.")
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system", help="System prompt for this run.")
    ] = None,
    think: Annotated[
        bool | None,
        typer.Option("--think/--no-think", help="Let the model think first, or not."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", "-t", min=0.0, max=5.0, help="Randomness; 0 is none."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Make sampling repeatable.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Longest reply, in tokens.")
    ] = None,
    memory: Annotated[
        bool,
        typer.Option("--memory/--no-memory", help="Read and write memory in this run, or neither."),
    ] = True,
    trim: Annotated[
        bool, typer.Option("--trim", help="With -p: cut what does not fit the context window.")
    ] = False,
) -> None:
    """Chat in the terminal, or ask one question with -p."""
    from tsubasa_cli.conversation.chat import Overrides

    if session and continue_:
        raise InputError(
            "--continue and --session exclude each other.", next_step="Give one of them."
        )
    sampling = {"temperature": temperature, "seed": seed}
    wishes = Wishes(
        prompt=_question(prompt),
        session=session,
        continue_=continue_,
        overrides=Overrides(
            sampling=tuple((name, value) for name, value in sampling.items() if value is not None),
            thinking=think,
            model=model,
            system_prompt=system,
            max_tokens=max_tokens,
            memory=None if memory else False,
        ),
        as_json=as_json,
        trim=trim,
    )
    if wishes.prompt is not None:
        from tsubasa_cli.cli.one_shot import run_once

        run_once(wishes)
        return
    _open_screen(wishes)


def _question(prompt: str | None) -> str | None:
    """``-p`` and what was piped in; None opens the screen."""
    piped = "" if sys.stdin is None or sys.stdin.isatty() else _read_stdin()
    question = "\n\n".join(part for part in (prompt or "", piped) if part.strip())
    if question:
        return question
    if prompt is None and sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        return None
    raise InputError(
        "There is nothing to ask.",
        next_step='Give a question: tsubasa chat -p "…", or pipe one in.',
    )


def _read_stdin() -> str:
    raw = sys.stdin.buffer.read()
    try:
        return raw.decode("utf-8").strip("\n")
    except UnicodeDecodeError as error:
        raise InputError(
            "Standard input is not UTF-8 text.",
            why=f"Byte {raw[error.start]:#04x} at position {error.start:,} cannot be decoded.",
            next_step="Convert it first, for example: iconv -f latin1 -t utf-8",
        ) from error


def _open_screen(wishes: Wishes) -> None:
    from tsubasa_cli.conversation.workspace import open_workspace
    from tsubasa_cli.tui.app import run_chat

    workspace = open_workspace()
    session = wishes.session
    if wishes.continue_:
        latest = workspace.store.latest()
        session = latest.id if latest else None
    run_chat(workspace, session_id=session, overrides=wishes.overrides)
