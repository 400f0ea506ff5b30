"""How often a growing text may be redrawn.

Redrawing costs more as a text grows, so the pause between two redraws is four times what the last
one took: the event loop stays free for typing at least four fifths of the time, and a short text
still appears as it is written. (``Markdown.get_stream`` only merges what piles up; it draws again
at once, which starves the loop on long replies.)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

SHORTEST_SECONDS = 0.05
LONGEST_SECONDS = 1.0
REST_FACTOR = 4.0


def pause_after(cost_seconds: float) -> float:
    """Seconds to rest after a redraw that took ``cost_seconds``."""
    return min(max(REST_FACTOR * cost_seconds, SHORTEST_SECONDS), LONGEST_SECONDS)


async def follow(
    changed: asyncio.Event, redraw: Callable[[], Awaitable[None]], ended: Callable[[], bool]
) -> None:
    """Call ``redraw`` after changes, as often as its cost allows, until ``ended``."""
    while True:
        await changed.wait()
        changed.clear()
        last = ended()
        started = time.perf_counter()
        await redraw()
        if last:
            return
        await _rest(changed, ended, pause_after(time.perf_counter() - started))


async def _rest(changed: asyncio.Event, ended: Callable[[], bool], seconds: float) -> None:
    """Sleep, but not past the end of the text: what is final is shown at once."""
    until = time.perf_counter() + seconds
    left = seconds
    while left > 0 and not ended():
        await asyncio.sleep(min(left, SHORTEST_SECONDS))
        left = until - time.perf_counter()
    if ended():
        changed.set()
