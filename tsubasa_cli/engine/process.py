"""The engine's manners as a process: where its prints go, who dies first, what a crash says."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tsubasa_cli.engine.native_log import NativeLog

OOM_SCORE = "500"
"""Of -1000 (never) to 1000 (first)."""


def settle_in() -> int:
    """Prepare this process before anything native runs; the descriptor of the protocol's output,
    while prints go to the log from here on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    _offer_oneself_first()
    output = os.dup(1)
    os.dup2(2, 1)
    faulthandler.enable()
    return output


def log_crashes(log: NativeLog) -> None:
    """Uncaught exceptions of any thread go to ``log``, without their messages."""

    def on_crash(
        _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
    ) -> None:
        log.failure(error)

    sys.excepthook = on_crash
    threading.excepthook = lambda crash: log.failure(crash.exc_value or crash.exc_type())


def _offer_oneself_first() -> None:
    """When memory runs out Linux kills somebody: let it be the engine, not the chat."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
