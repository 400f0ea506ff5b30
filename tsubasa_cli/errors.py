"""The errors a user may see: each says what happened, why, and what to do next.

They are raised where the cause is known and rendered once, at the edge (``cli.main`` and the
chat's notice bar). ``exit_code`` is what a script sees.
"""

from __future__ import annotations


class TsubasaError(Exception):
    """Base of everything that is reported to the user without a traceback."""

    exit_code: int = 1

    def __init__(self, what: str, *, why: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.next_step) if part)


class InputError(TsubasaError):
    """What the user gave (an option, a file, standard input) cannot be used."""

    exit_code = 2


class ConfigError(TsubasaError):
    """The settings file holds something that cannot be used."""

    exit_code = 2


class NotFoundError(TsubasaError):
    """No session, model, turn or memory goes by that name."""

    exit_code = 3


class StorageError(TsubasaError):
    """The data folder or the database cannot be read or written."""

    exit_code = 4


class ConflictError(TsubasaError):
    """A memory is not at the version that a change was made for.

    ``expected`` and ``found`` are versions; 0 means that there is no such memory.
    """

    exit_code = 8

    def __init__(self, memory_id: str, expected: int, found: int) -> None:
        super().__init__(
            f"Memory {memory_id} has changed meanwhile.",
            why=f"The change was made for version {expected}; it is at version {found}.",
            next_step=f"Look at it with tsubasa memory show {memory_id}, then try again.",
        )
        self.memory_id = memory_id
        self.expected = expected
        self.found = found


class ModelError(TsubasaError):
    """A model is missing, broken, or does not fit this machine."""

    exit_code = 5


class DownloadError(ModelError):
    """A model could not be fetched."""


class DiskFullError(ModelError):
    """There is too little room for a model's file; with more of it the same will do."""


class EngineError(TsubasaError):
    """llama.cpp could not be started, or died."""

    exit_code = 6


class ContextOverflowError(TsubasaError):
    """A message is larger than the model's context window.

    ``needed`` and ``available`` are token counts of the message and of the room there is for it.
    """

    exit_code = 7

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(
            f"The message is {needed:,} tokens; {available:,} fit.",
            why=f"It is {needed - available:,} tokens over the model's context window.",
            next_step="Shorten it, send it with --trim, or raise engine.context_tokens.",
        )
        self.needed = needed
        self.available = available
