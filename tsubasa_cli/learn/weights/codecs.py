"""The block formats of ggml as grids: integer codes, and per group of them a step and an offset.

A weight is ``code * step + offset``, rounded as ggml and gguf-py round it, bit by bit. Layouts are
those of ggml (``ggml-common.h``, ``dequantize_row_*``). All functions take and return tensors on
the device of their argument; ``raw`` is always uint8 of shape (blocks, bytes of a block).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """``codes`` float (blocks, groups, values of a group), ``step`` and ``offset`` float
    (blocks, groups, 1). Without an ``offset`` the grid passes through zero."""

    codes: Tensor
    step: Tensor
    offset: Tensor | None = None

    def values(self) -> Tensor:
        """What the codes stand for, float32 of shape (blocks, values of a block)."""
        scaled = self.codes * self.step
        placed = scaled if self.offset is None else scaled + self.offset
        return placed.flatten(1)


class Codec(ABC):
    """One block format: ``low`` and ``high`` are the first and the last code."""

    name: ClassVar[str]
    type_id: ClassVar[int]
    block: ClassVar[int]
    block_bytes: ClassVar[int]
    low: ClassVar[int]
    high: ClassVar[int]

    @abstractmethod
    def grid(self, raw: Tensor) -> Grid:
        """The grid that ``raw`` describes."""

    @abstractmethod
    def pack(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Integer codes (blocks, values of a block) as the byte fields that hold them."""

    @abstractmethod
    def with_codes(self, raw: Tensor, codes: Tensor) -> Tensor:
        """``raw`` with other codes; steps and offsets stay as they are."""


def _split(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The second axis as several."""
    return values.reshape(values.shape[0], *shape)


def _compact(part: Tensor) -> Tensor:
    """A copy without gaps, of which another type can be a view."""
    return part.clone(memory_format=torch.contiguous_format)


def _half(raw: Tensor) -> Tensor:
    """Two bytes a block, a float16, as float32 (blocks, 1)."""
    return _compact(raw).view(torch.float16).float()


def as_half_bytes(values: Tensor) -> Tensor:
    """Float32 (blocks, 1) as the two bytes of a float16 each."""
    return values.to(torch.float16).view(torch.uint8)


def _nibbles(packed: Tensor, group: int) -> Tensor:
    """Bytes that hold ``group`` low nibbles and then ``group`` high ones: (blocks, values)."""
    rows = _split(packed, (-1, 1, group))
    return torch.cat([rows & 0x0F, rows >> 4], dim=2).flatten(1)


def _as_nibbles(codes: Tensor, group: int) -> Tensor:
    low, high = _split((codes & 0x0F).to(torch.uint8), (-1, 2, group)).unbind(2)
    return (low | (high << 4)).flatten(1)


def _bit_planes(packed: Tensor, width: int, planes: int, bits: int) -> Tensor:
    """Plane k are bits ``bits*k`` and up of each of ``width`` bytes: (blocks, planes*width)."""
    rows = _split(packed, (-1, 1, width))
    mask = (1 << bits) - 1
    return torch.cat([(rows >> (bits * k)) & mask for k in range(planes)], dim=2).flatten(1)


def _as_bit_planes(codes: Tensor, width: int, planes: int, bits: int) -> Tensor:
    rows = _split(codes.to(torch.uint8), (-1, planes, width)).unbind(2)
    return _overlaid(rows, bits).flatten(1)


def _little_bits(packed: Tensor) -> Tensor:
    """Bits of bytes, lowest first: (blocks, 8 * bytes)."""
    return torch.stack([(packed >> k) & 1 for k in range(8)], dim=2).flatten(1)


def _as_little_bits(bits: Tensor) -> Tensor:
    return _overlaid(_split(bits.to(torch.uint8), (-1, 8)).unbind(2), 1)


def _overlaid(planes: tuple[Tensor, ...], bits: int) -> Tensor:
    """Plane k moved up by ``bits*k``, and all of them in one byte."""
    packed = planes[0]
    for k, plane in enumerate(planes[1:], 1):
        packed = packed | (plane << (bits * k))
    return packed


class _Plain(Codec):
    """A block of 32 with one step, and maybe one minimum, in float16 at its head."""

    block = 32
    head: ClassVar[int]
    shift: ClassVar[int] = 0
    """Stored code minus code: formats without a minimum store codes from 0 up."""

    def grid(self, raw: Tensor) -> Grid:
        step, *minimum, body = raw.split([2] * (self.head // 2) + [raw.shape[1] - self.head], 1)
        codes = self._stored(body).float() - self.shift
        offset = _half(minimum[0]).unsqueeze(2) if minimum else None
        return Grid(codes.unsqueeze(1), _half(step).unsqueeze(2), offset)

    def with_codes(self, raw: Tensor, codes: Tensor) -> Tensor:
        return torch.cat([raw.narrow(1, 0, self.head), *self.pack(codes)], dim=1)

    @abstractmethod
    def _stored(self, body: Tensor) -> Tensor: ...


class _Four(_Plain):
    def _stored(self, body: Tensor) -> Tensor:
        return _nibbles(body, 16)

    def pack(self, codes: Tensor) -> tuple[Tensor, ...]:
        return (_as_nibbles(codes + self.shift, 16),)


class _Five(_Plain):
    def _stored(self, body: Tensor) -> Tensor:
        high, low = body.split([4, 16], 1)
        return _nibbles(low, 16) | (_little_bits(high) << 4)

    def pack(self, codes: Tensor) -> tuple[Tensor, ...]:
        stored = codes + self.shift
        return _as_little_bits(stored >> 4), _as_nibbles(stored, 16)


class Q4_0(_Four):  # noqa: N801 - ggml's own name
    name, type_id, block_bytes = "Q4_0", 2, 18
    low, high, head, shift = -8, 7, 2, 8


class Q4_1(_Four):  # noqa: N801
    name, type_id, block_bytes = "Q4_1", 3, 20
    low, high, head = 0, 15, 4


class Q5_0(_Five):  # noqa: N801
    name, type_id, block_bytes = "Q5_0", 6, 22
    low, high, head, shift = -16, 15, 2, 16


class Q5_1(_Five):  # noqa: N801
    name, type_id, block_bytes = "Q5_1", 7, 24
    low, high, head = 0, 31, 4


class Q8_0(_Plain):  # noqa: N801
    name, type_id, block_bytes = "Q8_0", 8, 34
    low, high, head = -127, 127, 2

    def _stored(self, body: Tensor) -> Tensor:
        return _compact(body).view(torch.int8)

    def pack(self, codes: Tensor) -> tuple[Tensor, ...]:
        return (codes.to(torch.int8).view(torch.uint8),)


def unpack_six_bits(packed: Tensor) -> tuple[Tensor, Tensor]:
    """The 8 scales and 8 minimums of 6 bits in 12 bytes (ggml's ``get_scale_min_k4``)."""
    scale, minimum, rest = packed.split(4, 1)
    scales = torch.cat([scale & 63, (rest & 0x0F) | ((scale >> 6) << 4)], dim=1)
    minimums = torch.cat([minimum & 63, (rest >> 4) | ((minimum >> 6) << 4)], dim=1)
    return scales, minimums


def pack_six_bits(scales: Tensor, minimums: Tensor) -> Tensor:
    """The inverse of ``unpack_six_bits``; both arguments are uint8 (blocks, 8)."""
    (early, late), (low, high) = scales.split(4, 1), minimums.split(4, 1)
    head, middle = early | ((late >> 4) << 6), low | ((high >> 4) << 6)
    return torch.cat([head, middle, (late & 0x0F) | ((high & 0x0F) << 4)], dim=1)


class _SuperBlock(Codec):
    """256 values in 8 groups; scales and minimums of groups are multiples of two float16."""

    block = 256
    head = 16

    def grid(self, raw: Tensor) -> Grid:
        unit, low_unit, packed, body = raw.split([2, 2, 12, raw.shape[1] - self.head], 1)
        scales, minimums = unpack_six_bits(packed)
        step = _half(unit) * scales.float()
        offset = -(_half(low_unit) * minimums.float())
        codes = _split(self._stored(body).float(), (8, 32))
        return Grid(codes, step.unsqueeze(2), offset.unsqueeze(2))

    def with_codes(self, raw: Tensor, codes: Tensor) -> Tensor:
        return torch.cat([raw.narrow(1, 0, self.head), *self.pack(codes)], dim=1)

    @abstractmethod
    def _stored(self, body: Tensor) -> Tensor: ...


class Q4_K(_SuperBlock):  # noqa: N801
    name, type_id, block_bytes = "Q4_K", 12, 144
    low, high = 0, 15

    def _stored(self, body: Tensor) -> Tensor:
        return _nibbles(body, 32)

    def pack(self, codes: Tensor) -> tuple[Tensor, ...]:
        return (_as_nibbles(codes, 32),)


class Q5_K(_SuperBlock):  # noqa: N801
    name, type_id, block_bytes = "Q5_K", 13, 176
    low, high = 0, 31

    def _stored(self, body: Tensor) -> Tensor:
        high, low = body.split([32, 128], 1)
        return _nibbles(low, 32) | (_bit_planes(high, 32, 8, 1) << 4)

    def pack(self, codes: Tensor) -> tuple[Tensor, ...]:
        return _as_bit_planes(codes >> 4, 32, 8, 1), _as_nibbles(codes, 32)


class Q6_K(Codec):  # noqa: N801
    """256 values in 16 groups; scales of groups are int8 multiples of one float16 at the end."""

    name, type_id, block, block_bytes = "Q6_K", 14, 256, 210
    low, high = -32, 31

    def grid(self, raw: Tensor) -> Grid:
        low, high, scales, unit = raw.split([128, 64, 16, 2], 1)
        stored = _nibbles(low, 64) | (_bit_planes(high, 32, 4, 2) << 4)
        step = _half(unit) * _compact(scales).view(torch.int8).float()
        return Grid(_split(stored.float() - 32, (16, 16)), step.unsqueeze(2))

    def pack(self, codes: Tensor) -> tuple[Tensor, ...]:
        stored = codes + 32
        return _as_nibbles(stored, 64), _as_bit_planes(stored >> 4, 32, 4, 2)

    def with_codes(self, raw: Tensor, codes: Tensor) -> Tensor:
        return torch.cat([*self.pack(codes), raw.narrow(1, 192, 18)], dim=1)


CODECS: dict[int, Codec] = {
    codec.type_id: codec
    for codec in (Q4_0(), Q4_1(), Q5_0(), Q5_1(), Q8_0(), Q4_K(), Q5_K(), Q6_K())
}
"""By ggml's type number."""
