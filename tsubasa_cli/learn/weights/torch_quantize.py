"""ggml's quantizers in torch, over all blocks at once, for tensors that lie on a device.

After ``quantize_row_*_ref`` of ggml (``ggml-quants.c``): the same searches over the same candidate
scales with the same weights, operation for operation. Only sums run in another order, so of the K
types about one byte in a thousand differs; the weighted error does not. Blocks are float32
(blocks, values of a block).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tsubasa_cli.learn.weights.codecs import (
    CODECS,
    Q4_0,
    Q4_1,
    Q4_K,
    Q5_0,
    Q5_1,
    Q5_K,
    Q6_K,
    Q8_0,
    Codec,
    as_half_bytes,
    pack_six_bits,
)

TINY = 1e-15
"""ggml's ``GROUP_MAX_EPS``: groups of smaller values are zero."""


def torch_quantize(values: Tensor, type_id: int) -> Tensor:
    """Float32 (rows, columns) as raw rows, uint8 (rows, bytes of a row), on the same device."""
    codec = CODECS[type_id]
    raw = QUANTIZERS[type_id](values.reshape(-1, codec.block), codec)
    return raw.view(values.shape[0], -1)


def _inverse(step: Tensor) -> Tensor:
    """1/step, and 0 where the step is 0."""
    return torch.where(step == 0, torch.zeros_like(step), 1 / step)


def _over(number: float, by: Tensor) -> Tensor:
    """number / by, rounded once; torch's own multiplies a number by a reciprocal."""
    return torch.full_like(by, number) / by


def _signed_extreme(values: Tensor) -> Tensor:
    """The value of largest magnitude along the last axis, with its sign; that axis stays."""
    at = values.abs().argmax(dim=-1, keepdim=True)
    return values.gather(-1, at)


def _symmetric(blocks: Tensor, codec: Codec) -> Tensor:
    """Q4_0 and Q5_0: the extreme value gets the lowest code exactly."""
    step = _signed_extreme(blocks) / codec.low
    # ggml truncates x + 8.5 (of numbers that are positive), which rounds halves up.
    codes = (blocks * _inverse(step) + (0.5 - codec.low)).to(torch.int16) + codec.low
    return torch.cat([as_half_bytes(step), *codec.pack(codes.clamp_(max=codec.high))], dim=1)


def _affine(blocks: Tensor, codec: Codec) -> Tensor:
    """Q4_1 and Q5_1: codes span the block from its least value to its largest."""
    low, high = blocks.amin(dim=1, keepdim=True), blocks.amax(dim=1, keepdim=True)
    step = (high - low) / codec.high
    codes = ((blocks - low) * _inverse(step) + 0.5).to(torch.int16).clamp_(max=codec.high)
    return torch.cat([as_half_bytes(step), as_half_bytes(low), *codec.pack(codes)], dim=1)


def _eight(blocks: Tensor, codec: Codec) -> Tensor:
    """Q8_0: halves are rounded away from zero."""
    step = blocks.abs().amax(dim=1, keepdim=True) / codec.high
    scaled = blocks * _inverse(step)
    codes = (scaled.abs() + 0.5).floor_().copysign_(scaled).to(torch.int16)
    return torch.cat([as_half_bytes(step), *codec.pack(codes)], dim=1)


def _nearest(values: Tensor, low: int, high: int) -> Tensor:
    return values.round_().clamp_(low, high)


def _total(terms: Tensor) -> Tensor:
    """The sum along the last axis, which stays."""
    return terms.sum(dim=-1, keepdim=True)


def _search_affine(
    x: Tensor, weight: Tensor, top: int, first: float, tries: int
) -> tuple[Tensor, Tensor]:
    """Step and (negated) minimum of each group that best fit ``x`` (…, values) under ``weight``:
    ggml's ``make_qkx2_quants``. Each is (…, 1)."""
    low, high = x.amin(dim=-1, keepdim=True).clamp_(max=0), x.amax(dim=-1, keepdim=True)
    is_flat = high == low
    high = torch.where(is_flat, low + 1, high)
    sum_w, sum_x = _total(weight), _total(weight * x)
    per_unit = _over(top, high - low)
    best = 1 / per_unit
    error = _affine_error(x, weight, _nearest((x - low) * per_unit, 0, top), best, low)
    for attempt in range(tries + 1):
        # As in ggml, what was found so far moves the grid that the next candidates start from.
        per_unit = _over(_candidate(first, attempt, top), high - low)
        codes = _nearest((x - low) * per_unit, 0, top)
        step, offset = _fit_affine(x, weight, codes, sum_w, sum_x)
        found = _affine_error(x, weight, codes, step, offset)
        is_better = found < error  # also false for NaN, of groups without a solution
        error = torch.where(is_better, found, error)
        best = torch.where(is_better, step, best)
        low = torch.where(is_better, offset, low)
    return torch.where(is_flat, torch.zeros_like(best), best), -low


def _candidate(first: float, attempt: int, top: int) -> float:
    """Added up in float32 as ggml does, since the largest weight may lie on a half."""
    return float(np.float32(first) + np.float32(0.1) * np.float32(attempt) + np.float32(top))


def _affine_error(x: Tensor, weight: Tensor, codes: Tensor, step: Tensor, low: Tensor) -> Tensor:
    return _total(weight * (codes * step + low - x).square_())


def _fit_affine(
    x: Tensor, weight: Tensor, codes: Tensor, sum_w: Tensor, sum_x: Tensor
) -> tuple[Tensor, Tensor]:
    """Least squares for fixed codes; the minimum may not be above zero. NaN where singular."""
    weighted = weight * codes
    sum_l, sum_l2, sum_xl = _total(weighted), _total(weighted * codes), _total(weighted * x)
    singular = sum_w * sum_l2 - sum_l * sum_l
    determinant = torch.where(singular > 0, singular, torch.full_like(singular, torch.nan))
    step = (sum_w * sum_xl - sum_x * sum_l) / determinant
    low = (sum_l2 * sum_x - sum_l * sum_xl) / determinant
    through_zero = low > 0
    step = torch.where(through_zero, sum_xl / sum_l2, step)
    return step, torch.where(through_zero, torch.zeros_like(low), low)


def _with_minimums(first: float, tries: int) -> Callable[[Tensor, Codec], Tensor]:
    """Q4_K and Q5_K, which differ in the candidate scales that are tried."""

    def quantize(blocks: Tensor, codec: Codec) -> Tensor:
        x = blocks.reshape(-1, 8, 32)
        weight = (_total(x * x) / 32).sqrt() + x.abs()
        step, minimum = _search_affine(x, weight, codec.high, first, tries)
        head, step, minimum = _six_bit_head(step.squeeze(-1), minimum.squeeze(-1))
        codes = _divided(x + minimum.unsqueeze(-1), step.unsqueeze(-1), codec)
        return torch.cat([*head, *codec.pack(codes)], dim=1)

    return quantize


def _divided(values: Tensor, step: Tensor, codec: Codec) -> Tensor:
    """Values in units of a step that is final: int16 codes (blocks, values), 0 where it is 0."""
    units = torch.where(step == 0, torch.zeros_like(values), values / step)
    return _nearest(units, codec.low, codec.high).to(torch.int16).flatten(1)


def _six_bit_head(step: Tensor, minimum: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
    """The first 16 bytes of a block, and steps and minimums as they read back: (blocks, 8)."""
    scales, unit = _six_bits(step)
    minimums, low_unit = _six_bits(minimum)
    packed = pack_six_bits(scales.to(torch.uint8), minimums.to(torch.uint8))
    head = [as_half_bytes(unit), as_half_bytes(low_unit), packed]
    return head, unit.half().float() * scales, low_unit.half().float() * minimums


def _six_bits(values: Tensor) -> tuple[Tensor, Tensor]:
    """Values as multiples, from 0 to 63, of a 63rd of the largest."""
    largest = values.amax(dim=1, keepdim=True).clamp_(min=0)
    per_unit = torch.where(largest > 0, _over(63, largest), torch.zeros_like(largest))
    return _nearest(values * per_unit, 0, 63), largest / 63


def _search_symmetric(x: Tensor, low: int) -> Tensor:
    """The step of each group that best fits ``x`` (…, values) under weights x²: ggml's
    ``make_qx_quants``. Zero where a group is."""
    extreme = _signed_extreme(x)
    is_zero = extreme.abs() < TINY
    extreme = torch.where(is_zero, torch.ones_like(extreme), extreme)
    weight = x * x
    best, best_step = torch.full_like(extreme, -torch.inf), torch.zeros_like(extreme)
    for attempt in (0, *range(-9, 0), *range(1, 10)):
        codes = _nearest(x * _over(low - 0.1 * attempt, extreme), low, -low - 1)
        sum_xl, sum_l2 = _total(weight * x * codes), _total(weight * codes * codes)
        step = sum_xl / sum_l2
        is_better = sum_xl * sum_xl > best * sum_l2
        best = torch.where(is_better, step * sum_xl, best)
        best_step = torch.where(is_better, step, best_step)
    return torch.where(is_zero, torch.zeros_like(best_step), best_step)


def _six(blocks: Tensor, codec: Codec) -> Tensor:
    """Q6_K: signed scales of 8 bits, the extreme one being −128."""
    x = blocks.reshape(-1, 16, 16)
    steps = _search_symmetric(x, codec.low).squeeze(-1)
    extreme = _signed_extreme(steps)
    per_unit = torch.where(extreme.abs() < TINY, torch.zeros_like(extreme), _over(-128, extreme))
    unit = _inverse(per_unit)
    scales = _nearest(steps * per_unit, -128, 127)
    codes = _divided(x, (unit.half().float() * scales).unsqueeze(-1), codec)
    packed_scales = scales.to(torch.int8).view(torch.uint8)
    return torch.cat([*codec.pack(codes), packed_scales, as_half_bytes(unit)], dim=1)


QUANTIZERS: dict[int, Callable[[Tensor, Codec], Tensor]] = {
    Q4_0.type_id: _symmetric,
    Q4_1.type_id: _affine,
    Q5_0.type_id: _symmetric,
    Q5_1.type_id: _affine,
    Q8_0.type_id: _eight,
    Q4_K.type_id: _with_minimums(first=-1.0, tries=20),
    Q5_K.type_id: _with_minimums(first=-0.5, tries=15),
    Q6_K.type_id: _six,
}
"""By ggml's type number; the two numbers of the K types are ggml's."""
