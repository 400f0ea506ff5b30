"""ChatGPT's data export: ``conversations.json``, or numbered pieces of it.

A conversation is a ``mapping`` of nodes that know their parent and children; ``current_node`` ends
the branch that was on show. Times are seconds since 1970 UTC. Besides what was said there are
system messages, custom instructions, reasoning, and the traffic with tools, which were not seen in
the chat and are left out.
"""

from __future__ import annotations

import re
from typing import Any

from tsubasa_cli.memory.imports.growing import (
    Node,
    Said,
    as_dict,
    as_dicts,
    as_text,
    clean,
    grow,
    instant,
)
from tsubasa_cli.storage.imported import ImportedSession
from tsubasa_cli.storage.sessions import as_title, provisional_title
from tsubasa_cli.storage.values import Role

_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT}
_NEVER_SEEN = {
    "user_editable_context",
    "model_editable_context",
    "thoughts",
    "reasoning_recap",
    "tether_browsing_display",
    "tether_quote",
    "execution_output",
    "system_error",
    "app_pairing_content",
}
_HIDDEN_MARKS = ("is_visually_hidden_from_conversation", "is_user_system_message", "is_hidden")
_HIDDEN_CHANNELS = ("analysis", "commentary")
_CITATIONS = re.compile("\ue200[^\ue201]{0,2000}\ue201|[\ue200-\ue206]")
"""Marks around citations that only ChatGPT's own pages can draw."""


def looks_right(value: Any) -> bool:
    """Whether ``value`` is a conversation of this export."""
    return isinstance(value, dict) and isinstance(value.get("mapping"), dict)


def session(value: dict[str, Any]) -> ImportedSession | None:
    """One conversation; None when nothing was said in it. Raises ``Unusable``."""
    dates = (value.get("create_time"), value.get("update_time"))
    tree = grow(_nodes(value["mapping"]), as_text(value.get("current_node")), dates)
    if tree is None:
        return None
    identity = as_text(value.get("conversation_id")) or as_text(value.get("id"))
    return ImportedSession(
        key=f"chatgpt:{identity or tree.turns[0].key}",
        title=as_title(as_text(value.get("title"))) or provisional_title(tree.turns[0].text),
        turns=tree.turns,
        head=tree.head,
    )


def _nodes(mapping: dict[str, Any]) -> list[Node]:
    places = _places_among_siblings(mapping)
    return [
        Node(
            key=clean(key),
            parent=_parent(node, places.get(key)),
            said=_said(node.get("message")),
            rank=places[key][1] if key in places else 0,
        )
        for key, node in mapping.items()
        if isinstance(node, dict)
    ]


def _places_among_siblings(mapping: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """For each node that another lists as its child: that other, and the place in the list."""
    return {
        child: (key, rank)
        for key, node in mapping.items()
        for rank, child in enumerate(_children(node))
        if isinstance(child, str)
    }


def _children(node: Any) -> list[Any]:
    children = as_dict(node).get("children")
    return children if isinstance(children, list) else []


def _parent(node: dict[str, Any], listed: tuple[str, int] | None) -> str | None:
    told = node.get("parent")
    if isinstance(told, str):
        return clean(told)
    return clean(listed[0]) if listed else None


def _said(message: Any) -> Said | None:
    message = as_dict(message)
    role = _ROLES.get(as_text(as_dict(message.get("author")).get("role")))
    if role is None or _is_hidden(message, role):
        return None
    text = _words(message)
    if not text:
        return None
    slug = as_dict(message.get("metadata")).get("model_slug") if role is Role.ASSISTANT else None
    return Said(role, text, instant(message.get("create_time")), as_title(as_text(slug)))


def _is_hidden(message: dict[str, Any], role: Role) -> bool:
    metadata = as_dict(message.get("metadata"))
    content_type = as_text(as_dict(message.get("content")).get("content_type"))
    return (
        content_type in _NEVER_SEEN
        or any(metadata.get(mark) is True for mark in _HIDDEN_MARKS)
        or message.get("weight") == 0
        or (role is Role.ASSISTANT and _is_not_for_the_user(message))
    )


def _is_not_for_the_user(message: dict[str, Any]) -> bool:
    """Reasoning, or a call of a tool."""
    recipient = as_text(message.get("recipient"))
    return recipient not in ("", "all") or message.get("channel") in _HIDDEN_CHANNELS


def _words(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return clean(content)
    content = as_dict(content)
    parts = content.get("parts")
    pieces = parts if isinstance(parts, list) else [content.get("text")]
    texts = [clean(_CITATIONS.sub("", _piece(piece))) for piece in pieces]
    return "\n\n".join(text for text in texts if text) or _stand_in(message, pieces)


def _piece(piece: Any) -> str:
    """The words of a part: text itself, or the transcript of something spoken."""
    return as_text(piece) or as_text(as_dict(piece).get("text"))


def _stand_in(message: dict[str, Any], pieces: list[Any]) -> str:
    """What to show for a message without words: that there was an image, or a file."""
    kinds = [as_text(as_dict(piece).get("content_type")) for piece in pieces]
    if any(kind.startswith("image") for kind in kinds):
        return "[image]"
    attachments = as_dicts(as_dict(message.get("metadata")).get("attachments"))
    names = ", ".join(filter(None, (as_text(file.get("name")) for file in attachments)))
    return f"[file: {names}]" if names else ""
