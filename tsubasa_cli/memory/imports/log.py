"""A plain log of conversations: JSON Lines, one turn a line, grouped by ``session``.

``{"session": "a", "time": "2024-05-03T09:30:00+02:00", "role": "user", "text": "…"}``

A ``time`` without an offset is on this machine's clock. Lines of several sessions may be mixed;
within a session their order in the file counts. A session is known again by its name: another file
that names it goes on with it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from tsubasa_cli.errors import InputError
from tsubasa_cli.memory.imports.documents import opened_text
from tsubasa_cli.memory.imports.growing import clean
from tsubasa_cli.storage.imported import ImportedSession, ImportedTurn
from tsubasa_cli.storage.sessions import as_title, provisional_title
from tsubasa_cli.storage.values import Instant, Role

LONGEST_NAME = 64
TOLD_LINES = 5
"""At most this many bad lines are named."""


@dataclass(frozen=True, slots=True)
class _Line:
    session: str
    said_at: Instant
    role: Role
    text: str


def read_log(path: Path) -> list[ImportedSession]:
    """The sessions in ``path``, in the order in which they begin in the file.

    Raises ``InputError`` that names every bad line with what is wrong with it; then nothing is
    read.
    """
    sessions: dict[str, list[_Line]] = defaultdict(list)
    problems: list[str] = []
    with opened_text(path) as stream:
        for number, raw in enumerate(stream, start=1):
            if not raw.strip():
                continue
            try:
                line = _parsed(raw)
            except _BadLineError as error:
                problems.append(f"Line {number}: {error}")
                continue
            sessions[line.session].append(line)
    if problems:
        raise _refusal(path, problems)
    grown = (_session(name, lines) for name, lines in sessions.items())
    return [session for session in grown if session.turns]


class _BadLineError(Exception):
    """What is wrong with a line, for people."""


def _refusal(path: Path, problems: list[str]) -> InputError:
    more = len(problems) - TOLD_LINES
    told = "\n".join(problems[:TOLD_LINES])
    return InputError(
        f"{path} cannot be imported; nothing was.",
        why=f"{told}\n… and {more:,} more." if more > 0 else told,
        next_step='A line is {"session": "a", "time": "2024-05-03T09:30:00+02:00", '
        '"role": "user", "text": "…"}.',
    )


def _parsed(raw: str) -> _Line:
    try:
        value = json.loads(raw)
    except (json.JSONDecodeError, RecursionError) as error:
        raise _BadLineError(f"It is not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise _BadLineError("It is not a JSON object.")
    return _Line(
        session=_name(value),
        said_at=_time(_string(value, "time")),
        role=_role(_string(value, "role")),
        text=clean(_string(value, "text")),
    )


def _name(value: Mapping[str, Any]) -> str:
    name = value.get("session")
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    found = clean(_string(value, "session"))
    if not found:
        raise _BadLineError('"session" is empty.')
    return found


def _string(value: Mapping[str, Any], key: str) -> str:
    if key not in value:
        raise _BadLineError(f'"{key}" is missing.')
    found = value[key]
    if not isinstance(found, str):
        raise _BadLineError(f'"{key}" must be text, not {json.dumps(found)[:40]}.')
    return found


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise _BadLineError(f'"role" must be user or assistant, not {name[:40]!r}.') from None


def _time(text: str) -> Instant:
    try:
        moment = datetime.fromisoformat(text.strip())
        return Instant.from_datetime(moment if moment.tzinfo else moment.astimezone())
    except (ValueError, OverflowError, OSError):
        raise _BadLineError(f'"time" is not an ISO 8601 date: {text[:40]!r}.') from None


def _session(name: str, lines: list[_Line]) -> ImportedSession:
    said = [line for line in lines if line.text]
    turns = tuple(_turns(said))
    first = next((line.text for line in said if line.role is Role.USER), name)
    return ImportedSession(
        key=f"log:{_key(name)}",
        title=provisional_title(first) or as_title(name),
        turns=turns,
        head=len(turns) - 1,
        appends=True,
    )


def _key(name: str) -> str:
    """``name`` where it is one, else a digest: a sentence must not survive its own erasure."""
    is_plain = len(name) <= LONGEST_NAME and not any(c.isspace() for c in name)
    return name if is_plain else sha256(name.encode()).hexdigest()[:32]


def _turns(lines: list[_Line]) -> Iterator[ImportedTurn]:
    """A turn is known again by its time, its role, and its place among those that share both."""
    met: Counter[tuple[int, Role]] = Counter()
    for number, line in enumerate(lines):
        same = (line.said_at.epoch_ms, line.role)
        met[same] += 1
        key = f"{line.said_at.epoch_ms} {line.role.value} {met[same]}"
        parent = number - 1 if number else None
        yield ImportedTurn(key, parent, line.role, line.text, line.said_at)
