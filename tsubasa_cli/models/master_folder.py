"""Where the master of a model lies: the safetensors that its GGUF was quantized from.

What is learned is merged into the master and quantized anew, which keeps it better than any way
into an already quantized file. ``config.json`` comes last, so a folder that has one is whole.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tsubasa_cli.storage.paths import Paths

CONFIG = "config.json"


def folder_for(gguf: Path, paths: Paths) -> Path:
    """Where the master of a GGUF belongs, be it there or not."""
    return paths.models / f"{gguf.name}.master"


def master_of(gguf: Path, paths: Paths) -> Path | None:
    """The folder of the master of a GGUF; None when it is not here, or not whole."""
    folder = folder_for(gguf, paths)
    return folder if (folder / CONFIG).is_file() else None


def remove_master(gguf: Path, paths: Paths) -> None:
    """Delete the master of a GGUF, if it has one."""
    shutil.rmtree(folder_for(gguf, paths), ignore_errors=True)
