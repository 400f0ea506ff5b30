"""Chat templates: the model file's own jinja, rendered around placeholders.

What a template prints is scaffold (tokenized with special tokens on); what people and the model
said is content (special tokens off). To keep them apart the template renders placeholders, and
the result is split at them; so nothing that a user types can become prompt format, and a
template's trimming never changes what was said.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tsubasa_cli.engine.protocol import Message

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""For files without a template of their own."""

JOINT = "\n\n"
"""Between texts that share one entry because the template demands alternation."""


@dataclass(frozen=True, slots=True)
class Scaffold:
    """Prompt format: ``text`` may hold special tokens."""

    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """Somebody's words: ``text`` is to be tokenized as plain text."""

    text: str


Segment = Scaffold | Content


@dataclass(frozen=True, slots=True)
class _Entry:
    role: str
    parts: tuple[str, ...]


def _placeholder(index: int) -> str:
    return f"tsubasa\u2063placeholder\u2063{index}\u2063end"


class ChatTemplate:
    """A compiled template and what it can do. ``TemplateError`` when ``source`` cannot compile
    or fails on an ordinary exchange."""

    def __init__(self, source: str, bos: str = "", eos: str = "") -> None:
        self.source = source
        self._started = datetime.now()
        self._constants = {"bos_token": bos, "eos_token": eos, "tools": None, "documents": None}
        self._template = self._environment().from_string(source)
        self._render([_Entry("user", ("a",))], True, None)
        self._takes_system = self._keeps_order(["system", *["user", "assistant"] * 2, "user"])
        self._takes_any_order = self._keeps_order(["user", "user", "assistant", "assistant"])
        self.thinks = self.generation((Message("user", "a"),), True) != self.generation(
            (Message("user", "a"),), False
        )

    @property
    def folds_system(self) -> bool:
        """The template has no place of its own, before all turns, for a system prompt."""
        return not self._takes_system

    def generation(self, messages: Sequence[Message], thinking: bool | None) -> list[Segment]:
        """The prompt that asks for the next reply."""
        entries = self._entries(messages)
        return self._split(self._render(entries, True, thinking), entries)

    def history(self, messages: Sequence[Message], thinking: bool | None = None) -> list[Segment]:
        """The part of any later prompt that ``messages`` already fix: up to where the next user's
        words begin. Templates render the last reply unlike a past one (Qwen-3 keeps its think
        block), so a user entry follows and is cut off again."""
        if not messages:
            return []
        if messages[-1].role == "user":
            entries = self._entries(messages)
            segments = self._split(self._render(entries, False, thinking), entries)
            return segments[: _last_content(segments) + 1]
        entries = self._entries([*messages, Message("user", "")])
        segments = self._split(self._render(entries, False, thinking), entries)
        return segments[: _last_content(segments)]

    def _environment(self) -> ImmutableSandboxedEnvironment:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = self._strftime
        return environment

    def _strftime(self, form: str) -> str:
        """The date of the load, not of now: at midnight a prompt must stay what it was."""
        return self._started.strftime(form)

    def _render(
        self, entries: Sequence[_Entry], generation_prompt: bool, thinking: bool | None
    ) -> str:
        switch = {} if thinking is None else {"enable_thinking": thinking}
        messages = [
            {"role": entry.role, "content": _placeholder(i)} for i, entry in enumerate(entries)
        ]
        return self._template.render(
            messages=messages,
            add_generation_prompt=generation_prompt,
            **self._constants,
            **switch,
        )

    def _split(self, rendered: str, entries: Sequence[_Entry]) -> list[Segment]:
        segments: list[Segment] = []
        for index, entry in enumerate(entries):
            scaffold, found, rest = rendered.partition(_placeholder(index))
            if not found:
                raise TemplateError(f"the template dropped a {entry.role} message")
            segments.append(Scaffold(scaffold))
            segments.extend(Content(part) for part in entry.parts)
            rendered = rest
        return [*segments, Scaffold(rendered)]

    def _keeps_order(self, roles: Sequence[str]) -> bool:
        entries = [_Entry(role, ("a",)) for role in roles]
        try:
            self._split(self._render(entries, True, None), entries)
        except (TemplateError, TypeError):
            return False
        return True

    def _entries(self, messages: Sequence[Message]) -> list[_Entry]:
        """Messages as the template accepts them: a system prompt that it refuses opens the next
        user entry, neighbours of one role share an entry where it demands alternation."""
        entries: list[_Entry] = []
        waiting: tuple[str, ...] = ()
        for message in messages:
            if message.role == "system" and self.folds_system:
                waiting = (*waiting, message.text, JOINT)
                continue
            parts = (*waiting, message.text) if message.role == "user" else (message.text,)
            waiting = () if message.role == "user" else waiting
            self._append(entries, message.role, parts)
        if waiting:
            self._append(entries, "user", waiting)
        return entries

    def _append(self, entries: list[_Entry], role: str, parts: tuple[str, ...]) -> None:
        if self._takes_any_order or role == "system":
            entries.append(_Entry(role, parts))
        elif entries and entries[-1].role == role:
            entries[-1] = _Entry(role, (*entries[-1].parts, JOINT, *parts))
        else:
            if role == "assistant" and (not entries or entries[-1].role == "system"):
                entries.append(_Entry("user", ("",)))
            entries.append(_Entry(role, parts))


def choose_template(source: str | None, bos: str, eos: str) -> ChatTemplate:
    """The file's template where it has a usable one, ChatML otherwise."""
    if source:
        try:
            return ChatTemplate(source, bos, eos)
        except (TemplateError, TypeError):
            pass
    return ChatTemplate(CHATML, bos, eos)


def template_family(source: str, architecture: str) -> str:
    """The family of a template, by its marks: "qwen3", "chatml", "llama3", "gemma", "mistral",
    "phi3" or "other"."""
    if architecture.startswith("qwen3"):
        return "qwen3"
    marks = {
        "<|start_header_id|>": "llama3",
        "<|im_start|>": "chatml",
        "<start_of_turn>": "gemma",
        "[INST]": "mistral",
        "<|end|>": "phi3",
    }
    return next((family for mark, family in marks.items() if mark in source), "other")


def _last_content(segments: Sequence[Segment]) -> int:
    return max(i for i, segment in enumerate(segments) if isinstance(segment, Content))


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None, **_options: Any) -> str:
    """jinja's own filter escapes for HTML, which no model was trained on."""
    return json.dumps(value, ensure_ascii=False, indent=indent)
