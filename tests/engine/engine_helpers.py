"""Short ways to say in a test what is asked of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import (
    Done,
    Event,
    Message,
    ModelSpec,
    Sampling,
    TextDelta,
    ThinkingDelta,
)

GREEDY = Sampling(temperature=0.0)


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


def system(text: str) -> Message:
    return Message("system", text)


def spec(path: Path, n_ctx: int = 4096) -> ModelSpec:
    return ModelSpec(str(path), n_ctx)


async def reply(
    engine: Engine,
    messages: Sequence[Message],
    *,
    sampling: Sampling = GREEDY,
    thinking: bool | None = None,
    max_tokens: int | None = None,
    settle: bool = True,
) -> tuple[Done, list[Event]]:
    """The whole reply and every event before its end."""
    events = [
        event
        async for event in engine.generate(
            messages, sampling, thinking=thinking, max_tokens=max_tokens, settle=settle
        )
    ]
    done = events.pop()
    assert isinstance(done, Done)
    return done, events


def shown(events: Sequence[Event], kind: type[TextDelta] | type[ThinkingDelta]) -> str:
    """What the deltas of ``kind`` spell."""
    return "".join(event.text for event in events if isinstance(event, kind))
