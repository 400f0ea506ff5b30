"""Runs a model, and maybe an adapter on it, through llama.cpp's own C API in a child process.

    python plain_llama.py MODEL ADAPTER-OR-EMPTY OUT.npy TOKEN [TOKEN …]

writes the logits of every position, float32 (tokens, vocabulary). Nothing of Tsubasa is imported:
what this runs, any llama.cpp runs.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt


def plain_logits(
    model: Path, tokens: Sequence[int], out: Path, adapter: Path | None = None
) -> npt.NDArray[np.float32]:
    """The logits of ``tokens``, computed by llama.cpp in float32 throughout."""
    command = [sys.executable, __file__, str(model), str(adapter or ""), str(out)]
    done = subprocess.run(
        [*command, *map(str, tokens)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    logits: npt.NDArray[np.float32] = np.load(out)
    return logits


def main(model_path: str, adapter_path: str, out: str, tokens: list[int]) -> None:
    import llama_cpp.llama_cpp as llama

    llama.llama_backend_init()
    model_params = llama.llama_model_default_params()
    model_params.use_extra_bufts = False
    model_params.n_gpu_layers = 0
    model = llama.llama_model_load_from_file(model_path.encode(), model_params)
    assert model, "llama.cpp does not load the model"
    params = llama.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = max(64, len(tokens))
    params.n_threads = params.n_threads_batch = 1
    params.type_k = params.type_v = llama.GGML_TYPE_F32
    params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = llama.llama_init_from_model(model, params)
    if adapter_path:
        adapter = llama.llama_adapter_lora_init(model, adapter_path.encode())
        assert adapter, "llama.cpp does not load the adapter"
        adapters = (llama.llama_adapter_lora_p_ctypes * 1)(adapter)
        scales = (ctypes.c_float * 1)(1.0)
        assert llama.llama_set_adapters_lora(context, adapters, 1, scales) == 0
    batch = llama.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for at, token in enumerate(tokens):
        batch.token[at], batch.pos[at], batch.logits[at] = token, at, True
        batch.n_seq_id[at], batch.seq_id[at][0] = 1, 0
    assert llama.llama_decode(context, batch) == 0
    n_vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    rows = [llama.llama_get_logits_ith(context, at)[:n_vocab] for at in range(len(tokens))]
    np.save(out, np.array(rows, np.float32))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], [int(token) for token in sys.argv[4:]])
