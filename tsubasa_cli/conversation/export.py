"""Sessions as files to read (Markdown) or to process (JSON)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tsubasa_cli.storage.values import Branch, Role, Session, Turn, TurnStatus

FORMAT = "tsubasa-session-1"
_NOTES = {
    TurnStatus.STOPPED: "stopped",
    TurnStatus.INTERRUPTED: "interrupted",
    TurnStatus.TRUNCATED: "cut off at the token limit",
    TurnStatus.PENDING: "not answered yet",
    TurnStatus.STREAMING: "being written",
}


def to_markdown(session: Session, turns: Sequence[Turn]) -> str:
    """The branch in ``turns`` as a document; thinking is folded away in ``<details>``."""
    day = session.created_at.local().strftime("%Y-%m-%d %H:%M")
    parts = [f"# {title_of(session)}", f"*{day}*", *(_markdown(turn) for turn in turns)]
    return "\n\n".join(parts) + "\n"


def to_json(
    session: Session, turns: Sequence[Turn], branches: Mapping[int, Branch] | None = None
) -> str:
    """The branch in ``turns`` as JSON: instants are ISO 8601 with the offset of the time."""
    body = {
        "format": FORMAT,
        "id": session.id,
        "title": title_of(session),
        "created_at": session.created_at.iso(),
        "updated_at": session.updated_at.iso(),
        "model": session.model,
        "persona": session.persona,
        "system_prompt": session.system_prompt,
        "turns": [turn_dict(turn, (branches or {}).get(turn.id)) for turn in turns],
    }
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def turn_dict(turn: Turn, branch: Branch | None = None) -> dict[str, Any]:
    """One turn as plain data."""
    body: dict[str, Any] = {
        "id": turn.id,
        "parent_id": turn.parent_id,
        "role": turn.role.value,
        "text": turn.text,
        "status": turn.status.value,
        "created_at": turn.created_at.iso(),
    }
    if turn.role is Role.ASSISTANT:
        body |= {
            "thinking": turn.thinking,
            "model": turn.model,
            "usage": asdict(turn.usage) if turn.usage else None,
        }
    if branch:
        body["branch"] = {"position": branch.position, "count": branch.count}
    return body


def title_of(session: Session) -> str:
    """A session's title, or what stands for one."""
    return session.title or "Untitled"


def file_name(session: Session, suffix: str) -> str:
    """A file name from title and date, without anything a file system could object to."""
    words = re.sub(r"[^\w\- ]", "", title_of(session)).strip().replace(" ", "-").lower()
    day = session.created_at.local().strftime("%Y-%m-%d")
    return f"{day}-{words[:50] or session.id}.{suffix}"


def _markdown(turn: Turn) -> str:
    who = "You" if turn.role is Role.USER else turn.model or "Assistant"
    note = _NOTES.get(turn.status)
    head = f"## {who}" + (f" *({note})*" if note else "")
    thought = (
        f"<details><summary>Thinking</summary>\n\n{turn.thinking}\n\n</details>\n\n"
        if turn.thinking
        else ""
    )
    return f"{head}\n\n{thought}{turn.text}".rstrip()
