"""A CUDA card on paper: everything that torch would compute on one, but for the numbers.

Under torch's FakeTensorMode a tensor knows its shape, type and device, and nothing else; two that
meet on different devices are an error, as on a real card. So models are loaded, asked and trained
on a machine without a card, by a torch that was built without CUDA. What the mode leaves to a
driver is done here instead: autocast, backward passes, modules that move, numbers that are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.autograd.graph import _engine_run_backward
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from tsubasa_cli.learn.device import Device

CUDA = torch.device("cuda", 0)
"""With its number: torch asks the driver for the number of a card that has none."""
META = torch.device("meta")
PRODUCTS = {
    nn.functional.linear,
    nn.functional.scaled_dot_product_attention,
    torch.matmul,
    Tensor.matmul,
}
"""What autocast computes in bfloat16."""


class PaperCard(Device):
    """The card, as training sees it."""

    def torch(self) -> torch.device:
        return CUDA


CARD = PaperCard("cuda", 80 << 30, 80 << 30)


@contextmanager
def paper_card() -> Iterator[None]:
    """All that torch does in here happens on paper."""
    with (
        patch.object(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False),
        patch.object(torch.cuda, "is_bf16_supported", lambda: True),
        patch.object(nn.Module, "_apply", _moved),
        torch.serialization.skip_data(materialize_fake_tensors=True),
        FakeTensorMode(allow_non_fake_inputs=True),
        _Operations() as operations,
        _Calls(operations),
    ):
        yield


class _Operations(TorchDispatchMode):
    """What each operation is told, and what a single number is when it is asked for.

    The card is hidden from torch's own C++, which would call a driver that is not there; of
    tensors on no device at all it asks nothing. What it makes beside those, it makes there too:
    on the card, that is, unless ``wants_meta``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wants_meta = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.ops.prim.device.default:
            return META if args[0].device == CUDA else args[0].device
        if func is torch.ops.aten._local_scalar_dense.default:
            return _some_number(args[0])
        if kwargs.get("device") == META and not self.wants_meta:
            kwargs["device"] = CUDA
        return func(*args, **kwargs)


class _Calls(TorchFunctionMode):
    """What is called from Python, and from backward passes that compute forward again."""

    def __init__(self, operations: _Operations) -> None:
        super().__init__()
        self._operations = operations

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.numpy and isinstance(args[0], FakeTensor):
            return _some_array(args[0])
        if func in PRODUCTS and torch.is_autocast_enabled("cuda"):
            args, kwargs = tree_map_only(Tensor, _rounded, (args, kwargs))
        if func is Tensor.backward:
            with self:
                return _backward(args[0])
        before = self._operations.wants_meta
        self._operations.wants_meta = kwargs.get("device") == META
        try:
            return func(*args, **kwargs)
        finally:
            self._operations.wants_meta = before


def _backward(loss: Tensor) -> None:
    """As ``Tensor.backward``, which would leave what is computed again to no one's eyes."""
    once = (torch.ones_like(loss),)
    _engine_run_backward((loss,), once, False, False, (), True, accumulate_grad=True)


def _rounded(tensor: Tensor) -> Tensor:
    """As autocast hands it to a product."""
    return tensor.to(torch.get_autocast_dtype("cuda")) if tensor.is_floating_point() else tensor


def _some_number(tensor: Tensor) -> bool | int | float:
    if tensor.dtype is torch.bool:
        return False
    return 0.5 if tensor.is_floating_point() else 1


def _some_array(tensor: Tensor) -> Any:
    """As ``Tensor.numpy``, which a card refuses."""
    if tensor.device.type != "cpu":
        raise TypeError(f"can't convert {tensor.device} device type tensor to numpy")
    return np.zeros(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def _moved(
    module: nn.Module, change: Callable[[Tensor], Tensor], recurse: bool = True
) -> nn.Module:
    """As ``Module._apply``, which exchanges tensors in place; those on paper cannot be."""
    del recurse
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = nn.Parameter(change(weight), weight.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = change(buffer)
    return module
