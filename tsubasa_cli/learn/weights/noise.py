"""Random numbers that depend on what they are for, and on nothing else.

A generator of torch draws other numbers on each kind of device and in each size of chunk; these
are a hash of seed, tensor and position, the same wherever and however a merge is computed.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

_WORD = 1 << 32


def uniform(seed: int, name: str, start: int, shape: torch.Size, device: torch.device) -> Tensor:
    """Numbers in [0, 1) for rows ``start`` and on of the tensor ``name``: float32 of ``shape``,
    (rows, columns). Rows do not depend on how many are asked for at once."""
    first, second = _keys(seed, name)
    rows = _mixed(torch.arange(start, start + shape[0], dtype=torch.int32, device=device), first)
    columns = _mixed(torch.arange(shape[1], dtype=torch.int32, device=device), second)
    bits = _multiplied(rows.unsqueeze(1) + columns)
    return bits.bitwise_right_shift_(8).bitwise_and_(0xFFFFFF).to(torch.float32).mul_(2.0**-24)


def _keys(seed: int, name: str) -> tuple[int, int]:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    first, second = (int.from_bytes(digest[at : at + 4], "little", signed=True) for at in (0, 4))
    return first, second


def _mixed(numbers: Tensor, key: int) -> Tensor:
    """A permutation of 32-bit numbers in which every bit of number and key reaches every bit."""
    return _folded(_multiplied(_folded(_multiplied(numbers ^ key), 15) + key), 15)


def _multiplied(bits: Tensor) -> Tensor:
    """Two multiplications (of C. Wellons' hash prospector); products wrap, high bits are best."""
    return _folded(_folded(bits, 16).mul_(0x21F0AAAD), 15).mul_(0x735A2D97)


def _folded(bits: Tensor, by: int) -> Tensor:
    """High bits onto low ones. torch shifts int32 arithmetically, hence the mask."""
    return bits.bitwise_xor_((bits >> by).bitwise_and_((_WORD >> by) - 1))
