"""Numbers to blocks by the ordinary road: each weight to the nearest code of the best scale."""

from __future__ import annotations

import torch
from torch import Tensor

from tsubasa_cli.learn.weights.ggml_quantize import ggml_quantize
from tsubasa_cli.learn.weights.tensor_file import DENSE
from tsubasa_cli.learn.weights.torch_quantize import QUANTIZERS, torch_quantize


def quantize(values: Tensor, type_id: int) -> Tensor:
    """Float32 (rows, columns) as raw rows of a ggml type: uint8 (rows, bytes of a row), CPU.

    On the CPU ggml itself does it; on a device torch does, for the types it knows.
    """
    if type_id in DENSE:
        return values.to(DENSE[type_id]).cpu().contiguous().view(torch.uint8)
    if values.device.type == "cpu" or type_id not in QUANTIZERS:
        return ggml_quantize(values.cpu(), type_id)
    return torch_quantize(values, type_id).cpu()
