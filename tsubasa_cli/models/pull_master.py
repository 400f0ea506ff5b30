"""Downloads the master of a model: the safetensors of the repository it was quantized from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from tsubasa_cli.errors import DownloadError, ModelError
from tsubasa_cli.models.file_copy import require_space
from tsubasa_cli.models.gguf_header import read_header
from tsubasa_cli.models.hub import Hub, HubFile, Repository
from tsubasa_cli.models.master_folder import CONFIG, folder_for
from tsubasa_cli.models.model import Model
from tsubasa_cli.models.pull import PAUSE_SECONDS, Download, OnPull, PullProgress, Stage
from tsubasa_cli.storage.paths import PRIVATE_FILE, Paths, make_private_folder

_INCOMING = "incoming.json"
"""The config, until everything that it describes is here."""
_BASE_URL = "general.base_model.0.repo_url"
_SUFFIX = "-gguf"
_SHAPES = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
}
"""What a config and a GGUF both tell, under their own names."""


def pull_master(
    model: Model,
    paths: Paths,
    endpoint: str = "",
    on_progress: OnPull | None = None,
    pause_seconds: float = PAUSE_SECONDS,
) -> Path:
    """Bring the master of ``model`` here and return its folder. Goes on where it stopped.

    Raises ``ModelError`` when it is not known where the master is, or what arrives is another
    model's; ``DownloadError`` as ``pull`` does.
    """
    name = master_repository(model)
    tell: OnPull = on_progress or (lambda _: None)
    tell(PullProgress(Stage.LISTING, name))
    folder = folder_for(model.path, paths)
    lock = FileLock(paths.ensure().locks / f"{folder.name}.lock", mode=PRIVATE_FILE)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        raise DownloadError(
            f"The master of {model.name} is being downloaded by another tsubasa.",
            next_step="Wait for it to end.",
        ) from None
    with held:
        hub = Hub(endpoint)
        repo, files = hub.asked_twice(partial(_look_up, hub, name), pause_seconds)
        return _bring(_Visit(hub, repo, tell, pause_seconds), files, model, folder)


def master_repository(model: Model) -> str:
    """The repository ``OWNER/REPO`` of the weights that ``model`` was quantized from.

    Raises ``ModelError`` when neither its origin nor its file tells.
    """
    origin = model.origin.split(":")[0]
    if origin.lower().endswith(_SUFFIX):
        return origin[: -len(_SUFFIX)]
    parts = PurePosixPath(read_header(model.path).text(_BASE_URL)).parts
    if len(parts) >= 2:
        return "/".join(parts[-2:])
    raise ModelError(
        f"It is not known what {model.name} was quantized from.",
        why="It comes from no -GGUF repository, and its file names no base model.",
        next_step="Learning works without a master, from the file itself.",
    )


def _look_up(hub: Hub, name: str) -> tuple[Repository, list[HubFile]]:
    """The weights of a repository and what describes them, the config last."""
    repo = hub.list_files(name)
    wanted = [file for file in repo.files if _is_weights(file.name)]
    config = [file for file in repo.files if file.name == CONFIG]
    if not wanted or not config:
        raise DownloadError(
            f"{name} has no safetensors with a {CONFIG}.",
            next_step="Learning works without a master, from the GGUF itself.",
        )
    return repo, [hub.completed(repo, file) for file in wanted + config]


def _is_weights(name: str) -> bool:
    at_top = "/" not in name
    return at_top and name.endswith((".safetensors", ".safetensors.index.json"))


@dataclass(frozen=True, slots=True)
class _Visit:
    """Where files are fetched from, and who is told."""

    hub: Hub
    repo: Repository
    tell: OnPull
    pause_seconds: float

    def fetch(self, file: HubFile, target: Path) -> None:
        """Bring one file here, unless it is here and intact."""
        download = Download(self.hub, self.repo, file, target, self.tell, self.pause_seconds)
        if download.digest_if_present() is None:
            download.run()


def _bring(visit: _Visit, files: list[HubFile], model: Model, folder: Path) -> Path:
    make_private_folder(folder)
    *weights, config = files
    visit.fetch(config, folder / _INCOMING)
    _require_same_model(folder / _INCOMING, model, visit.repo.name)
    missing = [file.size for file in weights if not (folder / file.name).exists()]
    require_space(folder, sum(missing))
    for file in weights:
        visit.fetch(file, folder / file.name)
    (folder / _INCOMING).replace(folder / CONFIG)
    return folder


def _require_same_model(config: Path, model: Model, repo: str) -> None:
    """Raise ``ModelError``, and delete the config, when it describes another model."""
    header = read_header(model.path)
    architecture = header.text("general.architecture")
    try:
        told = json.loads(config.read_text())
        theirs = {"model_type": told["model_type"]} | {key: told[key] for key in _SHAPES}
    except (ValueError, TypeError, KeyError):
        theirs = {}
    ours = {key: header.number(f"{architecture}.{name}") for key, name in _SHAPES.items()}
    if theirs == {"model_type": architecture, **ours}:
        return
    config.unlink()
    raise ModelError(
        f"{repo} does not hold the master of {model.name}.",
        why=f"Its {CONFIG} describes another model ({_words(theirs)}; here {_words(ours)}).",
        next_step="Learning works without a master, from the GGUF itself.",
    )


def _words(shape: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in shape.items()) or "nothing that is known"
