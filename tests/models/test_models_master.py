"""The master of a model: found by its origin, fetched whole, checked to be the model's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from gguf_bytes import Gguf, Tensor, qwen3_metadata
from hub_server import HubServer, serve_hub
from typer.testing import CliRunner

from tsubasa_cli.cli.model_commands import model_app
from tsubasa_cli.errors import DownloadError, ModelError
from tsubasa_cli.models.master_folder import CONFIG, folder_for, master_of
from tsubasa_cli.models.model import Model
from tsubasa_cli.models.pull import pull as pull_without_pauses
from tsubasa_cli.models.pull_master import master_repository
from tsubasa_cli.models.pull_master import pull_master as pull_master_without_pauses
from tsubasa_cli.models.shelf import ModelShelf
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths

GGUF_REPO, REPO = "Qwen/Qwen3-0.6B-GGUF", "Qwen/Qwen3-0.6B"
SHARD = "model-00001-of-00002.safetensors"
INDEX = "model.safetensors.index.json"

pull = partial(pull_without_pauses, pause_seconds=0.0)
pull_master = partial(pull_master_without_pauses, pause_seconds=0.0)


def config(**changes: object) -> bytes:
    told = qwen3_metadata()
    described = {
        "model_type": "qwen3",
        "hidden_size": told["qwen3.embedding_length"],
        "num_hidden_layers": told["qwen3.block_count"],
        "num_attention_heads": told["qwen3.attention.head_count"],
    }
    return json.dumps(described | changes).encode()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with serve_hub() as server:
        server.repos[GGUF_REPO] = {"q8_0.gguf": bytes(Gguf(tensors=[Tensor("w", (64,))]))}
        server.repos[REPO] = {
            "README.md": b"# Qwen3",
            CONFIG: config(),
            SHARD: b"first" * 20_000,
            "model-00002-of-00002.safetensors": b"second" * 100,
            INDEX: b'{"weight_map": {}}',
            "original/consolidated.safetensors": b"not for transformers",
        }
        yield server


@pytest.fixture
def shelf(home: Paths) -> ModelShelf:
    return ModelShelf(home, lambda: connect(home))


@pytest.fixture
def model(hub: HubServer, shelf: ModelShelf, home: Paths) -> Model:
    return pull("qwen3-0.6b", shelf, home, hub.url)


def test_all_that_transformers_reads_arrives(hub: HubServer, model: Model, home: Paths) -> None:
    assert master_of(model.path, home) is None
    folder = pull_master(model, home, hub.url)
    assert master_of(model.path, home) == folder
    served = hub.repos[REPO]
    wanted = {name for name in served if "/" not in name and name != "README.md"}
    assert {path.name for path in folder.iterdir()} == wanted
    assert all((folder / name).read_bytes() == served[name] for name in wanted)


def test_what_is_here_is_not_fetched_again(hub: HubServer, model: Model, home: Paths) -> None:
    folder = pull_master(model, home, hub.url)
    (folder / SHARD).write_bytes(b"damaged")
    before = len(hub.transfers())
    pull_master(model, home, hub.url)
    again = [each.path for each in hub.transfers()[before:]]
    assert len([path for path in again if path.endswith(".safetensors")]) == 1
    assert (folder / SHARD).read_bytes() == hub.repos[REPO][SHARD]


def test_a_master_that_is_not_whole_is_none(hub: HubServer, model: Model, home: Paths) -> None:
    hub.tamper = True
    with pytest.raises(DownloadError, match="damaged"):
        pull_master(model, home, hub.url)
    assert master_of(model.path, home) is None
    hub.tamper = False
    pull_master(model, home, hub.url)
    assert master_of(model.path, home) is not None


def test_another_models_weights_are_not_even_fetched(
    hub: HubServer, model: Model, home: Paths
) -> None:
    hub.repos[REPO][CONFIG] = config(num_hidden_layers=99)
    with pytest.raises(ModelError, match="does not hold the master") as caught:
        pull_master(model, home, hub.url)
    assert "num_hidden_layers 99" in caught.value.why
    assert not [each for each in hub.transfers() if each.path.endswith(".safetensors")]
    assert master_of(model.path, home) is None


def test_a_repository_without_safetensors(hub: HubServer, model: Model, home: Paths) -> None:
    hub.repos[REPO] = {CONFIG: config(), "pytorch_model.bin": b"pickle"}
    with pytest.raises(DownloadError, match="no safetensors"):
        pull_master(model, home, hub.url)


def test_a_master_goes_with_its_model(
    hub: HubServer, model: Model, shelf: ModelShelf, home: Paths
) -> None:
    folder = pull_master(model, home, hub.url)
    shelf.remove(model.name)
    assert not folder.exists()


def test_the_command_brings_both(hub: HubServer, home: Paths) -> None:
    home.settings.write_text(f'[models]\nendpoint = "{hub.url}"\n')
    pulled = CliRunner().invoke(model_app, ["pull", "qwen3-0.6b", "--master"])
    assert pulled.exit_code == 0, pulled.output
    assert "Its master is here too." in pulled.stderr
    assert f"Downloading {SHARD}" in pulled.stderr
    assert master_of(home.models / "Qwen--Qwen3-0.6B-GGUF--q8_0.gguf", home) is not None


class TestWhereItIs:
    def test_the_origin_tells(self, model: Model) -> None:
        assert master_repository(model) == REPO

    def test_else_the_file_tells(self, shelf: ModelShelf, tmp_path: Path) -> None:
        told = {"general.base_model.0.repo_url": "https://example.org/Someone/Their-Model"}
        path = tmp_path / "mine.gguf"
        path.write_bytes(bytes(Gguf(metadata=qwen3_metadata() | told, tensors=[Tensor("w", (4,))])))
        assert master_repository(shelf.import_file(path)) == "Someone/Their-Model"

    def test_else_nobody_knows(self, shelf: ModelShelf, tmp_path: Path) -> None:
        path = tmp_path / "mine.gguf"
        path.write_bytes(bytes(Gguf(tensors=[Tensor("w", (4,))])))
        with pytest.raises(ModelError, match="not known what mine was quantized from"):
            master_repository(shelf.import_file(path))


def test_masters_of_files_outside_lie_in_the_home(home: Paths, tmp_path: Path) -> None:
    assert folder_for(tmp_path / "elsewhere" / "a.gguf", home).parent == home.models
