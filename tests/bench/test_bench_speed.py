"""The tables of speed: each made by its command with SmolLM2, and what they count."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from bench_page import put_section, table
from bench_process import figures_of

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
OVERHEAD = 16
"""Tokens of the template around a message."""


def page_of(script: str, name: str, folder: Path, *arguments: object) -> str:
    """Run a bench; the page that it wrote."""
    subprocess.run(
        [sys.executable, str(HERE / script), *map(str, arguments), "--to", str(folder)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return (folder / name).read_text("utf-8")


def rows_of(page: str, *head: str) -> list[dict[str, str]]:
    """The rows of the table whose head begins so."""
    lines = iter(page.splitlines())
    found = next(line for line in lines if line.startswith(f"| {' | '.join(head)} |"))
    names = _cells(found)
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(names, _cells(line), strict=True)))
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def number(text: str) -> int:
    return int(text.replace(",", ""))


# ----------------------------------------------------------------------------- pages


def test_a_command_replaces_its_own_section_and_no_other(tmp_path: Path) -> None:
    page = tmp_path / "new" / "speed.md"
    for heading, body in (("One", "1"), ("One and more", "2"), ("Three", "3"), ("One", "4\n")):
        put_section(page, "Speed", heading, body)
    assert (
        page.read_text("utf-8")
        == "# Speed\n\n## One\n\n4\n\n## One and more\n\n2\n\n## Three\n\n3\n"
    )
    put_section(page, "Speed", "Three", table(["a", "b"], [[1, "|"]]))
    assert rows_of(page.read_text("utf-8").replace("| | |", "| x |"), "a", "b") == [
        {"a": "1", "b": "x"}
    ]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's own figure")
def test_the_peak_of_a_step_is_its_own_and_not_its_parents(tmp_path: Path) -> None:
    script = tmp_path / "step.py"
    script.write_text(
        f"import sys\nsys.path.append({str(HERE)!r})\nfrom bench_process import measured\n"
        "with measured():\n    pass\n"
    )
    ballast = bytearray(b"x") * 300_000_000
    told = figures_of(str(script))
    assert len(ballast) == 300_000_000
    assert 0 < told["peak_mb"] < 200


# ----------------------------------------------------------------------------- the commands


def told_by(script: str, *arguments: object) -> str:
    """Run a bench that writes no page; what it says."""
    return subprocess.run(
        [sys.executable, str(HERE / script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.slow
def test_decoding_beside_both_raw_loops() -> None:
    told = told_by("bench_engine.py", "--pairs", 2, "--tokens", 8)
    assert re.findall(r"median ratio stack / (\S+) loop: \d", told) == ["high-level", "low-level"]


@pytest.mark.slow
def test_recall_in_its_parts_beside_bare_queries(tmp_path: Path) -> None:
    page = page_of("bench_recall_scale.py", "memory-speed.md", tmp_path, 200)
    assert "## 200 memories" in page
    written = rows_of(page, "writing")
    assert [number(row["entries"]) for row in written] == [400, 2_000, 2_400, 400]
    times = {row["200 questions"]: row["95th percentile"] for row in rows_of(page, "200 questions")}
    assert len(times) == 10
    assert all(float(told.removesuffix(" ms")) > 0 for told in times.values()), times


@pytest.mark.slow
def test_a_chat_evaluates_what_is_new_and_resumes(tmp_path: Path) -> None:
    page = page_of("bench_chat.py", "chat-speed.md", tmp_path, "--turns", 3, "--reply-tokens", 6,
                   "--pairs", 2)  # fmt: skip
    rows = rows_of(page, "turn", "system")
    assert [row["turn"] for row in rows] == ["1"] * 3 + ["3"] * 3 + ["4, resumed"] * 3
    ours, raw, mem0 = (rows[place::3] for place in range(3))
    assert {row["system"] for row in ours} == {"Tsubasa"}
    assert all("beside the question" in row["system"] for row in raw)
    assert all("in the system prompt" in row["system"] for row in mem0)
    ours_read, raw_read, mem0_read = ([prompt(row) for row in rows] for rows in (ours, raw, mem0))
    assert ours_read[0] == raw_read[0]
    assert [int(row["memories put in"]) > 0 for row in (ours[0], mem0[0])] == [True, True]
    for row in (ours[0], raw[0], mem0[0], raw[2], mem0[2]):
        assert evaluated(row) == prompt(row)
    assert evaluated(raw[1]) < raw_read[1] / 2
    assert evaluated(ours[2]) <= ours_read[2] - ours_read[1] + OVERHEAD < evaluated(raw[2])
    assert evaluated(mem0[1]) > 0.8 * mem0_read[1]
    assert "in 2 pairs of answers that go on" in page
    whole = rows_of(page, "system", "evaluated before first tokens")
    waited, altogether = "evaluated before first tokens", "prompt tokens evaluated altogether"
    assert number(whole[0][waited]) < number(whole[0][altogether])
    assert number(whole[1][waited]) == number(whole[1][altogether])


def prompt(row: dict[str, str]) -> int:
    return number(row["prompt tokens"])


def evaluated(row: dict[str, str]) -> int:
    return number(row["evaluated before the first token"])


@pytest.mark.slow
def test_training_takes_less_memory_than_with_the_teacher_inside(tmp_path: Path) -> None:
    page = page_of("bench_learn.py", "learn-speed.md", tmp_path, "--pairs", 1, "--steps", 1,
                   "--threads", 1)  # fmt: skip
    ours, plain = rows_of(page, "loop")
    assert "read beforehand" in ours["loop"] and "teacher inside" in plain["loop"]
    assert 135 < number(ours["peak MB"]) < number(plain["peak MB"])
    assert "Reading the teacher beforehand" in page


@pytest.mark.slow
def test_what_a_merge_costs_and_what_is_left_of_the_change(tmp_path: Path) -> None:
    page = page_of("bench_merge.py", "learn-speed.md", tmp_path)
    codes, eight, naive, master, ordinary = rows_of(page, "route")
    assert least_left(codes) > 0.9
    assert least_left(eight) > 0.9
    assert least_left(naive) < 0.5
    assert least_left(master) > 0.9
    assert share(master["error"]) == pytest.approx(share(ordinary["error"]), rel=0.1)
    assert number(master["peak MB"]) < number(ordinary["peak MB"])


def least_left(row: dict[str, str]) -> float:
    """Of the change, in the type of tensor that kept the least."""
    return min(
        float(part.split()[-1]) for part in row["share of the change left, by type"].split(", ")
    )


def share(text: str) -> float:
    return float(text.removesuffix("%"))
