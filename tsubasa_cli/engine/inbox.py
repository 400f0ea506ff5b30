"""The engine's ear: a thread that reads requests while the main thread computes.

A cancel takes effect while llama.cpp runs, because that releases the interpreter lock. When
standard input ends, the program that started this engine is gone, and so is the engine.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import BinaryIO

from tsubasa_cli.engine.protocol import Cancel, Generate, Request, Work
from tsubasa_cli.engine.wire import decode_request


class Inbox:
    """Requests in order of arrival, the chat's before memory work; cancels apart. ``evaluated``
    reads the running count of the chat's computed tokens, noted when a cancel is heard."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._arrival = threading.Condition()
        self._chat: deque[Request] = deque()
        self._work: deque[Request] = deque()
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
        with self._arrival:
            self._generates_waiting += isinstance(request, Generate)
            (self._work if isinstance(request, Work) else self._chat).append(request)
            self._arrival.notify()

    def cancelled(self, request: Request) -> bool:
        return request.id in self._cancels

    def evaluated_when_cancelled(self, request: Request) -> int:
        """The count of computed tokens when the cancel of ``request`` was heard."""
        return self._cancels[request.id]

    def forget(self, request: Request) -> None:
        """``request`` is done; a cancel of it no longer matters."""
        self._cancels.pop(request.id, None)

    @property
    def chat_waiting(self) -> bool:
        """Something other than memory work is to be done."""
        return bool(self._chat)

    @property
    def generate_waiting(self) -> bool:
        """A reply is asked for: background work must give way."""
        return self._generates_waiting > 0

    def take(self, seconds: float | None = None) -> Request | None:
        """The next request; waits for one, None when none came in ``seconds``."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: self._chat or self._work, seconds):
                return None
            request = (self._chat or self._work).popleft()
            self._generates_waiting -= isinstance(request, Generate)
            return request

    def take_where(self, *kinds: type[Request]) -> list[Request]:
        """All of the chat's waiting requests of ``kinds``, ``Generate`` not among them, without
        waiting; the others keep their order."""
        with self._arrival:
            taken = [request for request in self._chat if isinstance(request, kinds)]
            others = [request for request in self._chat if not isinstance(request, kinds)]
            self._chat = deque(others)
            return taken
