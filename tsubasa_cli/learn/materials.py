"""What ships with Tsubasa for its nights: replay prompts, ordinary text, and control questions.

Everything is read when it is first asked for. The files are plain text: a line such as
``# en howto`` begins a section, other lines that begin with ``#`` explain the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from tsubasa_cli.memory.values import Kind

OTHER_LANGUAGE = "en"
"""What is used where there is nothing in a language."""

LONGEST_PIECE = 1600
"""Characters; German and code have the most tokens a character, up to one in two."""

_HEADING = re.compile(r"# ([a-z]{2})(?: ([a-z]+))?")
_ANY = "*"


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


@dataclass(frozen=True, slots=True)
class OtherQuestion:
    """A question about somebody else. ``slot`` is a memory's slot, with ``*`` for any key
    ("pet:*") or for every memory of the kind; ``template`` has ``{name}`` and perhaps ``{key}``."""

    language: str
    kind: Kind
    slot: str
    template: str

    def fits(self, kind: Kind, slot: str) -> bool:
        """Whether a memory of this kind and slot might wrongly answer the question."""
        if self.slot == _ANY:
            return kind is self.kind
        return slot == self.slot or _begins(slot, self.slot)

    def about(self, name: str, slot: str = "") -> str:
        """The question about ``name``; ``slot`` is the memory's own, for its key."""
        key = slot.partition(":")[2]
        return self.template.replace("{key}", key).replace("{name}", name)


@dataclass(frozen=True, slots=True)
class UnknownQuestion:
    """A question about the user that nobody can answer, unless a memory holds one of ``marks``."""

    language: str
    kind: Kind
    question: str
    marks: tuple[str, ...]

    def is_unknown(self, statements: Iterable[str]) -> bool:
        """Whether none of the user's ``statements`` bears on it."""
        return not any(_occurs(mark, text) for text in statements for mark in self.marks)


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


@cache
def other_questions() -> tuple[OtherQuestion, ...]:
    """Templates of questions about other people."""
    return tuple(
        OtherQuestion(language, Kind(kind), slot, template)
        for language, _, line in _sections("others.txt")
        for about, template in [line.split(" | ")]
        for kind, slot in [about.split(" ")]
    )


def questions_about_others(kind: Kind, slot: str, language: str) -> list[OtherQuestion]:
    """Those that a memory of this kind and slot might wrongly answer, the most specific first; in
    English where there are none in ``language``."""
    fitting = [question for question in other_questions() if question.fits(kind, slot)]
    spoken = [question for question in fitting if question.language == language]
    spoken = spoken or [q for q in fitting if q.language == OTHER_LANGUAGE]
    return sorted(spoken, key=lambda question: question.slot == _ANY)


@cache
def unknown_questions() -> tuple[UnknownQuestion, ...]:
    """Questions about the user that are most likely not answered by any memory."""
    return tuple(
        UnknownQuestion(language, Kind(kind), question, tuple(marks.split(", ")))
        for language, _, line in _sections("unknown.txt")
        for kind, question, marks in [line.split(" | ")]
    )


@cache
def names() -> tuple[str, ...]:
    """People who may be anybody. Leave out those who occur in the user's memories."""
    return tuple(line for line in _lines("names.txt") if not line.startswith("#"))


def unknown_about(name: str, language: str) -> tuple[str, ...]:
    """Answers that say that something is not known of ``name``."""
    return tuple(text.replace("{name}", name) for text in _admissions(language, "other"))


def unknown_about_user(language: str) -> tuple[str, ...]:
    """Answers that say that something is not known of the user."""
    return _admissions(language, "user")


def admits_not_knowing(answer: str) -> bool:
    """Whether ``answer`` says, in English, German, French or Spanish, that it does not know."""
    return any(_occurs(phrase, answer) for phrase in _phrases())


@cache
def _phrases() -> tuple[str, ...]:
    return tuple(phrase for _, _, phrase in _sections("unknown_phrases.txt"))


@cache
def _admissions(language: str, person: str) -> tuple[str, ...]:
    rows = list(_sections("unknown_answers.txt"))
    spoken = [text for spoken_in, about, text in rows if (spoken_in, about) == (language, person)]
    return tuple(spoken) or _admissions(OTHER_LANGUAGE, person)


def _occurs(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(_folded(words))}(?!\w)", _folded(text)) is not None


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace("’", "'").split())


def _begins(slot: str, pattern: str) -> bool:
    return pattern.endswith(f":{_ANY}") and slot.startswith(pattern.removesuffix(_ANY))


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
