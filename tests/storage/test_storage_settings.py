"""The settings file: documented, checked, and changed without losing its comments."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

from tsubasa_cli.errors import ConfigError
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import Settings
from tsubasa_cli.storage.settings_file import ensure_file, entries, load_settings, set_value


def test_without_a_file_the_defaults_hold(home: Paths) -> None:
    assert load_settings(home) == Settings()


def test_every_setting_documents_itself() -> None:
    for entry in entries(Settings()):
        assert entry.description, entry.key
        assert entry.allowed, entry.key


def test_the_generated_file_holds_only_comments_and_loads(home: Paths) -> None:
    file = ensure_file(home)
    assert load_settings(home) == Settings()
    for entry in entries(Settings()):
        assert entry.key.rpartition(".")[2] in file.read_text()


def test_setting_a_value_keeps_comments(home: Paths) -> None:
    home.settings.write_text("# mine\n[chat]\nthinking = true  # because\n")
    settings = set_value(home, "chat.thinking", "false")
    assert settings.chat.thinking is False
    assert home.settings.read_text() == "# mine\n[chat]\nthinking = false  # because\n"


@pytest.mark.parametrize(
    ("key", "raw", "attribute"),
    [
        ("sampling.temperature", "0.3", 0.3),
        ("engine.context_tokens", "4096", 4096),
        ("chat.system_prompt", "true", "true"),
        ("look.theme", "tsubasa-day", "tsubasa-day"),
    ],
)
def test_values_are_read_as_their_type(home: Paths, key: str, raw: str, attribute: object) -> None:
    settings = set_value(home, key, raw)
    section, name = key.split(".")
    assert getattr(getattr(settings, section), name) == attribute
    assert load_settings(home) == settings


def test_personas_and_keys_are_open_tables(home: Paths) -> None:
    set_value(home, "personas.poet", "You answer in verse.")
    assert set_value(home, "keys.send", "ctrl+enter").personas == {"poet": "You answer in verse."}


@pytest.mark.parametrize(
    ("key", "raw", "expected"),
    [
        ("chat.thinking", "maybe", "true or false"),
        ("sampling.temperature", "9", "a number from 0.0 to 5.0"),
        ("chat.compact_at", "0.2", "from 0.5 to 0.95"),
        ("engine.threads", "many", "a whole number from 0"),
        ("engine.context_tokens", "100", "0, or 512 and more"),
    ],
)
def test_a_bad_value_names_file_key_and_what_is_allowed(
    home: Paths, key: str, raw: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        set_value(home, key, raw)
    assert str(home.settings) in caught.value.what
    assert key in caught.value.what
    assert expected in caught.value.why
    assert not home.settings.exists()


def test_an_unknown_key_suggests_its_neighbours(home: Paths) -> None:
    with pytest.raises(ConfigError, match=r"chat\.compact_at"):
        set_value(home, "chat.compact", "0.9")
    home.settings.write_text("[chat]\nthikning = true\n")
    with pytest.raises(ConfigError, match=r"chat\.thinking"):
        load_settings(home)


def test_broken_toml_and_bad_bytes_are_told(home: Paths) -> None:
    home.settings.write_text("[chat\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_settings(home)
    home.settings.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="Cannot read"):
        load_settings(home)


def test_a_value_where_a_table_belongs_is_mended_by_setting(home: Paths) -> None:
    home.settings.write_text("chat = 5\n")
    with pytest.raises(ConfigError):
        load_settings(home)
    assert set_value(home, "chat.thinking", "false").chat.thinking is False


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[chat]\nthinking = 2\n", "chat.thinking"),
        ("[engine]\nthreads = 1.5\n", "engine.threads"),
        ("[engine]\ncontext_tokens = 100\n", "engine.context_tokens"),
        ("[look]\ntheme = 5\n", "look.theme"),
        ("[personas]\npoet = 5\n", "personas.poet"),
        ("personas = 5\n", "personas"),
        ("[sampling]\ntemperature = nan\n", "sampling.temperature"),
    ],
)
def test_a_value_of_another_type_is_refused(home: Paths, text: str, key: str) -> None:
    home.settings.write_text(text)
    with pytest.raises(ConfigError, match=key):
        load_settings(home)


def test_a_whole_number_is_a_number_too(home: Paths) -> None:
    home.settings.write_text("[sampling]\ntemperature = 1\n")
    assert load_settings(home).sampling.chosen() == {"temperature": 1.0}


CHECKERS = (
    "import sys; from tsubasa_cli.storage.paths import Paths;"
    " from tsubasa_cli.storage.settings_file import load_settings;"
    " load_settings(Paths.from_environment());"
    " print({'pydantic', 'tomlkit', 'tomllib'} & sys.modules.keys())"
)


def _loaded_by_a_start() -> set[str]:
    """What checks settings, as far as a new process that reads them loads it."""
    done = subprocess.run(
        [sys.executable, "-c", CHECKERS], capture_output=True, text=True, check=True
    )
    return set(ast.literal_eval(done.stdout))


def test_without_a_file_nothing_is_loaded_to_check_it(home: Paths) -> None:  # noqa: ARG001
    """Every command waits for its settings."""
    assert _loaded_by_a_start() == set()


class TestCheckedOnce:
    TEXT = '[look]\ntheme = "nord"\n[sampling]\ntemperature = 1\n[keys]\nsend = "f5"\n'

    def test_only_a_changed_file_is_checked(self, home: Paths) -> None:
        home.settings.write_text(self.TEXT)
        assert _loaded_by_a_start() == {"pydantic", "tomllib"}
        assert _loaded_by_a_start() == set()
        home.settings.write_text(self.TEXT + "# mine\n")
        assert _loaded_by_a_start() == {"pydantic", "tomllib"}

    def test_what_is_remembered_is_what_the_check_said(self, home: Paths) -> None:
        home.settings.write_text(self.TEXT)
        checked = load_settings(home)
        again = load_settings(home)
        assert again == checked
        assert isinstance(again.sampling.temperature, float)
        assert (again.look.theme, again.keys) == ("nord", {"send": "f5"})

    def test_a_bad_value_is_refused_each_time(self, home: Paths) -> None:
        home.settings.write_text(self.TEXT)
        load_settings(home)
        home.settings.write_text("[look]\ntheme = 5\n")
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"look\.theme"):
                load_settings(home)

    @pytest.mark.parametrize(
        "memo",
        [b"", b"\xff", b"5", b"[1, 2, 3]", b'{"a": 1, "b": 2, "c": 3}', b"[]", None],
    )
    def test_an_odd_memo_is_not_believed(self, home: Paths, memo: bytes | None) -> None:
        home.settings.write_text(self.TEXT)
        checked = load_settings(home)
        version, text, tables = json.loads(home.checked_settings.read_bytes())
        del tables["look"]
        odd = json.dumps([version, text, tables]).encode() if memo is None else memo
        home.checked_settings.write_bytes(odd)
        assert load_settings(home) == checked

    def test_another_version_checks_for_itself(self, home: Paths) -> None:
        home.settings.write_text(self.TEXT)
        load_settings(home)
        _, text, tables = json.loads(home.checked_settings.read_bytes())
        tables["look"]["theme"] = "of-another-version"
        home.checked_settings.write_text(json.dumps(["0.0.1", text, tables]))
        assert load_settings(home).look.theme == "nord"

    def test_a_memo_that_cannot_be_written_is_done_without(self, home: Paths) -> None:
        home.settings.write_text(self.TEXT)
        home.checked_settings.mkdir()
        assert load_settings(home).look.theme == "nord"
