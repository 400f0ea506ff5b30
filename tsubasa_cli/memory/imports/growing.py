"""From the nodes of an export to the tree of turns that a session is.

Exports hold more than was seen: system messages, calls of tools and what they returned. Those are
passed through, so that what was said hangs together as the reader saw it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite
from typing import Any

from tsubasa_cli.storage.imported import ImportedTurn
from tsubasa_cli.storage.values import Instant, Role

_MILLISECONDS_BEGIN = 1e11
"""Epoch numbers above this cannot be seconds (the year 5138)."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a node holds, where it holds words that the user saw."""

    role: Role
    text: str
    said_at: Instant | None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of an export; ``parent`` is the key of the one it follows, ``rank`` its place among
    those that follow the same one."""

    key: str
    parent: str | None
    said: Said | None
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """Turns, parents before children, and the place of the last turn of the branch on show."""

    turns: tuple[ImportedTurn, ...]
    head: int


class Unusable(Exception):  # noqa: N818
    """A conversation that has to be left out, while others can be taken in; its text says why."""


def grow(nodes: Sequence[Node], current: str, dates: Iterable[Any]) -> Tree | None:
    """The tree of what was said, or None where nothing was.

    Pieces of one reply (before and after the use of a tool) become one turn. Turns without a date
    take that of the turn before them, or the first of the conversation's own ``dates`` that is
    one; ``Unusable`` when there is none at all. ``current`` is the key of the node that ends the
    branch on show; without it, that is the newest leaf.
    """
    if not any(node.said for node in nodes):
        return None
    growing = _Growing(nodes, _begun_at(nodes, dates))
    if not growing.turns:
        return None
    head = growing.place.get(current)
    return Tree(tuple(growing.turns), growing.newest_leaf() if head is None else head)


def _begun_at(nodes: Sequence[Node], dates: Iterable[Any]) -> Instant:
    own = [found for found in map(instant, dates) if found]
    said = [node.said.said_at for node in nodes if node.said and node.said.said_at]
    if not own and not said:
        raise Unusable("neither it nor anything said in it has a date")
    return own[0] if own else min(said, key=lambda at: at.epoch_ms)


class _Growing:
    def __init__(self, nodes: Sequence[Node], begun_at: Instant) -> None:
        self.turns: list[ImportedTurn] = []
        self.place: dict[str, int | None] = {}
        self._begun_at = begun_at
        for node, is_only_child in _walk(nodes):
            self._add(node, is_only_child)

    def _add(self, node: Node, is_only_child: bool) -> None:
        before = self.place.get(node.parent) if node.parent is not None else None
        said = node.said
        if said is None:
            self.place[node.key] = before
        elif before is not None and is_only_child and self._continues(before, said):
            old = self.turns[before]
            self.turns[before] = replace(old, text=f"{old.text}\n\n{said.text}")
            self.place[node.key] = before
        else:
            self.place[node.key] = len(self.turns)
            self.turns.append(self._turn(node.key, before, said))

    def _continues(self, before: int, said: Said) -> bool:
        return said.role is Role.ASSISTANT and self.turns[before].role is Role.ASSISTANT

    def _turn(self, key: str, before: int | None, said: Said) -> ImportedTurn:
        earlier = self._begun_at if before is None else self.turns[before].said_at
        return ImportedTurn(key, before, said.role, said.text, said.said_at or earlier, said.model)

    def newest_leaf(self) -> int:
        parents = {turn.parent for turn in self.turns}
        leaves = [place for place in range(len(self.turns)) if place not in parents]
        return max(leaves, key=lambda place: (self.turns[place].said_at.epoch_ms, place))


def _walk(nodes: Sequence[Node]) -> Iterator[tuple[Node, bool]]:
    """Each node once, parents first, and whether its whole way back to the last words said is
    without a fork. What no way leads to from a root (a circle) is left out."""
    known = {node.key for node in nodes}
    children: dict[str | None, list[Node]] = {}
    for node in nodes:
        parent = node.parent if node.parent in known and node.parent != node.key else None
        children.setdefault(parent, []).append(node)
    ready = [(node, True) for node in _in_order(children.get(None, []))[::-1]]
    while ready:
        node, unforked = ready.pop()
        yield node, unforked
        below = children.get(node.key, [])
        is_open = len(below) == 1 and (unforked or node.said is not None)
        ready.extend((child, is_open) for child in _in_order(below)[::-1])


def _in_order(nodes: Sequence[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: node.rank)


def instant(value: Any) -> Instant | None:
    """A date as exports write it: seconds (or milliseconds) since 1970 UTC, or ISO 8601 text;
    on the machine's clock as it stood then. None for anything else."""
    try:
        moment = _moment(value)
        return None if moment is None else Instant.from_datetime(moment.astimezone())
    except (ValueError, OverflowError, OSError):
        return None


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        return datetime.fromisoformat(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not isfinite(value) or value <= 0:
        return None
    return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS_BEGIN else value)


def clean(text: str) -> str:
    """``text`` as it can be stored: halves of surrogate pairs joined or replaced, and no NUL."""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\0", "").strip()


def as_text(value: Any) -> str:
    """``value`` where it is text that can be stored, else nothing."""
    return clean(value) if isinstance(value, str) else ""


def as_dict(value: Any) -> dict[str, Any]:
    """``value`` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in ``value`` where it is a list, else none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
