"""The model that answers, and how much is asked of it: one prompt for all systems."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from locomo_records import checksum

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import (
    Completion,
    Done,
    Loaded,
    Message,
    ModelSpec,
    Sampling,
)

MOST_ANSWER_TOKENS = 48
RESERVE = 256
"""Tokens of the window that the question, the instructions and the answer may take."""
SYSTEM = "You answer questions about two people from notes on what they said to each other."
PHRASE = "Answer with the shortest exact phrase from the notes, not a sentence."
DATE = "Answer with the absolute date alone: day, month, year."
"""Only for questions that ask when: a small model that reads of dates answers with one, whatever
it was asked."""
_ASKS_WHEN = re.compile(r"(?i)\bwhen\b|\b(?:what|which) (?:day|date|month|year)\b")
_ASK = (Path(__file__).parent / "answer.md").read_text("utf-8")
PROMPT_HASH = hashlib.sha256((SYSTEM + PHRASE + DATE + _ASK).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, raw, and what it cost: tokens of the prompt, of the context within it, and those
    that were not in the cache already."""

    output: str
    prompt_tokens: int
    context_tokens: int
    evaluated_tokens: int
    generated_tokens: int
    seconds: float


class Answerer:
    """One GGUF in the product's engine, greedy. It is a ``memory.rewrite.Model`` too, whose calls
    are counted."""

    def __init__(self, path: Path, folder: Path, *, window: int, threads: int = 0) -> None:
        self.path, self.sha256 = path, checksum(path)
        self.calls = 0
        self._window, self._threads = window, threads
        self._adapter: Path | None = None
        self.adapter_sha256 = ""
        folder.mkdir(parents=True, exist_ok=True)
        self.engine = Engine(folder / "engine.log", folder / "probes.json")

    async def open(self) -> None:
        """Load the model, in a window that it was trained for."""
        loaded = await self._load()
        if loaded.n_ctx_train < self._window:
            self._window = loaded.n_ctx_train
            await self._load()

    async def wear(self, adapter: Path | None) -> None:
        """Answer with ``adapter`` over the model from now on, None: with the model alone."""
        if adapter == self._adapter and self.engine.loaded is not None:
            return
        self._adapter, self.adapter_sha256 = adapter, checksum(adapter) if adapter else ""
        await self._load()

    async def rest(self) -> None:
        """Give the memory back until ``wear`` is called."""
        await self.engine.close()

    async def _load(self) -> Loaded:
        return await self.engine.load(
            ModelSpec(
                str(self.path),
                self._window,
                n_threads=self._threads,
                adapter=str(self._adapter or ""),
            )
        )

    async def close(self) -> None:
        await self.engine.close()

    @property
    def window(self) -> int:
        """Tokens of the context window."""
        return self._window

    async def sizes(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        if not texts:
            return []
        counted = await self.engine.count([Message("user", text) for text in texts])
        return list(counted.texts)

    async def answer(self, context: str, question: str) -> Answered:
        """The answer to ``question`` with ``context`` in front of it, which may be empty."""
        started = time.perf_counter()
        [size] = await self.sizes([context]) if context else [0]
        done = await self.reply(asking(context, question), max_tokens=MOST_ANSWER_TOKENS)
        stats = done.stats
        return Answered(
            output=done.text,
            prompt_tokens=stats.prompt,
            context_tokens=size,
            evaluated_tokens=stats.evaluated,
            generated_tokens=stats.generated,
            seconds=time.perf_counter() - started,
        )

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        sampling: Sampling = Sampling(temperature=0.0),  # noqa: B008 - a frozen value
    ) -> Done:
        """A whole reply, without thinking."""
        loaded = self.engine.loaded
        thinking = False if loaded and loaded.thinks else None
        replying = self.engine.generate(
            messages, sampling, thinking=thinking, max_tokens=max_tokens, settle=False
        )
        async with aclosing(replying) as events:
            async for event in events:
                if isinstance(event, Done):
                    return event
        raise RuntimeError("the engine ended without a reply")

    # ------------------------------------------------------------- at work for a memory

    async def score(
        self, messages: Sequence[Message], choices: Sequence[str], *, prefix: str = ""
    ) -> tuple[float, ...]:
        self.calls += 1
        return await self.engine.score(messages, choices, prefix=prefix)

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        prefix: str = "",
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, Any] | None = None,
    ) -> Completion:
        self.calls += 1
        return await self.engine.complete(
            messages, prefix=prefix, max_tokens=max_tokens, stop=stop, schema=schema
        )

    async def worked(self) -> int:
        """All tokens evaluated for ``score`` and ``complete`` since the model was loaded."""
        return (await self.engine.totals()).worked


def asking(context: str, question: str) -> tuple[Message, ...]:
    """The prompt: notes first, so that a cache may keep them, then the question."""
    notes = f"Notes:\n{context}\n\n" if context else ""
    form = DATE if _ASKS_WHEN.search(question) else PHRASE
    return (
        Message("system", SYSTEM),
        Message("user", _ASK.format(context=notes, question=question, form=form).strip()),
    )


def first_line(output: str) -> str:
    """What counts of an answer: its first line that is not empty."""
    return next((line.strip() for line in output.splitlines() if line.strip()), "")


async def in_thread(work: Any, *arguments: Any) -> Any:
    """Chroma and SQLite beside the loop that talks to the engine."""
    return await asyncio.to_thread(work, *arguments)
