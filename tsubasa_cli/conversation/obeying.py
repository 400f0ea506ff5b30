"""What a question asks of the memory itself, done before it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tsubasa_cli.conversation.events import Obeyed
from tsubasa_cli.memory.commands import intent_of
from tsubasa_cli.storage.values import Turn

if TYPE_CHECKING:
    from tsubasa_cli.memory.memory import Memory


def asks_of_memory(text: str) -> bool:
    """Whether ``text`` tells Tsubasa to remember, not to save, or to forget something."""
    return intent_of(text) is not None


def obeyed(memory: Memory, path: Sequence[Turn], owner: str) -> Obeyed | None:
    """Do what the newest turn of ``path`` asks; for a thread of its own, since searching what is
    meant takes a while."""
    from tsubasa_cli.memory.obey import obey

    done = asyncio.run(obey(memory, path, owner))
    return Obeyed(done.what, done.statements, done.batch_id) if done else None
