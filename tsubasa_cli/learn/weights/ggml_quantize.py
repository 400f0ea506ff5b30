"""ggml's own quantizer, called in the library that llama-cpp-python brings, on CPU threads.

Only the library of formats is loaded (``ggml-base``): it has no devices, prints nothing and does
not import ``llama_cpp``. Rows are independent, and ctypes releases the interpreter's lock.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from tsubasa_cli.errors import EngineError
from tsubasa_cli.models.gguf_types import TENSOR_TYPES

NAMES = ("libggml-base.so", "libggml-base.dylib", "ggml-base.dll", "libggml-base.dll")
_Pack = Callable[[int, int, int, int, int, int, None], int]


def ggml_quantize(values: Tensor, type_id: int, threads: int | None = None) -> Tensor:
    """Float32 (rows, columns) on the CPU as rows of raw blocks, uint8 (rows, bytes of a row).

    ``columns`` must be a multiple of the type's block. Raises ``EngineError`` when llama.cpp's
    library is missing, ``ValueError`` for a type that needs an importance matrix.
    """
    library = _library()
    if library.ggml_quantize_requires_imatrix(type_id):
        raise ValueError(f"type {type_id} needs an importance matrix")
    kind = TENSOR_TYPES[type_id]
    rows, columns = values.shape
    contiguous = values.contiguous()
    packed = torch.empty((rows, columns // kind.block * kind.block_bytes), dtype=torch.uint8)
    pack: _Pack = library.ggml_quantize_chunk
    source, target = contiguous.data_ptr(), packed.data_ptr()

    def run(start: int, stop: int) -> int:
        return pack(type_id, source, target, start * columns, stop - start, columns, None)

    written = _in_parts(run, rows, threads or torch.get_num_threads())
    if written != packed.numel():
        raise EngineError(f"ggml wrote {written:,} bytes where {packed.numel():,} were expected.")
    return packed


def needs_importance(type_id: int) -> bool:
    """Whether ggml quantizes to this type only with an importance matrix."""
    return bool(_library().ggml_quantize_requires_imatrix(type_id))


def _in_parts(run: Callable[[int, int], int], rows: int, threads: int) -> int:
    """Call ``run`` on ranges that together are all rows, each range on a thread of its own."""
    count = max(1, min(threads, rows))
    bounds = [rows * part // count for part in range(count + 1)]
    if count == 1:
        return run(0, rows)
    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(run, bounds[:-1], bounds[1:]))


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_library_path()))
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_void_p,
    ]
    library.ggml_quantize_requires_imatrix.restype = ctypes.c_bool
    library.ggml_quantize_requires_imatrix.argtypes = [ctypes.c_int]
    return library


def _library_path() -> Path:
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        raise EngineError("llama-cpp-python is not installed.")
    folder = Path(spec.origin).parent / "lib"
    for name in NAMES:
        if (folder / name).exists():
            if hasattr(os, "add_dll_directory"):
                os.add_dll_directory(str(folder))
            return folder / name
    raise EngineError(
        "llama-cpp-python has no ggml-base library.",
        why=f"None of {', '.join(NAMES)} is in {folder}.",
        next_step="Install llama-cpp-python anew.",
    )
