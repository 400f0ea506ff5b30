"""What each slash command does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsubasa_cli.tui.commands import Invocation

if TYPE_CHECKING:
    from tsubasa_cli.tui.screens.chat_screen import ChatScreen

ACTIONS = {
    "new": "app.new_chat",
    "copy": "screen.copy_reply",
    "regen": "screen.regenerate",
    "edit": "screen.external_editor",
    "stop": "screen.leave",
    "sessions": "screen.sessions",
    "why": "screen.why",
    "memories": "screen.memories",
    "inspect": "screen.inspect",
    "incognito": "app.incognito",
    "help": "app.help",
    "quit": "app.quit",
}


async def run_command(screen: ChatScreen, invocation: Invocation) -> None:
    """Do what ``invocation`` says. Raises ``TsubasaError`` when that is impossible."""
    name, argument = invocation.command.name, invocation.argument
    session = screen.session_actions
    match name:
        case "think" | "no_think":
            await session.set_thinking(name == "think")
        case "model":
            await screen.app.run_action(f"app.choose_model({argument!r})")
        case "theme":
            await screen.app.run_action(f"app.choose_theme({argument!r})")
        case "reload":
            await session.reload()
        case "system":
            await session.set_system_prompt(argument)
        case "persona":
            await session.set_persona(argument)
        case "rename":
            await session.rename(screen.chat.session, argument)
        case "export":
            await session.export(screen.chat.session, argument)
        case _:
            await screen.run_action(ACTIONS[name])
