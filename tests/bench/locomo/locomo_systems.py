"""The systems that are compared, by name: how each writes its memory, and what it reads of it.

A name is a system and, behind ``@``, how many pieces it may put in front of a question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from locomo_homes import Home, homes_of
from locomo_learned import BaseAlone, Models, PersonalModels
from locomo_mem0 import Mem0, Mem0Setup
from locomo_model import Answerer
from locomo_nights import Learning
from locomo_readers import (
    ByHeart,
    FullContext,
    Hybrid,
    NoMemory,
    ProductRecall,
    Reader,
    Similar,
    observed,
    utterances,
)
from locomo_records import Records
from locomo_store import Asked, Conversation
from locomo_writers import FINISHED, mind_of, write

from tsubasa_cli.memory.mind import Mind
from tsubasa_cli.memory.process import Distilled

SYSTEMS = (
    "tsubasa@3",
    "tsubasa@10",
    "learned",
    "learned@3",
    "learned@10",
    "none",
    "rag-utterances@3",
    "rag-utterances@10",
    "rag-utterances@30",
    "rag-hybrid@3",
    "rag-hybrid@10",
    "rag-hybrid@30",
    "rag-observations@3",
    "rag-observations@10",
    "static@3",
    "static@10",
    "free@3",
    "free@10",
    "full",
    "mem0@3",
    "mem0@10",
)
IN_WORDS = {
    "tsubasa": "Tsubasa: its own extraction, evolution and recall",
    "none": "no memory",
    "rag-utterances": "RAG over utterances (Chroma, static embeddings)",
    "rag-hybrid": "RAG over utterances (BM25 and static embeddings, reciprocal ranks)",
    "rag-observations": "RAG over observations (Tsubasa's extraction, only added; Chroma)",
    "static": "Tsubasa's extraction, only added; Tsubasa's recall",
    "free": "Tsubasa's extraction, evolution by free prompting (TSUBASA §4.1); Tsubasa's recall",
    "full": "full context: the most recent utterances that fit the window",
    "mem0": "Mem0 OSS (Chroma store, same model and embeddings)",
    "learned": "the personal model that a night makes of what Tsubasa wrote, of the speaker whom a"
    " question names; with `@`, Tsubasa's recall beside it",
}
"""What is new goes to the end: a system keeps its colour."""
WRITERS = {
    "tsubasa": "tsubasa",
    "learned": "tsubasa",
    "rag-observations": "static",
    "static": "static",
    "free": "free",
}
"""Whose store a system reads, where the product's extraction wrote it."""


class OutOfTimeError(Exception):
    """The time that a run was given is over; what is done is kept."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all systems share in one run. ``hurry`` raises ``OutOfTimeError`` when it is time;
    ``tell`` shows progress. What writing cost goes to ``costs``, how nights went to ``nights``."""

    answerer: Answerer
    folder: Path
    costs: Records
    nights: Records
    measures: bool
    mem0: Mem0Setup
    learning: Learning
    hurry: Callable[[], None]
    tell: Callable[[str], None]

    def home_folder(self, conversation: Conversation, writer: str) -> Path:
        return self.folder / "stores" / conversation.name / writer

    def is_time_up(self) -> bool:
        """What ``hurry`` would raise for."""
        try:
            self.hurry()
        except OutOfTimeError:
            return True
        return False


class Opened:
    """A system that is ready for a conversation's questions: what it reads, and whose model
    answers; ``close`` it."""

    def __init__(self, reader: Reader, *held: Any, models: Models | None = None) -> None:
        self.read = reader.read
        self.models: Models = models or BaseAlone()
        self._held = held

    def in_order(self, questions: Sequence[Asked]) -> list[Asked]:
        """Those for one model together, so that it is loaded once."""
        return sorted(questions, key=self.models.whose)

    async def close(self) -> None:
        for part in self._held:
            closed = part.close()
            if asyncio.iscoroutine(closed):
                await closed


def parts_of(system: str) -> tuple[str, int]:
    """A system's name and its ``k`` (0: it has none)."""
    name, _, k = system.partition("@")
    return name, int(k or 0)


async def opened(system: str, conversation: Conversation, setting: Setting) -> Opened:
    """Write what the system has to write, and open it for reading."""
    name, k = parts_of(system)
    await setting.answerer.wear(None)
    if name == "none":
        return Opened(NoMemory())
    if name == "full":
        return Opened(FullContext(conversation, setting.answerer))
    if name == "rag-utterances":
        return Opened(Similar(_collected(system, conversation), utterances(conversation), k))
    if name == "rag-hybrid":
        return Opened(Hybrid(utterances(conversation), k))
    if name == "mem0":
        mem0 = await Mem0.opened(conversation, k, setting)
        return Opened(mem0, mem0)
    homes = await _written(conversation, WRITERS[name], setting)
    if name == "rag-observations":
        return Opened(Similar(_collected(system, conversation), observed(homes), k), *homes)
    if name == "learned":
        reader = ProductRecall(homes, k, setting.answerer) if k else ByHeart()
        return Opened(reader, *homes, models=PersonalModels(homes, setting))
    return Opened(ProductRecall(homes, k, setting.answerer), *homes)


async def _written(conversation: Conversation, writer: str, setting: Setting) -> list[Home]:
    homes = homes_of(conversation, setting.home_folder(conversation, writer))
    if all((home.paths.data / FINISHED).exists() for home in homes):
        return homes
    setting.tell(f"{conversation.name} {writer}: what may the model be trusted with?")
    mind = await mind_of(setting.answerer, setting.folder / "calibration", measure=setting.measures)
    for home in homes:
        await _write_one(home, writer, mind, setting)
    return homes


async def _write_one(home: Home, writer: str, mind: Mind, setting: Setting) -> None:
    def on_batch(batch: Distilled) -> None:
        label = f"{home.conversation.name} {writer}, {home.speaker}"
        setting.tell(f"{label}: {batch.done}/{batch.total} messages distilled")
        setting.hurry()

    await write(home, writer, setting.answerer, mind, setting.costs, on_batch)


def _collected(system: str, conversation: Conversation) -> str:
    """A name for a collection, of the characters that Chroma allows."""
    return f"{conversation.name}-{system.replace('@', '-')}"
