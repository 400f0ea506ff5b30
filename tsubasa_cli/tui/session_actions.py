"""What can be done with the open chat as a whole: its title, prompt, persona, model, files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tsubasa_cli.conversation import export
from tsubasa_cli.errors import InputError
from tsubasa_cli.storage.paths import make_private_folder, write_private
from tsubasa_cli.storage.values import Session
from tsubasa_cli.tui import wording
from tsubasa_cli.tui.screens.choose import Choice, Choose
from tsubasa_cli.tui.screens.prompt_dialog import LineDialog, TextDialog

if TYPE_CHECKING:
    from tsubasa_cli.conversation.workspace import Workspace
    from tsubasa_cli.tui.screens.chat_screen import ChatScreen

NO_PERSONA = "(none)"


class SessionActions:
    """Does them for one chat screen. Dialogs need a worker, so all of it runs in one."""

    def __init__(self, screen: ChatScreen, workspace: Workspace) -> None:
        self._screen = screen
        self._workspace = workspace

    async def rename(self, session: Session, title: str = "") -> None:
        """Give ``session`` a title, asked for when it is empty."""
        asked: str | None = title or await self._screen.app.push_screen_wait(
            LineDialog("Title of this chat", session.title)
        )
        if not asked or not asked.strip():
            return
        if session.id == self._screen.chat.session.id:
            await self._screen.chat.rename(asked)
        else:
            await asyncio.to_thread(self._workspace.store.rename, session.id, asked)
        self._screen.show_title()

    async def set_system_prompt(self, text: str = "") -> None:
        """Set the system prompt of the open chat, asked for when it is empty."""
        chat = self._screen.chat
        asked: str | None = text or await self._screen.app.push_screen_wait(
            TextDialog("System prompt of this chat", chat.system_prompt)
        )
        if asked is not None and asked != chat.system_prompt:
            await chat.set_system_prompt(asked)
            self._screen.notify("The system prompt is set from the next message on.")

    async def set_persona(self, name: str = "") -> None:
        """Choose a persona for the open chat."""
        personas = self._workspace.settings.personas
        chosen: str | None = name
        if not name:
            if not personas:
                raise InputError(
                    "There are no personas yet.",
                    next_step='Add one: tsubasa config set personas.coach "You are a coach."',
                )
            chosen = await self._screen.app.push_screen_wait(self._persona_dialog(personas))
        if chosen is None:
            return
        await self._screen.chat.set_persona("" if chosen in (NO_PERSONA, "none") else chosen)
        self._screen.notify(f"Persona: {wording.visible_line(chosen)}.", markup=False)

    def _persona_dialog(self, personas: dict[str, str]) -> Choose:
        choices = [Choice(NO_PERSONA, NO_PERSONA, "the ordinary system prompt")]
        choices += [Choice(name, name, prompt[:60]) for name, prompt in sorted(personas.items())]
        return Choose("Persona", choices, self._screen.chat.session.persona or NO_PERSONA)

    async def reload(self) -> None:
        """Answer with the model that is in service by now, also one that learned meanwhile."""
        host = self._workspace.host
        name = await asyncio.to_thread(host.reload)
        await host.ready(self._screen.chat.model)
        known = host.state.knows_as_of
        day = f"; it knows you as of {wording.day(known.local().date())}" if known else ""
        self._screen.notify(f"{name} answers from now on{day}.")

    async def set_thinking(self, on: bool) -> None:
        """Switch thinking for the replies to come."""
        await self._screen.chat.set_thinking(on)
        self._screen.show_switches()

    async def export(self, session: Session, kind: str = "md") -> None:
        """Write ``session`` to a file and say where; ``kind`` is "md" or "json"."""
        kinds = {"": "md", "md": "md", "markdown": "md", "json": "json"}
        suffix = kinds.get(kind.lower())
        if suffix is None:
            raise InputError(f"Cannot export as {kind!r}.", next_step="Use md or json.")
        if not session.id:
            raise InputError("There is nothing to export yet.")
        path = await asyncio.to_thread(self._write, session, suffix)
        self._screen.notify(wording.visible(path), title="Saved", timeout=10, markup=False)

    def _write(self, session: Session, suffix: str) -> str:
        store, paths = self._workspace.store, self._workspace.paths
        turns = store.path(session.id)
        if suffix == "json":
            content = export.to_json(session, turns, store.branches(session.id))
        else:
            content = export.to_markdown(session, turns)
        make_private_folder(paths.exports)
        path = paths.exports / export.file_name(session, suffix)
        write_private(path, content.encode("utf-8", errors="replace"))
        return str(path)
