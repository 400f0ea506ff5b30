"""What of the memory goes with a question: chosen once, within a budget, and kept with it.

Recalled memories ride with the newest question, never in the system prompt: they are data. What is
in the window already is not repeated. Blocks may fill a share of the window, all together; when it
is spent, a question still gets its best few, or a long chat would remember nothing any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Message
from tsubasa_cli.memory.block import render_block
from tsubasa_cli.storage.settings import MemorySettings
from tsubasa_cli.storage.values import Turn

if TYPE_CHECKING:
    from tsubasa_cli.memory.memory import Memory
    from tsubasa_cli.memory.recall import Recalled

MOST_TOKENS = 1_500
"""All recalled blocks of a window together, however large it is (DESIGN §4)."""
LATE_TOKENS = 120
"""One block when that is spent, or an eighth of it in a small window: three or four records."""


@dataclass(frozen=True, slots=True)
class Recollection:
    """Recalls for the questions of one session. ``taught_by`` is the run of ``learn`` that taught
    the model that answers: what changed since then is put right beside the question."""

    memory: Memory
    settings: MemorySettings
    taught_by: str = ""

    async def blocks(self, session_id: str) -> dict[int, str]:
        """What rides with the session's questions, by turn."""
        return await asyncio.to_thread(self.memory.recalls.blocks, session_id)

    async def recall(self, engine: Engine, path: Sequence[Turn], room: int) -> int:
        """Choose and keep what goes with the newest question of ``path``; how many they are.

        ``room`` is what the window has left, in tokens. ``path`` holds only what is in the window:
        what rides there already is not recalled again.
        """
        question = path[-1]
        if not self.settings.recall_count:
            return 0
        recalled = await asyncio.to_thread(self._find, question, path)
        if recalled is None:
            return 0
        fitting, block = await self._fit(engine, recalled, await self._budget(engine, path, room))
        await asyncio.to_thread(self.memory.recalls.keep, question.id, block, fitting)
        return len(fitting)

    def _find(self, question: Turn, path: Sequence[Turn]) -> list[Recalled] | None:
        """None when this question has been looked up before."""
        if self.memory.recalls.is_kept(question.id):
            return None
        shown = {turn.id for turn in path}
        riding = self.memory.recalls.used_in(shown)
        found = self.memory.recall(
            question.text,
            now=question.created_at,
            k=self.settings.recall_count,
            exclude=riding,
            exclude_turns=shown,
        )
        if not self.taught_by:
            return found
        known = {*riding, *(item.observation.id for item in found if item.observation)}
        return [*self.memory.corrections(self.taught_by, question.text, known), *found]

    async def _budget(self, engine: Engine, path: Sequence[Turn], room: int) -> int:
        window = engine.loaded.n_ctx if engine.loaded else 0
        allowed = min(int(window * self.settings.recall_share), MOST_TOKENS)
        riding = await self.blocks(path[-1].session_id)
        taken = sum(await _sizes(engine, [riding[t.id] for t in path if t.id in riding]))
        return min(max(allowed - taken, min(LATE_TOKENS, allowed // 8)), room)

    async def _fit(
        self, engine: Engine, recalled: Sequence[Recalled], budget: int
    ) -> tuple[list[Recalled], str]:
        """The best records that fit whole, and their block."""
        kept = list(recalled)
        while kept:
            block = render_block(kept)
            if (await _sizes(engine, [block]))[0] <= budget:
                return kept, block
            kept.pop()
        return [], ""


async def _sizes(engine: Engine, texts: Sequence[str]) -> Sequence[int]:
    if not texts:
        return ()
    return (await engine.count(tuple(Message("user", text) for text in texts))).texts
