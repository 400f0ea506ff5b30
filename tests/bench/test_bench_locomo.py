"""The LoCoMo harness: records that survive a kill, contexts that are what they say, and every
table made by its command with a real model."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parent / "locomo"))

from locomo_endpoint import Endpoint
from locomo_homes import homes_of
from locomo_model import Answerer
from locomo_readers import Similar, observed, under_one_budget, utterances
from locomo_records import Records, read_records
from locomo_store import Conversation, read
from locomo_systems import SYSTEMS, parts_of
from tiny_models import Shape, build_scripted_qwen3

from tsubasa_cli.memory.embedder import default_embedder

HERE = Path(__file__).parent
FRIENDS = HERE / "data" / "two_friends.json"
REPOSITORY = HERE.parents[1]
KEY = ("system", "question")
MEMORY = '{"memory": [{"text": "Pepper is a greyhound"}]}'


@pytest.fixture
def friends() -> Conversation:
    [conversation] = read(FRIENDS)
    return conversation


# ----------------------------------------------------------------------------- records


def test_what_is_recorded_is_known_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    with Records(file, KEY) as records:
        records.add({"system": "none", "question": 3, "answer": "Gent ✓"})
    with Records(file, KEY) as records:
        assert records.has(system="none", question=3)
        assert not records.has(system="none", question=4)
        assert not records.has(system="full", question=3)
        assert len(records) == 1


def test_a_torn_last_line_is_cut_off_and_its_work_is_open_again(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    with Records(file, KEY) as records:
        records.add({"system": "none", "question": 1})
        records.add({"system": "none", "question": 2})
    file.write_bytes(file.read_bytes()[:-7])
    assert [record["question"] for record in read_records(file)] == [1]
    with Records(file, KEY) as records:
        assert not records.has(system="none", question=2)
        records.add({"system": "none", "question": 2})
    assert [record["question"] for record in read_records(file)] == [1, 2]


def test_a_record_is_on_the_disk_before_the_next_begins(tmp_path: Path) -> None:
    """A process that is killed behind ``add`` has lost nothing."""
    file = tmp_path / "answers.jsonl"
    program = (
        f"import sys, os; sys.path.insert(0, {str(HERE / 'locomo')!r})\n"
        "from pathlib import Path\nfrom locomo_records import Records\n"
        f"with Records(Path({str(file)!r}), ('question',)) as records:\n"
        "    records.add({'question': 1})\n    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    assert list(read_records(file)) == [{"question": 1}]


# ----------------------------------------------------------------------------- contexts


def test_every_turn_of_a_home_has_its_dialogue_id(friends: Conversation, tmp_path: Path) -> None:
    nadia, tomas = homes_of(friends, tmp_path)
    for home in (nadia, tomas):
        assert home.take_in() == len(friends.turns)
        assert home.take_in() == 0
        said = {
            home.names[turn.id]: turn.text
            for session in home.store.recent()
            for turn in home.store.path(session.id)
        }
        assert said == {name: words for name, (_, words) in friends.turns.items()}
    roles = {
        t.role for s in nadia.store.recent() for t in nadia.store.path(s.id) if "Pepper" in t.text
    }
    assert roles == {"assistant"}
    nadia.close()
    tomas.close()


def test_a_named_speakers_store_comes_first_and_otherwise_they_take_turns() -> None:
    found = {"Nadia": [1, 2, 3], "Tomas": [7, 8]}
    assert under_one_budget(found, "What did Tomas sell?", 3) == [
        ("Tomas", 7),
        ("Tomas", 8),
        ("Nadia", 1),
    ]
    both = under_one_budget(found, "What do they play?", 4)
    assert both == [("Nadia", 1), ("Tomas", 7), ("Nadia", 2), ("Tomas", 8)]
    assert under_one_budget({"Nadia": [], "Tomas": []}, "Who?", 3) == []


async def test_retrieval_finds_what_was_said_with_its_day(friends: Conversation) -> None:
    reader = Similar("friends-said", utterances(friends), 1)
    asked = next(q for q in friends.asked if "allergic" in q.text)
    context = await reader.read(asked)
    assert context.text.startswith("6 March 2025, Tomas: I am allergic to peanuts")
    assert context.covers == asked.evidence


def test_nothing_is_observed_before_anything_is_distilled(
    friends: Conversation, tmp_path: Path
) -> None:
    homes = homes_of(friends, tmp_path)
    assert observed(homes) == []
    for home in homes:
        home.close()


# ----------------------------------------------------------------------------- the commands


def command(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HERE / "locomo" / script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )


def run(model: Path, out: Path, *more: object) -> list[dict[str, object]]:
    """Put questions to systems; the records."""
    command("run.py", FRIENDS, "--model", model, "--out", out, "--window", 2048, "--threads", 1,
            "--unmeasured", *more)  # fmt: skip
    return list(read_records(out / model.stem / "answers.jsonl"))


def test_a_run_goes_on_where_it_stopped(smollm2: Path, tmp_path: Path) -> None:
    first = run(smollm2, tmp_path, "--first", 1, "--system", "tsubasa@3")
    again = run(smollm2, tmp_path, "--first", 2, "--system", "tsubasa@3")
    assert [record["question"] for record in again] == [0, 1]
    assert again[0] == first[0]
    assert all(record["raw"] and record["context_tokens"] for record in again)
    assert all("notes:\n- " in str(record["context"]) for record in again)


@pytest.mark.slow
def test_every_table_with_a_real_model(smollm2: Path, tmp_path: Path) -> None:
    records = run(smollm2, tmp_path / "records", "--first", 2)
    systems = [name for name in SYSTEMS if parts_of(name)[0] not in ("mem0", "learned")]
    assert {record["system"] for record in records} == set(systems)
    assert len(records) == 2 * len(systems)
    by_system = {str(record["system"]): record for record in records}
    assert by_system["none"]["context_tokens"] == 0
    assert by_system["full"]["pieces"] == 24
    assert by_system["rag-utterances@30"]["covers"] == by_system["full"]["covers"]
    command("contexts.py", FRIENDS, "--model", smollm2, "--out", tmp_path / "records",
            "--window", 2048, "--unmeasured")  # fmt: skip
    contexts = list(read_records(tmp_path / "records" / smollm2.stem / "contexts.jsonl"))
    assert len(contexts) == (5 * 6 + 2) * 9
    most = {row["system"]: row["pieces"] for row in contexts}
    assert (most["rag-utterances@1"], most["rag-utterances@30"]) == (1, 24)
    assert (most["none"], most["full"]) == (0, 24)
    assert_reported(smollm2.stem, tmp_path)


def assert_reported(model: str, folder: Path) -> None:
    """The report and its plots come from the records alone, and hold none of the data's words."""
    command("report.py", folder / "records", "--to", folder / "report")
    report = (folder / "report" / f"{model}.md").read_text("utf-8")
    for heading in (
        "Where Tsubasa is not ahead",
        "LoCoMo F1",
        "By Mem0's harness",
        "writing costs",
    ):
        assert heading in report
    assert all(
        f" {name} |" in report or f"**{name}** |" in report for name in ("tsubasa@3", "full")
    )
    for end in ("f1", "evidence"):
        drawing = (folder / "report" / f"{model}-{end}.svg").read_text("utf-8")
        assert ElementTree.fromstring(drawing).tag.endswith("svg")
        assert "tsubasa" in drawing
    for entry in json.loads(FRIENDS.read_text("utf-8"))[0]["qa"]:
        assert entry["question"] not in report


# ----------------------------------------------------------------------------- the report


def answered(system: str, question: int, answer: str, gold: str, **more: Any) -> dict[str, Any]:
    return {
        "conversation": "friends", "system": system, "question": question, "prompt": "p",
        "window": 2048, "category": 4, "gold": gold, "answer": answer, "evidence": ["D1:1"],
        "covers": ["D1:1"], "pieces": 1, "context_tokens": 100, "prompt_tokens": 150,
        "read_seconds": 0.1, "answer_seconds": 1.0, "model_sha256": "s", "versions": "v", **more,
    }  # fmt: skip


def reported(folder: Path, rows: list[dict[str, Any]]) -> str:
    with Records(folder / "Model" / "answers.jsonl", ("system", "question")) as records:
        for row in rows:
            records.add(row)
    command("report.py", folder, "--to", folder / "report")
    return (folder / "report" / "Model.md").read_text("utf-8")


def test_a_report_says_first_where_we_are_behind(tmp_path: Path) -> None:
    ours = [answered("tsubasa@3", n, "Gent", "Bruges" if n % 4 else "Gent") for n in range(40)]
    theirs = [answered("full", n, "Bruges", "Bruges", covers=[]) for n in range(40)]
    report = reported(tmp_path, [*ours, *theirs])
    first, rest = report.split("## LoCoMo F1", 1)
    assert "- LoCoMo F1, answerable: tsubasa@3 is 75.0 behind full (-75.0" in first
    assert "evidence recall" not in first
    assert "| **tsubasa@3** | 40 | 25.0 (" in rest
    assert "one conversation only" in first


def test_a_gap_that_may_be_chance_is_said_to_be(tmp_path: Path) -> None:
    ours = [answered("tsubasa@3", n, "Gent", "Gent" if n % 2 else "Oslo") for n in range(20)]
    theirs = [answered("none", n, "Oslo", "Gent" if n in (1, 3) else "Oslo") for n in range(4)]
    report = reported(tmp_path, [*ours, *theirs])
    assert "Not every system has answered every question" in report
    assert "behind none" not in report
    more = [answered("none", n, "Oslo" if n in (4, 6) else "Gent", ours[n]["gold"])
            for n in range(4, 12)]  # fmt: skip
    assert "12 questions; the interval holds 0" in reported(tmp_path, more)


def test_answers_to_an_older_prompt_are_left_out(tmp_path: Path) -> None:
    old = answered("none", 0, "Oslo", "Oslo", prompt="older")
    report = reported(tmp_path, [old, answered("tsubasa@3", 0, "Oslo", "Oslo")])
    assert "| none |" not in report


# ----------------------------------------------------------------------------- Mem0


@pytest.fixture
async def scripted(tmp_path: Path) -> AsyncIterator[Answerer]:
    """A model that always writes one memory, in the form that Mem0 asks for."""
    path = tmp_path / "Scripted.gguf"
    build_scripted_qwen3(path, reply=MEMORY, shape=Shape(window=32_768))
    answerer = Answerer(path, tmp_path / "engine", window=32_768, threads=1)
    await answerer.open()
    yield answerer
    await answerer.close()


def posted(port: int, path: str, body: dict[str, object]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/{path}", json.dumps(body).encode()
    )
    with urllib.request.urlopen(request) as reply:
        answered: dict[str, Any] = json.load(reply)
    return answered


async def test_the_endpoint_completes_and_embeds_and_counts(scripted: Answerer) -> None:
    endpoint = Endpoint(scripted)
    port = await endpoint.open()
    asked = {"messages": [{"role": "user", "content": "What is Pepper?"}], "temperature": 0}
    completed = await asyncio.to_thread(posted, port, "chat/completions", asked)
    assert completed["choices"][0]["message"]["content"] == MEMORY
    assert completed["choices"][0]["finish_reason"] == "stop"
    cut = await asyncio.to_thread(posted, port, "chat/completions", {**asked, "max_tokens": 2})
    assert cut["choices"][0]["finish_reason"] == "length"
    calls, tokens = endpoint.counters()
    assert calls == 2
    assert tokens >= completed["usage"]["completion_tokens"] + 2
    texts = ["a greyhound", "the harbour"]
    embedded = await asyncio.to_thread(posted, port, "embeddings", {"input": texts})
    assert [row["embedding"] for row in embedded["data"]] == default_embedder().embed(
        texts
    ).tolist()
    await endpoint.close()


async def test_what_the_engine_refuses_is_an_error_of_the_endpoint(scripted: Answerer) -> None:
    endpoint = Endpoint(scripted)
    port = await endpoint.open()
    asked = {"messages": [{"role": "user", "content": "word " * 40_000}]}
    with pytest.raises(urllib.error.HTTPError, match="400"):
        await asyncio.to_thread(posted, port, "chat/completions", asked)
    await endpoint.close()


@pytest.mark.slow
@pytest.mark.skipif("TSUBASA_BENCH_MEM0" not in os.environ, reason="needs a Python with mem0ai")
def test_mem0_remembers_through_the_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "Scripted.gguf"
    build_scripted_qwen3(path, reply=MEMORY, shape=Shape(window=32_768))
    records = run(path, tmp_path, "--window", 32_768, "--first", 1, "--system", "mem0@3",
                  "--mem0-python", os.environ["TSUBASA_BENCH_MEM0"])  # fmt: skip
    assert records[0]["context"] == "\n".join(["- 6 March 2025: Pepper is a greyhound"] * 2)
    assert records[0]["covers"] is None
    costs = list(read_records(tmp_path / path.stem / "writes.jsonl"))
    assert [cost["calls"] for cost in costs] == [1] * 6
    assert [bool(cost["error"]) for cost in costs] == [False, False, True, True, True, True]
