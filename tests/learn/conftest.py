"""What the tests of learning share. One thread is faster than two that fight for a core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tsubasa_cli.learn.ground import Ground
from tsubasa_cli.storage.paths import Paths


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """torch on one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def two_threads() -> None:
    """torch on as many threads as there are cores, for what takes minutes."""
    import os

    import torch

    torch.set_num_threads(os.cpu_count() or 1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen-3 of random weights, small enough to be taught in seconds."""
    from tiny_models import Shape, build_random_qwen3

    return build_random_qwen3(tmp_path_factory.mktemp("tiny") / "tiny.gguf", Shape(window=8192))


@pytest.fixture
def ground(home: Paths, tiny_model: Path) -> Ground:
    """An installation that has something to learn."""
    from night_helpers import tiny_ground

    return tiny_ground(home, tiny_model)


@pytest.fixture
def personal(ground: Ground) -> str:
    """The name of a personal model that is in service there."""
    from night_helpers import taught

    return taught(ground)[1]
