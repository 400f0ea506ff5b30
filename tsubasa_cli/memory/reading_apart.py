"""Looks into the files of open databases, from a process of its own.

Locks of files belong to a process: to close any descriptor of a database drops every lock that
SQLite holds on it in the same process. Another program would then take the database for unused and
remove its WAL, with all that was written since.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tsubasa_cli.errors import StorageError
from tsubasa_cli.memory.copies import holding
from tsubasa_cli.memory.telltale import Phrases
from tsubasa_cli.memory.tombstones import folded


def holding_apart(files: Iterable[Path], phrases: Phrases) -> list[Path]:
    """Those of ``files`` that hold one of ``phrases``, with the files that belong to them.

    Raises ``StorageError`` when one cannot be read.
    """
    asked = json.dumps({"files": [*map(str, files)], "phrases": [*phrases]})
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StorageError(
            "Cannot look whether the database still holds what was erased.",
            why=done.stderr.strip().rpartition("\n")[2],
            next_step="Erase it again.",
        )
    return [Path(name) for name in json.loads(done.stdout)]


def _answer(asked: str) -> str:
    request = json.loads(asked)
    phrases = Phrases(request["phrases"])
    found = holding(map(Path, request["files"]), lambda text: phrases.are_in(folded(text)))
    return json.dumps([*map(str, found)])


if __name__ == "__main__":
    sys.stdout.write(_answer(sys.stdin.read()))
