"""What the program and the engine's child process say to each other: typed, one JSON a line.

Requests go down the child's standard input, events come up its standard output; each carries the
``id`` of the request it belongs to. Both sides import this module and nothing else of each other.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a prompt. ``role`` is "system", "user" or "assistant"; ``text`` is plain text,
    tokenized with special tokens off, whatever it contains."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. ``temperature`` 0 is greedy; ``seed`` None is random."""

    temperature: float = 0.7
    top_p: float = 0.8
    top_k: int = 20
    min_p: float = 0.0
    presence_penalty: float = 0.0
    repeat_penalty: float = 1.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model to load. ``n_ctx`` is the window in tokens; ``n_gpu_layers`` -1 offloads all that
    the build can, 0 none; ``n_threads`` 0 lets the engine choose; ``use_extra_bufts`` False
    avoids llama.cpp's repacked CPU buffers (see ``engine.safe_start``)."""

    path: str
    n_ctx: int
    n_gpu_layers: int = -1
    n_threads: int = 0
    use_extra_bufts: bool = True


# ----------------------------------------------------------------------------- requests


@dataclass(frozen=True, slots=True)
class Request:
    """Base of what the parent asks; ``id`` is unique per child process."""

    kind: ClassVar[str]
    id: int


@dataclass(frozen=True, slots=True)
class Load(Request):
    """Load ``model``, replacing the one that is loaded; with ``probe``, decode a real 64-token
    batch before saying ``Loaded``."""

    kind = "load"
    model: ModelSpec
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Generate(Request):
    """Continue ``messages`` with an assistant reply. ``thinking`` None leaves the switch to the
    template. ``max_tokens`` None generates until the window is full. With ``settle`` the reply is
    afterwards re-evaluated in the background as history will render it."""

    kind = "generate"
    messages: tuple[Message, ...]
    sampling: Sampling
    thinking: bool | None = None
    max_tokens: int | None = None
    settle: bool = True


@dataclass(frozen=True, slots=True)
class Warm(Request):
    """Evaluate ``messages`` into the KV cache as history, so that the next ``Generate`` that
    begins with them finds them there. Cancellable between slices."""

    kind = "warm"
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Count(Request):
    """Count the tokens of ``messages`` as ``Generate`` would send them, and of each text alone."""

    kind = "count"
    messages: tuple[Message, ...]
    thinking: bool | None = None


@dataclass(frozen=True, slots=True)
class Cancel(Request):
    """Stop request ``target`` at the next token or prefill slice."""

    kind = "cancel"
    target: int


@dataclass(frozen=True, slots=True)
class SaveState(Request):
    """Write the chat's KV state to ``path`` (atomically, mode 0600)."""

    kind = "save_state"
    path: str


@dataclass(frozen=True, slots=True)
class RestoreState(Request):
    """Read the chat's KV state from ``path``; an unusable file restores nothing."""

    kind = "restore_state"
    path: str


@dataclass(frozen=True, slots=True)
class Totals(Request):
    """Ask for the counters since the model was loaded."""

    kind = "totals"
    after_settling: bool = False


# ----------------------------------------------------------------------------- events


class StopReason(StrEnum):
    """Why a reply ended."""

    END = "end"
    """The model ended it."""
    LENGTH = "length"
    """``max_tokens`` or the window was reached."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Event:
    """Base of what the child reports about request ``id``."""

    kind: ClassVar[str]
    id: int


@dataclass(frozen=True, slots=True)
class Probing(Event):
    """The model is loaded and the probe batch is about to be decoded."""

    kind = "probing"


@dataclass(frozen=True, slots=True)
class LoadProgress(Event):
    """``fraction`` 0..1 of the weights are in memory."""

    kind = "load_progress"
    fraction: float


@dataclass(frozen=True, slots=True)
class Loaded(Event):
    """The model is ready. ``family`` is the template family ("qwen3", "chatml", "llama3", …);
    ``thinks`` says whether the template has a thinking switch."""

    kind = "loaded"
    name: str
    architecture: str
    family: str
    n_ctx: int
    n_ctx_train: int
    n_params: int
    size_bytes: int
    thinks: bool
    gpu_layers: int
    n_threads: int
    system_info: str
    kv_bytes_per_token: int = 0


@dataclass(frozen=True, slots=True)
class Prefill(Event):
    """``done`` of ``total`` new prompt tokens are evaluated."""

    kind = "prefill"
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class TextDelta(Event):
    """More of the reply."""

    kind = "text"
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta(Event):
    """More of the model's thinking, without its ``<think>`` marks."""

    kind = "thinking"
    text: str


@dataclass(frozen=True, slots=True)
class Stats(Event):
    """Running figures of a reply, at most every 100 ms. Units as in ``storage.values.Usage``."""

    kind = "stats"
    prompt: int
    cached: int
    evaluated: int
    generated: int
    prefill_seconds: float
    decode_seconds: float


@dataclass(frozen=True, slots=True)
class Done(Event):
    """The reply ended. ``text`` is exactly what history must hold for the KV cache to match.
    ``after_cancel`` counts tokens evaluated between hearing the cancel and stopping."""

    kind = "done"
    reason: StopReason
    text: str
    thinking: str
    stats: Stats
    after_cancel: int = 0


@dataclass(frozen=True, slots=True)
class Counted(Event):
    """``prompt`` tokens of the whole rendered prompt, ``texts`` of each message's text alone."""

    kind = "counted"
    prompt: int
    texts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StateMoved(Event):
    """A state was saved or restored: ``tokens`` positions, ``size_bytes`` on disk."""

    kind = "state"
    tokens: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Warmed(Event):
    """Warming ended (or was cancelled): ``cached`` tokens are in the KV cache."""

    kind = "warmed"
    cached: int
    evaluated: int


@dataclass(frozen=True, slots=True)
class TotalsReport(Event):
    """Counters since the load: prompt tokens ``prefilled`` (background work included), tokens
    ``decoded`` one by one, and what is in the chat's KV cache now."""

    kind = "totals"
    prefilled: int
    decoded: int
    cached: int


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The request could not be done. ``code`` is stable, the rest is for people."""

    kind = "failed"
    code: str
    what: str
    why: str = ""
    next_step: str = ""
    details: dict[str, int] = field(default_factory=dict)


# ----------------------------------------------------------------------------- the wire


def _kinds(base: type[Request] | type[Event]) -> dict[str, type]:
    return {cls.kind: cls for cls in base.__subclasses__()}


def encode(message: Request | Event) -> bytes:
    """One line of JSON, newline included. Lone surrogates, which no model could be told, become
    question marks."""
    body = {"kind": message.kind, **asdict(message)}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def decode_request(line: bytes) -> Request:
    """The inverse of ``encode`` for requests; ``ValueError`` on anything else."""
    return _decode(line, _kinds(Request))  # type: ignore[return-value]


def decode_event(line: bytes) -> Event:
    """The inverse of ``encode`` for events; ``ValueError`` on anything else."""
    return _decode(line, _kinds(Event))  # type: ignore[return-value]


def _decode(line: bytes, kinds: dict[str, type]) -> object:
    body = json.loads(line)
    cls = kinds.get(body.pop("kind", ""))
    if cls is None:
        raise ValueError("unknown message kind")
    return _build(cls, body)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _build(cls: type, body: dict[str, Any]) -> Any:
    hints = _hints(cls)
    return cls(
        **{f.name: _value(hints[f.name], body[f.name]) for f in fields(cls) if f.name in body}
    )


def _value(hint: Any, raw: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        if raw is None:
            return None
        hint = next(arg for arg in get_args(hint) if arg is not NoneType)
    if get_origin(hint) is tuple:
        return tuple(_value(get_args(hint)[0], item) for item in raw)
    if is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, raw)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(raw)
    return raw
