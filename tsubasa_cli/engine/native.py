"""llama.cpp through its C API: a loaded model and its vocabulary.

The high-level ``Llama`` class cannot switch off repacked buffers, tokenizes user text with special
tokens on and redirects file descriptors while loading, so the engine calls the C functions that it
wraps (llama_cpp/llama_cpp.py; how they fit together: llama_cpp/_internals.py). Fields that came or
went between releases are set only where they exist.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as llama

from tsubasa_cli.engine.native_log import NativeLog
from tsubasa_cli.engine.protocol import ModelSpec

F16_BYTES = 2
ALL_LAYERS = 9999
MODEL_META_BYTES = 4096


class NativeError(Exception):
    """llama.cpp refused. ``code`` is "model", "adapter", "memory" or "decode"; ``why`` is its own
    reason."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(code, why)
        self.code = code
        self.why = why


class NativeModel:
    """A model in memory: what its file says, and its vocabulary."""

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
        self.n_embd: int = llama.llama_model_n_embd(self.model)
        self.gpu_layers = min(self.gpu_layers, llama.llama_model_n_layer(self.model) + 1)
        self._piece = ctypes.create_string_buffer(256)
        self.adapter_path = Path(spec.adapter) if spec.adapter else None
        self.adapter = self._load_adapter(self.adapter_path) if self.adapter_path else None

    def _load_adapter(self, path: Path) -> Any:
        """llama.cpp gives a null pointer for a file that it refuses, and dies of one later."""
        if not path.is_file():
            raise NativeError("adapter", f"{path.name} is missing.")
        self.log.forget()
        adapter = llama.llama_adapter_lora_init(self.model, str(path).encode())
        if not adapter:
            raise self.refusal("adapter")
        return adapter

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
            raise self.refusal("model")
        return model

    def refusal(self, code: str) -> NativeError:
        """What llama.cpp said about a thing that it would not do."""
        errors = self.log.errors()
        if any(_is_about_memory(line) for line in errors):
            code = "memory"
        return NativeError(code, _most_telling(errors))

    def close(self) -> None:
        """Free the weights, after every context on them is closed."""
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
    def is_hybrid(self) -> bool:
        """Some layers keep no KV cache."""
        return bool(llama.llama_model_is_hybrid(self.model))

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

    def tokenize(self, text: str, parse_special: bool, add_special: bool = False) -> list[int]:
        """Tokens of ``text``; without BOS or EOS unless asked to ``add_special`` ones."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        for _ in range(2):
            tokens = (llama.llama_token * room)()
            count = llama.llama_tokenize(
                self.vocab, data, len(data), tokens, room, add_special, parse_special
            )
            if count >= 0:
                break
            room = -count
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
