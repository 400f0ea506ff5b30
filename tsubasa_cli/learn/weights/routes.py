"""Three roads back into a file: how a changed row is stored so that the change is still there.

A night's change is a third of a percent of the weights; a step of a 4-bit grid is some fifteen.
Rounded to the nearest code, weights that lie on a grid fall back where they were, and nothing is
learned. So a quantized base takes ``StochasticCodes`` or ``EightBits``; only a master of high
precision, whose weights lie anywhere, may be quantized the ordinary way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from tsubasa_cli.learn.weights.codecs import CODECS, Q8_0, Codec, as_half_bytes
from tsubasa_cli.learn.weights.ggml_quantize import needs_importance
from tsubasa_cli.learn.weights.noise import uniform
from tsubasa_cli.learn.weights.quantize import quantize
from tsubasa_cli.learn.weights.tensor_file import BF16, DENSE, F16, dequantize
from tsubasa_cli.models.gguf_header import TensorInfo


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some rows of a tensor: as the base has them (``raw``, uint8 on the CPU), and what is to be
    added (``change``, float32 (rows, columns) on the device that computes)."""

    tensor: TensorInfo
    start: int
    raw: Tensor
    change: Tensor

    def values(self) -> Tensor:
        """The base's numbers, float32 on the device of the change."""
        return dequantize(self.raw, self.tensor.type_id, self.change.device)


class Source(Protocol):
    """Something that has the weights in a higher precision than the base."""

    def rows_of(self, name: str, start: int, stop: int, device: torch.device) -> Tensor:
        """Rows of a tensor in the GGUF's order, float32 (rows, columns)."""
        ...


class Route(Protocol):
    """A way to store changed rows."""

    def type_for(self, tensor: TensorInfo) -> int:
        """The ggml type that a changed ``tensor`` gets."""
        ...

    def encode(self, rows: Rows) -> Tensor:
        """Changed rows as they go into the file: uint8 (rows, bytes of a row) on the CPU."""
        ...


@dataclass(frozen=True, slots=True)
class StochasticCodes:
    """Keep scales and minimums; move each code by the change in units of its step, rounded up or
    down at random so that the expectation is exact. Another ``seed`` is another draw.

    Fewer moves would make less noise, and break the model: with the same projection but the moves
    gathered on the largest changes (chance ∝ change² to change⁴, or the largest only), a real
    adapter's drift on ordinary text rose from 9 % to 15, 49 and 129 %.

    Types without a uniform grid go the way of ``EightBits``.
    """

    seed: int = 0

    def type_for(self, tensor: TensorInfo) -> int:
        return tensor.type_id if tensor.type_id in CODECS | DENSE else _eight_bits(tensor)

    def encode(self, rows: Rows) -> Tensor:
        codec = CODECS.get(rows.tensor.type_id)
        if codec is not None:
            return _moved_codes(rows, codec, _noise(rows, self.seed)).cpu()
        return _fine_grained(rows, self.type_for(rows.tensor), self.seed)


@dataclass(frozen=True, slots=True)
class EightBits:
    """Changed tensors become Q8_0, whose steps are finer than the change; the file grows. Tensors
    that are Q8_0 already keep their scales, and plain numbers stay what they are."""

    seed: int = 0

    def type_for(self, tensor: TensorInfo) -> int:
        return tensor.type_id if tensor.type_id in DENSE else _eight_bits(tensor)

    def encode(self, rows: Rows) -> Tensor:
        if rows.tensor.type_id == Q8_0.type_id:
            return _moved_codes(rows, CODECS[Q8_0.type_id], _noise(rows, self.seed)).cpu()
        return _fine_grained(rows, self.type_for(rows.tensor), self.seed)


@dataclass(frozen=True, slots=True)
class Ordinary:
    """Quantize the weights of a ``master`` of high precision plus the change to the type that the
    tensor has. Types that ggml makes only with an importance matrix become Q8_0."""

    master: Source = field(repr=False)

    def type_for(self, tensor: TensorInfo) -> int:
        return _eight_bits(tensor) if needs_importance(tensor.type_id) else tensor.type_id

    def encode(self, rows: Rows) -> Tensor:
        count, device = rows.change.shape[0], rows.change.device
        values = self.master.rows_of(rows.tensor.name, rows.start, rows.start + count, device)
        return quantize(values + rows.change, self.type_for(rows.tensor))


def _eight_bits(tensor: TensorInfo) -> int:
    """Q8_0, or F16 where rows are no multiple of its block."""
    return F16 if tensor.shape[0] % Q8_0.block else Q8_0.type_id


def _noise(rows: Rows, seed: int) -> Tensor:
    change = rows.change
    return uniform(seed, rows.tensor.name, rows.start, change.shape, change.device)


def _moved_codes(rows: Rows, codec: Codec, noise: Tensor) -> Tensor:
    raw = rows.raw.to(rows.change.device).view(-1, codec.block_bytes)
    grid = codec.grid(raw)
    # A group whose step is zero has no grid to move on.
    per_unit = torch.where(grid.step == 0, torch.zeros_like(grid.step), 1 / grid.step)
    wanted = rows.change.view(grid.codes.shape) * per_unit
    codes = grid.codes + wanted.add_(noise.view_as(wanted)).floor_()
    codes = codes.clamp_(codec.low, codec.high).to(torch.int16).flatten(1)
    return codec.with_codes(raw, codes).view(rows.raw.shape)


def _fine_grained(rows: Rows, type_id: int, seed: int) -> Tensor:
    """Changed weights in a type that is fine, but not so fine that a weight which lay on a coarser
    grid would not fall back: rounding is at random where a step may exceed the change."""
    values = rows.values() + rows.change
    if type_id == BF16:
        return _brain_floats(values, _noise(rows, seed)).cpu().view(torch.uint8)
    if type_id == Q8_0.type_id:
        return _random_eights(values, _noise(rows, seed)).cpu()
    return quantize(values, type_id)


def _brain_floats(values: Tensor, noise: Tensor) -> Tensor:
    """The bits of bfloat16s, int16: cut off after noise was added to what is cut off."""
    lifted = values.view(torch.int32) + (noise * 65536).to(torch.int32)
    return (lifted >> 16).to(torch.int16)


def _random_eights(values: Tensor, noise: Tensor) -> Tensor:
    blocks = values.view(-1, Q8_0.block)
    step = (blocks.abs().amax(dim=1, keepdim=True) / Q8_0.high).to(torch.float16).float()
    per_unit = torch.where(step == 0, torch.zeros_like(step), 1 / step)
    codes = (blocks * per_unit).add_(noise.view_as(blocks)).floor_().clamp_(Q8_0.low, Q8_0.high)
    packed = torch.cat([as_half_bytes(step), *Q8_0().pack(codes)], dim=1)
    return packed.view(values.shape[0], -1)
