"""A loopback endpoint in OpenAI's form over the product's engine: chat completions by the GGUF that
answers the questions, embeddings by the embedder that all systems share.

Only what Mem0 asks for: no streaming, no tools. JSON mode is a matter of the prompt here: Mem0's is
longer than the context in which the engine follows a schema.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from locomo_model import Answerer

from tsubasa_cli.engine.protocol import Message, Sampling, StopReason
from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.memory.embedder import default_embedder

LONGEST_BODY = 1 << 24
DEFAULT_TOKENS = 2_000


class Endpoint:
    """Serves one client on 127.0.0.1. Counts calls of the model and the tokens that they took."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer, self._embedder = answerer, default_embedder()
        self._calls = self._tokens = 0
        self._one_at_a_time = asyncio.Lock()
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def counters(self) -> tuple[int, int]:
        """Chat completions so far, and tokens evaluated and generated for them."""
        return self._calls, self._tokens

    # ------------------------------------------------------------- HTTP

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path, body = await _request(reader)
            try:
                status, reply = "200 OK", await self._answered(path, body)
            except TsubasaError as error:
                status, reply = "400 Bad Request", {"error": {"message": f"{error.what}"}}
            writer.write(_response(status, reply))
            await writer.drain()
        finally:
            writer.close()

    async def _answered(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("/embeddings"):
            return self._embedded(body)
        async with self._one_at_a_time:
            return await self._completed(body)

    # ------------------------------------------------------------- what is asked

    def _embedded(self, body: dict[str, Any]) -> dict[str, Any]:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        rows = self._embedder.embed(texts)
        data = [
            {"object": "embedding", "index": place, "embedding": row.tolist()}
            for place, row in enumerate(rows)
        ]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        return {"object": "list", "model": "local", "data": data, "usage": usage}

    async def _completed(self, body: dict[str, Any]) -> dict[str, Any]:
        self._calls += 1
        sampling = Sampling(
            temperature=body.get("temperature", 1.0), top_p=body.get("top_p", 1.0), top_k=0, seed=0
        )
        limit = body.get("max_tokens") or body.get("max_completion_tokens") or DEFAULT_TOKENS
        done = await self._answerer.reply(
            [Message(entry["role"], _text(entry["content"])) for entry in body["messages"]],
            sampling=sampling,
            max_tokens=limit,
        )
        stats = done.stats
        self._tokens += stats.evaluated + stats.generated
        return {
            "id": "local",
            "object": "chat.completion",
            "created": 0,
            "model": "local",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": done.text},
                    "finish_reason": "stop" if done.reason is StopReason.END else "length",
                }
            ],
            "usage": {
                "prompt_tokens": stats.prompt,
                "completion_tokens": stats.generated,
                "total_tokens": stats.prompt + stats.generated,
            },
        }


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, Any]]:
    """Path and JSON body of one HTTP request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    length = min(int(headers.get("content-length", 0)), LONGEST_BODY)
    body = await reader.readexactly(length)
    return first.split(" ")[1], json.loads(body or b"{}")


def _response(status: str, reply: dict[str, Any]) -> bytes:
    body = json.dumps(reply).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _text(content: Any) -> str:
    """The words of a message, which may come in parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
