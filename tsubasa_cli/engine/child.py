"""The engine's process as seen from the program: start it, exchange messages, end it."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import tsubasa_cli
from tsubasa_cli.engine.errors import EngineDied
from tsubasa_cli.engine.protocol import (
    Cancel,
    Event,
    LoadProgress,
    Prefill,
    Probing,
    Request,
    Stats,
    TextDelta,
    ThinkingDelta,
)
from tsubasa_cli.engine.wire import decode_event, encode

LINE_LIMIT = 1 << 27
"""A whole reply is one line of JSON; asyncio's default of 64 KiB is not enough."""

LOG_BYTES = 1 << 20
POLITE_SECONDS = 1.0

SPINS = "1000"
"""How often libgomp's threads look before they sleep. Measured on 2 cores with SmolLM2-135M: not
at all (OMP_WAIT_POLICY=passive) costs half the decode speed of a free machine; the default of
300,000 costs nine tenths of it as soon as another program wants a core. 1,000 loses little in
either case."""

PASSING = (LoadProgress, Probing, Prefill, TextDelta, ThinkingDelta, Stats)
"""Events after which more follow; every other kind ends its request."""


class Child:
    """One engine process. Use ``start``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._queues: dict[int, asyncio.Queue[Event | None]] = {}
        self._reader = asyncio.create_task(self._read(), name="engine-events")
        self.is_proven = False
        """A real batch was computed and the process lives."""

    @classmethod
    async def start(cls, log_file: Path) -> Child:
        """Spawn the engine in a session of its own, so that Ctrl+C in the terminal is the
        program's to handle. ``log_file`` receives its standard error, created 0600."""
        log = _open_log(log_file)
        try:
            process = await asyncio.create_subprocess_exec(
                *command("tsubasa_cli.engine.worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                limit=LINE_LIMIT,
                env=environment(),
            )
        finally:
            os.close(log)
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._reader.done()

    def next_id(self) -> int:
        return next(self._ids)

    async def exchange(self, request: Request) -> AsyncGenerator[Event, None]:
        """The events of ``request``, to its last. Leaving early cancels it. ``EngineDied`` when
        the process ends first."""
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._queues[request.id] = events
        is_over = False
        try:
            self._send(request)
            while not is_over:
                event = await events.get()
                is_over = event is None or not isinstance(event, PASSING)
                if event is None:
                    raise EngineDied(await self._process.wait())
                yield event
        finally:
            del self._queues[request.id]
            if not is_over:
                self.cancel(request.id)

    def cancel(self, request_id: int) -> None:
        """Ask for an end of ``request_id``; harmless when it is over."""
        with suppress(EngineDied):
            self._send(Cancel(self.next_id(), request_id))

    def kill(self) -> None:
        """End the process now; it is reaped by the event loop."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End the process: politely, by closing its input, then by force."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), POLITE_SECONDS)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        except asyncio.CancelledError:
            self.kill()
            raise
        await self._reader

    def _send(self, request: Request) -> None:
        pipe = self._process.stdin
        if not self.alive or pipe is None or pipe.is_closing():
            raise EngineDied(self._process.returncode)
        pipe.write(encode(request))

    async def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            return
        try:
            while line := await output.readline():
                event = decode_event(line)
                if event.id in self._queues:
                    self._queues[event.id].put_nowait(event)
        except (ValueError, ConnectionError):
            self.kill()
        finally:
            for events in self._queues.values():
                events.put_nowait(None)


def command(module: str) -> list[str]:
    """Run ``module`` with this interpreter; ``-P`` keeps the current folder, which may hold
    anybody's ``json.py``, off the import path."""
    return [sys.executable, "-P", "-m", module]


def environment() -> dict[str, str]:
    """This process's environment, made to find this very package, with OpenMP threads that spin
    only briefly while they wait for each other, and without ggml's debugger dump at a crash: it
    takes long, and its log would hold whatever was in memory."""
    variables = {"GOMP_SPINCOUNT": SPINS, "GGML_NO_BACKTRACE": "1", **os.environ}
    root = Path(tsubasa_cli.__file__).parent.parent
    if root.name not in ("site-packages", "dist-packages"):
        paths = [*filter(None, [variables.get("PYTHONPATH")]), str(root)]
        variables["PYTHONPATH"] = os.pathsep.join(paths)
    return variables


def _open_log(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".old.log"))
    return os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
