"""What the program and the engine's child process say to each other.

Requests go down, events come up; each carries the ``id`` of the request it belongs to. Both sides
import this module, and ``wire`` for the form on the pipes, and nothing else of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar


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
class Completion:
    """What a model wrote; ``is_whole`` says that it was not cut by the bound on its tokens."""

    text: str
    is_whole: bool


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
    embedding: bool = False
    """The model is loaded for ``embed`` and for nothing else."""
    adapter: str = ""
    """A LoRA in GGUF form that is laid over the model; empty for none."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A prompt and the reply that followed. ``thinking`` None: the reply was made without any,
    else it is what was thought before."""

    messages: tuple[Message, ...]
    reply: str
    thinking: str | None = None


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


@dataclass(frozen=True, slots=True)
class Work(Request):
    """Base of what is computed beside the chat, in a context of its own. It gives way: a
    ``Generate`` that arrives meanwhile ends it with ``Failed("preempted")``."""


@dataclass(frozen=True, slots=True)
class Score(Work):
    """How likely is each of ``choices`` as the continuation of a reply, without thinking, to
    ``messages`` that has begun with ``prefix``?"""

    kind = "score"
    messages: tuple[Message, ...]
    choices: tuple[str, ...]
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Complete(Work):
    """Continue a reply, without thinking, to ``messages`` that has begun with ``prefix``, until
    the model ends it, one of ``stop`` appears, or ``max_tokens`` are made. ``schema`` is the JSON
    schema of what follows the prefix."""

    kind = "complete"
    messages: tuple[Message, ...]
    max_tokens: int
    sampling: Sampling
    prefix: str = ""
    stop: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class CompleteAll(Work):
    """A reply, without thinking, to each of ``prompts``, of up to ``max_tokens``; several are made
    at once. With a seed in ``sampling`` each draws with that and its place."""

    kind = "complete_all"
    prompts: tuple[tuple[Message, ...], ...]
    max_tokens: int
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Embed(Work):
    """Turn each of ``texts`` into a vector."""

    kind = "embed"
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Encode(Work):
    """The tokens of ``dialogues``, as ``Generate`` would send and make them."""

    kind = "encode"
    dialogues: tuple[Dialogue, ...]


@dataclass(frozen=True, slots=True)
class Weigh(Work):
    """How likely are ``texts`` as they stand, without any prompt format, each of them apart?"""

    kind = "weigh"
    texts: tuple[str, ...]


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
    n_embd: int = 0
    """The width of its embeddings."""


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
    """Counters since the load: prompt tokens ``prefilled`` for the chat (settling and warming
    included), tokens ``decoded`` one by one, what is in the chat's KV cache now, and all tokens
    evaluated by ``Work``."""

    kind = "totals"
    prefilled: int
    decoded: int
    cached: int
    worked: int = 0


@dataclass(frozen=True, slots=True)
class Scored(Event):
    """Per choice the sum of the natural logarithms of its tokens' probabilities, and how many
    tokens it has. Of the prompt's tokens ``cached`` were there; ``evaluated`` counts all that were
    computed."""

    kind = "scored"
    sums: tuple[float, ...]
    counts: tuple[int, ...]
    cached: int
    evaluated: int


@dataclass(frozen=True, slots=True)
class Completed(Event):
    """``text`` is what follows the prefix, without the stop string; ``is_whole`` unless a bound
    cut it. Figures as in ``Scored``."""

    kind = "completed"
    text: str
    is_whole: bool
    cached: int
    evaluated: int


@dataclass(frozen=True, slots=True)
class CompletedAll(Event):
    """Per prompt its reply, and whether the model ended it; ``evaluated`` counts all tokens that
    were computed."""

    kind = "completed_all"
    texts: tuple[str, ...]
    are_whole: tuple[bool, ...]
    evaluated: int


@dataclass(frozen=True, slots=True)
class Embedded(Event):
    """Per text its vector, of length 1: ``data`` is their 32-bit floats, little-endian, in base64;
    ``width`` is how many each has."""

    kind = "embedded"
    data: str
    width: int
    evaluated: int


@dataclass(frozen=True, slots=True)
class Encoded(Event):
    """Per dialogue the tokens of its prompt, and those of its reply with the one that ends it."""

    kind = "encoded"
    prompts: tuple[tuple[int, ...], ...]
    replies: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Weighed(Event):
    """Per text the sum of the natural logarithms of its tokens' probabilities, the first aside
    that nothing stands before, and how many tokens that are."""

    kind = "weighed"
    sums: tuple[float, ...]
    counts: tuple[int, ...]
    evaluated: int


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The request could not be done. ``code`` is stable, the rest is for people."""

    kind = "failed"
    code: str
    what: str
    why: str = ""
    next_step: str = ""
    details: dict[str, int] = field(default_factory=dict)
