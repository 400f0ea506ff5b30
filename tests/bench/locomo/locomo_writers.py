"""Three ways of writing a memory from the same chats, on the product's own extraction.

*tsubasa* is the product: import, extract, evolve. *static* adds whatever is extracted. *free* lets
the model manage the store by free prompting, as TSUBASA §4.1 does it (``evolution/manager.md``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from locomo_homes import Home
from locomo_model import Answerer, in_thread
from locomo_records import Records

from tsubasa_cli.memory.extract_profile import Profile
from tsubasa_cli.memory.mind import Mind, Minds
from tsubasa_cli.memory.process import Distilled, Distiller
from tsubasa_cli.memory.values import Actor, Change, MemoryEvent, Observation, Op

sys.path.append(str(Path(__file__).parents[1] / "evolution"))

from evolution_systems import managed

WRITERS = ("tsubasa", "static", "free")
FINISHED = "written"
"""A file in a home that is there when all that can be distilled is distilled."""


class Accumulating(Distiller):
    """The product's distilling with nothing but additions."""

    async def _evolved(self, found: Sequence[Observation], ids: Sequence[int]) -> list[MemoryEvent]:
        changes = await self._decided(found)
        log = self._memory.log
        return list(await in_thread(lambda: log.commit(changes, actor=Actor.MODEL, turns=ids)))

    async def _decided(self, found: Sequence[Observation]) -> list[Change]:
        return [Change(Op.ADD, observation) for observation in found]


class FreelyManaged(Accumulating):
    """The model reads the store and decides."""

    async def _decided(self, found: Sequence[Observation]) -> list[Change]:
        assert self._mind.model is not None
        return await managed(found, self._memory.log, self._mind.model)


_KINDS: dict[str, type[Distiller]] = {
    "tsubasa": Distiller,
    "static": Accumulating,
    "free": FreelyManaged,
}


async def mind_of(answerer: Answerer, folder: Path, *, measure: bool) -> Mind:
    """The model as far as the product trusts it; measured first where that was not done, as the
    product does in idle moments."""
    minds = Minds(folder)
    if measure and not minds.is_measured(answerer.sha256):
        return await minds.measure(answerer, answerer.sha256)
    return minds.of(answerer, answerer.sha256)


async def write(
    home: Home,
    writer: str,
    answerer: Answerer,
    mind: Mind,
    costs: Records,
    on_batch: Callable[[Distilled], None],
) -> None:
    """Distil all of a home that is not distilled yet; every batch leaves what it cost in
    ``costs``. What fails is counted as failed, once."""
    mark = home.paths.data / FINISHED
    if mark.exists():
        return
    await in_thread(home.take_in)
    distiller = _KINDS[writer](home.memory, home.store, mind, home.speaker)
    before, started = (answerer.calls, await answerer.worked()), time.perf_counter()
    async for batch in distiller.run():
        after, ended = (answerer.calls, await answerer.worked()), time.perf_counter()
        costs.add(
            {
                "conversation": home.conversation.name,
                "writer": writer,
                "speaker": home.speaker,
                "batch": batch.turn_ids[0],
                "turns": len(batch.turn_ids),
                "events": [event.op.value for event in batch.events],
                "calls": after[0] - before[0],
                "tokens": after[1] - before[1],
                "seconds": round(ended - started, 3),
                "error": batch.error,
                "trusted": in_words(mind.profile),
            }
        )
        on_batch(batch)
        before, started = after, time.perf_counter()
    await in_thread(home.memory.catch_up)
    mark.touch()


def in_words(profile: Profile) -> str:
    """What a model is trusted with when it extracts."""
    trusted = [
        name
        for name, is_so in (
            ("reads windows", profile.reads_windows),
            ("rewrites", profile.rewrites),
            ("has a say in what is kept", profile.opinion > 0),
        )
        if is_so
    ]
    return ", ".join(trusted) or "rules alone"
