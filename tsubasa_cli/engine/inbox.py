"""The engine's ear: a thread that reads requests while the main thread computes.

A cancel takes effect while llama.cpp runs, because that releases the interpreter lock. When
standard input ends, the program that started this engine is gone, and so is the engine.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import BinaryIO

from tsubasa_cli.engine.protocol import Cancel, Generate, Request, decode_request


class Inbox:
    """Requests in order of arrival, cancels apart. ``evaluated`` reads the running count of
    computed tokens, noted when a cancel is heard."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._put_back: list[Request] = []
        self._generates_waiting = 0
        self._cancels: dict[int, int] = {}
        self.evaluated: Callable[[], int] = int

    def start(self) -> None:
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()

    def _listen(self) -> None:
        try:
            for line in self._stream:
                self._accept(decode_request(line))
        finally:
            os._exit(0)

    def _accept(self, request: Request) -> None:
        if isinstance(request, Cancel):
            self._cancels.setdefault(request.target, self.evaluated())
            return
        if isinstance(request, Generate):
            self._generates_waiting += 1
        self._requests.put(request)

    def cancelled(self, request: Request) -> bool:
        return request.id in self._cancels

    def evaluated_when_cancelled(self, request: Request) -> int:
        """The count of computed tokens when the cancel of ``request`` was heard."""
        return self._cancels[request.id]

    def forget(self, request: Request) -> None:
        """``request`` is done; a cancel of it no longer matters."""
        self._cancels.pop(request.id, None)

    @property
    def waiting(self) -> bool:
        """Something is to be done."""
        return bool(self._put_back) or not self._requests.empty()

    @property
    def generate_waiting(self) -> bool:
        """A reply is asked for: background work must give way."""
        return self._generates_waiting > 0

    def take(self) -> Request:
        """The next request; waits for one."""
        request = self._put_back.pop(0) if self._put_back else self._requests.get()
        if isinstance(request, Generate):
            self._generates_waiting -= 1
        return request

    def take_where(self, kind: type[Request]) -> list[Request]:
        """All waiting requests of ``kind``, without waiting; the others keep their order."""
        while not self._requests.empty():
            self._put_back.append(self._requests.get())
        taken = [request for request in self._put_back if isinstance(request, kind)]
        self._put_back = [r for r in self._put_back if not isinstance(r, kind)]
        return taken
