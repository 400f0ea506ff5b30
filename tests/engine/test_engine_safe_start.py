"""An engine that crashes on this CPU is run another way, and that is remembered."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from engine_helpers import reply, spec, user
from faulty_llama import (
    ALWAYS_CRASHES,
    CRASHES_UNLESS_ON_CPU,
    CRASHES_WITH_REPACKED_BUFFERS,
    NO_GPU_MEMORY,
    NOT_INSTALLED,
    behave,
    misbehave,
)
from tiny_models import REPLY

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import LoadProgress, ModelSpec, Probing
from tsubasa_cli.engine.safe_start import Mode, ProbeKey, Probes, ladder, read_probes
from tsubasa_cli.errors import EngineError
from tsubasa_cli.storage.paths import Paths

ORDINARY = Mode(True, -1)
CAREFUL = Mode(False, -1)
CPU_ONLY = Mode(False, 0)


async def load_counting_probes(engine: Engine, model: ModelSpec) -> int:
    events: list[LoadProgress | Probing] = []
    await engine.load(model, events.append)
    return sum(isinstance(event, Probing) for event in events)


async def test_a_sound_machine_probes_once(
    engine: Engine, home: Paths, tiny_qwen3: Path, notices: list[str]
) -> None:
    assert await load_counting_probes(engine, spec(tiny_qwen3)) == 1
    assert await load_counting_probes(engine, spec(tiny_qwen3)) == 0
    (record,) = read_probes(home.probes)
    assert (record.mode, record.failed) == (ORDINARY, ())
    assert notices == []
    assert stat.S_IMODE(home.probes.stat().st_mode) == 0o600


async def test_a_crash_with_repacked_buffers_is_survived(
    engine: Engine,
    home: Paths,
    tiny_qwen3: Path,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", CRASHES_WITH_REPACKED_BUFFERS)
    await engine.load(spec(tiny_qwen3))
    done, _ = await reply(engine, [user("Hi")])
    assert done.text == REPLY
    (record,) = read_probes(home.probes)
    assert (record.mode, record.failed) == (CAREFUL, (ORDINARY,))
    assert len(notices) == 1
    assert await load_counting_probes(engine, spec(tiny_qwen3)) == 0
    assert len(notices) == 1


async def test_the_gpu_is_given_up_last(
    engine: Engine,
    home: Paths,
    tiny_qwen3: Path,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", CRASHES_UNLESS_ON_CPU)
    await engine.load(spec(tiny_qwen3))
    (record,) = read_probes(home.probes)
    assert (record.mode, record.failed) == (CPU_ONLY, (ORDINARY, CAREFUL))
    assert len(notices) == 1


async def test_when_no_way_works_the_user_is_told_how_to_rebuild(
    engine: Engine,
    home: Paths,
    tiny_qwen3: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", ALWAYS_CRASHES)
    with pytest.raises(EngineError) as raised:
        await engine.load(spec(tiny_qwen3))
    assert "-DGGML_NATIVE=OFF" in raised.value.next_step
    assert "3 ways" in raised.value.why
    assert read_probes(home.probes) == []
    assert engine.pid is None


async def test_a_record_that_no_longer_holds_is_forgotten(
    engine: Engine,
    home: Paths,
    tiny_qwen3: Path,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The child was recorded as fine, so it is not probed, and dies at the first real batch."""
    await engine.load(spec(tiny_qwen3))
    misbehave(monkeypatch, tmp_path / "fault", CRASHES_WITH_REPACKED_BUFFERS)
    assert await load_counting_probes(engine, spec(tiny_qwen3)) == 0
    done, _ = await reply(engine, [user("Hi")])
    assert done.text == REPLY
    (record,) = read_probes(home.probes)
    assert (record.mode, record.failed) == (CAREFUL, (ORDINARY,))
    assert len(notices) == 1


async def test_warming_also_survives_it(
    engine: Engine, tiny_qwen3: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await engine.load(spec(tiny_qwen3))
    misbehave(monkeypatch, tmp_path / "fault", CRASHES_WITH_REPACKED_BUFFERS)
    await engine.load(spec(tiny_qwen3))
    warmed = await engine.warm([user("Hi there"), user("you")])
    assert warmed.cached > 0


async def test_a_record_whose_mode_dies_while_loading(
    engine: Engine,
    home: Paths,
    tiny_qwen3: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    await engine.load(spec(tiny_qwen3))
    misbehave(monkeypatch, tmp_path / "fault", CRASHES_UNLESS_ON_CPU)
    await engine.load(spec(tiny_qwen3))
    (record,) = read_probes(home.probes)
    assert (record.mode, record.failed) == (CPU_ONLY, (ORDINARY, CAREFUL))
    behave(tmp_path / "fault")
    await engine.load(spec(tiny_qwen3))
    assert read_probes(home.probes) == [record]


async def test_a_full_gpu_is_left_for_the_cpu(
    engine: Engine,
    home: Paths,
    tiny_qwen3: Path,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", NO_GPU_MEMORY)
    loaded = await engine.load(spec(tiny_qwen3))
    assert loaded.gpu_layers == 0
    assert len(notices) == 1
    (record,) = read_probes(home.probes)
    assert "gpu_layers=0" in record.key.asked


async def test_an_engine_that_is_not_installed_says_so(
    engine: Engine, tiny_qwen3: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", NOT_INSTALLED)
    with pytest.raises(EngineError, match="did not start") as raised:
        await engine.load(spec(tiny_qwen3))
    assert "llama_cpp" in raised.value.why


def test_the_ladder_starts_with_what_was_asked() -> None:
    asked = ModelSpec("m.gguf", 512)
    assert ladder(asked) == [ORDINARY, CAREFUL, CPU_ONLY]
    assert ladder(replace(asked, use_extra_bufts=False)) == [CAREFUL, CPU_ONLY]
    assert ladder(replace(asked, n_gpu_layers=0)) == [Mode(True, 0), CPU_ONLY]


def test_records_belong_to_cpu_library_and_model(home: Paths, tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"x")
    probes = Probes(home.probes)
    key = ProbeKey.of(spec(model))
    probes.remember(key, CAREFUL, [ORDINARY])
    found = probes.find(key)
    assert found is not None
    assert found.mode == CAREFUL
    model.write_bytes(b"another")
    assert probes.find(ProbeKey.of(spec(model))) is None
    assert probes.find(replace(key, cpu="other")) is None
    assert probes.find(replace(key, library="other")) is None
    probes.forget(key)
    assert read_probes(home.probes) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 9}', '{"format": 1, "records": [1]}'])
def test_a_broken_record_file_only_means_probing_again(home: Paths, text: str) -> None:
    home.probes.write_text(text)
    assert read_probes(home.probes) == []
    Probes(home.probes).remember(ProbeKey("c", "l", "m", "a"), ORDINARY, [])
    assert len(read_probes(home.probes)) == 1
