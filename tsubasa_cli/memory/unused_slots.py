"""Overwrites what hnswlib writes of memory that it never set.

Chroma's new graph has room for a hundred elements, and its files take the whole of that room as the
allocator handed it out: with whatever this process had there before, a message just typed or a
memory just erased. Seen as words of an erased memory in the index that was made without them.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

HEADER = struct.Struct("<i4Q")
"""Layout of a graph's header: version, offset of level 0, room, elements, bytes of an element."""
_HEADER_NAME, _ELEMENTS_NAME, _LENGTHS_NAME = "header.bin", "data_level0.bin", "length.bin"
_LENGTH_BYTES = 4
_BLOCK = 1 << 20


def overwrite_unused(folder: Path) -> None:
    """Leave nothing but zeros behind the last element of each graph in the folders of ``folder``.

    Raises ``OSError``, and ``ValueError`` for a header that is cut short.
    """
    for header in folder.glob(f"*/{_HEADER_NAME}"):
        content = header.read_bytes()
        if len(content) < HEADER.size:
            raise ValueError(f"{header.name} is cut short")
        _, _, _, elements, size = HEADER.unpack_from(content)
        _zero_from(header.with_name(_ELEMENTS_NAME), elements * size)
        _zero_from(header.with_name(_LENGTHS_NAME), elements * _LENGTH_BYTES)


def _zero_from(file: Path, start: int) -> None:
    """Zeros from ``start`` to the end; a file that has them is not touched."""
    with file.open("r+b") as stream:
        stream.seek(start)
        while block := stream.read(_BLOCK):
            if block.count(0) != len(block):
                stream.seek(-len(block), os.SEEK_CUR)
                stream.write(bytes(len(block)))
