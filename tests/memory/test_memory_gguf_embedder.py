"""An embedding model of the user's in the place of the embedded one."""

from __future__ import annotations

from pathlib import Path

import pytest
from memory_helpers import add, note
from tiny_models import build_embedding_qwen3

from tsubasa_cli.errors import InputError, StorageError
from tsubasa_cli.memory.memory import Memory
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant


def recalled(memory: Memory, question: str) -> list[str]:
    found = memory.recall(question, now=Instant.now(), k=3)
    return [item.observation.statement for item in found if item.observation]


def test_changing_the_embedder_makes_the_index_anew_and_back(home: Paths, tmp_path: Path) -> None:
    file = build_embedding_qwen3(tmp_path / "Tiny-Qwen3-Embedding.gguf")
    told: list[str] = []
    for embedder in ("", str(file), ""):
        memory = Memory(home, told.append, embedder)
        if not memory.log.all():
            add(memory.log, note("The user lives in Bonn."), note("The user owns a cello."))
        assert "The user lives in Bonn." in recalled(memory, "Do I live in Bonn?")
        assert memory.index.differences() == set()
        memory.close()
    assert len(told) == 2


def test_what_cannot_embed_is_refused_in_words(home: Paths, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF but not really")
    for embedder, error in ((tmp_path / "none.gguf", InputError), (broken, StorageError)):
        memory = Memory(home, embedder=str(embedder))
        add(memory.log, note())
        with pytest.raises(error, match=r"embed|searched"):
            memory.recall("Where do I live?", now=Instant.now(), k=3)
        memory.close()
