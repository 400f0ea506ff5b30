"""LoCoMo answered by what nights made of the speakers' homes: real nights on a tiny model through
the real gate, and whose answers are whose."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parent / "locomo"))
sys.path.append(str(Path(__file__).parents[1] / "learn"))

from locomo_homes import homes_of
from locomo_learned import PersonalModels
from locomo_mem0 import Mem0Setup
from locomo_model import Answerer, asking, in_thread
from locomo_nights import NIGHT_KEY, NOTHING, HomeNight, Learning
from locomo_records import Records, checksum, read_records
from locomo_store import Asked, Conversation, read
from locomo_systems import OutOfTimeError, Setting
from night_helpers import TINY
from tiny_models import Shape, build_random_qwen3

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Loaded, ModelSpec
from tsubasa_cli.learn.ground import Hooks
from tsubasa_cli.learn.runs import RunStore
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.storage.database import connect

HERE = Path(__file__).parent
FRIENDS = HERE / "data" / "two_friends.json"
QUICK = Learning(threads=1, device="cpu", recipe=TINY)
STRICT = replace(QUICK, recipe=replace(TINY, drift_refused=-1.0))
"""Its gate asks for less perplexity than nothing: it refuses whatever comes."""
FEW = replace(TINY, scales=(1.0,))
"""As much as the real model learns in a minute or two."""
WINDOW = 2048


def _module(name: str) -> ModuleType:
    """A command of the harness; there is more than one ``run.py``."""
    spec = importlib.util.spec_from_file_location(f"locomo_{name}", HERE / "locomo" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RUN = _module("run")


@dataclass(frozen=True, slots=True)
class Bench:
    """A run's open parts, and how to ask."""

    setting: Setting
    answers: Records

    async def ask(self, system: str, conversation: Conversation, *questions: Asked) -> None:
        await RUN.ask_all(system, conversation, questions, self.setting, self.answers)


@asynccontextmanager
async def bench(
    model: Path,
    out: Path,
    learning: Learning,
    hurry: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] = lambda _line: None,
) -> AsyncIterator[Bench]:
    """What ``run.py`` opens for a model."""
    folder = out / model.stem
    answerer = Answerer(model, folder, window=WINDOW, threads=1)
    await answerer.open()
    try:
        with (
            Records(folder / "answers.jsonl", RUN.ANSWER_KEY) as answers,
            Records(folder / "writes.jsonl", RUN.COST_KEY) as costs,
            Records(folder / "nights.jsonl", NIGHT_KEY) as nights,
        ):
            mem0 = Mem0Setup(None, 0)
            shared = (answerer, folder, costs, nights, False, mem0, learning, hurry, tell)
            yield Bench(Setting(*shared), answers)
    finally:
        await answerer.close()


def recorded(out: Path, model: Path, what: str) -> list[dict[str, Any]]:
    return list(read_records(out / model.stem / f"{what}.jsonl"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_random_qwen3(tmp_path_factory.mktemp("tiny") / "Tiny.gguf", Shape(window=WINDOW))


@pytest.fixture(scope="module")
def morning() -> Conversation:
    """The first of the friends' conversations: as much as a test wants to learn."""
    [friends] = read(FRIENDS)
    return replace(friends, turns={n: t for n, t in friends.turns.items() if n.startswith("D1:")})


@pytest.fixture(scope="module")
async def written(
    tiny: Path, morning: Conversation, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run in which Tsubasa has written both homes, and nobody has learned."""
    out = tmp_path_factory.mktemp("written")
    async with bench(tiny, out, QUICK) as opened:
        await opened.ask("tsubasa@3", morning, named(morning, "Nadia"))
    return out


@pytest.fixture
def out(written: Path, tmp_path: Path) -> Path:
    """Such a run of the test's own."""
    return Path(shutil.copytree(written, tmp_path / "out"))


def named(conversation: Conversation, speaker: str, place: int = 0) -> Asked:
    """A question that names nobody but ``speaker``."""
    others = set(conversation.speakers) - {speaker}
    asked = [q for q in conversation.asked if not any(other in q.text for other in others)]
    return asked[place]


async def said(model: Path, folder: Path, adapter: Path | None, question: str) -> str:
    """What an engine of its own says, with nothing in front of the question."""
    answerer = Answerer(model, folder, window=WINDOW, threads=1)
    await answerer.wear(adapter)
    try:
        return (await answerer.reply(asking("", question), max_tokens=48)).text
    finally:
        await answerer.close()


# ----------------------------------------------------------------------------- whose question


def test_a_question_is_for_the_model_of_whom_it_names_first(
    morning: Conversation, tmp_path: Path
) -> None:
    homes = homes_of(morning, tmp_path)
    models = PersonalModels(homes, None)  # type: ignore[arg-type]
    [template] = morning.asked[:1]

    def whose(question: str) -> str:
        return models.whose(replace(template, text=question))

    assert whose("What is Tomas allergic to?") == "Tomas"
    assert whose("Where did nadia move?") == "Nadia"
    assert whose("What did Tomas ask Nadia?") == "Tomas"
    assert whose("Which instruments are played?") == "Nadia"
    for home in homes:
        home.close()


def test_learning_takes_hours_and_is_done_only_when_it_is_named() -> None:
    class Plain:
        mem0_python = None

    systems = RUN.default_systems(Plain())
    assert "tsubasa@3" in systems
    assert not [name for name in systems if name.startswith(("learned", "mem0"))]


# ----------------------------------------------------------------------------- nights


async def test_what_passed_the_gate_answers_for_its_speaker_alone(
    tiny: Path, morning: Conversation, out: Path, tmp_path: Path
) -> None:
    asked = named(morning, "Nadia", 1)
    async with bench(tiny, out, QUICK) as opened:
        await opened.ask("learned", morning, asked)
        await opened.ask("learned@3", morning, asked)
        await opened.ask("none", morning, asked)
    [night] = recorded(out, tiny, "nights")
    assert (night["speaker"], night["state"], night["reason"]) == ("Nadia", "promoted", "")
    assert night["memories"] >= 3
    assert night["steps"] > 0
    assert night["lessons"] > night["memories"]
    assert set(night["seconds"]) >= {"synthesize", "trace", "train", "gate"}

    [adapter] = (out / "Tiny" / "stores" / "friends" / "tsubasa" / "Nadia" / "models").iterdir()
    bare, recalled, alone = recorded(out, tiny, "answers")[1:]
    assert bare["adapter_sha256"] == recalled["adapter_sha256"] == checksum(adapter)
    assert (bare["personal_of"], alone["personal_of"]) == ("Nadia", "")
    assert (bare["context_tokens"], bare["covers"]) == (0, None)
    assert "notes:\n- " in recalled["context"]
    assert alone["adapter_sha256"] == ""
    assert bare["raw"] == await said(tiny, tmp_path, adapter, asked.text)
    assert alone["raw"] == await said(tiny, tmp_path, None, asked.text)
    assert bare["raw"] != alone["raw"]


async def test_each_speaker_has_a_model_that_is_loaded_once(
    tiny: Path, morning: Conversation, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worn: list[str] = []
    load = Engine.load

    async def counting(engine: Engine, spec: ModelSpec, *given: Any) -> Loaded:
        worn.append(spec.adapter)
        return await load(engine, spec, *given)

    mixed = [named(morning, name, place) for place in (0, 1) for name in ("Nadia", "Tomas")]
    for home in homes_of(morning, out / "Tiny" / "stores" / "friends" / "tsubasa"):
        taught = await in_thread(HomeNight(home, tiny, QUICK).taught, Hooks())
        assert taught.adapter is not None
        home.close()
    monkeypatch.setattr(Engine, "load", counting)
    async with bench(tiny, out, QUICK) as opened:
        await opened.ask("learned", morning, *mixed)
    rows = [row for row in recorded(out, tiny, "answers") if row["system"] == "learned"]
    assert [row["personal_of"] for row in rows] == ["Nadia", "Nadia", "Tomas", "Tomas"]
    assert len({row["adapter_sha256"] for row in rows}) == 2
    assert [Path(adapter).parts[-3:-1] for adapter in worn if adapter] == [
        ("Nadia", "models"),
        ("Tomas", "models"),
    ]
    nights = recorded(out, tiny, "nights")
    assert {night["speaker"]: night["state"] for night in nights} == {
        "Nadia": "promoted",
        "Tomas": "promoted",
    }


async def test_where_the_gate_refused_the_base_answers_and_the_report_says_so(
    tiny: Path, morning: Conversation, out: Path, tmp_path: Path
) -> None:
    asked = named(morning, "Nadia", 1)
    async with bench(tiny, out, STRICT) as opened:
        await opened.ask("learned", morning, asked)
        await opened.ask("tsubasa@3", morning, asked)
    [night] = recorded(out, tiny, "nights")
    assert (night["state"], night["steps"] > 0) == ("refused", True)
    assert "drift" in night["reason"]
    answer = next(row for row in recorded(out, tiny, "answers") if row["system"] == "learned")
    assert answer["adapter_sha256"] == ""
    assert answer["raw"] == await said(tiny, tmp_path, None, asked.text)
    report = reported(out, tmp_path)
    assert "Of 1 nights 0 went into service" in report
    assert "1 of the 1 answers of `learned` are the base's" in report
    assert "| refused | 1 |" in report
    assert f"- friends, a home refused: {night['reason']}" in report
    assert "| **learned** | 1 |" in report


def reported(out: Path, folder: Path) -> str:
    command = [sys.executable, str(HERE / "locomo" / "report.py"), str(out)]
    subprocess.run([*command, "--to", str(folder / "report")], check=True, capture_output=True)
    return (folder / "report" / "Tiny.md").read_text("utf-8")


async def test_a_night_that_ran_out_of_time_goes_on(
    tiny: Path, morning: Conversation, out: Path, tmp_path: Path
) -> None:
    asked, told = named(morning, "Nadia", 1), list[str]()

    def hurry() -> None:
        if any("train 2/" in line for line in told):
            raise OutOfTimeError

    async with bench(tiny, out, QUICK, hurry, told.append) as opened:
        with pytest.raises(OutOfTimeError):
            await opened.ask("learned", morning, asked)
    assert recorded(out, tiny, "nights") == []
    async with bench(tiny, out, QUICK) as opened:
        await opened.ask("learned", morning, asked)
    [night] = recorded(out, tiny, "nights")
    assert night["state"] == "promoted"
    home = homes_of(morning, out / "Tiny" / "stores" / "friends" / "tsubasa")[0]
    assert [run.id for run in RunStore(connect(home.paths)).all()] == [night["run"]]
    assert "went into service" not in reported(out, tmp_path)


async def test_a_home_has_one_night_with_one_budget(
    tiny: Path, morning: Conversation, out: Path
) -> None:
    nadia, tomas = homes_of(morning, out / "Tiny" / "stores" / "friends" / "tsubasa")
    paused = HomeNight(nadia, tiny, QUICK).taught(Hooks(should_stop=lambda: True))
    assert paused.is_paused
    with pytest.raises(SystemExit, match="--learn-seconds"):
        HomeNight(nadia, tiny, replace(QUICK, seconds=60)).taught(Hooks())
    assert not HomeNight(tomas, tiny, replace(QUICK, seconds=60)).is_over()


async def test_an_empty_memory_has_no_night(tiny: Path, morning: Conversation, out: Path) -> None:
    nadia, _ = homes_of(morning, out / "Tiny" / "stores" / "friends" / "tsubasa")
    connect(nadia.paths).execute("UPDATE observations SET status = 'forgotten'")
    assert not MemoryLog(connect(nadia.paths)).all()
    async with bench(tiny, out, QUICK) as opened:
        await opened.ask("learned", morning, named(morning, "Nadia", 1))
    [night] = recorded(out, tiny, "nights")
    assert (night["state"], night["lessons"]) == (NOTHING, 0)


@pytest.mark.slow
async def test_smollm2_answers_by_heart(smollm2: Path, tmp_path: Path) -> None:
    """A short night of the real model, whatever its gate says, and its answers."""
    [friends] = read(FRIENDS)
    asked = [named(friends, "Nadia", place) for place in range(3)]
    learning = Learning(seconds=120, device="cpu", recipe=FEW)
    async with bench(smollm2, tmp_path, learning) as opened:
        for system in ("none", "learned", "learned@3"):
            await opened.ask(system, friends, *asked)
    [night] = recorded(tmp_path, smollm2, "nights")
    assert night["state"] in ("promoted", "refused")
    assert night["steps"] > 0
    rows = recorded(tmp_path, smollm2, "answers")
    raw = {name: [r["raw"] for r in rows if r["system"] == name] for name in ("none", "learned")}
    worn = {row["adapter_sha256"] for row in rows if row["system"].startswith("learned")}
    is_in_service = night["state"] == "promoted"
    assert (worn != {""}) is is_in_service
    assert (raw["learned"] != raw["none"]) is is_in_service
