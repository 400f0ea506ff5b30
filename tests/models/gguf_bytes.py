"""Writes small GGUF files by hand, sound or broken, independent of the reader under test."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_LAYOUT = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?"}
_LAYOUT |= {U64: "Q", I64: "q", F64: "d"}


@dataclass(frozen=True)
class Strings:
    """An array of strings."""

    values: Sequence[str]


@dataclass(frozen=True)
class Numbers:
    """An array of numbers of one type."""

    type_id: int
    values: Sequence[int | float]


@dataclass(frozen=True)
class Number:
    """A number of a given type (plain ints are written as U32)."""

    type_id: int
    value: int | float


@dataclass(frozen=True)
class Tensor:
    """A tensor of zeros; ``offset`` None puts it where it belongs."""

    name: str
    shape: tuple[int, ...]
    type_id: int = 0
    n_bytes: int | None = None
    offset: int | None = None

    def size(self) -> int:
        if self.n_bytes is not None:
            return self.n_bytes
        count = 4
        for extent in self.shape:
            count *= extent
        return count


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def encoded(value: object) -> bytes:
    """Type number and value."""
    match value:
        case bool():
            return struct.pack("<I?", BOOL, value)
        case int():
            return struct.pack("<II", U32, value)
        case float():
            return struct.pack("<If", F32, value)
        case str():
            return struct.pack("<I", STRING) + text(value)
        case Number(type_id, number):
            return struct.pack("<I" + _LAYOUT[type_id], type_id, number)
        case Strings(values):
            return struct.pack("<IIQ", ARRAY, STRING, len(values)) + b"".join(map(text, values))
        case Numbers(type_id, numbers):
            packed = struct.pack(f"<{len(numbers)}{_LAYOUT[type_id]}", *numbers)
            return struct.pack("<IIQ", ARRAY, type_id, len(numbers)) + packed
        case bytes():
            return value
    raise TypeError(value)


def qwen3_metadata() -> dict[str, object]:
    """The metadata of a small Qwen-3."""
    return {
        "general.architecture": "qwen3",
        "general.name": "Tiny Qwen3",
        "general.file_type": 0,
        "qwen3.block_count": 2,
        "qwen3.context_length": 4096,
        "qwen3.embedding_length": 64,
        "qwen3.attention.head_count": 4,
        "qwen3.attention.head_count_kv": 2,
        "qwen3.attention.key_length": 128,
        "qwen3.attention.value_length": 128,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": Strings(["a", "b", "<|im_end|>"]),
        "tokenizer.ggml.token_type": Numbers(I32, [1, 1, 3]),
        "tokenizer.chat_template": "{{ messages }}",
    }


@dataclass
class Gguf:
    """A GGUF to be written; ``bytes()`` of it is the file."""

    metadata: dict[str, object] = field(default_factory=qwen3_metadata)
    tensors: list[Tensor] = field(default_factory=lambda: [Tensor("token_embd.weight", (64, 3))])
    version: int = 3
    alignment: int = 32
    n_entries: int | None = None
    n_tensors: int | None = None
    extra_entries: bytes = b""
    extra_count: int = 0

    def header(self) -> bytes:
        count = len(self.metadata) + self.extra_count if self.n_entries is None else self.n_entries
        tensors = len(self.tensors) if self.n_tensors is None else self.n_tensors
        parts = [b"GGUF", struct.pack("<IQQ", self.version, tensors, count)]
        parts += [text(key) + encoded(value) for key, value in self.metadata.items()]
        parts.append(self.extra_entries)
        at = 0
        for tensor in self.tensors:
            offset = at if tensor.offset is None else tensor.offset
            shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
            parts.append(text(tensor.name) + shape + struct.pack("<IQ", tensor.type_id, offset))
            at = self._aligned(at + tensor.size())
        return b"".join(parts)

    def __bytes__(self) -> bytes:
        header = self.header()
        body = b"".join(bytes(self._aligned(tensor.size())) for tensor in self.tensors)
        return header + bytes(self._aligned(len(header)) - len(header)) + body

    def _aligned(self, n: int) -> int:
        return -(-n // self.alignment) * self.alignment
