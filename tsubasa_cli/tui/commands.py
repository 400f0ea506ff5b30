"""The slash commands: what there is, what they are for, and how a line is read as one."""

from __future__ import annotations

import difflib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """``name`` without its slash; ``argument`` is the placeholder shown after it."""

    name: str
    description: str
    argument: str = ""

    @property
    def usage(self) -> str:
        return f"/{self.name} {self.argument}".rstrip()


COMMANDS = (
    SlashCommand("new", "Start a new chat"),
    SlashCommand("think", "Let the model think before it answers"),
    SlashCommand("no_think", "Answer without thinking first"),
    SlashCommand("model", "Choose the model of this chat", "[name]"),
    SlashCommand("reload", "Answer with what was learned since this chat began"),
    SlashCommand("system", "Set the system prompt of this chat", "[text]"),
    SlashCommand("persona", "Choose a persona for this chat", "[name]"),
    SlashCommand("rename", "Give this chat a title", "[title]"),
    SlashCommand("export", "Save this chat to a file", "[md|json]"),
    SlashCommand("copy", "Copy the last reply"),
    SlashCommand("regen", "Answer the last message again"),
    SlashCommand("edit", "Write the message in your editor"),
    SlashCommand("stop", "Stop the reply that is being written"),
    SlashCommand("why", "The memories that went into the reply"),
    SlashCommand("memories", "What was learned lately"),
    SlashCommand("inspect", "See, question and correct the whole memory"),
    SlashCommand("incognito", "A chat that reads no memories and leaves none"),
    SlashCommand("theme", "Choose the colours", "[name]"),
    SlashCommand("sessions", "Find an earlier chat"),
    SlashCommand("help", "Keys and commands"),
    SlashCommand("quit", "Leave; everything is saved"),
)
BY_NAME = {command.name: command for command in COMMANDS}


@dataclass(frozen=True, slots=True)
class Invocation:
    """A known command and what followed it."""

    command: SlashCommand
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that begins like a command and is none; ``near`` are likely meanings."""

    name: str
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlainText:
    """A message for the model."""

    text: str


def read_line(text: str) -> Invocation | Unknown | PlainText:
    """What the user means by ``text``: a command, a near miss, or a message.

    Only a whole one-line message can be a command; ``//`` at the start escapes the slash. A
    thinking switch with words behind it is a message, because the model's template reads it.
    """
    stripped = text.strip()
    if stripped.startswith("//"):
        return PlainText(stripped[1:])
    if not stripped.startswith("/") or "\n" in stripped:
        return PlainText(text)
    name, _, argument = stripped[1:].partition(" ")
    if not _looks_like_command(name):
        return PlainText(text)
    command = BY_NAME.get(name.lower())
    if command is None:
        return Unknown(name, tuple(difflib.get_close_matches(name.lower(), BY_NAME, n=2)))
    if argument.strip() and not command.argument and command.name in ("think", "no_think"):
        return PlainText(text)
    return Invocation(command, argument.strip())


def completions(text: str) -> list[SlashCommand]:
    """Commands that ``text``, as typed so far, may become; none once it has an argument."""
    if not text.startswith("/") or text.startswith("//") or any(c.isspace() for c in text):
        return []
    typed = text[1:].lower()
    first = [command for command in COMMANDS if command.name.startswith(typed)]
    inside = [c for c in COMMANDS if typed in c.name and c not in first]
    return [*first, *inside]


def _looks_like_command(name: str) -> bool:
    """Paths such as ``/usr/bin`` and a lone slash are text."""
    return bool(name) and "/" not in name and name.replace("_", "").replace("-", "").isalpha()
