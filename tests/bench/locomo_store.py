"""A LoCoMo file as memories: its conversations as sessions, its ``observation`` notes as the store.

The file is read from a path that the user gives; nothing of it is kept here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.recall import Recalled
from tsubasa_cli.memory.values import Actor, Change, Evidence, Observation, Op
from tsubasa_cli.storage.database import connect, transaction
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant

CATEGORIES = (1, 2, 3, 4)
_DIALOGUE_ID = re.compile(r"D\d+:\d+")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its place in the file, the ids of the turns that hold its answer, and that
    answer; for an adversarial question, which has none, the wrong one that it suggests."""

    text: str
    evidence: frozenset[str]
    category: int
    place: int
    answer: str


@dataclass(frozen=True, slots=True)
class Note:
    """One annotated observation: what it says, who about, the turns it cites, when it was said."""

    text: str
    speaker: str
    cites: tuple[str, ...]
    session: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """One of the file's conversations."""

    name: str
    speakers: tuple[str, str]
    notes: list[Note]
    asked: list[Asked]
    """All of them."""
    turns: dict[str, tuple[str, str]]
    """Speaker and words by dialogue id, in order."""
    dates: dict[int, str]
    """As the file writes them, by session."""

    @property
    def questions(self) -> list[Asked]:
        """Those that retrieval is judged by: answerable, with their evidence named."""
        return [asked for asked in self.asked if asked.category in CATEGORIES and asked.evidence]


def read(path: Path) -> list[Conversation]:
    return [_conversation(item) for item in json.loads(path.read_text("utf-8"))]


def fill(conversation: Conversation, paths: Paths) -> dict[int, str]:
    """Write a conversation into a fresh database; the dialogue id of each turn's id."""
    connection = connect(paths)
    numbers: dict[str, int] = {}
    with transaction(connection):
        for session in sorted(conversation.dates):
            when = instant(conversation.dates[session])
            key = f"s{session:09}"
            connection.execute(
                "INSERT INTO sessions (id, title, created_ms, created_offset, updated_ms,"
                " updated_offset) VALUES (?, ?, ?, 0, ?, 0)",
                (key, f"Session {session}", when.epoch_ms, when.epoch_ms),
            )
            before = None
            for name, (speaker, words) in conversation.turns.items():
                if session_of(name) == session:
                    before = connection.execute(
                        "INSERT INTO turns (session_id, parent_id, role, text, status, created_ms,"
                        " created_offset) VALUES (?, ?, 'user', ?, 'complete', ?, 0)",
                        (key, before, f"{speaker}: {words}", when.epoch_ms),
                    ).lastrowid
                    numbers[name] = before or 0
    changes = [
        Change(Op.ADD, _observation(place, note, conversation, numbers))
        for place, note in enumerate(conversation.notes)
    ]
    MemoryLog(connection).commit(changes, actor=Actor.USER)
    connection.close()
    return {number: name for name, number in numbers.items()}


def last_day(conversation: Conversation) -> Instant:
    """When the questions are asked: after everything was said."""
    return max(map(instant, conversation.dates.values()), key=lambda moment: moment.epoch_ms)


def covered(item: Recalled, names: dict[int, str]) -> set[str]:
    """The turns that a recalled piece stands for."""
    if item.turn is not None:
        return {names[item.turn.id]}
    proofs = item.observation.evidence if item.observation else ()
    return {names[proof.turn_id] for proof in proofs if proof.turn_id}


def dated(conversation: Conversation, note: Note) -> str:
    """A note with its session's date behind it, as the baselines see it."""
    return f"{note.text} ({conversation.dates[note.session]})"


def _conversation(item: dict[str, Any]) -> Conversation:
    said = item["conversation"]
    return Conversation(
        name=item["sample_id"],
        speakers=(said["speaker_a"], said["speaker_b"]),
        notes=[
            Note(text, speaker, _ids(cites), _number(key))
            for key, by_speaker in item.get("observation", {}).items()
            for speaker, rows in by_speaker.items()
            for text, cites in rows
        ],
        asked=[_asked(place, entry) for place, entry in enumerate(item["qa"])],
        turns={
            turn["dia_id"]: (turn["speaker"], turn["text"])
            for key, turns in said.items()
            if re.fullmatch(r"session_\d+", key)
            for turn in turns
        },
        dates={_number(k): v for k, v in said.items() if k.endswith("_date_time")},
    )


def _asked(place: int, entry: dict[str, Any]) -> Asked:
    return Asked(
        text=entry["question"],
        evidence=frozenset(_ids(entry.get("evidence", []))),
        category=entry["category"],
        place=place,
        answer=str(entry.get("answer", entry.get("adversarial_answer", ""))),
    )


def _observation(
    place: int, note: Note, conversation: Conversation, numbers: dict[str, int]
) -> Observation:
    return Observation(
        id=f"m{place:09}",
        statement=note.text,
        recorded_at=instant(conversation.dates[note.session]),
        subject=note.speaker,
        evidence=tuple(Evidence(numbers[name], conversation.turns[name][1]) for name in note.cites),
    )


def _ids(cites: Any) -> tuple[str, ...]:
    return tuple(_DIALOGUE_ID.findall(" ".join(cites) if isinstance(cites, list) else str(cites)))


def _number(key: str) -> int:
    return int(key.split("_")[1])


def session_of(dialogue_id: str) -> int:
    """The number of the session that a turn belongs to."""
    return int(dialogue_id[1:].split(":")[0])


def instant(words: str) -> Instant:
    """A date as the file writes it, in UTC."""
    return Instant.from_datetime(
        datetime.strptime(words, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
    )
