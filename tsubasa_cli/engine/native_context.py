"""A llama.cpp context on a loaded model: a KV cache, and what is computed into it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as llama
import numpy as np
import numpy.typing as npt
import psutil

from tsubasa_cli.engine.native import NativeError, NativeModel, set_known

SLICE = 128
"""Tokens evaluated between two looks at the cancel flag during prompt processing."""

FLASH_AUTO = getattr(llama, "LLAMA_FLASH_ATTN_TYPE_AUTO", -1)
FLASH_OFF = getattr(llama, "LLAMA_FLASH_ATTN_TYPE_DISABLED", 0)
"""Flash attention rounds by what else is in the batch (components of an embedding move by 2e-4; by
1e-6 without): a text's vector should be the text's alone."""

GIVEN_UP = 2
"""What ``llama_decode`` returns when its abort callback said so."""

GB = 10**9


@dataclass(frozen=True, slots=True)
class ContextShape:
    """``n_ctx`` positions shared by ``sequences`` sequences; batches of up to ``n_batch`` tokens,
    computed ``n_ubatch`` at a time, logits of up to ``outputs`` of them. With a ``pooling``
    (llama.cpp's number) the context embeds and has no logits."""

    n_ctx: int
    n_batch: int = SLICE
    n_ubatch: int = SLICE
    outputs: int = 1
    sequences: int = 1
    pooling: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """``tokens`` of ``sequence`` from ``position`` on; with ``is_last`` the last of them gives
    logits."""

    tokens: Sequence[int]
    position: int
    sequence: int
    is_last: bool


class GivenUpError(Exception):
    """What was computed is not wanted any more, or not now."""


class NativeContext:
    """One context; several may share a model. Not thread-safe."""

    def __init__(self, model: NativeModel, shape: ContextShape) -> None:
        """``NativeError`` with code "memory" when it does not fit."""
        self.model = model
        self.shape = shape
        model.log.forget()
        self._refuse_impossible(shape.n_ctx)
        self._context = llama.llama_init_from_model(model.model, self._params())
        if not self._context:
            raise model.refusal("memory")
        self._lay_adapter(model.adapter)
        self._memory = llama.llama_get_memory(self._context)
        self.n_ctx: int = llama.llama_n_ctx(self._context)
        self._batch = llama.llama_batch_init(shape.n_batch, 0, 1)
        self._never = self._given_up = llama.ggml_abort_callback()

    def _lay_adapter(self, adapter: Any) -> None:
        """Every context needs it: the weights themselves stay what they are."""
        if adapter is None:
            return
        adapters = (llama.llama_adapter_lora_p_ctypes * 1)()
        adapters[0] = ctypes.cast(adapter, llama.llama_adapter_lora_p_ctypes)
        scales = (ctypes.c_float * 1)(1.0)
        if llama.llama_set_adapters_lora(self._context, adapters, 1, scales):
            raise self.model.refusal("adapter")

    def give_up_when(self, unwanted: Callable[[], bool]) -> None:
        """Ask ``unwanted`` while a batch of several tokens is computed on a CPU: batches that it
        ends raise ``GivenUpError`` and leave the cache as it was. A single token is over before
        the thousand times that it would be asked."""

        def asked(_data: object) -> bool:
            self.model.log.is_muted = is_unwanted = unwanted()
            return is_unwanted

        self._given_up = llama.ggml_abort_callback(asked)

    def _refuse_impossible(self, n_ctx: int) -> None:
        """Linux grants any allocation and kills later, so refuse before what cannot be."""
        model = self.model
        needed, there = n_ctx * model.kv_bytes_per_token(), psutil.virtual_memory().total
        if model.gpu_layers == 0 and needed > there and not model.is_hybrid:
            raise NativeError(
                "memory",
                f"A window of {n_ctx:,} tokens takes {needed / GB:,.1f} GB; "
                f"this machine has {there / GB:,.1f} GB.",
            )

    def _params(self) -> Any:
        shape, params = self.shape, llama.llama_context_default_params()
        params.n_ctx = shape.n_ctx
        params.n_batch, params.n_ubatch = shape.n_batch, shape.n_ubatch
        params.n_seq_max = shape.sequences
        params.n_threads = params.n_threads_batch = self.model.n_threads
        set_known(params, "kv_unified", True)
        set_known(params, "n_outputs_max", shape.outputs)
        set_known(params, "flash_attn_type", FLASH_AUTO if shape.pooling is None else FLASH_OFF)
        set_known(params, "swa_full", True)
        if shape.pooling is not None:
            params.embeddings = True
            params.pooling_type = shape.pooling
        return params

    def close(self) -> None:
        """Free the cache; the object is unusable afterwards."""
        llama.llama_batch_free(self._batch)
        llama.llama_free(self._context)

    # ------------------------------------------------------------- evaluation

    def decode(self, tokens: Sequence[int], position: int, outputs: int, sequence: int = 0) -> None:
        """Evaluate up to ``n_batch`` tokens of ``sequence`` from ``position`` on; logits of the
        last ``outputs`` of them. ``NativeError`` when llama.cpp refuses."""
        self._batch.n_tokens = 0
        silent = len(tokens) - outputs
        for index, token in enumerate(tokens):
            self._add(token, position + index, sequence, index >= silent)
        self._compute()

    def decode_whole(self, texts: Sequence[Sequence[int]]) -> None:
        """Evaluate one text per sequence, from an empty cache."""
        self.clear()
        self._batch.n_tokens = 0
        for sequence, tokens in enumerate(texts):
            for position, token in enumerate(tokens):
                self._add(token, position, sequence, True)
        self._compute()

    def decode_parts(self, parts: Sequence[Part]) -> None:
        """Evaluate parts of several sequences, up to ``n_batch`` tokens in all."""
        self._batch.n_tokens = 0
        for part in parts:
            for index, token in enumerate(part.tokens):
                is_output = part.is_last and index + 1 == len(part.tokens)
                self._add(token, part.position + index, part.sequence, is_output)
        self._compute()

    def _add(self, token: int, position: int, sequence: int, is_output: bool) -> None:
        batch = self._batch
        index = batch.n_tokens
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = is_output
        batch.n_tokens = index + 1

    def _compute(self) -> None:
        asked = self._given_up if self._batch.n_tokens > 1 else self._never
        llama.llama_set_abort_callback(self._context, asked, None)
        code = llama.llama_decode(self._context, self._batch)
        self.model.log.is_muted = False
        if code == GIVEN_UP:
            raise GivenUpError
        if code != 0:
            raise NativeError("decode", f"llama_decode returned {code}.")

    def sample(self, chain: Any, index: int = -1) -> int:
        """What a llama.cpp sampler ``chain`` makes of the logits at ``index``, as in ``logits``."""
        return int(llama.llama_sampler_sample(chain, self._context, index))

    def logits(self, index: int = -1) -> npt.NDArray[np.float32]:
        """Logits of the token at ``index`` of the last batch, -1 for the last that has some; a
        view that the next ``decode`` overwrites."""
        found = llama.llama_get_logits_ith(self._context, index)
        return np.ctypeslib.as_array(found, shape=(self.model.n_vocab,))

    def pooled(self, sequence: int) -> npt.NDArray[np.float32]:
        """The embedding of ``sequence`` of the last batch; a view, as above."""
        found = llama.llama_get_embeddings_seq(self._context, sequence)
        if not found:
            raise NativeError("decode", "llama.cpp gave no embedding.")
        return np.ctypeslib.as_array(found, shape=(self.model.n_embd,))

    # ------------------------------------------------------------- the cache

    def drop_from(self, position: int, sequence: int = 0) -> bool:
        """Remove everything from ``position`` on; False where the architecture cannot."""
        return bool(llama.llama_memory_seq_rm(self._memory, sequence, position, -1))

    def share(self, source: int, sequence: int, count: int) -> None:
        """The first ``count`` positions of ``source`` are those of ``sequence`` too."""
        llama.llama_memory_seq_cp(self._memory, source, sequence, 0, count)

    def clear(self) -> None:
        """Empty the cache of all sequences."""
        llama.llama_memory_clear(self._memory, True)

    def write_state(self, path: Path, tokens: Sequence[int]) -> bool:
        """Write the cache of sequence 0 and its ``tokens``; False when llama.cpp could not."""
        array = (llama.llama_token * len(tokens))(*tokens)
        written = llama.llama_state_seq_save_file(
            self._context, str(path).encode(), 0, array, len(tokens)
        )
        return bool(written)

    def read_state(self, path: Path) -> list[int] | None:
        """The inverse of ``write_state``; None when llama.cpp refuses the file."""
        array = (llama.llama_token * self.n_ctx)()
        count = ctypes.c_size_t(0)
        read = llama.llama_state_seq_load_file(
            self._context, str(path).encode(), 0, array, self.n_ctx, ctypes.byref(count)
        )
        return array[: count.value] if read else None
