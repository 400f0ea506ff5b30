"""A model leaves: its GGUF in a folder of the user's, with a Modelfile and a few words about it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tsubasa_cli.errors import InputError, ModelError
from tsubasa_cli.models.amounts import in_words
from tsubasa_cli.models.file_copy import SPARE_BYTES, Progress, bring_in
from tsubasa_cli.models.gguf_header import read_header
from tsubasa_cli.models.model import Model
from tsubasa_cli.models.ollama import Translation, modelfile, translated
from tsubasa_cli.models.presets import SamplingPreset
from tsubasa_cli.storage.paths import make_private_folder, write_private

DEFAULT_WINDOW = 8_192
"""For a model that says less of itself than this, its own; large windows cost memory at once."""

MayLeave = Callable[[Model], str | None]
"""Tells why a model must stay here, in a sentence; None lets it go."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the model is to be run elsewhere: as it is run here. ``n_ctx`` 0 chooses a window."""

    sampling: SamplingPreset
    system: str = ""
    n_ctx: int = 0


@dataclass(frozen=True, slots=True)
class Exported:
    """What lies in ``folder`` now, by file name."""

    folder: Path
    files: tuple[str, ...]
    translation: Translation | None


def export_model(
    model: Model,
    folder: Path,
    manner: Manner,
    may_leave: MayLeave,
    on_progress: Progress | None = None,
) -> Exported:
    """Put ``model`` with all that it needs into ``folder``, which must be empty or not there.

    Its file is hard-linked where the file system allows, else copied. Nothing is left behind when
    it fails or is interrupted. Raises ``ModelError`` (it must not leave, is damaged, or the disk is
    too full), ``InputError`` (the folder holds something), ``StorageError``.
    """
    model.require_usable()
    _require_permission(model, may_leave)
    is_new = not folder.exists()
    _require_empty(folder)
    make_private_folder(folder)
    try:
        return _filled(model, folder, manner, on_progress)
    except BaseException:
        _clear(folder, is_new)
        raise


def file_names(model: Model) -> tuple[str, str]:
    """What the GGUF and its adapter (empty: none) are called in an export."""
    if model.adapter is None:
        return f"{_plain(model.name)}.gguf", ""
    return f"{_plain(model.base or 'base')}.gguf", f"{_plain(model.name)}.adapter.gguf"


def _filled(model: Model, folder: Path, manner: Manner, on_progress: Progress | None) -> Exported:
    gguf, adapter = file_names(model)
    parts = [(model.path, gguf)] + ([(model.adapter, adapter)] if model.adapter else [])
    for source, name in parts:
        _require_room(source, folder)
        digest = bring_in(source, folder / name, on_progress)
        if source == model.path and model.sha256 not in (None, digest) and not adapter:
            raise _changed(model)
    header = read_header(folder / gguf)
    translation = translated(header.text("tokenizer.chat_template"))
    window = manner.n_ctx or min(model.n_ctx_train or DEFAULT_WINDOW, DEFAULT_WINDOW)
    text = modelfile(gguf, translation, manner.sampling, window, manner.system, adapter)
    write_private(folder / "Modelfile", text.encode())
    write_private(folder / "README.txt", _readme(model, gguf, adapter).encode())
    names = tuple(name for name in (gguf, adapter, "Modelfile", "README.txt") if name)
    return Exported(folder, names, translation)


def _require_permission(model: Model, may_leave: MayLeave) -> None:
    why = may_leave(model)
    if why:
        raise ModelError(
            f"{model.name} must not leave.",
            why=why,
            next_step="Learn again (tsubasa learn), then export the new model.",
        )


def _require_empty(folder: Path) -> None:
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return
    except OSError as error:
        raise InputError(
            f"{folder} cannot be exported to.",
            why=error.strerror or str(error),
            next_step="Name a folder that is not there yet.",
        ) from error
    raise InputError(
        f"{folder} is not empty.",
        why="An export overwrites nothing.",
        next_step="Name an empty folder, or one that is not there yet.",
    )


def _require_room(source: Path, folder: Path) -> None:
    """A file that can be hard-linked needs no room; a copy needs its size."""
    if source.resolve().stat().st_dev == folder.stat().st_dev:
        return
    needed, free = source.stat().st_size, shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        raise ModelError(
            f"The disk is too full: {in_words(needed)} are needed, {in_words(free)} are free.",
            why=f"{source.name} is copied to {folder}, and {in_words(SPARE_BYTES)} stay free.",
            next_step="Free some space there, or name a folder on another disk.",
        )


def _changed(model: Model) -> ModelError:
    return ModelError(
        f"{model.name} is not what it was when it came here.",
        why=f"The SHA-256 of {model.path} has changed.",
        next_step="Get it again, then export it.",
    )


def _clear(folder: Path, is_new: bool) -> None:
    """Remove what an export that failed has written; the folder was empty before."""
    for file in folder.iterdir():
        file.unlink(missing_ok=True)
    if is_new:
        folder.rmdir()


def _plain(name: str) -> str:
    """``name`` as a file is called that any program can be told of."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "model"


def _readme(model: Model, gguf: str, adapter: str) -> str:
    lora = f" --lora {adapter}" if adapter else ""
    lines = [
        f"{model.name}, exported by Tsubasa",
        "",
        f"    {gguf}: the model" + (" that it was made of" if adapter else ""),
        *([f"    {adapter}: what it learned, a LoRA adapter"] if adapter else []),
        "    Modelfile: how Ollama is to run it",
        "",
        "With Ollama, in this folder:",
        "",
        f"    ollama create {_plain(model.name).lower()} -f Modelfile",
        f"    ollama run {_plain(model.name).lower()}",
        "",
        "With llama.cpp:",
        "",
        f"    llama-cli -m {gguf}{lora}",
    ]
    return "\n".join([*lines, *(_warning(model) if model.is_personal else [])]) + "\n"


def _warning(model: Model) -> list[str]:
    as_of = f" until {model.knows_as_of.local():%-d %B %Y}" if model.knows_as_of else ""
    return [
        "",
        f"This model knows by heart what its owner told Tsubasa{as_of}, and tells it to anyone who",
        "asks. Give it to nobody whom you would not give those memories. What is erased in Tsubasa",
        "later stays in this copy: delete it yourself then, and export again.",
    ]
