"""The time of day, as something that a test can set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]


def local_now() -> datetime:
    """Now, as an aware datetime in the user's time zone."""
    return datetime.now().astimezone()
