"""Where everything lives. No other module builds a path of its own.

``TSUBASA_HOME`` moves all of it into one folder; without it, data and config go where the
platform wants them. Folders are created 0700 and files 0600: this is a private life.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tsubasa_cli.errors import StorageError

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


@dataclass(frozen=True, slots=True)
class Paths:
    """The places of one installation. Nothing is created until ``ensure``."""

    data: Path
    config: Path

    @classmethod
    def from_environment(cls) -> Paths:
        home = os.environ.get("TSUBASA_HOME", "").strip()
        if home:
            root = Path(home).expanduser().absolute()
            return cls(data=root, config=root)
        return cls(
            data=Path(platformdirs.user_data_dir("tsubasa", appauthor=False)),
            config=Path(platformdirs.user_config_dir("tsubasa", appauthor=False)),
        )

    @property
    def database(self) -> Path:
        return self.data / "tsubasa.db"

    @property
    def backups(self) -> Path:
        return self.data / "backups"

    @property
    def models(self) -> Path:
        return self.data / "models"

    @property
    def kv_states(self) -> Path:
        return self.data / "kv"

    @property
    def index(self) -> Path:
        return self.data / "index"

    @property
    def index_words(self) -> Path:
        return self.index / "words.db"

    @property
    def index_vectors(self) -> Path:
        return self.index / "vectors"

    @property
    def index_generation(self) -> Path:
        return self.index / "generation"

    @property
    def index_lock(self) -> Path:
        return self.locks / "index.lock"

    @property
    def calibration(self) -> Path:
        return self.data / "calibration"

    @property
    def learn(self) -> Path:
        return self.data / "learn"

    @property
    def learn_cache(self) -> Path:
        return self.learn / "cache"

    @property
    def locks(self) -> Path:
        return self.data / "locks"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def engine_log(self) -> Path:
        return self.logs / "engine.log"

    @property
    def learn_log(self) -> Path:
        return self.logs / "learn.log"

    @property
    def probes(self) -> Path:
        return self.data / "engine-probes.json"

    @property
    def exports(self) -> Path:
        return self.data / "exports"

    @property
    def settings(self) -> Path:
        return self.config / "config.toml"

    @property
    def checked_settings(self) -> Path:
        return self.data / "checked-settings.json"

    def ensure(self) -> Paths:
        """Create the data folder and those inside it; ``StorageError`` when that is impossible."""
        for folder in (self.data, self.models, self.kv_states, self.locks, self.logs):
            make_private_folder(folder)
        return self


def make_private_folder(folder: Path) -> None:
    """Create ``folder`` (mode 0700) if it is missing."""
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Cannot create the folder {folder}.",
            why=error.strerror or str(error),
            next_step="Make it writable, or point TSUBASA_HOME at a folder that is.",
        ) from error


def write_private(path: Path, content: bytes) -> None:
    """Replace ``path`` atomically with ``content``, readable by its owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(
            f"Cannot write {path}.",
            why=error.strerror or str(error),
            next_step="Free some space, or make the folder writable.",
        ) from error
