"""Mem0's open-source edition as it comes: its prompts, its pipeline, its Chroma store.

It runs in a Python of its own (``mem0_worker.py``) and reaches the model and the embeddings through
a loopback endpoint in OpenAI's form, served by the product's engine. What it fails at is counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from locomo_endpoint import Endpoint
from locomo_model import in_thread
from locomo_readers import Context, under_one_budget
from locomo_store import Asked, Conversation, instant, session_of

from tsubasa_cli.memory.static_embedder import DIMENSIONS

if TYPE_CHECKING:
    from locomo_systems import Setting

WORKER = Path(__file__).with_name("mem0_worker.py")
LONGEST_LINE = 1 << 24


@dataclass(frozen=True, slots=True)
class Mem0Setup:
    """``python`` has mem0ai and chromadb; writing a conversation ends after ``seconds`` (0: when
    it is done), and the questions are answered from what was written by then."""

    python: Path | None
    seconds: float


class Mem0:
    """Mem0 with one conversation: each speaker once as the user, a session at a time."""

    def __init__(self, conversation: Conversation, k: int, worker: Worker) -> None:
        self._speakers, self._k, self._worker = conversation.speakers, k, worker

    @classmethod
    async def opened(cls, conversation: Conversation, k: int, setting: Setting) -> Mem0:
        """Start Mem0 and let it read what it did not read yet of ``conversation``."""
        folder = setting.home_folder(conversation, "mem0")
        worker = await Worker.started(setting, folder)
        try:
            await _write(conversation, worker, setting)
        except BaseException:
            await worker.close()
            raise
        return cls(conversation, k, worker)

    async def read(self, asked: Asked) -> Context:
        found = {}
        for speaker in self._speakers:
            reply = await self._worker.ask(op="search", user=speaker, query=asked.text, k=self._k)
            found[speaker] = reply.get("memories", [])
        chosen = under_one_budget(found, asked.text, self._k)
        lines = [f"- {item['date']}: {item['memory']}" for _, item in chosen]
        return Context("\n".join(lines), len(lines), None)

    async def close(self) -> None:
        await self._worker.close()


class Worker:
    """The process that Mem0 lives in: a JSON line in, a JSON line out."""

    def __init__(self, process: asyncio.subprocess.Process, endpoint: Endpoint) -> None:
        self._process, self.endpoint = process, endpoint

    @classmethod
    async def started(cls, setting: Setting, folder: Path) -> Worker:
        if setting.mem0.python is None:
            raise SystemExit("mem0 needs --mem0-python, a Python with mem0ai and chromadb.")
        log = await in_thread(_log_in, folder)
        endpoint = Endpoint(setting.answerer)
        port = await endpoint.open()
        process = await asyncio.create_subprocess_exec(
            str(setting.mem0.python),
            str(WORKER),
            str(folder),
            str(port),
            str(DIMENSIONS),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**os.environ, "MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder / "mem0")},
            limit=LONGEST_LINE,
        )
        log.close()
        return cls(process, endpoint)

    async def ask(self, **request: Any) -> dict[str, Any]:
        """The reply, with an ``error`` where Mem0 raised one."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise SystemExit("Mem0 did not start or died; its store's mem0.log says why.")
        reply: dict[str, Any] = json.loads(line)
        return reply

    async def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self.endpoint.close()


def _log_in(folder: Path) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "mem0.log").open("ab")


async def _write(conversation: Conversation, worker: Worker, setting: Setting) -> None:
    spent = 0.0
    for session in sorted(conversation.dates):
        for speaker in conversation.speakers:
            key = {"conversation": conversation.name, "writer": "mem0", "speaker": speaker}
            if setting.costs.has(**key, batch=session):
                continue
            if setting.mem0.seconds and spent > setting.mem0.seconds:
                return
            setting.tell(f"{conversation.name} mem0, {speaker}: session {session}")
            cost = await _write_session(conversation, session, speaker, worker)
            spent += cost["seconds"]
            setting.costs.add({**key, "batch": session, **cost})
            setting.hurry()


async def _write_session(
    conversation: Conversation, session: int, speaker: str, worker: Worker
) -> dict[str, Any]:
    said = [t for name, t in conversation.turns.items() if session_of(name) == session]
    day = instant(conversation.dates[session]).local()
    date = f"{day.day} {day:%B %Y}"
    before, started = worker.endpoint.counters(), time.perf_counter()
    reply = await worker.ask(
        op="add", user=speaker, date=date, messages=_messages(said, speaker, date)
    )
    after = worker.endpoint.counters()
    kept = reply.get("events", [])
    return {
        "turns": sum(who == speaker for who, _ in said),
        "events": [event.lower() for event in kept],
        "calls": after[0] - before[0],
        "tokens": after[1] - before[1],
        "seconds": round(time.perf_counter() - started, 3),
        "error": reply.get("error", "") or ("" if kept else "nothing was kept"),
    }


def _messages(said: Sequence[tuple[str, str]], speaker: str, date: str) -> list[dict[str, str]]:
    """The form of Mem0's own LoCoMo harness, with the day in front, which its open edition is
    told in no other way."""
    return [
        {
            "role": "user" if who == speaker else "assistant",
            "content": f"({date}) {who}: {words}",
        }
        for who, words in said
    ]
