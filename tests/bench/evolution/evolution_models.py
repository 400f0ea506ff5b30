"""A model that is never asked the same twice: answers are kept on disk by the prompt's hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Completion, Message, ModelSpec, Sampling

WINDOW = 4096


class CachedModel:
    """``Engine.score`` and ``Engine.complete`` of the GGUF at ``path``, remembered in ``folder``.

    The model is loaded when a question is new; ``asked`` and ``remembered`` count both kinds.
    """

    def __init__(self, path: Path, folder: Path, threads: int = 1) -> None:
        self.path = path
        self.sha256 = _sha256(path)
        self.asked = self.remembered = 0
        self._threads = threads
        self._engine: Engine | None = None
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{path.stem}.jsonl"
        lines = self._file.read_text("utf-8").splitlines() if self._file.exists() else []
        self._known: dict[str, Any] = dict(json.loads(line) for line in lines)

    async def score(
        self, messages: Sequence[Message], choices: Sequence[str], *, prefix: str = ""
    ) -> tuple[float, ...]:
        async def ask(engine: Engine) -> list[float]:
            return list(await engine.score(messages, choices, prefix=prefix))

        return tuple(await self._answer(["score", _plain(messages), list(choices), prefix], ask))

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        prefix: str = "",
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, Any] | None = None,
        sampling: Sampling = Sampling(temperature=0.0),  # noqa: B008 - a frozen value
    ) -> Completion:
        async def ask(engine: Engine) -> list[Any]:
            done = await engine.complete(
                messages,
                prefix=prefix,
                max_tokens=max_tokens,
                stop=stop,
                schema=schema,
                sampling=sampling,
            )
            return [done.text, done.is_whole]

        key = ["complete", _plain(messages), prefix, max_tokens, list(stop), schema]
        return Completion(*await self._answer(key, ask))

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.close()
            self._engine = None

    async def _answer(self, question: Any, ask: Callable[[Engine], Awaitable[Any]]) -> Any:
        key = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
        if key in self._known:
            self.remembered += 1
            return self._known[key]
        self.asked += 1
        answer = await ask(await self._loaded())
        self._known[key] = answer
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, answer], ensure_ascii=False) + "\n")
        return answer

    async def _loaded(self) -> Engine:
        if self._engine is None:
            self._engine = Engine(self.folder / "engine.log", self.folder / "probes.json")
            await self._engine.load(ModelSpec(str(self.path), WINDOW, n_threads=self._threads))
        return self._engine


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(messages: Sequence[Message]) -> list[list[str]]:
    return [[message.role, message.text] for message in messages]
