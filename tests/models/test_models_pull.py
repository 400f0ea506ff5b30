"""Pulling from a hub on the loopback interface: progress, resume, checksum, and every refusal."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from gguf_bytes import Gguf, Tensor, qwen3_metadata
from hub_server import BLOCK, COMMIT, HubServer, serve_hub

from tsubasa_cli.errors import (
    ConfigError,
    DownloadError,
    InputError,
    ModelError,
    NotFoundError,
    TsubasaError,
)
from tsubasa_cli.models.pull import PullProgress, Stage
from tsubasa_cli.models.pull import pull as pull_without_pauses
from tsubasa_cli.models.shelf import ModelShelf
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths

REPO = "Qwen/Qwen3-0.6B-GGUF"
FILE = "qwen3-0.6b-q8_0.gguf"
CONTENT = bytes(Gguf(tensors=[Tensor("w", (1 << 20,))]))
DIGEST = hashlib.sha256(CONTENT).hexdigest()

pull = partial(pull_without_pauses, pause_seconds=0.0)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with serve_hub() as server:
        server.repos[REPO] = {"README.md": b"# Qwen3", FILE: CONTENT}
        yield server


@pytest.fixture
def shelf(home: Paths) -> ModelShelf:
    return ModelShelf(home, lambda: connect(home))


def parts(home: Paths) -> list[Path]:
    return sorted(home.models.glob(".*.part"))


def refused(name: str, shelf: ModelShelf, home: Paths, endpoint: str) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        pull(name, shelf, home, endpoint)
    assert caught.value.what
    assert caught.value.next_step
    return caught.value


class TestSuccess:
    def test_a_catalogue_model_arrives_checked_and_registered(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        seen: list[PullProgress] = []
        model = pull("qwen3:0.6b", shelf, home, hub.url, seen.append)
        assert model.name == "qwen3-0.6b"
        assert model.path.read_bytes() == CONTENT
        assert model.path.parent == home.models
        assert model.path.stat().st_mode & 0o777 == 0o600
        assert model.sha256 == DIGEST
        assert model.origin == f"{REPO}:{FILE}"
        assert model.family == "qwen3"
        assert shelf.get("Qwen3-0.6B") == model
        assert not parts(home)
        done = [each.done for each in seen if each.stage is Stage.DOWNLOADING]
        assert done == sorted(done)
        assert (done[0], done[-1]) == (0, len(CONTENT))
        assert len(done) > 10
        assert {each.total for each in seen if each.stage is Stage.DOWNLOADING} == {len(CONTENT)}

    def test_the_commit_is_pinned_and_no_range_is_asked(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        pull("qwen3-0.6b", shelf, home, hub.url)
        assert f"/{REPO}/resolve/{COMMIT}/{FILE}" in {each.path for each in hub.log}
        assert [each.range for each in hub.transfers()] == [None]

    def test_what_is_here_and_intact_is_not_fetched_again(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        first = pull("qwen3-0.6b", shelf, home, hub.url)
        seen: list[PullProgress] = []
        assert pull(f"{REPO}:Q8_0", shelf, home, hub.url, seen.append) == first
        assert seen[-1].stage is Stage.PRESENT
        assert len(hub.transfers()) == 1

    def test_a_file_that_was_damaged_here_is_fetched_again(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        path = pull("qwen3-0.6b", shelf, home, hub.url).path
        path.write_bytes(CONTENT[:-1] + b"!")
        assert pull("qwen3-0.6b", shelf, home, hub.url).path.read_bytes() == CONTENT
        assert len(hub.transfers()) == 2

    def test_a_file_without_its_row_is_registered_without_a_transfer(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        pull("qwen3-0.6b", shelf, home, hub.url)
        connection = connect(home)
        connection.execute("DELETE FROM models")
        connection.close()
        assert pull("qwen3-0.6b", shelf, home, hub.url).sha256 == DIGEST
        assert len(hub.transfers()) == 1

    def test_checksum_and_size_come_from_the_head_where_the_listing_has_none(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.list_without_lfs = True
        hub.tamper = True
        assert "arrived damaged" in refused("qwen3-0.6b", shelf, home, hub.url).what

    def test_the_endpoint_may_come_from_the_environment(self, hub: HubServer, home: Paths) -> None:
        """The client reads it when it is imported, hence a process of its own."""
        answer = run_pull(home, "", HF_ENDPOINT=hub.url)
        assert answer.returncode == 0, answer.stderr
        assert hub.transfers()

    def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(
        self, hub: HubServer, shelf: ModelShelf, home: Paths, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        pull("qwen3-0.6b", shelf, home, hub.url)
        assert hub.log[0].authorization == "Bearer hf_secret"
        assert [each.authorization for each in hub.transfers()] == [None]


class TestChoosing:
    @pytest.mark.parametrize(
        ("selector", "expected"),
        [
            ("", "M-Q4_K_M.gguf"),
            (":q8_0", "M-Q8_0.gguf"),
            (":Q4_K_S", "M-Q4_K_S.gguf"),
            (":m-q8_0.GGUF", "M-Q8_0.gguf"),
            (":sub/other.gguf", "sub/other.gguf"),
        ],
    )
    def test_quantization_or_file_in_any_case(
        self, hub: HubServer, shelf: ModelShelf, home: Paths, selector: str, expected: str
    ) -> None:
        small = bytes(Gguf())
        names = ["M-Q4_K_S.gguf", "M-Q4_K_M.gguf", "M-Q8_0.gguf", "sub/other.gguf"]
        hub.repos["some/M-GGUF"] = dict.fromkeys([*names, "mmproj-M-Q4_K_M.gguf"], small)
        model = pull(f"some/M-GGUF{selector}", shelf, home, hub.url)
        assert model.origin == f"some/M-GGUF:{expected}"
        assert model.name == Path(expected).stem

    def test_a_missing_quantization_names_what_there_is(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        error = refused("qwen3-0.6b:q2_k", shelf, home, hub.url)
        assert "no Q2_K" in error.what
        assert FILE in error.why

    def test_split_files_and_repositories_without_gguf(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.repos["a/split"] = {"M-Q4_K_M-00001-of-00002.gguf": CONTENT}
        hub.repos["a/plain"] = {"model.safetensors": b"x"}
        assert "part of a split" in refused("a/split:Q4_K_M", shelf, home, hub.url).what
        assert "no GGUF" in refused("a/plain", shelf, home, hub.url).what

    def test_equal_file_names_of_two_repositories_do_not_meet(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.repos["a/x"] = {"m.gguf": bytes(Gguf())}
        hub.repos["b/x"] = {"m.gguf": CONTENT}
        first = pull("a/x", shelf, home, hub.url)
        with pytest.raises(InputError, match="is here already"):
            pull("b/x", shelf, home, hub.url)
        assert first.path.read_bytes() == bytes(Gguf())


class TestResume:
    def test_a_dropped_connection_is_resumed_at_once_by_range(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.drop_after.extend([1_000_000, 500_000])
        seen: list[PullProgress] = []
        model = pull("qwen3-0.6b", shelf, home, hub.url, seen.append)
        assert model.path.read_bytes() == CONTENT
        first, second, third = hub.transfers()
        assert (first.range, first.sent) == (None, 1_000_000)
        assert (second.range, second.sent) == ("bytes=1000000-", 500_000)
        assert (third.range, third.sent) == ("bytes=1500000-", len(CONTENT) - 1_500_000)
        assert any(each.retry for each in seen)

    def test_what_arrived_survives_and_the_next_pull_goes_on(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.drop_after.extend([2_000_000, 0, 0, 0])
        error = refused("qwen3-0.6b", shelf, home, hub.url)
        assert "Cannot reach" in error.what
        assert "goes on where it stopped" in error.next_step
        assert [part.stat().st_size for part in parts(home)] == [2_000_000]
        assert parts(home)[0].stat().st_mode & 0o777 == 0o600
        assert shelf.list() == [m for m in shelf.list() if m.source == "starter"]
        seen: list[PullProgress] = []
        pull("qwen3-0.6b", shelf, home, hub.url, seen.append)
        last = hub.transfers()[-1]
        assert last.range == "bytes=2000000-"
        assert last.sent == len(CONTENT) - 2_000_000
        assert seen[-1].resumed_from == 2_000_000

    def test_kill_9_and_resume(self, hub: HubServer, shelf: ModelShelf, home: Paths) -> None:
        hub.hold_after = 100 * BLOCK
        process = subprocess.Popen([sys.executable, "-c", PULL, hub.url])
        wait_for(lambda: parts(home) and parts(home)[0].stat().st_size == 100 * BLOCK)
        process.send_signal(signal.SIGKILL)
        process.wait()
        hub.go_on.set()
        model = pull("qwen3-0.6b", shelf, home, hub.url)
        assert model.path.read_bytes() == CONTENT
        assert hub.transfers()[-1].range == f"bytes={100 * BLOCK}-"
        assert not parts(home)

    def test_ctrl_c_keeps_the_part(self, hub: HubServer, shelf: ModelShelf, home: Paths) -> None:
        def interrupt(progress: PullProgress) -> None:
            if progress.done > 1_000_000:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            pull("qwen3-0.6b", shelf, home, hub.url, interrupt)
        kept = parts(home)[0].stat().st_size
        assert kept > 1_000_000
        pull("qwen3-0.6b", shelf, home, hub.url)
        assert hub.transfers()[-1].range == f"bytes={kept}-"

    def test_a_server_that_ignores_ranges_starts_over(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.drop_after.append(1_000_000)
        hub.ignore_ranges = True
        model = pull("qwen3-0.6b", shelf, home, hub.url)
        assert model.path.read_bytes() == CONTENT
        assert hub.transfers()[-1].sent == len(CONTENT)

    def test_the_part_of_an_older_file_is_not_mixed_in(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.drop_after.extend([2_000_000, 0, 0, 0])
        refused("qwen3-0.6b", shelf, home, hub.url)
        newer = bytes(Gguf(qwen3_metadata() | {"general.name": "newer"}, [Tensor("w", (99,))]))
        hub.repos[REPO][FILE] = newer
        assert pull("qwen3-0.6b", shelf, home, hub.url).path.read_bytes() == newer
        assert not parts(home)

    def test_a_damaged_part_is_found_out_by_the_checksum(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.drop_after.extend([2_000_000, 0, 0, 0])
        refused("qwen3-0.6b", shelf, home, hub.url)
        with parts(home)[0].open("r+b") as part:
            part.seek(1000)
            part.write(b"\xff" * 8)
        assert "damaged" in refused("qwen3-0.6b", shelf, home, hub.url).what
        assert not parts(home)
        assert pull("qwen3-0.6b", shelf, home, hub.url).sha256 == DIGEST

    def test_two_pulls_of_one_file_do_not_collide(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.hold_after = 10 * BLOCK
        process = subprocess.Popen([sys.executable, "-c", PULL, hub.url])
        wait_for(lambda: bool(parts(home)))
        assert "another tsubasa" in refused("qwen3-0.6b", shelf, home, hub.url).what
        hub.go_on.set()
        assert process.wait(30) == 0
        assert shelf.get("qwen3-0.6b").sha256 == DIGEST


class TestRefusals:
    def test_a_wrong_checksum_removes_the_file(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.tamper = True
        error = refused("qwen3-0.6b", shelf, home, hub.url)
        assert "arrived damaged and was removed" in error.what
        assert DIGEST[:16] in error.why
        assert not list(home.models.iterdir())

    def test_no_such_repository(self, hub: HubServer, shelf: ModelShelf, home: Paths) -> None:
        assert "no repository a/b" in refused("a/b", shelf, home, hub.url).what

    def test_a_file_that_vanished(self, hub: HubServer, shelf: ModelShelf, home: Paths) -> None:
        hub.file_status.append((404, "EntryNotFound"))
        assert "no file" in refused("qwen3-0.6b", shelf, home, hub.url).what

    @pytest.mark.parametrize(
        ("status", "code"), [(401, ""), (403, "GatedRepo"), (401, "GatedRepo")]
    )
    def test_gated_and_private(
        self,
        hub: HubServer,
        shelf: ModelShelf,
        home: Paths,
        monkeypatch: pytest.MonkeyPatch,
        status: int,
        code: str,
    ) -> None:
        hub.repo_status["a/gated"] = (status, code)
        error = refused("a/gated", shelf, home, hub.url)
        assert "gated or private" in error.what
        assert "set HF_TOKEN" in error.next_step
        monkeypatch.setenv("HF_TOKEN", "hf_wrong")
        assert "HF_TOKEN is valid" in refused("a/gated", shelf, home, hub.url).next_step

    def test_a_gated_file_of_a_listed_repository(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.file_status.append((403, "GatedRepo"))
        assert "gated" in refused("qwen3-0.6b", shelf, home, hub.url).what

    def test_trouble_of_the_hubs_own(self, hub: HubServer, shelf: ModelShelf, home: Paths) -> None:
        hub.repo_status[REPO] = (503, "")
        error = refused("qwen3-0.6b", shelf, home, hub.url)
        assert "trouble of its own" in error.what
        assert "503" in error.why

    def test_a_moment_of_trouble_is_waited_out(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.file_status.extend([(500, ""), (429, "")])
        assert pull("qwen3-0.6b", shelf, home, hub.url).sha256 == DIGEST

    def test_nobody_listens(self, shelf: ModelShelf, home: Paths) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        error = refused("qwen3-0.6b", shelf, home, f"http://127.0.0.1:{port}")
        assert "Cannot reach the model hub" in error.what
        assert "refused" in error.why

    def test_a_name_that_does_not_resolve(self, shelf: ModelShelf, home: Paths) -> None:
        error = refused("qwen3-0.6b", shelf, home, "http://hub.invalid")
        assert "Cannot reach the model hub" in error.what
        assert "http://hub.invalid" in f"{error.what} {error.why}"

    @pytest.mark.parametrize(
        "endpoint", ["hub", "ftp://hub", "http://", "http://[bad", "http://h:x"]
    )
    def test_an_address_that_is_none(self, shelf: ModelShelf, home: Paths, endpoint: str) -> None:
        with pytest.raises(ConfigError, match="not the address"):
            pull("qwen3-0.6b", shelf, home, endpoint)

    @pytest.mark.parametrize("answer", [b"<html>Sign in", b"[]", b'"hello"', b"{}", b'{"id": 3}'])
    def test_something_else_answers(
        self, hub: HubServer, shelf: ModelShelf, home: Paths, answer: bytes
    ) -> None:
        hub.listing = answer
        refused("qwen3-0.6b", shelf, home, hub.url)

    def test_file_names_that_would_leave_the_folder(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        hub.repos["a/b"] = {"../../../evil-Q4_K_M.gguf": CONTENT, "\x1b[2J-Q4_K_M.gguf": CONTENT}
        with contextlib.suppress(TsubasaError):
            pull("a/b", shelf, home, hub.url)
        outside = [path for path in home.data.parent.rglob("*evil*") if home.models != path.parent]
        assert {path.parent for path in outside} <= {home.locks}

    def test_offline_mode(self, hub: HubServer, home: Paths) -> None:
        answer = run_pull(home, hub.url, HF_HUB_OFFLINE="1")
        assert answer.returncode == 5
        assert "offline" in answer.stderr

    def test_names_that_mean_nothing(self, shelf: ModelShelf, home: Paths) -> None:
        with pytest.raises(NotFoundError, match="qwen3-4b"):
            pull("qwen3-4", shelf, home, "http://127.0.0.1:9")
        refused("a/-bad--name-", shelf, home, "http://127.0.0.1:9")

    def test_what_cannot_chat_is_removed_after_all(
        self, hub: HubServer, shelf: ModelShelf, home: Paths
    ) -> None:
        metadata = qwen3_metadata() | {"general.architecture": "bert"}
        hub.repos["a/embed"] = {"e.gguf": bytes(Gguf(metadata))}
        with pytest.raises(ModelError, match="embedding model"):
            pull("a/embed", shelf, home, hub.url)
        assert not list(home.models.iterdir())


class TestDiskFull:
    def test_too_little_space_is_noticed_before_a_byte_is_asked(
        self, hub: HubServer, shelf: ModelShelf, home: Paths, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The numbers of a nearly full disk, as the system reports them."""
        monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1_000_000))
        with pytest.raises(ModelError) as caught:
            pull("qwen3-0.6b", shelf, home, hub.url)
        assert "disk is too full" in caught.value.what
        assert "1 MB are free" in caught.value.what
        assert not hub.transfers()

    def test_a_real_small_disk_is_refused(
        self, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("only root can mount a small disk")
        try:
            monkeypatch.setenv("TSUBASA_HOME", str(disk))
            home = Paths.from_environment().ensure()
            with pytest.raises(ModelError, match="disk is too full"):
                pull("qwen3-0.6b", ModelShelf(home, lambda: connect(home)), home, hub.url)
            assert not hub.transfers()
        finally:
            subprocess.run(["umount", str(disk)], check=True)

    def test_a_disk_that_fills_meanwhile_keeps_the_part(self, hub: HubServer, home: Paths) -> None:
        """A real limit: the kernel lets this process write no file beyond 1.5 MB."""
        answer = run_pull(home, hub.url, limit=1_500_000)
        assert answer.returncode == 5
        assert "disk became full" in answer.stderr
        assert "Traceback" not in answer.stderr
        assert [part.stat().st_size for part in parts(home)] == [1_500_000]
        answer = run_pull(home, hub.url)
        assert answer.returncode == 0, answer.stderr
        assert hub.transfers()[-1].range == "bytes=1500000-"


PULL = """
import sys
from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.models.pull import pull
from tsubasa_cli.models.shelf import ModelShelf
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths

home = Paths.from_environment()
try:
    pull("qwen3-0.6b", ModelShelf(home, lambda: connect(home)), home, sys.argv[1])
except TsubasaError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def run_pull(
    home: Paths, endpoint: str, limit: int | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A pull in a process of its own, optionally with the kernel limiting its files."""

    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-c", PULL, endpoint],
        env={**os.environ, **environment, "TSUBASA_HOME": str(home.data)},
        preexec_fn=restrict,
        capture_output=True,
        text=True,
        timeout=60,
    )


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
