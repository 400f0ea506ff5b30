"""No path of the memory looks up a name or opens a connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

WATCH = """
import os, sys

def heard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        if event == "socket.connect" and isinstance(arguments[1], (str, bytes)):
            return
        with open(os.environ["HEARD"], "a") as file:
            file.write(f"{event} {arguments[1:]!r}\\n")

sys.addaudithook(heard)
with open(os.environ["HEARD"] + ".watching", "a") as file:
    file.write(f"{os.getpid()}\\n")
"""
TURNS = (
    ("2026-03-02T09:00:00+01:00", "I work at Acme and live in Bonn with my partner Lena."),
    ("2026-05-06T09:00:00+02:00", "I started at Globex last Monday as a product manager."),
)


def test_import_distil_search_and_chat_stay_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WATCH)
    heard = tmp_path / "heard"
    environment = {
        **os.environ,
        "TSUBASA_HOME": str(tmp_path / "home"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]),
        "HEARD": str(heard),
    }
    life = tmp_path / "life.jsonl"
    life.write_text(
        "".join(
            json.dumps({"session": str(place), "time": time, "role": "user", "text": text}) + "\n"
            for place, (time, text) in enumerate(TURNS)
        )
    )

    def tsubasa(*arguments: str) -> str:
        command = [sys.executable, "-m", "tsubasa_cli", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    tsubasa("memory", "import", "log", str(life))
    assert "Globex" in tsubasa("memory", "list")
    assert "Globex" in tsubasa("memory", "search", "where do I work?")
    tsubasa("memory", "rebuild")
    tsubasa("chat", "-p", "Where do I work?", "--max-tokens", "8")
    watched = heard.with_name("heard.watching").read_text().splitlines()
    assert len(watched) >= 6
    assert not heard.exists(), heard.read_text()
