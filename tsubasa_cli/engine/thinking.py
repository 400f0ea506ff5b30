"""Tell a model's thinking from its reply while both stream in.

``<think>…</think>`` may be split over tokens, be opened by the prompt template, be empty, or
never be closed. The marks appear in neither stream, and both come out stripped: joined deltas
equal the whole, stripped.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

OPEN = "<think>"
CLOSE = "</think>"


class Part(Enum):
    """Which stream a piece of text belongs to."""

    TEXT = "text"
    THINKING = "thinking"


class _Trimmed:
    """A stream whose outer whitespace is held back until text follows it."""

    def __init__(self) -> None:
        self.whole = ""
        self._gap = ""

    def push(self, text: str) -> str:
        """What may be shown now that ``text`` has arrived."""
        if not self.whole:
            text = text.lstrip()
        text = self._gap + text
        shown = text.rstrip()
        self._gap = text[len(shown) :]
        self.whole += shown
        return shown


class ThinkingParser:
    """Feed it text as it is generated; ``thinking_open`` says that the prompt opened a block."""

    def __init__(self, thinking_open: bool = False) -> None:
        self._streams = {Part.TEXT: _Trimmed(), Part.THINKING: _Trimmed()}
        self._part = Part.THINKING if thinking_open else Part.TEXT
        self._held = ""

    @property
    def text(self) -> str:
        """The reply so far, stripped."""
        return self._streams[Part.TEXT].whole

    @property
    def thinking(self) -> str:
        """The thinking so far, stripped."""
        return self._streams[Part.THINKING].whole

    def feed(self, text: str) -> Iterator[tuple[Part, str]]:
        """The pieces that ``text`` completes, in order."""
        rest = self._held + text
        while rest:
            mark, start = _first_mark(rest)
            if mark is None:
                self._held = _possible_mark(rest)
                yield from self._emit(rest[: len(rest) - len(self._held)])
                return
            yield from self._emit(rest[:start])
            self._part = Part.THINKING if mark == OPEN else Part.TEXT
            rest = rest[start + len(mark) :]
        self._held = ""

    def finish(self) -> Iterator[tuple[Part, str]]:
        """What was held back as the possible beginning of a mark."""
        held, self._held = self._held, ""
        yield from self._emit(held)

    def _emit(self, text: str) -> Iterator[tuple[Part, str]]:
        shown = self._streams[self._part].push(text)
        if shown:
            yield self._part, shown


def _first_mark(text: str) -> tuple[str | None, int]:
    found = [(text.find(mark), mark) for mark in (OPEN, CLOSE) if mark in text]
    if not found:
        return None, -1
    start, mark = min(found)
    return mark, start


def _possible_mark(text: str) -> str:
    """The end of ``text`` that may be the beginning of a mark."""
    start = text.rfind("<", max(0, len(text) - len(CLOSE) + 1))
    tail = text[start:] if start >= 0 else ""
    return tail if tail and (OPEN.startswith(tail) or CLOSE.startswith(tail)) else ""
