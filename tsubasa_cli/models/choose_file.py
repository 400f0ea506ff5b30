"""Which file of a repository is meant: names vary in case, and most repositories have many."""

from __future__ import annotations

import re

from tsubasa_cli.errors import DownloadError
from tsubasa_cli.models.amounts import in_words
from tsubasa_cli.models.catalogue import Wanted
from tsubasa_cli.models.hub import MAX_LISTED, HubFile, Repository

PREFERRED = ("Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_0", "Q8_0", "F16", "BF16")
"""What is taken when no quantization is named: small with little loss first."""

_NOT_MODELS = re.compile(r"(^|[/_.-])(mmproj|imatrix)", re.IGNORECASE)
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


def choose_file(repo: Repository, wanted: Wanted) -> HubFile:
    """The GGUF of ``repo`` that ``wanted`` means. Raises ``DownloadError`` that lists what
    there is."""
    ggufs = [file for file in repo.files if file.name.lower().endswith(".gguf")]
    models = [file for file in ggufs if not _NOT_MODELS.search(file.name)]
    if not models:
        raise DownloadError(
            f"{repo.name} has no GGUF files.",
            why="Tsubasa runs GGUF models; this repository holds another format.",
            next_step=f"Look for “{repo.name.split('/')[-1]}-GGUF” on the hub.",
        )
    found = _matching(models, wanted.selector)
    whole = [file for file in found if not _PART.search(file.name)]
    if whole:
        return min(whole, key=lambda file: (len(file.name), file.name))
    if found:
        raise DownloadError(
            f"{found[0].name} is one part of a split model.",
            why="Tsubasa pulls models that are one file.",
            next_step="Choose a smaller quantization that is in one file.",
        )
    raise DownloadError(
        f"There is no {wanted.selector} in {repo.name}.",
        why=f"It has {_listed(models)}.",
        next_step=f"Name one of these: tsubasa model pull {repo.name}:FILE.",
    )


def _matching(files: list[HubFile], selector: str) -> list[HubFile]:
    if not selector:
        return _default(files)
    lower = selector.lower()
    same = [f for f in files if lower in (f.name.lower(), f.name.lower().rsplit("/", 1)[-1])]
    return same or _quantized(files, selector)


def _default(files: list[HubFile]) -> list[HubFile]:
    for quant in PREFERRED:
        found = [f for f in _quantized(files, quant) if not _PART.search(f.name)]
        if found:
            return found
    return sorted(files, key=lambda file: file.size)[:1]


def _quantized(files: list[HubFile], quant: str) -> list[HubFile]:
    """Files whose name has ``quant`` as a whole word (Q4_K is not Q4_K_M)."""
    word = re.compile(rf"(^|[^a-z0-9]){re.escape(quant)}($|[^a-z0-9_])", re.IGNORECASE)
    return [file for file in files if word.search(file.name)]


def _listed(files: list[HubFile]) -> str:
    shown = [f"{file.name} ({in_words(file.size)})" for file in files[:MAX_LISTED]]
    rest = f" and {len(files) - MAX_LISTED} more" if len(files) > MAX_LISTED else ""
    return ", ".join(shown) + rest
