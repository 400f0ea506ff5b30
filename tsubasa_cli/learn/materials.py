"""What ships with Tsubasa for its nights: replay prompts, ordinary text, and control questions.

Everything is read when it is first asked for. The files are plain text: a line such as
``# en howto`` begins a section, other lines that begin with ``#`` explain the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

LONGEST_PIECE = 1600
"""Characters; German and code have the most tokens a character, up to one in two."""

_HEADING = re.compile(r"# ([a-z]{2})(?: ([a-z]+))?")


@dataclass(frozen=True, slots=True)
class ReplayPrompt:
    """An ordinary prompt that the base model answers during training, against forgetting.
    ``task`` is a word: question, howto, rewrite, coding, …"""

    language: str
    task: str
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Ordinary prose of one kind (narrative, news, code, …), for measuring perplexity."""

    kind: str
    text: str

    def pieces(self) -> list[str]:
        """The whole of it in parts of whole paragraphs, short enough for any tokenizer to be
        weighed to the end."""
        pieces = [""]
        for paragraph in self.text.strip().split("\n\n"):
            if pieces[-1] and len(pieces[-1]) + len(paragraph) > LONGEST_PIECE:
                pieces.append("")
            pieces[-1] = f"{pieces[-1]}\n\n{paragraph}".strip("\n")
        return pieces


@dataclass(frozen=True, slots=True)
class Control:
    """A general question; one of ``answers`` has to occur in a right reply."""

    question: str
    answers: tuple[str, ...]

    def is_answered_by(self, reply: str) -> bool:
        """Whether an accepted answer occurs in ``reply``, as whole words and in any case."""
        return any(_occurs(answer, reply) for answer in self.answers)


@cache
def replay_prompts() -> tuple[ReplayPrompt, ...]:
    """Several hundred prompts in several languages; none is among ``controls``."""
    lines = _sections("replay.txt")
    return tuple(
        ReplayPrompt(language, task, text.replace("\\n", "\n")) for language, task, text in lines
    )


@cache
def prose() -> tuple[Passage, ...]:
    """The text that a model is judged on: more than 20,000 tokens, mostly English."""
    return _passages("prose")


@cache
def prose_for_selection() -> tuple[Passage, ...]:
    """Other text, for choosing among candidates before the winner is judged on ``prose``."""
    return _passages("selection")


@cache
def controls() -> tuple[Control, ...]:
    """General questions of the gate, none of which is trained on."""
    rows = (line.split(" | ") for line in _lines("controls.txt") if not line.startswith("# "))
    return tuple(Control(question, tuple(answers)) for question, *answers in rows)


def _occurs(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(_folded(words))}(?!\w)", _folded(text)) is not None


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace("’", "'").split())


def _sections(name: str) -> Iterator[tuple[str, str, str]]:
    """(language, second word of the heading or "", line) of every line of a file."""
    language = word = ""
    for line in _lines(name):
        heading = _HEADING.fullmatch(line)
        if heading:
            language, word = heading[1], heading[2] or ""
        elif language:
            yield language, word, line


def _lines(name: str) -> list[str]:
    return [line for line in (_folder() / name).read_text("utf-8").splitlines() if line.strip()]


def _passages(folder: str) -> tuple[Passage, ...]:
    files = sorted((_folder() / folder).iterdir(), key=lambda file: file.name)
    texts = [file for file in files if file.name.endswith(".txt")]
    return tuple(Passage(f.name.removesuffix(".txt"), f.read_text("utf-8")) for f in texts)


def _folder() -> Traversable:
    return resources.files("tsubasa_cli.learn") / "data"
