"""llama.cpp through its C API: one loaded model with one context, sequence 0.

The high-level ``Llama`` class cannot switch off repacked buffers, tokenizes user text with special
tokens on and redirects file descriptors while loading, so the engine calls the C functions that it
wraps (llama_cpp/llama_cpp.py; how they fit together: llama_cpp/_internals.py). Fields that came or
went between releases are set only where they exist.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as llama
import psutil

from tsubasa_cli.engine.native_log import NativeLog
from tsubasa_cli.engine.protocol import ModelSpec

SLICE = 128
"""Tokens evaluated between two looks at the cancel flag during prompt processing."""

F16_BYTES = 2
GB = 10**9
ALL_LAYERS = 9999
MODEL_META_BYTES = 4096


class NativeError(Exception):
    """llama.cpp refused. ``code`` is "model", "memory" or "decode"; ``why`` is its own reason."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(code, why)
        self.code = code
        self.why = why


class NativeModel:
    """A model in memory and its context. Not thread-safe but for the vocabulary methods."""

    def __init__(
        self,
        spec: ModelSpec,
        n_threads: int,
        log: NativeLog,
        on_progress: Callable[[float], None],
    ) -> None:
        """Load ``spec``; ``NativeError`` with llama.cpp's reason when it refuses."""
        self.path = Path(spec.path)
        self.log = log
        self.n_threads = n_threads
        log.forget()
        llama.llama_backend_init()
        self.gpu_layers = gpu_layers(spec)
        self.model = self._load(spec, on_progress)
        self.vocab = llama.llama_model_get_vocab(self.model)
        self.n_vocab: int = llama.llama_vocab_n_tokens(self.vocab)
        self.n_ctx_train: int = llama.llama_model_n_ctx_train(self.model)
        self.context = self._open_context(spec.n_ctx or self.n_ctx_train)
        self.memory = llama.llama_get_memory(self.context)
        self.n_ctx: int = llama.llama_n_ctx(self.context)
        self.gpu_layers = min(self.gpu_layers, llama.llama_model_n_layer(self.model) + 1)
        self._batch = llama.llama_batch_init(SLICE, 0, 1)
        self._piece = ctypes.create_string_buffer(256)

    def _load(self, spec: ModelSpec, on_progress: Callable[[float], None]) -> Any:
        def progress(fraction: float, _user_data: object) -> bool:
            on_progress(fraction)
            return True

        params = llama.llama_model_default_params()
        self._progress = llama.llama_progress_callback(progress)
        params.progress_callback = self._progress
        params.n_gpu_layers = self.gpu_layers
        set_known(params, "use_extra_bufts", spec.use_extra_bufts)
        set_known(params, "load_mode", getattr(llama, "LLAMA_LOAD_MODE_MMAP", 1))
        set_known(params, "use_mmap", True)
        model = llama.llama_model_load_from_file(str(self.path).encode(), params)
        if not model:
            raise self._refusal("model")
        return model

    def _refuse_impossible(self, n_ctx: int) -> None:
        """Linux grants any allocation and kills later, so refuse before what cannot be."""
        needed, there = n_ctx * self.kv_bytes_per_token(), psutil.virtual_memory().total
        if self.gpu_layers == 0 and needed > there and not llama.llama_model_is_hybrid(self.model):
            llama.llama_model_free(self.model)
            raise NativeError(
                "memory",
                f"A window of {n_ctx:,} tokens takes {needed / GB:,.1f} GB; "
                f"this machine has {there / GB:,.1f} GB.",
            )

    def _open_context(self, n_ctx: int) -> Any:
        self._refuse_impossible(n_ctx)
        params = llama.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = SLICE
        params.n_ubatch = SLICE
        params.n_threads = self.n_threads
        params.n_threads_batch = self.n_threads
        set_known(params, "n_outputs_max", 1)
        set_known(params, "flash_attn_type", getattr(llama, "LLAMA_FLASH_ATTN_TYPE_AUTO", -1))
        set_known(params, "swa_full", True)
        context = llama.llama_init_from_model(self.model, params)
        if not context:
            llama.llama_model_free(self.model)
            raise self._refusal("memory")
        return context

    def _refusal(self, code: str) -> NativeError:
        errors = self.log.errors()
        if any(_is_about_memory(line) for line in errors):
            code = "memory"
        return NativeError(code, _most_telling(errors))

    def close(self) -> None:
        """Free everything; the object is unusable afterwards."""
        llama.llama_batch_free(self._batch)
        llama.llama_free(self.context)
        llama.llama_model_free(self.model)

    # ------------------------------------------------------------- what the file says

    def meta(self, key: str) -> str | None:
        """A metadata value of the GGUF as text, or None."""
        size = MODEL_META_BYTES
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = llama.llama_model_meta_val_str(self.model, key.encode(), buffer, size)
            if length < 0:
                return None
            if length < size:
                return buffer.value.decode("utf-8", "replace")
            size = length + 1

    def chat_template(self) -> str | None:
        """The file's own jinja template."""
        found = llama.llama_model_chat_template(self.model, None)
        return found.decode("utf-8", "replace") if found else None

    @property
    def architecture(self) -> str:
        return self.meta("general.architecture") or "unknown"

    @property
    def n_params(self) -> int:
        return int(llama.llama_model_n_params(self.model))

    @property
    def size_bytes(self) -> int:
        """Bytes of all tensors."""
        return int(llama.llama_model_size(self.model))

    def kv_bytes_per_token(self) -> int:
        """Bytes that one position takes in an F16 cache of all layers (an upper bound where some
        layers keep none)."""
        heads = llama.llama_model_n_head_kv(self.model)
        width = llama.llama_model_n_embd(self.model) // max(llama.llama_model_n_head(self.model), 1)
        widths = [
            int(self.meta(f"{self.architecture}.attention.{name}_length") or width)
            for name in ("key", "value")
        ]
        return int(llama.llama_model_n_layer(self.model) * heads * sum(widths) * F16_BYTES)

    # ------------------------------------------------------------- vocabulary

    def tokenize(self, text: str, parse_special: bool) -> list[int]:
        """Tokens of ``text`` without BOS or EOS."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        tokens = (llama.llama_token * room)()
        count = llama.llama_tokenize(
            self.vocab, data, len(data), tokens, room, False, parse_special
        )
        if count < 0:
            room = -count
            tokens = (llama.llama_token * room)()
            count = llama.llama_tokenize(
                self.vocab, data, len(data), tokens, room, False, parse_special
            )
        return tokens[: max(count, 0)]

    def piece(self, token: int, special: bool = False) -> bytes:
        """The bytes of one token; control tokens are empty unless ``special``."""
        length = llama.llama_token_to_piece(self.vocab, token, self._piece, 256, 0, special)
        if length >= 0:
            return self._piece.raw[:length]
        longer = ctypes.create_string_buffer(-length)
        length = llama.llama_token_to_piece(self.vocab, token, longer, -length, 0, special)
        return longer.raw[:length]

    def token_text(self, token: int) -> str:
        found = llama.llama_vocab_get_text(self.vocab, token)
        return found.decode("utf-8", "replace") if found else ""

    def tokens_of_kind(self, attributes: int) -> list[int]:
        """Tokens that have any of the llama.cpp attribute bits ``attributes``."""
        get = llama.llama_vocab_get_attr
        return [token for token in range(self.n_vocab) if get(self.vocab, token) & attributes]

    def ends_generation(self, token: int) -> bool:
        return bool(llama.llama_vocab_is_eog(self.vocab, token))

    def bos(self) -> int | None:
        token = llama.llama_vocab_bos(self.vocab)
        return token if token >= 0 else None

    def eos(self) -> int | None:
        token = llama.llama_vocab_eos(self.vocab)
        return token if token >= 0 else None

    def adds_bos(self) -> bool:
        return bool(llama.llama_vocab_get_add_bos(self.vocab))

    # ------------------------------------------------------------- evaluation

    def decode(self, tokens: Sequence[int], position: int, with_logits: bool) -> None:
        """Evaluate up to ``SLICE`` tokens of sequence 0 from ``position`` on; logits of the last
        one where asked. ``NativeError`` when llama.cpp refuses."""
        batch = self._batch
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = position + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = 0
        batch.logits[len(tokens) - 1] = with_logits
        code = llama.llama_decode(self.context, batch)
        if code != 0:
            raise NativeError("decode", f"llama_decode returned {code}.")

    def drop_from(self, position: int) -> bool:
        """Remove everything from ``position`` on; False where the architecture cannot."""
        return bool(llama.llama_memory_seq_rm(self.memory, 0, position, -1))

    def clear(self) -> None:
        """Empty the cache."""
        llama.llama_memory_clear(self.memory, True)

    # ------------------------------------------------------------- state on disk

    def write_state(self, path: Path, tokens: Sequence[int]) -> bool:
        """Write the cache of sequence 0 and its ``tokens``; False when llama.cpp could not."""
        array = (llama.llama_token * len(tokens))(*tokens)
        written = llama.llama_state_seq_save_file(
            self.context, str(path).encode(), 0, array, len(tokens)
        )
        return bool(written)

    def read_state(self, path: Path) -> list[int] | None:
        """The inverse of ``write_state``; None when llama.cpp refuses the file."""
        array = (llama.llama_token * self.n_ctx)()
        count = ctypes.c_size_t(0)
        read = llama.llama_state_seq_load_file(
            self.context, str(path).encode(), 0, array, self.n_ctx, ctypes.byref(count)
        )
        return array[: count.value] if read else None


def set_known(params: Any, name: str, value: Any) -> None:
    """Set a field of a llama.cpp parameter struct where this release has it."""
    if any(field[0] == name for field in params._fields_):
        setattr(params, name, value)


def gpu_layers(spec: ModelSpec) -> int:
    """Layers to ask for on a GPU: none where the build cannot, for -1 more than any model has."""
    if not llama.llama_supports_gpu_offload():
        return 0
    return ALL_LAYERS if spec.n_gpu_layers < 0 else spec.n_gpu_layers


def _is_about_memory(line: str) -> bool:
    lowered = line.lower()
    return any(sign in lowered for sign in ("alloc", "out of memory", "insufficient memory"))


def _most_telling(errors: list[str]) -> str:
    """The first error is the cause; those after it repeat that the load failed."""
    return errors[0] if errors else "llama.cpp gave no reason."
