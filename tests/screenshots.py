"""Makes the pictures of the README from the running program.

    python tests/screenshots.py [FOLDER]

Runs the chat on a temporary home with the real starter model and writes SVGs into FOLDER
(default: assets).
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from tsubasa_cli.conversation.chat import Overrides
from tsubasa_cli.conversation.workspace import open_workspace
from tsubasa_cli.storage.values import TurnStatus
from tsubasa_cli.tui.app import ChatApp
from tsubasa_cli.tui.widgets.reply import Reply

SIZE = (104, 30)
QUESTIONS = (
    "Write a short Python function that reverses a string, with an example.",
    "What is the capital of France?",
)
EARLIER = (
    "Which birds winter in Africa?",
    "A packing list for three days of rain",
    "Explain the difference between weather and climate",
)
FONT_FROM_THE_WEB = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""A picture of a program that sends nothing anywhere asks nobody for a font."""
Steps = Callable[[Pilot[None], ChatApp], Awaitable[None]]


async def take(target: Path, steps: Steps, theme: str = "tsubasa-night") -> None:
    """Run the program, take ``steps`` in it, keep what is then on the screen."""
    overrides = Overrides(sampling=(("temperature", 0.0),))
    app = ChatApp(open_workspace(), overrides=overrides)
    app.animation_level = "none"
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(1.0)
        app.theme = theme
        await steps(pilot, app)
        await pilot.pause(0.5)
        picture = app.export_screenshot(title="tsubasa chat")
    await asyncio.to_thread(target.write_text, FONT_FROM_THE_WEB.sub("", picture), "utf-8")
    print(target)


async def conversation(pilot: Pilot[None], app: ChatApp) -> None:
    """Two questions, answered by the starter model."""
    await pilot.press("escape")
    for number, question in enumerate(QUESTIONS, start=1):
        app._chat_screen.composer.field.focus()
        app._chat_screen.composer.field.insert(question)
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda n=number: _answered(app) >= n)


async def models(pilot: Pilot[None], _: ChatApp) -> None:
    """The model picker over an empty chat."""
    await pilot.press("escape")
    await pilot.pause(1.0)
    await pilot.press("ctrl+o")
    await pilot.pause(1.0)


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait, for a minute at most."""
    for _ in range(600):
        if condition():
            return
        await pilot.pause(0.1)
    raise TimeoutError


def _answered(app: ChatApp) -> int:
    return sum(reply.turn.status is TurnStatus.COMPLETE for reply in app.screen.query(Reply))


def fill_the_sidebar() -> None:
    """Earlier questions, so that the list of chats is not empty."""
    workspace = open_workspace()
    for question in EARLIER:
        workspace.store.ask(workspace.store.create().id, question)
    asyncio.run(workspace.close())


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["TSUBASA_HOME"] = home
        fill_the_sidebar()
        asyncio.run(take(folder / "chat.svg", conversation))
        asyncio.run(take(folder / "chat-day.svg", conversation, theme="tsubasa-day"))
        asyncio.run(take(folder / "models.svg", models))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "assets")
