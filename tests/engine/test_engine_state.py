"""KV states on disk: exact, private, and refused when they do not fit."""

# ruff: noqa: ASYNC240 - small files, and nothing else runs

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from engine_helpers import assistant, reply, spec, user

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.errors import StorageError
from tsubasa_cli.storage.paths import Paths

HISTORY = [user("Hi"), assistant("Hello there, how are you?")]


@pytest.fixture
async def state(engine: Engine, home: Paths, tiny_qwen3: Path) -> Path:
    """A saved state of ``HISTORY`` under the tiny Qwen-3."""
    path = home.kv_states / "s.kv"
    await engine.load(spec(tiny_qwen3))
    await engine.warm(HISTORY)
    saved = await engine.save_state(path)
    assert saved.size_bytes == path.stat().st_size
    return path


async def test_restored_by_a_new_process(engine: Engine, state: Path, tiny_qwen3: Path) -> None:
    uninterrupted, _ = await reply(engine, [*HISTORY, user("More")])
    await engine.load(spec(tiny_qwen3))
    restored = await engine.restore_state(state)
    assert restored.tokens > 0
    assert (await engine.totals()).cached == restored.tokens
    resumed, _ = await reply(engine, [*HISTORY, user("More")])
    assert resumed.stats.cached == restored.tokens
    assert (resumed.text, resumed.thinking) == (uninterrupted.text, uninterrupted.thinking)


async def test_the_cache_is_exact(engine: Engine, home: Paths, random_qwen3: Path) -> None:
    """Random weights attend to everything: a wrong cache would change the reply."""
    path = home.kv_states / "r.kv"
    await engine.load(spec(random_qwen3))
    await engine.warm(HISTORY)
    await engine.save_state(path)
    before, _ = await reply(engine, [*HISTORY, user("More")], max_tokens=50)
    await engine.load(spec(random_qwen3))
    await engine.restore_state(path)
    after, _ = await reply(engine, [*HISTORY, user("More")], max_tokens=50)
    assert (after.text, after.thinking) == (before.text, before.thinking)


async def test_it_is_private(state: Path) -> None:
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert [file.name for file in state.parent.iterdir()] == [state.name]


async def test_of_another_model(engine: Engine, state: Path, random_qwen3: Path) -> None:
    await engine.load(spec(random_qwen3))
    assert (await engine.restore_state(state)).tokens == 0
    done, _ = await reply(engine, [user("Hi")], max_tokens=3)
    assert done.stats.generated == 3


async def test_of_another_window(engine: Engine, state: Path, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3, 2048))
    assert (await engine.restore_state(state)).tokens == 0


@pytest.mark.parametrize("damage", ["empty", "half", "tail", "flipped", "missing", "folder"])
async def test_damaged(engine: Engine, state: Path, tiny_qwen3: Path, damage: str) -> None:
    whole = state.read_bytes()
    middle = len(whole) // 2
    state.unlink()
    if damage == "folder":
        state.mkdir()
    elif damage != "missing":
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        kinds = {"empty": b"", "half": whole[:middle], "tail": whole[:-1], "flipped": flipped}
        state.write_bytes(kinds[damage])
    await engine.load(spec(tiny_qwen3))
    assert (await engine.restore_state(state)).tokens == 0
    done, _ = await reply(engine, [user("Hi")])
    assert done.stats.cached == 0


async def test_nothing_to_save(engine: Engine, home: Paths, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    saved = await engine.save_state(home.kv_states / "none.kv")
    assert (saved.tokens, saved.size_bytes) == (0, 0)
    assert not (home.kv_states / "none.kv").exists()


async def test_a_disk_that_refuses(engine: Engine, home: Paths, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    await engine.warm(HISTORY)
    home.kv_states.mkdir(parents=True, exist_ok=True)
    blocked = home.kv_states / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StorageError, match="not saved"):
        await engine.save_state(blocked / "s.kv")
    assert [file.name for file in home.kv_states.iterdir()] == ["file"]
    done, _ = await reply(engine, [*HISTORY, user("More")])
    assert done.stats.cached > 0
