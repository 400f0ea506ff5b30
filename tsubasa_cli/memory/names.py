"""Names for memories and for batches of changes to them: short, random, easy to type."""

from __future__ import annotations

import base64
import secrets


def new_id() -> str:
    """A name for a new observation: ``m`` and 45 random bits in base 32."""
    return _name("m")


def new_batch() -> str:
    """A name for a new batch: ``b`` and 45 random bits in base 32."""
    return _name("b")


def _name(initial: str) -> str:
    return initial + base64.b32encode(secrets.token_bytes(6)).decode().lower()[:9]
