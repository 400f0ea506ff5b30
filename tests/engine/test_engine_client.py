"""The process behind the engine: started, killed, restarted, never left behind."""

# ruff: noqa: ASYNC220, ASYNC240 - small files and processes, and nothing else runs

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from engine_helpers import GREEDY, reply, spec, user
from faulty_llama import SLOW_TO_LOAD, behave, misbehave
from tiny_models import REPLY

from tsubasa_cli.engine.child import LOG_BYTES, environment
from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.errors import EngineDied
from tsubasa_cli.engine.protocol import Done, Event, TextDelta
from tsubasa_cli.engine.safe_start import read_probes
from tsubasa_cli.errors import EngineError, ModelError
from tsubasa_cli.storage.paths import Paths

SECRET = "my secret is the word xyzzy"


async def ends(pid: int) -> bool:
    """The process is gone, reaped included, within ten seconds."""
    for _ in range(200):
        if not psutil.pid_exists(pid):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_killed_while_replying(engine: Engine, endless_qwen3: Path) -> None:
    await engine.load(spec(endless_qwen3, 16384))
    received: list[Event] = []
    with pytest.raises(EngineDied, match="SIGKILL"):
        async for event in engine.generate([user("Hi")], GREEDY, thinking=False):
            received.append(event)
            if isinstance(event, TextDelta) and engine.pid is not None:
                os.kill(engine.pid, signal.SIGKILL)
    assert any(isinstance(event, TextDelta) for event in received)
    assert (engine.alive, engine.loaded, engine.pid) == (False, None, None)
    await engine.load(spec(endless_qwen3, 16384))
    done, _ = await reply(engine, [user("Hi")], thinking=False, max_tokens=3)
    assert done.text == "one two three"


async def test_every_waiting_request_hears_of_the_death(
    engine: Engine, endless_qwen3: Path
) -> None:
    await engine.load(spec(endless_qwen3, 16384))
    asked = [
        asyncio.create_task(reply(engine, [user("Hi")])),
        asyncio.create_task(engine.totals()),
        asyncio.create_task(engine.warm([user("a"), user("b")])),
    ]
    await asyncio.sleep(0.2)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(result) for result in results] == [EngineDied] * len(asked)
    with pytest.raises(EngineDied):
        await engine.count([user("Hi")])


async def test_close_leaves_no_process(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    pid = engine.pid
    assert pid is not None
    await engine.close()
    await engine.close()
    assert not engine.alive
    assert await ends(pid)


async def test_close_while_replying(engine: Engine, endless_qwen3: Path) -> None:
    await engine.load(spec(endless_qwen3, 16384))
    pid = engine.pid
    task = asyncio.create_task(reply(engine, [user("Hi")]))
    await asyncio.sleep(0.1)
    await engine.close()
    with pytest.raises(EngineError):
        await task
    assert pid is not None
    assert await ends(pid)


async def test_close_does_not_wait_for_a_stopped_process(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    pid = engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await asyncio.wait_for(engine.close(), 10)
    assert await ends(pid)


async def test_another_model_gets_a_fresh_process(
    engine: Engine, tiny_qwen3: Path, endless_qwen3: Path
) -> None:
    await engine.load(spec(tiny_qwen3))
    first = engine.pid
    loaded = await engine.load(spec(endless_qwen3))
    assert loaded.name == "Endless-Qwen3"
    assert first is not None
    assert engine.pid != first
    assert await ends(first)


async def test_a_load_can_be_given_up(
    engine: Engine, tiny_qwen3: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", SLOW_TO_LOAD)
    task = asyncio.create_task(engine.load(spec(tiny_qwen3)))
    await asyncio.sleep(1)
    pid = engine.pid
    assert pid is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ends(pid)
    behave(tmp_path / "fault")
    await engine.load(spec(tiny_qwen3))
    done, _ = await reply(engine, [user("Hi")])
    assert done.text == REPLY


@pytest.mark.parametrize("way", ["cancelled", "closed"])
async def test_a_start_can_be_given_up_at_any_moment(
    engine: Engine, tiny_qwen3: Path, way: str
) -> None:
    for ticks in range(1, 12):
        loading = asyncio.create_task(engine.load(spec(tiny_qwen3)))
        for _ in range(ticks):
            await asyncio.sleep(0)
        if way == "cancelled":
            loading.cancel()
        else:
            await engine.close()
        async with asyncio.timeout(20):
            with pytest.raises((asyncio.CancelledError, EngineError)):
                await loading
            await engine.close()
        assert not engine.alive


def test_a_program_that_ends_while_the_engine_starts_does_end(
    home: Paths, tiny_qwen3: Path
) -> None:
    """A loop that is ending cancels the task that connects a new process's pipes; whoever started
    the process would then wait for it for ever."""

    async def leave(ticks: int) -> None:
        engine = Engine(home.engine_log, home.probes)
        loading = asyncio.create_task(engine.load(spec(tiny_qwen3)))
        for _ in range(ticks):
            await asyncio.sleep(0)
        await engine.close()
        loading.add_done_callback(lambda done: done.cancelled() or done.exception())

    def run() -> None:
        for ticks in range(1, 6):
            asyncio.run(leave(ticks))

    program = threading.Thread(target=run, daemon=True)
    program.start()
    program.join(timeout=60)
    assert not program.is_alive()


async def test_closed_while_loading(
    engine: Engine, tiny_qwen3: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    misbehave(monkeypatch, tmp_path / "fault", SLOW_TO_LOAD)
    task = asyncio.create_task(engine.load(spec(tiny_qwen3)))
    await asyncio.sleep(1)
    await engine.close()
    with pytest.raises(EngineError, match="closed while it loaded"):
        await task


async def test_it_dies_with_the_program(tiny_qwen3: Path, home: Paths) -> None:
    """A program that is killed cannot say goodbye; its engine notices the closed pipe."""
    code = f"""
import asyncio, sys
from pathlib import Path
from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import ModelSpec
async def main():
    engine = Engine(Path({str(home.engine_log)!r}), Path({str(home.probes)!r}))
    await engine.load(ModelSpec({str(tiny_qwen3)!r}, 2048))
    print(engine.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment()
    )
    assert program.stdout is not None
    pid = int(await asyncio.to_thread(program.stdout.readline))
    program.kill()
    await asyncio.to_thread(program.wait)
    program.stdout.close()
    assert await ends(pid)


async def test_ctrl_c_is_not_for_the_engine(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    assert engine.pid is not None
    assert os.getsid(engine.pid) == engine.pid
    os.kill(engine.pid, signal.SIGINT)
    done, _ = await reply(engine, [user("Hi")])
    assert done.text == REPLY


async def test_requests_made_at_once_are_answered_each(engine: Engine, tiny_qwen3: Path) -> None:
    await engine.load(spec(tiny_qwen3))
    asked = [engine.count([user("x" * n)]) for n in range(20)]
    replies = [reply(engine, [user(str(n))]) for n in range(3)]
    counted = await asyncio.gather(*asked)
    assert [count.texts[0] for count in counted] == list(range(20))
    assert [done.text for done, _ in await asyncio.gather(*replies)] == [REPLY] * 3


async def test_a_missing_file(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.gguf is not there"):
        await engine.load(spec(tmp_path / "gone.gguf"))


async def test_a_file_that_is_no_model(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "letter.gguf"
    path.write_bytes(b"Dear Sir or Madam" * 100)
    with pytest.raises(ModelError, match=r"llama\.cpp cannot load letter\.gguf") as raised:
        await engine.load(spec(path))
    assert "magic" in raised.value.why


async def test_an_unknown_architecture(engine: Engine, tiny_qwen3: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(tiny_qwen3.read_bytes().replace(b"qwen3", b"zwen9", 1))
    with pytest.raises(ModelError) as raised:
        await engine.load(spec(path))
    assert "unknown model architecture: 'zwen9'" in raised.value.why


async def test_a_truncated_file(engine: Engine, tiny_qwen3: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.gguf"
    whole = tiny_qwen3.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError) as raised:
        await engine.load(spec(path))
    assert raised.value.why


async def test_a_window_beyond_memory(engine: Engine, tiny_qwen3: Path) -> None:
    with pytest.raises(ModelError) as raised:
        await engine.load(spec(tiny_qwen3, 2_000_000_000))
    assert "context_tokens" in raised.value.next_step


async def test_a_kill_while_loading_is_not_a_crash(
    engine: Engine, home: Paths, tiny_qwen3: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SIGKILL is what a system without memory sends: trying other kernels would not help."""
    misbehave(monkeypatch, tmp_path / "fault", SLOW_TO_LOAD)
    task = asyncio.create_task(engine.load(spec(tiny_qwen3)))
    await asyncio.sleep(1)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(ModelError, match="killed"):
        await task
    assert read_probes(home.probes) == []


async def test_the_log_is_private_and_holds_no_words(
    engine: Engine, home: Paths, tiny_qwen3: Path
) -> None:
    await engine.load(spec(tiny_qwen3))
    done, _ = await reply(engine, [user(SECRET)])
    assert isinstance(done, Done)
    await engine.close()
    log = home.engine_log.read_text()
    assert "secret" not in log
    assert "xyzzy" not in log
    assert REPLY not in log
    assert stat.S_IMODE(home.engine_log.stat().st_mode) == 0o600


async def test_the_log_is_bounded(engine: Engine, home: Paths, tiny_qwen3: Path) -> None:
    home.logs.mkdir(parents=True, exist_ok=True)
    home.engine_log.write_bytes(b"x" * (LOG_BYTES + 1))
    await engine.load(spec(tiny_qwen3))
    assert home.engine_log.stat().st_size < LOG_BYTES
