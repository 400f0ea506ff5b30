"""A session's KV state on disk: llama.cpp's own file, sealed by what it belongs to.

llama.cpp aborts on a state that does not fit, so a trailer names the model, the window and the
library, and holds a checksum; a file that fails any of it is as good as none.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from tsubasa_cli.engine.native_context import NativeContext

MAGIC = b"TSUBASA-KV-1"
LENGTH_BYTES = 8
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class StateOwner:
    """What a state fits: the model file, the window in tokens, the llama.cpp release, and what is
    laid over the model."""

    model: str
    model_bytes: int
    model_mtime_ns: int
    n_ctx: int
    library: str
    adapter: str = ""

    @classmethod
    def of(cls, context: NativeContext, library: str) -> StateOwner:
        path = context.model.path
        stat = path.stat()
        adapter = _identity(context.model.adapter_path)
        return cls(path.name, stat.st_size, stat.st_mtime_ns, context.n_ctx, library, adapter)


def _identity(adapter: Path | None) -> str:
    if adapter is None:
        return ""
    stat = adapter.stat()
    return f"{adapter.name} {stat.st_size} {stat.st_mtime_ns}"


def save_state(context: NativeContext, owner: StateOwner, tokens: Sequence[int], path: Path) -> int:
    """Write atomically, mode 0600; the bytes on disk. ``OSError`` when it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        if not context.write_state(temporary, tokens):
            raise OSError("llama.cpp could not write the KV state")
        _seal(temporary, owner)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path.stat().st_size


def load_state(context: NativeContext, owner: StateOwner, path: Path) -> list[int]:
    """The tokens that are in the cache afterwards; none when the file does not fit. The cache
    must be empty before, and is when nothing was read."""
    if not _is_sealed_by(path, owner):
        return []
    tokens = context.read_state(path)
    if not tokens:
        context.clear()
        return []
    return tokens


def _seal(path: Path, owner: StateOwner) -> None:
    with path.open("r+b") as file:
        checksum = _checksum(file, path.stat().st_size)
        trailer = json.dumps({**asdict(owner), "crc32": checksum}).encode()
        file.seek(0, os.SEEK_END)
        file.write(trailer + len(trailer).to_bytes(LENGTH_BYTES, "little") + MAGIC)
        file.flush()
        os.fsync(file.fileno())


def _is_sealed_by(path: Path, owner: StateOwner) -> bool:
    try:
        with path.open("rb") as file:
            return _read_trailer(file, path.stat().st_size, owner)
    except (OSError, ValueError):
        return False


def _read_trailer(file: BinaryIO, size: int, owner: StateOwner) -> bool:
    fixed = LENGTH_BYTES + len(MAGIC)
    file.seek(size - fixed)
    end = file.read(fixed)
    length = int.from_bytes(end[:LENGTH_BYTES], "little")
    if end[LENGTH_BYTES:] != MAGIC or length > size - fixed:
        return False
    body = size - fixed - length
    file.seek(body)
    trailer = json.loads(file.read(length))
    checksum = trailer.pop("crc32")
    if trailer != asdict(owner):
        return False
    return bool(checksum == _checksum(file, body))


def _checksum(file: BinaryIO, size: int) -> int:
    file.seek(0)
    value, left = 0, size
    while left > 0 and (chunk := file.read(min(CHUNK, left))):
        value = zlib.crc32(chunk, value)
        left -= len(chunk)
    return value
