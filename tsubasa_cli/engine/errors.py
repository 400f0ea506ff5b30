"""The engine's own errors, and what the child's failures become on this side."""

from __future__ import annotations

import signal

from tsubasa_cli.engine.protocol import Failed
from tsubasa_cli.errors import (
    ContextOverflowError,
    EngineError,
    ModelError,
    StorageError,
    TsubasaError,
)


class EngineDied(EngineError):  # noqa: N818 - it names what happened
    """The engine's process ended under a request. What it had sent was delivered before."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(
            "The engine stopped unexpectedly.",
            why=f"Its process {ending_in_words(exit_code)}.",
            next_step="Send the message again: the engine starts anew. "
            "If it goes on, see `tsubasa doctor`.",
        )
        self.exit_code_of_child = exit_code

    @property
    def was_killed(self) -> bool:
        """By SIGKILL: a system that ran out of memory, or somebody."""
        return self.exit_code_of_child == -signal.SIGKILL

    @property
    def is_crash(self) -> bool:
        """A fault of native code, not a kill from outside."""
        crashes = (signal.SIGSEGV, signal.SIGILL, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE)
        code = self.exit_code_of_child
        return code is not None and -code in crashes


class OutOfMemoryError(ModelError):
    """The model or its window does not fit; ``on_gpu`` when a GPU was to hold layers of it."""

    on_gpu = False

    @classmethod
    def killed_while_loading(cls) -> OutOfMemoryError:
        return cls(
            "The engine was killed while it loaded the model.",
            why="Most likely the system ran out of memory.",
            next_step=NEXT_STEPS["memory"],
        )


class PreemptedError(EngineError):
    """Memory work was put off because a message is to be answered. Ask again later."""


def ending_in_words(exit_code: int | None) -> str:
    """How a process ended, for people."""
    if exit_code is None:
        return "closed its pipe"
    if exit_code >= 0:
        return f"ended with code {exit_code}"
    try:
        return f"was ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was ended by signal {-exit_code}"


KINDS: dict[str, type[TsubasaError]] = {
    "missing": ModelError,
    "memory": OutOfMemoryError,
    "model": ModelError,
    "adapter": ModelError,
    "state": StorageError,
    "preempted": PreemptedError,
}
NEXT_STEPS = {
    "missing": "Choose another with `tsubasa model use`, or `tsubasa model list` what is there.",
    "memory": "Choose a smaller model, or a smaller window: "
    "`tsubasa config set engine.context_tokens 4096`.",
    "model": "Check the file with `tsubasa model info`, or pull it again.",
    "adapter": "Use the model without what it learned: tsubasa learn rollback.",
    "template": "Try another model; this one's template is unusual.",
    "state": "Free some disk space; the conversation itself is kept in the database.",
    "unsuitable": "Choose another with `tsubasa model use`.",
    "preempted": "It is taken up again when the chat is quiet.",
    "decode": "Send the message again; if it goes on, choose a smaller window.",
}


def error_of(failed: Failed) -> TsubasaError:
    """The error that the child's ``failed`` stands for."""
    if failed.code == "overflow":
        return ContextOverflowError(failed.details["needed"], failed.details["available"])
    next_step = failed.next_step or NEXT_STEPS.get(failed.code, "")
    error = KINDS.get(failed.code, EngineError)(failed.what, why=failed.why, next_step=next_step)
    if isinstance(error, OutOfMemoryError):
        error.on_gpu = failed.details.get("gpu_layers", 0) > 0
    return error
