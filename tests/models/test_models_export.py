"""Exporting: what lies in the folder, what Ollama is told, and what must not leave."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from engine.family_models import GEMMA, LLAMA3, MISTRAL, PHI3, SMOLLM2
from memory.memory_helpers import add, note
from tiny_models import QWEN3_TEMPLATE

from tsubasa_cli.cli import model_export
from tsubasa_cli.errors import InputError, ModelError
from tsubasa_cli.learn.runs import RunStore
from tsubasa_cli.learn.values import Apply
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.models import export as export_module
from tsubasa_cli.models.export import Manner, export_model, file_names
from tsubasa_cli.models.gguf_header import read_header
from tsubasa_cli.models.model import Model, Source
from tsubasa_cli.models.ollama import LAYOUTS, folded, modelfile, translated
from tsubasa_cli.models.presets import SamplingPreset, sampling_for
from tsubasa_cli.models.shelf import STARTER_NAME, ModelShelf
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant

PLAIN = Manner(SamplingPreset(), "You are a lighthouse.\nAnswer briefly.")
TURNS = (
    ("system", "Be kind."),
    ("user", "Hello {{ .Role }}"),
    ("assistant", "Good day."),
    ("user", 'Where is the "sea"?'),
)

ALWAYS_THINKS = SMOLLM2.replace("assistant\n'", "assistant\n<think>\n'")
"""As Qwen3-4B-Thinking-2507 asks for a reply."""

GO_PROGRAM = """
package main

import (
	"encoding/json"
	"os"
	"text/template"
)

type Message struct{ Role, Content, Thinking string }

func main() {
	var given struct {
		Template string
		Values   map[string]any
		Messages []*Message
	}
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		panic(err)
	}
	given.Values["Messages"] = given.Messages
	made := template.Must(template.New("").Option("missingkey=zero").Parse(given.Template))
	if err := made.Execute(os.Stdout, given.Values); err != nil {
		panic(err)
	}
}
"""


def leave(_model: Model) -> str | None:
    return None


@pytest.fixture
def starter(home: Paths) -> Model:
    return ModelShelf(home, lambda: connect(home)).get(STARTER_NAME)


class TestFolder:
    def test_the_real_model_with_all_that_belongs_to_it(
        self, starter: Model, smollm2: Path, tmp_path: Path
    ) -> None:
        seen: list[tuple[int, int]] = []
        done = export_model(
            starter, tmp_path / "out", PLAIN, leave, lambda n, of: seen.append((n, of))
        )
        out = done.folder
        assert sorted(file.name for file in out.iterdir()) == sorted(done.files)
        assert (out / "smollm2-135m.gguf").read_bytes() == smollm2.read_bytes()
        assert seen[-1] == (smollm2.stat().st_size, smollm2.stat().st_size)
        assert out.stat().st_mode & 0o077 == 0
        text = (out / "Modelfile").read_text()
        assert "FROM ./smollm2-135m.gguf\n" in text
        assert 'SYSTEM """You are a lighthouse.\nAnswer briefly."""\n' in text
        assert "ollama create smollm2-135m -f Modelfile" in (out / "README.txt").read_text()

    def test_an_exported_model_loads_in_plain_llama_cpp(
        self, starter: Model, tmp_path: Path
    ) -> None:
        """In a process of its own, by llama-cpp-python's own class."""
        done = export_model(starter, tmp_path / "out", PLAIN, leave)
        code = (
            "import sys; from llama_cpp import Llama\n"
            "model = Llama(sys.argv[1], n_ctx=64, vocab_only=True, verbose=False)\n"
            "print(len(model.tokenize(b'The sea is wide.')))"
        )
        command = [sys.executable, "-c", code, str(done.folder / done.files[0])]
        told = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(told.stdout) >= 5

    def test_nothing_is_overwritten(self, starter: Model, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("ten years of work")
        with pytest.raises(InputError, match="is not empty"):
            export_model(starter, tmp_path, PLAIN, leave)
        with pytest.raises(InputError, match="cannot be exported to"):
            export_model(starter, tmp_path / "thesis.tex", PLAIN, leave)
        assert (tmp_path / "thesis.tex").read_text() == "ten years of work"
        assert len(list(tmp_path.iterdir())) == 2

    def test_an_interrupted_export_leaves_nothing(self, starter: Model, tmp_path: Path) -> None:
        def interrupt(done: int, total: int) -> None:
            if done > total // 2:
                raise KeyboardInterrupt

        for folder in (tmp_path / "new", tmp_path / "old"):
            if folder.name == "old":
                folder.mkdir()
            with pytest.raises(KeyboardInterrupt):
                export_model(starter, folder, PLAIN, leave, interrupt)
        assert not (tmp_path / "new").exists()
        assert list((tmp_path / "old").iterdir()) == []

    def test_a_full_disk_is_told_before_anything_is_copied(
        self, starter: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only the amount is made up; shared memory is another file system than the model's."""
        other = Path("/dev/shm")
        if not other.is_dir() or other.stat().st_dev == starter.path.resolve().stat().st_dev:
            pytest.skip("no second file system here")
        monkeypatch.setattr(export_module, "SPARE_BYTES", 1 << 60)
        folder = other / f"tsubasa-export-{os.getpid()}"
        with pytest.raises(ModelError, match="disk is too full") as caught:
            export_model(starter, folder, PLAIN, leave)
        assert str(folder) in caught.value.why
        assert not folder.exists()

    def test_a_file_that_has_changed_is_not_passed_on(self, starter: Model, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="not what it was"):
            export_model(replace(starter, sha256="00"), tmp_path / "out", PLAIN, leave)
        assert not (tmp_path / "out").exists()

    def test_a_missing_file_is_told(self, starter: Model, tmp_path: Path) -> None:
        gone = replace(starter, problem="Its file is gone: /x.")
        with pytest.raises(ModelError, match="cannot be used"):
            export_model(gone, tmp_path / "out", PLAIN, leave)

    def test_a_model_that_may_not_leave_does_not(self, starter: Model, tmp_path: Path) -> None:
        asked: list[str] = []

        def refuse(model: Model) -> str:
            asked.append(model.name)
            return "It learned a memory that you have erased since."

        with pytest.raises(ModelError, match="must not leave") as caught:
            export_model(starter, tmp_path / "out", PLAIN, refuse)
        assert asked == [STARTER_NAME]
        assert "erased" in caught.value.why
        assert not (tmp_path / "out").exists()


class TestPersonal:
    def test_an_adapter_goes_with_its_base(self, starter: Model, tmp_path: Path) -> None:
        lora = tmp_path / "lora.gguf"
        lora.write_bytes(b"GGUF and so on")
        personal = replace(
            starter,
            name="smollm2-135m me",
            source=Source.LEARN,
            base=STARTER_NAME,
            adapter=lora,
            knows_as_of=Instant(1_780_000_000_000, 0),
        )
        done = export_model(personal, tmp_path / "out", PLAIN, leave)
        assert file_names(personal) == ("smollm2-135m.gguf", "smollm2-135m-me.adapter.gguf")
        text = (done.folder / "Modelfile").read_text()
        assert "FROM ./smollm2-135m.gguf\nADAPTER ./smollm2-135m-me.adapter.gguf\n" in text
        assert (done.folder / "smollm2-135m-me.adapter.gguf").read_bytes() == lora.read_bytes()
        readme = (done.folder / "README.txt").read_text()
        assert "--lora smollm2-135m-me.adapter.gguf" in readme
        assert "until 28 May 2026" in readme
        assert "Give it to nobody" in readme

    def test_an_ordinary_model_comes_without_a_warning(
        self, starter: Model, tmp_path: Path
    ) -> None:
        done = export_model(starter, tmp_path / "out", PLAIN, leave)
        assert "Give it to nobody" not in (done.folder / "README.txt").read_text()


class TestModelfile:
    def test_sampling_is_the_familys_and_complete(self) -> None:
        text = modelfile("m.gguf", None, sampling_for("qwen3", True), 8192, "")
        told = dict(re.findall(r"^PARAMETER (\w+) (\S+)$", text, re.MULTILINE))
        assert told == {
            "temperature": "0.6",
            "top_p": "0.95",
            "top_k": "20",
            "min_p": "0",
            "presence_penalty": "0",
            "repeat_penalty": "1",
            "num_ctx": "8192",
        }
        assert "SYSTEM" not in text
        assert "not one that Tsubasa can translate" in text

    def test_the_window_is_the_wish_or_what_the_model_can(
        self, starter: Model, tmp_path: Path
    ) -> None:
        for number, (wish, trained, expected) in enumerate(
            [(2048, 8192, 2048), (0, 131072, 8192), (0, 2048, 2048), (0, 0, 8192)]
        ):
            model = replace(starter, n_ctx_train=trained)
            manner = replace(PLAIN, n_ctx=wish)
            done = export_model(model, tmp_path / str(number), manner, leave)
            assert f"PARAMETER num_ctx {expected}\n" in (done.folder / "Modelfile").read_text()

    @pytest.mark.parametrize(
        "system",
        ["Plain.", "Two\nlines.", 'He said """no"""\nand left.', 'It ends in "', '"It begins so.'],
    )
    def test_a_system_prompt_is_read_back_as_it_was(self, system: str) -> None:
        """By the rule of Ollama's parser: a value in triple quotes ends with the first white space
        or the end of the file before which three quotes stand."""
        text = modelfile("m.gguf", None, SamplingPreset(), 8192, system)
        value = text.partition("SYSTEM ")[2]
        assert _value_of(value) == system.replace('"""', "'''")

    def test_what_the_template_says_by_default_is_kept(self) -> None:
        translation = translated(SMOLLM2)
        assert translation is not None
        text = modelfile("m.gguf", translation, SamplingPreset(), 8192, "")
        assert 'SYSTEM """You are a helpful assistant"""' in text
        own = modelfile("m.gguf", translation, SamplingPreset(), 8192, "Mine.")
        assert "helpful" not in own


class TestTemplates:
    @pytest.mark.parametrize(
        ("template", "layout", "thinks"),
        [
            (SMOLLM2, "ChatML", False),
            (QWEN3_TEMPLATE, "ChatML", True),
            (ALWAYS_THINKS, "ChatML", True),
            (LLAMA3, "Llama 3", False),
            (PHI3, "Phi 3", False),
            (GEMMA, "Gemma", False),
        ],
    )
    def test_known_layouts_are_recognised(self, template: str, layout: str, thinks: bool) -> None:
        found = translated(template)
        assert found is not None
        assert (found.layout, found.thinks) == (layout, thinks)

    @pytest.mark.parametrize(
        "template",
        [
            MISTRAL,
            "",
            "{{ broken",
            "{{ strftime_now('%Y') }}",
            SMOLLM2.replace("{% for", "Today is a good day.{% for", 1),
            SMOLLM2.replace("m['content'] +", "m['content'] | upper +"),
        ],
    )
    def test_what_is_not_exactly_one_of_them_is_left_alone(self, template: str) -> None:
        assert template != SMOLLM2
        assert translated(template) is None

    def test_the_starter_models_own_template(self, smollm2: Path) -> None:
        found = translated(read_header(smollm2).text("tokenizer.chat_template"))
        assert found is not None
        assert found.layout == "ChatML"
        assert found.default_system.startswith("You are a helpful AI assistant named SmolLM")

    def test_a_system_prompt_is_folded_into_the_first_words(self) -> None:
        assert folded(TURNS)[0] == ("user", "Be kind.\n\nHello {{ .Role }}")
        assert folded(TURNS[1:]) == list(TURNS[1:])
        assert folded(()) == []

    def test_the_go_templates_hold_no_quotes_that_would_end_them(self) -> None:
        for template in (SMOLLM2, QWEN3_TEMPLATE, LLAMA3, PHI3, GEMMA):
            found = translated(template)
            assert found is not None
            assert '"""' not in found.template
            assert found.template.count("{{") == found.template.count("}}")


@pytest.mark.skipif(not shutil.which("go"), reason="no Go here")
class TestInGo:
    """The translations, printed by the template engine that Ollama uses."""

    @pytest.fixture(scope="class")
    def go(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("go")
        (folder / "main.go").write_text(GO_PROGRAM)
        (folder / "go.mod").write_text("module render\n")
        environment = {**os.environ, "GOCACHE": str(folder / "cache"), "GOFLAGS": "-mod=mod"}
        command = ["go", "build", "-o", "render", "."]
        subprocess.run(command, cwd=folder, check=True, env=environment, capture_output=True)
        return folder / "render"

    @pytest.mark.parametrize("template", [SMOLLM2, QWEN3_TEMPLATE, LLAMA3, PHI3, GEMMA])
    @pytest.mark.parametrize("turns", [TURNS, TURNS[:2], TURNS[1:], TURNS[1:2]])
    def test_it_prints_what_the_layout_says(
        self, go: Path, template: str, turns: tuple[tuple[str, str], ...]
    ) -> None:
        found = translated(template)
        assert found is not None
        [layout] = [layout for layout in LAYOUTS if layout.name == found.layout]
        assert _printed(go, found.template, turns) == layout.conversation(turns)

    def test_an_unfinished_reply_is_gone_on_with(self, go: Path) -> None:
        found = translated(SMOLLM2)
        assert found is not None
        printed = _printed(go, found.template, TURNS[:3])
        assert printed.endswith("<|im_start|>assistant\nGood day.")

    def test_a_model_that_always_thinks_begins_with_it(self, go: Path) -> None:
        found = translated(ALWAYS_THINKS)
        assert found is not None
        printed = _printed(go, found.template, TURNS)
        assert printed.endswith("<|im_start|>assistant\n<think>\n")
        assert printed.count("<think>") == 1

    @pytest.mark.parametrize(
        ("values", "ending"),
        [
            ({"IsThinkSet": True, "Think": False}, "assistant\n<think>\n\n</think>\n\n"),
            ({"IsThinkSet": True, "Think": True}, "assistant\n"),
            ({"IsThinkSet": False, "Think": False}, "assistant\n"),
            ({}, "assistant\n"),
        ],
    )
    def test_thinking_is_switched_off_as_the_model_was_taught(
        self, go: Path, values: dict[str, bool], ending: str
    ) -> None:
        found = translated(QWEN3_TEMPLATE)
        assert found is not None
        assert _printed(go, found.template, TURNS, **values).endswith(ending)


class TestCommand:
    def test_it_exports_what_the_settings_say(self, home: Paths, tmp_path: Path) -> None:
        home.settings.write_text(
            '[chat]\npersona = "poet"\n[personas]\npoet = "You answer in verse."\n'
            "[sampling]\ntemperature = 0.25\n[engine]\ncontext_tokens = 3072\n"
        )
        out = tmp_path / "out"
        done = _tsubasa("model", "export", "smollm2-135m", str(out))
        assert done.returncode == 0, done.stderr
        assert f"smollm2-135m is in {out}" in done.stderr
        text = (out / "Modelfile").read_text()
        assert 'SYSTEM """You answer in verse."""' in text
        assert "PARAMETER temperature 0.25\n" in text
        assert "PARAMETER num_ctx 3072\n" in text

    def test_what_learned_something_erased_stays(self, home: Paths, starter: Model) -> None:
        """As the command asks, of the run's own manifest."""
        connection = connect(home)
        memory = MemoryLog(connection)
        [event] = add(memory, note("The user's cellar key is under the third pot."))
        runs = RunStore(connection)
        run = runs.begin("night-1", STARTER_NAME, "", Apply.MERGE)
        runs.note_snapshot(run.id, event.id, [event.after])
        personal = replace(starter, source=Source.LEARN, run_id=run.id)
        assert model_export._may_leave(personal) is None
        assert model_export._may_leave(starter) is None
        connection.execute("UPDATE observations SET status = 'erased', statement = ''")
        assert "erased" in (model_export._may_leave(personal) or "")

    @pytest.mark.usefixtures("home")
    def test_an_unknown_model_and_a_full_folder_are_told(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("")
        assert _tsubasa("model", "export", "nobody", str(tmp_path / "out")).returncode == 3
        full = _tsubasa("model", "export", "smollm2-135m", str(tmp_path))
        assert full.returncode == 2
        assert "is not empty" in full.stderr


def _tsubasa(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tsubasa_cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def _value_of(text: str) -> str:
    read = ""
    for character in [*text, ""]:
        tidy = read.strip()
        is_closed = len(tidy) >= 6 and tidy.startswith('"""') and tidy.endswith('"""')
        if is_closed and (not character or character == "\n"):
            return tidy[3:-3]
        read += character
    raise AssertionError(f"never closed: {text}")


def _printed(go: Path, template: str, turns: tuple[tuple[str, str], ...], **values: object) -> str:
    """As Ollama calls it: the system prompt apart, and among the messages."""
    system = "\n\n".join(words for role, words in turns if role == "system")
    given = {
        "Template": template,
        "Values": {"System": system, "Response": "", **values},
        "Messages": [{"Role": role, "Content": words} for role, words in turns],
    }
    done = subprocess.run([go], input=json.dumps(given), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
