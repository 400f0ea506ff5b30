"""Replies that follow a JSON schema: converted by llama-cpp-python, held to by llama.cpp."""

from __future__ import annotations

import ctypes
import json
from functools import lru_cache
from math import isfinite
from typing import Any

import llama_cpp.llama_cpp as llama
import numpy as np
import numpy.typing as npt
from llama_cpp.llama_grammar import json_schema_to_gbnf

from tsubasa_cli.engine.native import NativeError, NativeModel

CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""llama.cpp's ``llama_token_data``."""


ANY_CHARACTER = r'char ::= [^"\\] |'
JSON_CHARACTER = r'char ::= [^"\\\x7F\x00-\x1F] |'
"""The converter lets line ends and other control characters stand in a text, which is no JSON."""


class Grammar:
    """Where a reply stands in its schema; free it with ``close``."""

    def __init__(self, model: NativeModel, schema: dict[str, Any]) -> None:
        """``NativeError`` with code "schema" for what cannot be made a grammar."""
        rules = _rules(json.dumps(schema))
        self._sampler = llama.llama_sampler_init_grammar(model.vocab, rules.encode(), b"root")
        if not self._sampler:
            raise NativeError("schema", "llama.cpp cannot read the grammar made of it.")

    def sample(self, chain: Any, logits: npt.NDArray[np.float32]) -> int:
        """A token that ``chain`` picks among those that the schema allows next.

        Asking the grammar about every token of a vocabulary takes longer than a small model needs
        to compute them, so the model's own choice is looked at first (as llama.cpp's own programs
        do); only where the grammar refuses it, all are."""
        token = Candidates.of(logits).pick(chain)
        if not self._allows(token):
            allowed = Candidates.of(logits)
            llama.llama_sampler_apply(self._sampler, allowed.pointer)
            token = allowed.pick(chain)
        llama.llama_sampler_accept(self._sampler, token)
        llama.llama_sampler_accept(chain, token)
        return token

    def _allows(self, token: int) -> bool:
        one = Candidates(np.array([(token, 1.0, 0.0)], CANDIDATE))
        llama.llama_sampler_apply(self._sampler, one.pointer)
        return isfinite(one.table["logit"][0])

    def close(self) -> None:
        llama.llama_sampler_free(self._sampler)


class Candidates:
    """Tokens to choose from, in memory that samplers change in place."""

    def __init__(self, table: npt.NDArray[np.void]) -> None:
        self.table = table
        data = table.ctypes.data_as(ctypes.POINTER(llama.llama_token_data))
        self.array = llama.llama_token_data_array(data, len(table), -1, False)
        self.pointer = ctypes.pointer(self.array)

    @classmethod
    def of(cls, logits: npt.NDArray[np.float32]) -> Candidates:
        table = np.zeros(len(logits), CANDIDATE)
        table["id"] = np.arange(len(logits), dtype=np.int32)
        table["logit"] = logits
        return cls(table)

    def pick(self, chain: Any) -> int:
        """What ``chain`` makes of them; ``NativeError`` when none is allowed (a vocabulary that
        cannot spell what a schema asks for)."""
        llama.llama_sampler_apply(chain, self.pointer)
        picked = self.array.data[self.array.selected]
        if not isfinite(picked.logit):
            raise NativeError("schema", "No token of this model's vocabulary fits it.")
        return int(picked.id)


def is_complete(text: str) -> bool:
    """``text`` is a whole JSON object or array: more could only be white space."""
    if not text.rstrip().endswith(("}", "]")):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=32)
def _rules(schema: str) -> str:
    try:
        return str(json_schema_to_gbnf(schema)).replace(ANY_CHARACTER, JSON_CHARACTER)
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise NativeError("schema", f"It cannot be made a grammar: {error}") from error
