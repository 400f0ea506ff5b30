"""What was erased stays erased: keyed digests that tell it again without telling what it was.

The key is random and never leaves the database, so a digest cannot be tried out elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
import unicodedata
from collections.abc import Iterable

from tsubasa_cli.memory.log_rows import in_chunks, marks
from tsubasa_cli.memory.values import Evidence, Observation
from tsubasa_cli.storage.values import Instant

KEY = "tombstone_key"
SHORTEST_QUOTE = 12
"""Bytes below which a quote is too common to say whose words it is ("yes, I do")."""

_WORDS = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """``text`` as its words alone, so that case, marks and spacing do not matter."""
    return " ".join(_WORDS.findall(unicodedata.normalize("NFKC", text).casefold()))


def bury(connection: sqlite3.Connection, texts: Iterable[str]) -> int:
    """Remember ``texts`` as erased; returns how many they are."""
    key = _key(connection)
    digests = {_digest(key, words) for words in map(folded, texts) if words}
    now = Instant.now().epoch_ms
    connection.executemany(
        "INSERT OR IGNORE INTO tombstones (digest, at_ms) VALUES (?, ?)",
        [(digest, now) for digest in sorted(digests)],
    )
    return len(digests)


def lift(connection: sqlite3.Connection, texts: Iterable[str]) -> int:
    """Let ``texts`` be remembered again; returns how many had been erased."""
    return sum(
        connection.execute(
            f"DELETE FROM tombstones WHERE digest IN ({marks(chunk)})", chunk
        ).rowcount
        for chunk in in_chunks(_digests(connection, texts))
    )


def is_buried(connection: sqlite3.Connection, texts: Iterable[str]) -> bool:
    """Whether any of ``texts`` was erased."""
    return any(
        connection.execute(
            f"SELECT 1 FROM tombstones WHERE digest IN ({marks(chunk)}) LIMIT 1", chunk
        ).fetchone()
        for chunk in in_chunks(_digests(connection, texts))
    )


def words_of(observation: Observation) -> list[str]:
    """What would give an observation away: its statement, and its quotes unless anybody says so."""
    return [observation.statement, *telling_quotes(observation.evidence)]


def telling_quotes(evidence: Iterable[Evidence]) -> list[str]:
    """The quotes that are long enough to be somebody's own."""
    quotes = [said.quote for said in evidence]
    return [quote for quote in quotes if len(folded(quote).encode()) >= SHORTEST_QUOTE]


def _digests(connection: sqlite3.Connection, texts: Iterable[str]) -> list[str]:
    if connection.execute("SELECT 1 FROM tombstones LIMIT 1").fetchone() is None:
        return []
    key = _key(connection)
    return sorted({_digest(key, words) for words in map(folded, texts) if words})


def _digest(key: bytes, words: str) -> str:
    return hmac.new(key, words.encode(), hashlib.sha256).hexdigest()


def _key(connection: sqlite3.Connection) -> bytes:
    connection.execute(
        "INSERT OR IGNORE INTO facts (key, value) VALUES (?, ?)", (KEY, secrets.token_hex(32))
    )
    row = connection.execute("SELECT value FROM facts WHERE key = ?", (KEY,)).fetchone()
    return bytes.fromhex(row["value"])
