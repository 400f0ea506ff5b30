"""Where a night takes place: the open parts of the installation, the run's folder, who listens."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tsubasa_cli.conversation.sampling import chat_sampling
from tsubasa_cli.engine.protocol import Sampling
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.runs import RunStore
from tsubasa_cli.learn.values import Apply, PausedError, Stage
from tsubasa_cli.models.master_folder import master_of
from tsubasa_cli.models.model import Model
from tsubasa_cli.models.shelf import ModelShelf
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.settings import Settings


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: ``done`` of ``total`` (0: not known); ``detail`` for people; ``kl`` in
    nats per token and bytes of memory while training."""

    stage: Stage
    done: int
    total: int
    detail: str = ""
    kl: float | None = None
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked of a night. ``budget_seconds`` None: as long as it takes."""

    apply: Apply = Apply.MERGE
    budget_seconds: float | None = None
    device: str = "auto"
    recipe: Recipe = field(default_factory=Recipe)
    force: bool = False
    """Learn also where it is too slow, or from what did not change."""

    def to_json(self) -> dict[str, Any]:
        """As a run keeps them."""
        body: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return body

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Wishes:
        """The inverse."""
        recipe = {**body["recipe"], "scales": tuple(body["recipe"]["scales"])}
        return cls(
            Apply(body["apply"]),
            body["budget_seconds"],
            body["device"],
            Recipe(**{name: recipe[name] for name in Recipe.__slots__ if name in recipe}),
            body["force"],
        )

    def would_repeat(self, earlier: dict[str, Any]) -> bool:
        """Whether a run with the wishes ``earlier`` (as JSON, by any version) was taught alike."""
        now = self.to_json()
        return all(now[name] == earlier.get(name) for name in ("apply", "budget_seconds", "recipe"))


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who listens: ``on_progress`` hears every step, ``on_message`` a sentence now and then, and
    ``should_stop`` is asked often; when it says so, the night stops where it can go on."""

    on_progress: Callable[[Progress], None] = lambda _progress: None
    on_message: Callable[[str], None] = lambda _message: None
    should_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Ground:
    """The open parts of an installation."""

    paths: Paths
    settings: Settings
    connection: sqlite3.Connection
    shelf: ModelShelf

    @property
    def runs(self) -> RunStore:
        return RunStore(self.connection)

    def folder(self, run_id: str) -> RunFolder:
        """Where a run keeps its files."""
        return RunFolder(self.paths.learn / run_id)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run. A stage is done when its file is there."""

    root: Path

    @property
    def wishes(self) -> Path:
        return self.root / "wishes.json"

    @property
    def snapshot(self) -> Path:
        return self.root / "snapshot.json"

    @property
    def questions(self) -> Path:
        return self.root / "questions.json"

    @property
    def lessons(self) -> Path:
        return self.root / "lessons.json"

    @property
    def traces(self) -> Path:
        return self.root / "traces"

    @property
    def traced(self) -> Path:
        return self.traces / "done.json"

    @property
    def checkpoint(self) -> Path:
        return self.root / "checkpoint.pt"

    @property
    def training(self) -> Path:
        return self.root / "training.json"

    @property
    def adapter(self) -> Path:
        """What was learned, as a LoRA in GGUF form, at full strength."""
        return self.root / "adapter.gguf"

    @property
    def exams(self) -> Path:
        return self.root / "exams"

    @property
    def report(self) -> Path:
        return self.root / "report.json"

    @property
    def report_text(self) -> Path:
        return self.root / "report.md"

    @property
    def plot(self) -> Path:
        return self.root / "plot.svg"


@dataclass(frozen=True, slots=True)
class Night:
    """What the stages share: the ground, the run, its base model, and who listens."""

    ground: Ground
    run_id: str
    base: Model
    base_sha256: str
    wishes: Wishes
    hooks: Hooks

    @property
    def folder(self) -> RunFolder:
        return self.ground.folder(self.run_id)

    @property
    def master(self) -> Path | None:
        """The folder of weights in high precision that the base was quantized from, if it is
        here."""
        return master_of(self.base.path, self.ground.paths)

    @property
    def recipe(self) -> Recipe:
        return self.wishes.recipe

    @property
    def system_prompt(self) -> str:
        return self.ground.settings.chat.system_prompt

    @property
    def sampling(self) -> Sampling:
        """How a chat with the base draws its replies, when it does not think first."""
        return chat_sampling(self.base.family, self.ground.settings.sampling, thinking=False)

    @property
    def owner(self) -> str:
        return self.ground.settings.memory.owner

    def progress(self, stage: Stage) -> Callable[[int, int], None]:
        """Tells how far ``stage`` is; raises ``PausedError`` when the night is to stop."""

        def tell(done: int, total: int) -> None:
            self.hooks.on_progress(Progress(stage, done, total))
            if self.hooks.should_stop():
                raise PausedError

        return tell
