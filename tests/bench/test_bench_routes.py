"""The table of routes, made of a tiny night."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "learn"))

import bench_routes
from night_helpers import tiny_ground, tiny_night
from tiny_models import Shape, build_random_qwen3

from tsubasa_cli.learn.stages import (
    snapshot_stage,
    synthesize_stage,
    trace_stage,
    train_stage,
)
from tsubasa_cli.storage.paths import Paths


def test_each_route_is_asked_the_same(
    home: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = build_random_qwen3(tmp_path / "tiny.gguf", Shape(window=8192))
    night = tiny_night(tiny_ground(home, model))
    snapshot = snapshot_stage(night)
    trace_stage(night, snapshot, synthesize_stage(night, snapshot))
    train_stage(night, snapshot)
    bench_routes.main(night.folder.root, model, questions=2, passages=1, to=tmp_path)
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if " | " in line]
    names = [row[0] for row in rows]
    assert names[:2] == ["the base, nothing learned", "an adapter beside the base"]
    assert names[2:] == list(bench_routes.IN_WORDS.values())
    base, adapter, *merged = (tuple(map(float, row[-2:])) for row in rows)
    assert adapter[0] < base[0]
    assert all(served[0] < base[0] for served in merged)
    page = (tmp_path / "learn-speed.md").read_text()
    assert "A night of 3 memories; " in page
