"""What llama.cpp is, without importing it here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from faulty_llama import NOT_INSTALLED, misbehave

from tsubasa_cli.engine.build_info import build_info
from tsubasa_cli.engine.child import environment
from tsubasa_cli.engine.threads import default_threads
from tsubasa_cli.errors import EngineError


def test_the_build_is_described() -> None:
    info = build_info()
    assert info.version
    assert "CPU" in info.system_info
    assert info.threads >= 1


def test_a_missing_library_is_an_error_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", NOT_INSTALLED)
    with pytest.raises(EngineError) as raised:
        build_info()
    assert "llama_cpp" in raised.value.why
    assert "pip install" in raised.value.next_step


def test_the_parent_side_imports_nothing_native() -> None:
    code = (
        "import sys, tsubasa_cli.engine.client, tsubasa_cli.engine.build_info;"
        "print([m for m in ('llama_cpp', 'numpy', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("quota", "bound"), [("100000 100000", 1), ("150000 100000", 2), ("max 100000", None)]
)
def test_threads_respect_a_container(tmp_path: Path, quota: str, bound: int | None) -> None:
    file = tmp_path / "cpu.max"
    unbounded = default_threads(file)
    file.write_text(quota)
    assert default_threads(file) == (unbounded if bound is None else min(bound, unbounded))
