"""What the teacher thinks of each answer: computed once, kept compactly, never asked again.

Of each answer token the five likeliest candidates and their log-probabilities (TSUBASA §4.2). One
part of the file system per so many lessons, each written whole or not at all.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tsubasa_cli.storage.paths import write_private

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TeacherTrace:
    """One lesson, ready to train on: the student's ``prompt`` and the ``reply`` (token ids), and
    per reply token the teacher's ``top`` candidates (tokens × d) with their natural
    ``log_probs``; ``label`` is the share of the reply's own tokens in the target, nothing for an
    ordinary request, whose target is what the base thinks."""

    prompt: Ints
    reply: Ints
    top: Ints
    log_probs: Floats
    label: float

    @property
    def size(self) -> int:
        """Tokens of prompt and reply."""
        return len(self.prompt) + len(self.reply)

    def weight(self, replay_weight: float) -> float:
        """How often each token of the reply counts."""
        return 1.0 if self.label else replay_weight


def save_traces(path: Path, traces: Sequence[TeacherTrace]) -> None:
    """Write ``traces`` atomically, readable by the user alone."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        prompts=_joined([t.prompt for t in traces]),
        prompt_sizes=np.array([len(t.prompt) for t in traces], np.int32),
        replies=_joined([t.reply for t in traces]),
        reply_sizes=np.array([len(t.reply) for t in traces], np.int32),
        top=np.concatenate([t.top for t in traces]),
        log_probs=np.concatenate([t.log_probs for t in traces]).astype(np.float16),
        labels=np.array([t.label for t in traces], np.float32),
    )
    write_private(path, buffer.getvalue())


def load_traces(path: Path) -> list[TeacherTrace]:
    """The inverse of ``save_traces``, but for the precision of the log-probabilities (float16)."""
    with np.load(path) as kept:
        prompts = _parted(kept["prompts"], kept["prompt_sizes"])
        replies = _parted(kept["replies"], kept["reply_sizes"])
        top = _parted(kept["top"], kept["reply_sizes"])
        log_probs = _parted(kept["log_probs"].astype(np.float32), kept["reply_sizes"])
        labels = [float(label) for label in kept["labels"]]
    rows = zip(prompts, replies, top, log_probs, labels, strict=True)
    return [TeacherTrace(p, r, t, lp, label) for p, r, t, lp, label in rows]


def opinion_to_bytes(opinion: tuple[Ints, Floats]) -> bytes:
    """A teacher's opinion of one reply, for the cache."""
    top, log_probs = opinion
    depth = np.array([top.shape[1]], "<i4").tobytes()
    return depth + top.astype("<i4").tobytes() + log_probs.astype("<f2").tobytes()


def opinion_from_bytes(raw: bytes) -> tuple[Ints, Floats]:
    """The inverse, but for the precision of the log-probabilities."""
    depth = int(np.frombuffer(raw[:4], "<i4")[0])
    count = (len(raw) - 4) // 6
    top = np.frombuffer(raw[4 : 4 + 4 * count], "<i4").reshape(-1, depth)
    log_probs = np.frombuffer(raw[4 + 4 * count :], "<f2").reshape(-1, depth)
    return top.astype(np.int32), log_probs.astype(np.float32)


def _joined(arrays: Sequence[Ints]) -> Ints:
    return np.concatenate(arrays).astype(np.int32) if arrays else np.zeros(0, np.int32)


def _parted(joined: npt.NDArray[Any], sizes: Ints) -> list[npt.NDArray[Any]]:
    return np.split(joined, np.cumsum(sizes)[:-1])
