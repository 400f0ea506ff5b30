"""Everything that computes on a device, traced as on a CUDA card: a tensor left on the CPU, or a
number of the wrong type, fails here without a card."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tsubasa_cli.learn.weights.codecs import CODECS, Codec
from tsubasa_cli.learn.weights.deltas import Delta
from tsubasa_cli.learn.weights.quantize import quantize
from tsubasa_cli.learn.weights.routes import EightBits, Ordinary, Route, Rows, StochasticCodes
from tsubasa_cli.learn.weights.tensor_file import DENSE, dequantize
from tsubasa_cli.learn.weights.torch_quantize import torch_quantize
from tsubasa_cli.models.gguf_header import TensorInfo
from tsubasa_cli.models.gguf_types import TENSOR_TYPES

CUDA = torch.device("cuda", 0)
"""With its number: torch asks the driver for the number of a card that has none."""
EVERY = pytest.mark.parametrize("codec", CODECS.values(), ids=lambda codec: codec.name)
ROWS, COLUMNS = 6, 512


@pytest.fixture(autouse=True)
def fake() -> Iterator[None]:
    with FakeTensorMode():
        yield


def tensor_of(type_id: int) -> TensorInfo:
    kind = TENSOR_TYPES[type_id]
    n_bytes = ROWS * COLUMNS // kind.block * kind.block_bytes
    return TensorInfo("blk.0.attn_q.weight", (COLUMNS, ROWS), type_id, 0, n_bytes)


def rows_of(type_id: int) -> Rows:
    """Raw rows on the CPU, as they come from the file, and a change made on the card."""
    tensor = tensor_of(type_id)
    raw = torch.empty((ROWS, (tensor.n_bytes or 0) // ROWS), dtype=torch.uint8)
    delta = Delta(tensor.name, torch.empty(4, COLUMNS), torch.empty(ROWS, 4), 0.5)
    change = delta.rows(0, ROWS, CUDA)
    assert (change.device.type, change.dtype) == ("cuda", torch.float32)
    return Rows(tensor, 0, raw, change)


class Master:
    def rows_of(self, name: str, start: int, stop: int, device: torch.device) -> torch.Tensor:
        del name
        return torch.empty(stop - start, COLUMNS, device=device)


@pytest.mark.parametrize("type_id", [*CODECS, *DENSE], ids=lambda n: TENSOR_TYPES[n].name)
@pytest.mark.parametrize("route", [StochasticCodes(3), EightBits(3)], ids=["codes", "eight"])
def test_routes(route: Route, type_id: int) -> None:
    rows = rows_of(type_id)
    kind = TENSOR_TYPES[route.type_for(rows.tensor)]
    packed = route.encode(rows)
    assert packed.shape == (ROWS, COLUMNS // kind.block * kind.block_bytes)
    assert (packed.dtype, packed.device.type) == (torch.uint8, "cpu")


@EVERY
def test_the_route_from_a_master(codec: Codec) -> None:
    packed = Ordinary(Master()).encode(rows_of(codec.type_id))
    assert packed.shape == (ROWS, COLUMNS // codec.block * codec.block_bytes)
    assert (packed.dtype, packed.device.type) == (torch.uint8, "cpu")


@EVERY
def test_quantizing_stays_on_the_device(codec: Codec) -> None:
    packed = torch_quantize(torch.empty(ROWS, COLUMNS, device=CUDA), codec.type_id)
    assert packed.shape == (ROWS, COLUMNS // codec.block * codec.block_bytes)
    assert packed.device.type == "cuda"


@pytest.mark.parametrize("type_id", [*CODECS, *DENSE], ids=lambda n: TENSOR_TYPES[n].name)
def test_dequantizing_takes_bytes_to_the_device(type_id: int) -> None:
    values = dequantize(rows_of(type_id).raw, type_id, CUDA)
    assert values.shape == (ROWS, COLUMNS)
    assert (values.dtype, values.device.type) == (torch.float32, "cuda")


@pytest.mark.parametrize("type_id", DENSE, ids=lambda n: TENSOR_TYPES[n].name)
def test_plain_numbers_come_back_as_bytes(type_id: int) -> None:
    packed = quantize(torch.empty(ROWS, COLUMNS, device=CUDA), type_id)
    assert packed.shape == (ROWS, COLUMNS * TENSOR_TYPES[type_id].block_bytes)
    assert (packed.dtype, packed.device.type) == (torch.uint8, "cpu")


def test_these_tests_can_fail() -> None:
    """A tensor left on the CPU is noticed."""
    with pytest.raises(Exception, match="device"):
        torch.empty(3, device=CUDA) + torch.empty(3)
