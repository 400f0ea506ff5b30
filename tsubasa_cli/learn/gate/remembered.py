"""What the base answered on an earlier night: the same file answers the same again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tsubasa_cli.learn.cache import Cache, key_of
from tsubasa_cli.learn.gate.exam import Compute


class Remembered:
    """A ``Remember`` on ``cache``; ``base`` are the words that tell one model from another."""

    def __init__(self, cache: Cache, *base: str) -> None:
        self._cache = cache
        self._base = base

    async def __call__(self, key: Sequence[str], compute: Compute) -> Any:
        digest = key_of("exam", *self._base, *key)
        known = self._cache.find([digest]).get(digest)
        if known is None:
            known = json.dumps(await compute()).encode()
            self._cache.keep({digest: known})
        return json.loads(known)
