"""A file of memories as it is read: every line checked before anything is written.

What is wrong with a line comes out as one ``InputError`` with the line's number, whatever it
holds: a file may come from anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from tsubasa_cli.errors import InputError
from tsubasa_cli.memory import log_rows
from tsubasa_cli.memory.values import Actor, MemoryEvent, Observation, Op
from tsubasa_cli.storage.values import Instant

FORMAT = "tsubasa-memory-1"
LONGEST_ID = 64
MOST = 2**53
"""Numbers up to this are whole in every reader of JSON, and leave the database room to count."""

_TEXTS = (
    *("statement", "subject", "time_expr", "slot", "language"),
    *("batch_id", "model_hash", "prompt_hash"),
)
_LISTS = ("tags", "supersedes")


@dataclass(slots=True)
class MemoryFile:
    """What a file says, with its own turn numbers and event numbers."""

    turns: dict[int, dict[str, Any]] = field(default_factory=dict)
    histories: dict[str, list[MemoryEvent]] = field(default_factory=dict)

    @classmethod
    def read(cls, lines: Iterable[str]) -> MemoryFile:
        """``InputError`` when a line is not of such a file."""
        file = cls()
        number = 0
        for number, line in enumerate(lines, 1):
            if line.strip():
                file._read_line(number, line)
        if not number:
            raise _broken(1, "the file is empty")
        return file

    def _read_line(self, number: int, line: str) -> None:
        try:
            self._take(_object(line), is_head=number == 1)
        except UnicodeEncodeError as error:
            raise _broken(number, "it holds half a character") from error
        except RecursionError as error:
            raise _broken(number, "it is nested too deeply") from error
        except (ValueError, OverflowError) as error:
            raise _broken(number, str(error)) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise _broken(number, f"missing or unfit: {error}") from error

    def _take(self, body: dict[str, Any], *, is_head: bool) -> None:
        if is_head:
            if body["format"] != FORMAT:
                raise ValueError(f"the format is {body['format']!r}, not {FORMAT!r}")
        elif "turn" in body:
            self.turns[_number(body["turn"])] = _turn(body)
        else:
            memory_id = _id(body["memory"])
            self.histories[memory_id] = _history(memory_id, body["history"])


def _object(line: str) -> dict[str, Any]:
    body = json.loads(line, parse_constant=_refuse)
    if not isinstance(body, dict):
        raise ValueError("it is not a JSON object")
    json.dumps(body, ensure_ascii=False).encode()
    return body


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _turn(body: dict[str, Any]) -> dict[str, Any]:
    key = body.get("session_key")
    return {
        "session": _text(body["session"]),
        "session_key": None if key is None else _text(key),
        "text": _text(body["text"]),
        "at": _instant(body["time"]),
        "place": _number(body["place"]),
    }


def _history(memory_id: str, told: Any) -> list[MemoryEvent]:
    history = [_event(memory_id, each) for each in told]
    if not history:
        raise ValueError("a memory without a history")
    versions = [event.after.version for event in history]
    if any(after <= before for before, after in pairwise(versions)):
        raise ValueError("the versions of a memory do not go up")
    return history


def _event(memory_id: str, body: dict[str, Any]) -> MemoryEvent:
    undoes = body.get("undoes")
    return MemoryEvent(
        id=_number(body["event"]),
        batch_id=_text(body["batch"]),
        op=Op(body["op"]),
        actor=Actor(body["actor"]),
        at=_instant(body["at"]),
        after=_observation(memory_id, body["after"]),
        reason=_text(body.get("reason", "")),
        undoes=None if undoes is None else _number(undoes),
    )


def _observation(memory_id: str, body: dict[str, Any]) -> Observation:
    at = _instant(body["recorded_at"])
    evidence = [_evidence(said) for said in body.get("evidence", [])]
    _number(body["version"])
    _text(body["statement"])
    for name in _TEXTS:
        _text(body.get(name, ""))
    for name in _LISTS:
        _texts(body.get(name, []))
    if not isinstance(body.get("pinned", False), bool):
        raise TypeError("pinned")
    return log_rows.from_dict(
        body
        | {
            "id": memory_id,
            "recorded_at": [at.epoch_ms, at.offset_minutes],
            "evidence": evidence,
        }
    )


def _evidence(said: dict[str, Any]) -> tuple[int | None, str]:
    turn = said.get("turn")
    return None if turn is None else _number(turn), _text(said["quote"])


def _id(value: Any) -> str:
    name = _text(value)
    if not 0 < len(name) <= LONGEST_ID or not name.isprintable() or " " in name:
        raise ValueError(f"{name[:LONGEST_ID]!r} is no name of a memory")
    return name


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise ValueError(f"{ascii(value)[:LONGEST_ID]} is not a number that can be used here")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{ascii(value)[:LONGEST_ID]} is not text")
    return value


def _texts(values: Any) -> None:
    if not isinstance(values, list):
        raise ValueError(f"{ascii(values)[:LONGEST_ID]} is not a list")
    for value in values:
        _text(value)


def _instant(text: Any) -> Instant:
    moment = datetime.fromisoformat(_text(text))
    if moment.tzinfo is None:
        raise ValueError(f"{text} is without its offset from UTC")
    return Instant.from_datetime(moment)


def _broken(number: int, why: str) -> InputError:
    return InputError(
        f"Line {number} is not of a file of memories.",
        why=why,
        next_step="Give a file that tsubasa memory export wrote.",
    )
