"""Claude's data export: ``conversations.json`` with a list of ``chat_messages`` each.

A message has a ``sender`` (human or assistant), an ISO 8601 ``created_at``, and its words as
``content`` blocks or, in older exports, as ``text``. Where messages name the one they answer
(``parent_message_uuid``) edits and retries are branches; otherwise they follow each other.
"""

from __future__ import annotations

from typing import Any

from tsubasa_cli.memory.imports.growing import (
    Node,
    Said,
    as_dicts,
    as_text,
    grow,
    instant,
)
from tsubasa_cli.storage.imported import ImportedSession
from tsubasa_cli.storage.sessions import as_title, provisional_title
from tsubasa_cli.storage.values import Role

_ROLES = {"human": Role.USER, "user": Role.USER, "assistant": Role.ASSISTANT}


def looks_right(value: Any) -> bool:
    """Whether ``value`` is a conversation of this export."""
    return isinstance(value, dict) and isinstance(value.get("chat_messages"), list)


def session(value: dict[str, Any]) -> ImportedSession | None:
    """One conversation; None when nothing was said in it. Raises ``Unusable``."""
    dates = (value.get("created_at"), value.get("updated_at"))
    current = as_text(value.get("current_leaf_message_uuid"))
    tree = grow(_nodes(as_dicts(value["chat_messages"])), current, dates)
    if tree is None:
        return None
    return ImportedSession(
        key=f"claude:{as_text(value.get('uuid')) or tree.turns[0].key}",
        title=as_title(as_text(value.get("name"))) or provisional_title(tree.turns[0].text),
        turns=tree.turns,
        head=tree.head,
    )


def _nodes(messages: list[dict[str, Any]]) -> list[Node]:
    """One node a message; a message that comes twice counts once."""
    keys = {as_text(message.get("uuid")) for message in messages}
    have_parents = any(_parent(message) in keys for message in messages)
    nodes: dict[str, Node] = {}
    previous: str | None = None
    for number, message in enumerate(messages):
        key = as_text(message.get("uuid")) or f"message {number}"
        if key in nodes:
            continue
        parent = _parent(message) if have_parents else previous
        nodes[key] = Node(key, parent, _said(message))
        previous = key
    return list(nodes.values())


def _parent(message: dict[str, Any]) -> str:
    return as_text(message.get("parent_message_uuid"))


def _said(message: dict[str, Any]) -> Said | None:
    role = _ROLES.get(as_text(message.get("sender")))
    text = _words(message) if role else ""
    return Said(role, text, instant(message.get("created_at"))) if role and text else None


def _words(message: dict[str, Any]) -> str:
    """What was said. The older ``text`` field repeats it, with notes about blocks that it cannot
    show, so it counts only where there are no blocks."""
    content = message.get("content")
    blocks = as_dicts(content)
    if not blocks:
        return as_text(content) or as_text(message.get("text")) or _stand_in(message)
    texts = [as_text(block.get("text")) for block in blocks if block.get("type") == "text"]
    return "\n\n".join(text for text in texts if text) or _stand_in(message)


def _stand_in(message: dict[str, Any]) -> str:
    """A message without words of its own: what was pasted into it, or the names of its files.

    Long pastes are kept as attachments without a file name.
    """
    attachments = as_dicts(message.get("attachments"))
    pastes = [item.get("extracted_content") for item in attachments if not item.get("file_name")]
    files = [*attachments, *as_dicts(message.get("files"))]
    names = dict.fromkeys(as_text(file.get("file_name")) for file in files)
    named = ", ".join(name for name in names if name)
    pasted = "\n\n".join(filter(None, map(as_text, pastes)))
    return pasted or (f"[file: {named}]" if named else "")
