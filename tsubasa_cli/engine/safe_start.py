"""Safe start: which way of running llama.cpp survives on this machine.

An ordinary build of llama.cpp dies on some common CPUs at its first batch of more than one token
(repacked weight buffers with AMX kernels). So a new combination of CPU, library and model is tried
in the child with a real batch; a child that dies is replaced by one that runs more carefully,
and what worked is remembered here.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata, util
from pathlib import Path

from tsubasa_cli.engine.protocol import ModelSpec

KEPT_RECORDS = 64
FORMAT = 1
NATIVE_LIBRARIES = ("libllama.*", "libggml*")
REBUILD = (
    'CMAKE_ARGS="-DGGML_NATIVE=OFF" pip install --force-reinstall '
    "--no-binary llama-cpp-python llama-cpp-python"
)
"""Builds llama.cpp without kernels for one particular CPU."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How llama.cpp is run: with repacked CPU buffers or not, with which GPU layers."""

    use_extra_bufts: bool
    n_gpu_layers: int

    def applied_to(self, spec: ModelSpec) -> ModelSpec:
        return replace(spec, use_extra_bufts=self.use_extra_bufts, n_gpu_layers=self.n_gpu_layers)

    @property
    def in_words(self) -> str:
        if self.use_extra_bufts:
            return "in its ordinary mode"
        if self.n_gpu_layers == 0:
            return "on the CPU without repacked buffers"
        return "without repacked buffers"


@dataclass(frozen=True, slots=True)
class ProbeKey:
    """What a probe's result holds for."""

    cpu: str
    """CPU model and a hash of its features."""
    library: str
    """llama-cpp-python's version and a hash of its native libraries' sizes and times."""
    model: str
    """The name, size and modification time of the model file, and of its adapter if it has one."""
    asked: str
    """The mode that was asked for."""

    @classmethod
    def of(cls, spec: ModelSpec) -> ProbeKey:
        asked = f"extra_bufts={spec.use_extra_bufts} gpu_layers={spec.n_gpu_layers}"
        model = " + ".join(_model_identity(Path(p)) for p in (spec.path, spec.adapter) if p)
        return cls(cpu_identity(), library_identity(), model, asked)


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """``mode`` works for ``key``; ``failed`` are the modes that died before it was found."""

    key: ProbeKey
    mode: Mode
    failed: tuple[Mode, ...] = ()
    at: str = ""
    """When, in UTC (ISO 8601)."""


def ladder(spec: ModelSpec) -> list[Mode]:
    """Modes to try, the one asked for first, then ever more careful ones."""
    modes = [Mode(spec.use_extra_bufts, spec.n_gpu_layers)]
    careful = [Mode(False, spec.n_gpu_layers), Mode(False, 0)]
    return modes + [mode for mode in dict.fromkeys(careful) if mode not in modes]


class Probes:
    """The file of records. An unreadable file is as good as none: probing again is safe."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, key: ProbeKey) -> ProbeRecord | None:
        return next((record for record in read_probes(self._path) if record.key == key), None)

    def remember(self, key: ProbeKey, mode: Mode, failed: Sequence[Mode]) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._write([*self._others(key), ProbeRecord(key, mode, tuple(failed), now)])

    def forget(self, key: ProbeKey) -> None:
        self._write(self._others(key))

    def _others(self, key: ProbeKey) -> list[ProbeRecord]:
        return [record for record in read_probes(self._path) if record.key != key]

    def _write(self, records: Sequence[ProbeRecord]) -> None:
        body = {"format": FORMAT, "records": [asdict(r) for r in records[-KEPT_RECORDS:]]}
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        descriptor = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(body, file, indent=1)
        temporary.replace(self._path)


def read_probes(path: Path) -> list[ProbeRecord]:
    """All records, oldest first."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return [_record(raw) for raw in body["records"]] if body["format"] == FORMAT else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _record(raw: dict[str, dict[str, object]]) -> ProbeRecord:
    return ProbeRecord(
        ProbeKey(**raw["key"]),  # type: ignore[arg-type]
        Mode(**raw["mode"]),  # type: ignore[arg-type]
        tuple(Mode(**mode) for mode in raw["failed"]),  # type: ignore[arg-type]
        str(raw["at"]),
    )


# ----------------------------------------------------------------------------- identities


@lru_cache(maxsize=1)
def cpu_identity() -> str:
    """The CPU's name and a hash of its features; another machine, or another hypervisor setting,
    gives another."""
    name, flags = platform.processor() or platform.machine(), platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        field, _, value = line.partition(":")
        if field.strip() == "model name":
            name = value.strip()
        elif field.strip() in ("flags", "Features"):
            flags = value.strip()
    return f"{name} {_short_hash(flags)}"


@lru_cache(maxsize=1)
def library_identity() -> str:
    """llama-cpp-python as installed, found without importing it."""
    found = util.find_spec("llama_cpp")
    folders = list(found.submodule_search_locations or []) if found else []
    stamps = sorted(
        f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}"
        for folder in folders
        for pattern in NATIVE_LIBRARIES
        for file in (Path(folder) / "lib").glob(pattern)
    )
    return f"{library_version()} {_short_hash(' '.join(stamps))}"


def library_version() -> str:
    """The release of llama-cpp-python, "" where it is not installed."""
    try:
        return metadata.version("llama_cpp_python")
    except metadata.PackageNotFoundError:
        return ""


def _model_identity(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return path.name
    return f"{path.name} {stat.st_size} {stat.st_mtime_ns}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
