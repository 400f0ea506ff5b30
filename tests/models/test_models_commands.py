"""``tsubasa model …`` as a user meets it: output, exit codes, pipes, narrow terminals, bars."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from click.testing import Result
from gguf_bytes import Gguf, Tensor, qwen3_metadata
from hub_server import BLOCK, HubServer, serve_hub
from typer.testing import CliRunner

from tsubasa_cli.cli.model_commands import model_app
from tsubasa_cli.errors import InputError, ModelError, NotFoundError
from tsubasa_cli.models.catalogue import CATALOGUE
from tsubasa_cli.storage.paths import Paths

REPO, FILE = "Qwen/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf"
CONTENT = bytes(Gguf(tensors=[Tensor("w", (1 << 20,))]))
RUN = """
import sys
from tsubasa_cli.cli.model_commands import model_app
model_app(sys.argv[1:])
"""


@pytest.fixture
def hub(home: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub that the settings file names."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serve_hub() as server:
        server.repos[REPO] = {FILE: CONTENT}
        home.settings.write_text(f'[models]\nendpoint = "{server.url}"\n')
        yield server


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A GGUF of the user's own."""
    path = tmp_path / "mine.gguf"
    path.write_bytes(bytes(Gguf(qwen3_metadata())))
    return path


def model(*arguments: str) -> Result:
    result = CliRunner().invoke(model_app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def on_a_terminal(columns: int, *arguments: str) -> pexpect.spawn:
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns)}
    return pexpect.spawn(
        sys.executable,
        ["-c", RUN, *arguments],
        env=environment,
        dimensions=(24, columns),
        encoding="utf-8",
        timeout=30,
    )


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r\n", "\n")


@pytest.mark.usefixtures("home")
class TestList:
    def test_a_pipe_gets_plain_uncut_lines(self) -> None:
        output = model("list").stdout
        assert "\x1b" not in output
        assert all(line == line.rstrip() for line in output.splitlines())
        assert "★  smollm2-135m" in output
        for entry in CATALOGUE:
            assert entry.name in output
        assert "small starter model" in output
        assert "tsubasa model pull" in output

    def test_sixty_columns_are_enough(self) -> None:
        child = on_a_terminal(60, "list")
        child.expect(pexpect.EOF)
        lines = plain(child.before or "").splitlines()
        assert max(len(line.rstrip()) for line in lines) <= 60
        assert any("qwen3-0.6b" in line and "640 MB" in line for line in lines)

    def test_json(self, mine: Path) -> None:
        model("import", str(mine), "--use")
        found = json.loads(model("list", "--json").stdout)
        assert found["in_service"] == "mine"
        assert found["chosen"] is True
        assert [each["name"] for each in found["installed"]] == ["smollm2-135m", "mine"]
        assert len(found["catalogue"]) == len(CATALOGUE)
        assert {"fits", "recommended", "memory_bytes"} <= set(found["catalogue"][0])

    def test_a_missing_file_is_listed_as_missing(self, mine: Path) -> None:
        model("import", str(mine), "--in-place")
        mine.unlink()
        assert "Its file is gone" in model("list").stdout


class TestPull:
    def test_pull_use_list_info_remove(self, hub: HubServer, home: Paths) -> None:
        pulled = model("pull", "qwen3-0.6b", "--use")
        assert pulled.stdout == ""
        assert f"Downloading {FILE} (4 MB)" in pulled.stderr
        assert "qwen3-0.6b is in service." in pulled.stderr
        assert "★  qwen3-0.6b" in model("list").stdout
        facts = model("info").stdout
        for word in ("qwen3", "4,096 tokens", "temperature 0.6", "temperature 0.7", "Tiny Qwen3"):
            assert word in facts
        assert json.loads(model("info", "--json").stdout)["sha256"] == hub.checksum(REPO, FILE)
        assert "here already, and intact" in model("pull", "qwen3-0.6b").stderr
        assert "removed" in model("remove", "qwen3-0.6b", "--yes").stderr
        assert not list(home.models.iterdir())

    def test_a_resumed_pull_says_so(self, hub: HubServer) -> None:
        hub.drop_after.append(2_000_000)
        assert "Connection lost; trying again." in model("pull", "qwen3-0.6b").stderr

    def test_a_terminal_gets_a_bar_and_ctrl_c_is_clean(self, hub: HubServer) -> None:
        hub.hold_after = 100 * BLOCK
        child = on_a_terminal(80, "pull", "qwen3-0.6b")
        child.expect("Downloading")
        child.expect(r"1\.6/4\.2 MB")
        child.sendintr()
        child.expect("What arrived is kept")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130
        assert "Traceback" not in (child.before or "")
        hub.go_on.set()
        model("pull", "qwen3-0.6b")
        assert hub.transfers()[-1].range == f"bytes={100 * BLOCK}-"

    @pytest.mark.usefixtures("home")
    def test_an_unknown_name(self) -> None:
        with pytest.raises(NotFoundError, match="Did you mean"):
            model("pull", "qwen3-9b")


class TestOwnFiles:
    @pytest.mark.usefixtures("home")
    def test_import_says_what_comes_next(self, mine: Path) -> None:
        assert "It is in service." in model("import", str(mine)).stderr
        model("use", "smollm2-135m")
        again = model("import", str(mine), "--name", "again").stderr
        assert "tsubasa model use again" in again
        model("use", "MINE")
        assert "★  mine" in model("list").stdout

    @pytest.mark.usefixtures("home")
    def test_broken_files_are_refused(self, tmp_path: Path, smollm2: Path) -> None:
        cut = tmp_path / "cut.gguf"
        with smollm2.open("rb") as file:
            cut.write_bytes(file.read(9_999_999))
        with pytest.raises(ModelError, match="88,362,433 bytes are missing"):
            model("import", str(cut))
        with pytest.raises(InputError, match="There is no file"):
            model("import", str(tmp_path / "none.gguf"))

    @pytest.mark.usefixtures("home")
    def test_removing_asks(self, mine: Path) -> None:
        model("import", str(mine), "--in-place", "--use")
        with pytest.raises(InputError, match="--yes"):
            model("remove", "mine")
        child = on_a_terminal(80, "remove", "mine")
        child.expect("mine is in service. Remove mine")
        child.sendline("n")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 1
        assert "mine" in model("list").stdout
        assert "Its file stays" in model("remove", "mine", "-y").stderr
        assert mine.exists()

    @pytest.mark.usefixtures("home")
    def test_the_starter_stays(self) -> None:
        with pytest.raises(ModelError, match="pip uninstall"):
            model("remove", "smollm2-135m", "--yes")
