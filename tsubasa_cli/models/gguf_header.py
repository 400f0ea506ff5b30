"""Reads the header of a GGUF file and proves that the file is whole, before llama.cpp sees it.

Little-endian GGUF v2 and v3 (ggml ``docs/gguf.md``). The input is hostile: every count and length
is held against the bytes that are left, arrays are walked and not kept, and whatever is wrong is a
``ModelError`` that says what, why and what to do.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from tsubasa_cli.errors import InputError, ModelError
from tsubasa_cli.models.gguf_types import TENSOR_TYPES
from tsubasa_cli.models.lookalikes import looks_like

WINDOW_BYTES = 1 << 20
MAX_ENTRIES = 1 << 16
MAX_TENSORS = 1 << 17
MAX_ARRAY_STRINGS = 1 << 22
"""Ten times the largest vocabulary there is; walking them takes about two seconds."""
MAX_NAME_BYTES = 1 << 16
MAX_TEXT_BYTES = 1 << 24
MAX_KEPT_ARRAY = 1 << 10
"""Short arrays of numbers (heads per layer) are kept; vocabularies are not."""

_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_U32, _U64 = _SCALARS[4], _SCALARS[10]

GET_AGAIN = "Get the file again: tsubasa model pull downloads and checks it."


@dataclass(frozen=True, slots=True)
class ArrayFact:
    """A metadata array: its element type (GGUF's number), its length, and short number arrays."""

    element_type: int
    length: int
    values: tuple[int | float, ...] | None = None


Value = int | float | bool | str | ArrayFact


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor: dimensions (innermost first), ggml type number, offset within the data part.

    ``n_bytes`` is None when the type is newer than this program.
    """

    name: str
    shape: tuple[int, ...]
    type_id: int
    offset: int
    n_bytes: int | None

    @property
    def n_values(self) -> int:
        count = 1
        for extent in self.shape:
            count *= extent
        return count


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """All of a GGUF file but its weights. ``data_start`` is where those begin, in bytes, and
    ``tensors_start`` where the list of tensors does."""

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]
    alignment: int
    data_start: int
    file_bytes: int
    tensors_start: int

    def text(self, key: str) -> str:
        """The string under ``key``; empty when there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        """The non-negative integer under ``key``; 0 when there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and value > 0 else 0


def read_header(path: Path) -> GgufHeader:
    """The header of ``path``, with every tensor proven to lie inside the file.

    Raises ``InputError`` when it cannot be opened and ``ModelError`` when it is no whole GGUF.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is not a file.", next_step="Give the path of one .gguf file.")
        with path.open("rb") as file:
            return parse_header(file, status.st_size, path.name)
    except FileNotFoundError as error:
        raise InputError(
            f"There is no file {path}.", next_step="Check the path of the .gguf file."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {path}.", why=str(error)) from error


def parse_header(file: BinaryIO, size: int, name: str) -> GgufHeader:
    """``read_header`` of an open file of ``size`` bytes; ``name`` is for messages."""
    reader = _Reader(file, size, name)
    version = _read_version(reader)
    n_tensors, n_entries = reader.unpack(_U64), reader.unpack(_U64)
    if n_entries > MAX_ENTRIES or n_tensors > MAX_TENSORS:
        reader.broken(f"It announces {n_entries:,} entries and {n_tensors:,} tensors.")
    metadata = _read_metadata(reader, n_entries)
    alignment = _alignment(reader, metadata)
    tensors_start = reader.position
    tensors = tuple(_read_tensor(reader) for _ in range(n_tensors))
    data_start = -(-reader.position // alignment) * alignment
    header = GgufHeader(version, metadata, tensors, alignment, data_start, size, tensors_start)
    _check_layout(reader, header)
    return header


class _Reader:
    """A cursor over the file that reads it in windows and never past its end."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file = file
        self._window = b""
        self._start = 0
        self.position = 0
        self.size = size
        self.name = name
        self._strings_left = MAX_ARRAY_STRINGS

    def take(self, count: int) -> bytes:
        at = self._ensure(count)
        self.position += count
        return self._window[at : at + count]

    def unpack(self, layout: struct.Struct) -> int:
        at = self._ensure(layout.size)
        self.position += layout.size
        return layout.unpack_from(self._window, at)[0]  # type: ignore[no-any-return]

    def text(self, limit: int) -> str:
        length = self.unpack(_U64)
        if length > self.size - self.position:
            self._truncated(length)
        if length > limit:
            self.broken(f"A text in its header is {length:,} bytes long.")
        return self.take(length).decode("utf-8", "replace")

    def skip(self, count: int) -> None:
        if count > self.size - self.position:
            self._truncated(count)
        self.position += count

    def skip_strings(self, count: int) -> None:
        """Walk over ``count`` strings, reading lengths only: 300,000 take some 50 ms."""
        self._strings_left -= count
        if count * _U64.size > self.size - self.position:
            self._truncated(count * _U64.size)
        if self._strings_left < 0:
            self.broken(f"A list in its header has {count:,} texts.")
        length_at = _U64.unpack_from
        while count:
            at = self._ensure(_U64.size)
            window, last = self._window, len(self._window) - _U64.size
            while count and at <= last:
                at += _U64.size + length_at(window, at)[0]
                count -= 1
            if self._start + at > self.size:
                self._truncated(self._start + at - self.position)
            self.position = self._start + at

    def broken(self, why: str) -> NoReturn:
        raise ModelError(
            f"{self.name} is not a sound GGUF file.",
            why=f"{why} (Near byte {self.position:,} of {self.size:,}.)",
            next_step=GET_AGAIN,
        )

    def _ensure(self, count: int) -> int:
        """The index in the window at which the next ``count`` bytes lie."""
        at = self.position - self._start
        if at >= 0 and at + count <= len(self._window):
            return at
        if self.position + count > self.size:
            self._truncated(count)
        self._file.seek(self.position)
        self._window = self._file.read(max(count, WINDOW_BYTES))
        self._start = self.position
        if len(self._window) < count:
            self._truncated(count)
        return 0

    def _truncated(self, count: int) -> NoReturn:
        raise ModelError(
            f"{self.name} is truncated: it ends inside its own header.",
            why=f"At byte {self.position:,} its header goes on for at least {count:,} bytes; "
            f"the file has {self.size:,} bytes in all.",
            next_step=GET_AGAIN,
        )


def _read_version(reader: _Reader) -> int:
    head = reader.take(min(64, reader.size))
    if not head.startswith(b"GGUF"):
        seen = looks_like(head, reader.size)
        raise ModelError(
            f"{reader.name} is not a GGUF file.", why=seen.why, next_step=seen.next_step
        )
    reader.position = 4
    version = reader.unpack(_U32)
    if version in (2, 3):
        return version
    if version & 0xFFFF == 0 and version:
        why, step = "It was written for big-endian machines.", "Get the little-endian file."
    elif version == 1:
        why, step = "It is GGUF version 1, of August 2023.", "Get a newer conversion of the model."
    else:
        why, step = f"It is GGUF version {version}; 2 and 3 are known.", "Upgrade tsubasa-cli."
    raise ModelError(f"{reader.name} is a GGUF that cannot be read here.", why=why, next_step=step)


def _read_metadata(reader: _Reader, count: int) -> dict[str, Value]:
    metadata: dict[str, Value] = {}
    for _ in range(count):
        key = reader.text(MAX_NAME_BYTES)
        if key in metadata:
            reader.broken(f"The entry {key[:80]!r} occurs twice.")
        metadata[key] = _read_value(reader, reader.unpack(_U32), key)
    return metadata


def _read_value(reader: _Reader, type_id: int, key: str) -> Value:
    if type_id == _STRING:
        return reader.text(MAX_TEXT_BYTES)
    if type_id == _ARRAY:
        return _read_array(reader, key)
    layout = _SCALARS.get(type_id)
    if layout is None:
        reader.broken(f"The entry {key[:80]!r} has the unknown type {type_id}.")
    return reader.unpack(layout)


def _read_array(reader: _Reader, key: str) -> ArrayFact:
    type_id, length = reader.unpack(_U32), reader.unpack(_U64)
    if type_id == _STRING:
        reader.skip_strings(length)
        return ArrayFact(type_id, length)
    layout = _SCALARS.get(type_id)
    if layout is None:
        # Arrays of arrays are legal by the format; llama.cpp refuses them, and so do we.
        reader.broken(f"The list {key[:80]!r} has elements of the unknown type {type_id}.")
    if length > MAX_KEPT_ARRAY:
        reader.skip(length * layout.size)
        return ArrayFact(type_id, length)
    return ArrayFact(type_id, length, tuple(reader.unpack(layout) for _ in range(length)))


def _alignment(reader: _Reader, metadata: Mapping[str, Value]) -> int:
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
        reader.broken(f"Its alignment is {str(alignment)[:40]}, which is no power of two.")
    return alignment


def _read_tensor(reader: _Reader) -> TensorInfo:
    name = reader.text(MAX_NAME_BYTES)
    n_dimensions = reader.unpack(_U32)
    if n_dimensions > 4:
        reader.broken(f"The tensor {name[:80]!r} has {n_dimensions:,} dimensions.")
    shape = tuple(reader.unpack(_U64) for _ in range(n_dimensions))
    type_id, offset = reader.unpack(_U32), reader.unpack(_U64)
    return TensorInfo(name, shape, type_id, offset, _tensor_bytes(reader, name, shape, type_id))


def _tensor_bytes(reader: _Reader, name: str, shape: tuple[int, ...], type_id: int) -> int | None:
    kind = TENSOR_TYPES.get(type_id)
    if kind is None:
        return None
    row = shape[0] if shape else 1
    if row % kind.block:
        reader.broken(f"Rows of {name[:80]!r} are {row:,} long, {kind.name} needs {kind.block}s.")
    n_bytes = row // kind.block * kind.block_bytes
    for extent in shape[1:]:
        n_bytes *= extent
    return n_bytes


def _check_layout(reader: _Reader, header: GgufHeader) -> None:
    """Each tensor starts where the one before it ends, padded (as llama.cpp demands), and the
    file is long enough for the last."""
    if len({tensor.name for tensor in header.tensors}) < len(header.tensors):
        reader.broken("Two of its tensors have the same name.")
    expected: int | None = 0
    for tensor in header.tensors:
        if tensor.offset % header.alignment or expected not in (None, tensor.offset):
            reader.broken(f"The tensor {tensor.name[:80]!r} does not lie where it should.")
        if tensor.n_bytes is None:
            expected = None
        else:
            end = tensor.offset + tensor.n_bytes
            expected = -(-end // header.alignment) * header.alignment
    _check_extent(reader, header)


def _check_extent(reader: _Reader, header: GgufHeader) -> None:
    ends = [tensor.offset + (tensor.n_bytes or 0) for tensor in header.tensors]
    needed = header.data_start + max(ends, default=0)
    if header.tensors and needed > header.file_bytes:
        raise ModelError(
            f"{reader.name} is truncated: {needed - header.file_bytes:,} bytes are missing.",
            why=f"Its header describes {needed:,} bytes; the file has {header.file_bytes:,}.",
            next_step=GET_AGAIN,
        )
