"""What the user can set. Every field documents itself; ``tsubasa config show`` prints it all.

The file is TOML in the platform's config folder and holds only what differs from the defaults;
comments in it survive ``tsubasa config set``. These are plain values with their limits beside them;
pydantic, which checks a file against them, is loaded when one has changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from annotated_types import Ge, Interval, Predicate


class Section:
    """A table of the settings file: unknown keys are errors, docstrings are descriptions."""

    __slots__ = ()
    __pydantic_config__ = {
        "extra": "forbid", "allow_inf_nan": False, "use_attribute_docstrings": True
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings(Section):
    """How conversations go."""

    thinking: bool = True
    """Let models that can think do so before they answer (/think and /no_think switch it)."""

    system_prompt: str = "You are a helpful assistant. Answer clearly and to the point."
    """What every new conversation begins with, unless a persona is chosen."""

    persona: str = ""
    """Name of the persona for new conversations (one of [personas]); empty for none."""

    auto_title: bool = True
    """Let the model name a conversation after its first reply."""

    compact_at: Annotated[float, Interval(ge=0.5, le=0.95)] = 0.85
    """Share of the context window above which the oldest turns are folded into a summary."""

    max_reply_tokens: Annotated[int, Ge(0)] = 0
    """Longest reply in tokens; 0 lets a reply use what is left of the window."""


SMALLEST_WINDOW = 512


def _zero_or_a_window(tokens: int) -> bool:
    """(0, or 512 and more)"""
    return tokens == 0 or tokens >= SMALLEST_WINDOW


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings(Section):
    """How llama.cpp runs."""

    context_tokens: Annotated[int, Ge(0), Predicate(_zero_or_a_window)] = 0
    """Context window in tokens; 0 chooses by the model and this machine's memory."""

    gpu_layers: Annotated[int, Ge(-1)] = -1
    """Layers to put on the GPU; -1 offloads all that fit when the build can, 0 none."""

    threads: Annotated[int, Ge(0)] = 0
    """CPU threads; 0 uses the physical cores."""

    kv_cache_mb: Annotated[int, Ge(0)] = 2048
    """Disk kept for the KV states of the sessions last used, in MB; 0 keeps none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSettings(Section):
    """Sampling. What is not set here follows the model family's own recommendation."""

    temperature: Annotated[float, Interval(ge=0.0, le=5.0)] | None = None
    """Randomness; 0 always takes the likeliest token."""

    top_p: Annotated[float, Interval(gt=0.0, le=1.0)] | None = None
    """Nucleus sampling: keep the likeliest tokens that together have this probability."""

    top_k: Annotated[int, Ge(0)] | None = None
    """Keep only this many of the likeliest tokens; 0 keeps all."""

    min_p: Annotated[float, Interval(ge=0.0, le=1.0)] | None = None
    """Drop tokens less likely than this share of the likeliest."""

    presence_penalty: Annotated[float, Interval(ge=-2.0, le=2.0)] | None = None
    """Make tokens that occurred already less likely; up to 1.5 against repetition."""

    def chosen(self) -> dict[str, Any]:
        """Those that are set, by name."""
        named = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in named if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings(Section):
    """Where models come from."""

    endpoint: str = ""
    """Address of the model hub; empty means the hub client's own default (or HF_ENDPOINT)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings(Section):
    """What is remembered, and what of it is recalled."""

    enabled: bool = True
    """Remember what is said in chats, and recall it. /incognito switches both off for one chat."""

    recall_count: Annotated[int, Interval(ge=0, le=30)] = 6
    """Most memories that go with one question; 0 recalls nothing."""

    recall_share: Annotated[float, Interval(ge=0.0, le=0.5)] = 0.15
    """Share of the context window that recalled memories may fill, all together; when it is spent,
    each question still gets a few."""

    idle_seconds: Annotated[int, Ge(0)] = 45
    """How long the chat is left alone before it distils what was said; 0 never does so by itself
    (tsubasa memory process does it by hand)."""

    owner: str = ""
    """Your name, as memories should call you; empty says "the user"."""

    embedder: str = ""
    """Path of a GGUF embedding model to search memories with; empty uses the embedded one."""


_HOURS = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d ?[-–] ?(?:[01]?\d|2[0-3]):[0-5]\d")
_DURATION = re.compile(r"(?=\d)(?:\d+ ?h)? ?(?:\d+ ?m(?:in)?)?")


def _hours_or_nothing(hours: str) -> bool:
    """(HH:MM-HH:MM, or empty)"""
    return not hours or _HOURS.fullmatch(hours) is not None


def _duration_or_nothing(duration: str) -> bool:
    """(2h, 90m or 1h30m, or empty)"""
    return not duration or _DURATION.fullmatch(duration) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnSettings(Section):
    """When the model may learn by itself (tsubasa learn --when-idle)."""

    hours: Annotated[str, Predicate(_hours_or_nothing)] = ""
    """The only hours in which --when-idle learns, such as 23:00-07:00; empty for any time."""

    quiet_hours: Annotated[str, Predicate(_hours_or_nothing)] = ""
    """Hours in which the machine stays quiet and --when-idle waits; empty for none."""

    max_load: Annotated[float, Ge(0.0)] = 0.5
    """Busiest that the machine may be when learning begins: load of the last minute per core."""

    on_battery: bool = False
    """Let --when-idle learn while the machine runs on its battery."""

    budget: Annotated[str, Predicate(_duration_or_nothing)] = ""
    """How long one run may take, such as 2h; empty plans without a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookSettings(Section):
    """How the chat looks."""

    theme: str = "tsubasa-night"
    """Colour theme; the chat's theme picker (Ctrl+T) writes it here."""

    sidebar: bool = True
    """Show the list of sessions when the terminal is wide enough."""

    show_thinking: bool = False
    """Unfold the thinking block while the model thinks."""

    editor: str = ""
    """Command for writing long messages; empty means $VISUAL, then $EDITOR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Section):
    """All of Tsubasa's settings."""

    chat: ChatSettings = ChatSettings()
    engine: EngineSettings = EngineSettings()
    sampling: SamplingSettings = SamplingSettings()
    models: ModelSettings = ModelSettings()
    memory: MemorySettings = MemorySettings()
    learn: LearnSettings = LearnSettings()
    look: LookSettings = LookSettings()
    personas: dict[str, str] = field(default_factory=dict)
    """Your personas: a name and the system prompt that it stands for."""

    keys: dict[str, str] = field(default_factory=dict)
    """Keys of the chat by binding id, for example send = "ctrl+enter"."""
