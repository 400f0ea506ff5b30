"""Whether an erasure was cut short; looked up at every start, so it needs nothing else."""

from __future__ import annotations

import sqlite3

UNFINISHED = "unfinished_erasure"
"""The fact that tells what an erasure has left to do."""


def is_erasure_unfinished(connection: sqlite3.Connection) -> bool:
    """Whether ``erase.finish_erasure`` has something to do."""
    found = connection.execute("SELECT 1 FROM facts WHERE key = ?", (UNFINISHED,)).fetchone()
    return found is not None
