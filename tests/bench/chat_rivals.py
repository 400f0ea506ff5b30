"""What the chat is measured against: llama-cpp-python's own loop, with the memories beside the
question or, as Mem0 is commonly used, in the system prompt.

Each runs in a process and a session of its own, and its threads wait for each other as the engine's
do: Linux shares the cores among sessions, and libgomp's ways differ with the number of threads that
have called it, so on a busy machine anything else would compare the surroundings.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tsubasa_cli.engine.child import SPINS
from tsubasa_cli.engine.threads import default_threads

os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read once, when the library is loaded

from llama_cpp import Llama

HEAD = "What is known about the user from earlier conversations:"


@dataclass(frozen=True, slots=True)
class Cost:
    """One reply: the tokens of its prompt, those ``evaluated`` before its first token and those
    ``prefilled`` for it altogether, the seconds to its first token, how many memories its prompt
    holds anew, and tokens a second from the first one on (0.0 for a reply of one token)."""

    system: str
    turn: int
    prompt: int
    evaluated: int
    prefilled: int
    first_seconds: float
    memories: int
    rate: float


class CountingLlama(Llama):  # type: ignore[misc]
    """Keeps the sizes of the batches that it evaluates."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.evaluated: list[int] = []
        super().__init__(*arguments, **options)

    def eval(self, tokens: Sequence[int]) -> None:
        self.evaluated.append(len(tokens))
        super().eval(tokens)


class RawChat:
    """The library's own chat loop: the messages of the whole conversation each time. What is the
    same at the beginning is found in its KV cache."""

    name = "raw loop, memories beside the question"

    def __init__(
        self,
        model: Path,
        window: int,
        reply_tokens: int,
        system_prompt: str,
        history: Sequence[dict[str, str]],
    ) -> None:
        self._reply_tokens = reply_tokens
        self._system_prompt = system_prompt
        self.history = list(history)
        threads = default_threads()
        self._llama = CountingLlama(
            str(model), n_ctx=window, n_threads=threads, n_threads_batch=threads, verbose=False
        )

    def ask(self, turn: int, question: str, block: str, notes: Sequence[str]) -> Cost:
        """Answer ``question``. ``block`` is what Tsubasa put in front of it, ``notes`` are the
        memories that bear on it."""
        self.history.append({"role": "user", "content": self._worded(question, block)})
        system = {"role": "system", "content": self._system(notes)}
        self._llama.evaluated.clear()
        began, first, said = time.perf_counter(), 0.0, ""
        for text in self._stream([system, *self.history]):
            if not said:
                first, prompt = time.perf_counter(), self._llama.n_tokens
                so_far = len(self._llama.evaluated)
            said += text
        if not said:
            raise SystemExit(f"{self.name}: an empty reply in turn {turn}; ask otherwise.")
        decoded, seconds = len(self._llama.evaluated) - so_far, time.perf_counter() - first
        self.history.append({"role": "assistant", "content": said})
        evaluated = self._llama.evaluated[0]
        count = self._count(block, notes)
        rate = decoded / seconds if decoded else 0.0
        return Cost(self.name, turn, prompt, evaluated, evaluated, first - began, count, rate)

    def _worded(self, question: str, block: str) -> str:
        return f"{block}\n\n{question}" if block else question

    def _system(self, _notes: Sequence[str]) -> str:
        return self._system_prompt

    def _count(self, block: str, _notes: Sequence[str]) -> int:
        return max(len(block.splitlines()) - 2, 0)

    def _stream(self, messages: list[dict[str, str]]) -> Iterator[str]:
        """The pieces of the reply, greedy. The handler is called itself because only so the
        template hears that there is nothing to think about."""
        handlers = self._llama._chat_handlers
        answer = handlers.get("chat_template.default") or handlers[self._llama.chat_format]
        chunks = answer(
            llama=self._llama,
            messages=messages,
            stream=True,
            temperature=0.0,
            repeat_penalty=1.0,
            max_tokens=self._reply_tokens,
            enable_thinking=False,
        )
        for chunk in chunks:
            if text := chunk["choices"][0]["delta"].get("content"):
                yield text


class Mem0Style(RawChat):
    """The same loop with what bears on the newest question in the system prompt, as the usual
    examples of Mem0 have it: the beginning changes with every question."""

    name = "raw loop, memories in the system prompt (Mem0's way)"

    def _worded(self, question: str, _block: str) -> str:
        return question

    def _system(self, notes: Sequence[str]) -> str:
        listed = "\n".join(f"- {note}" for note in notes)
        return f"{self._system_prompt}\n\n{HEAD}\n{listed}" if notes else self._system_prompt

    def _count(self, _block: str, notes: Sequence[str]) -> int:
        return len(notes)


# ---------------------------------------------------------------------- apart

_here: list[RawChat] = []
"""The one rival of a process."""


class Apart:
    """A rival in a process of its own; close it."""

    def __init__(self, kind: type[RawChat], *build: Any) -> None:
        """``build`` is what ``kind`` takes, but for the history."""
        self.name = kind.name
        self._kind, self._build = kind, build
        self._history: list[dict[str, str]] = []
        self._begin()

    async def ask(self, turn: int, question: str, block: str, notes: Sequence[str]) -> Cost:
        """As ``RawChat.ask``."""
        asking = asyncio.get_running_loop().run_in_executor(
            self._pool, _ask, turn, question, block, notes
        )
        cost, self._history = await asking
        return cost

    @property
    def said(self) -> str:
        """Its last reply."""
        return self._history[-1]["content"]

    def hear(self, question: str, reply: str) -> None:
        """Go on from a turn that was another's."""
        self._history = self._pool.submit(_hear, question, reply).result()

    def reopen(self) -> None:
        """End the program and begin it again: nothing is left but the words."""
        self.close()
        self._begin()

    def close(self) -> None:
        """End its process."""
        self._pool.shutdown()

    def _begin(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._pool.submit(_open, self._kind, (*self._build, self._history)).result()


def _open(kind: type[RawChat], build: tuple[Any, ...]) -> None:
    os.setsid()
    _here.append(kind(*build))


def _ask(*arguments: Any) -> tuple[Cost, list[dict[str, str]]]:
    return _here[0].ask(*arguments), _here[0].history


def _hear(question: str, reply: str) -> list[dict[str, str]]:
    turn = ({"role": "user", "content": question}, {"role": "assistant", "content": reply})
    _here[0].history.extend(turn)
    return _here[0].history
