"""The checks of ``tsubasa doctor``: each a value that says how it is and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum

from tsubasa_cli import __version__
from tsubasa_cli.cli import context
from tsubasa_cli.errors import TsubasaError

LITTLE_DISK = 2 * 1024**3
"""Below this, in bytes, a chat still works but a model download will not."""
OLDEST_SQLITE = (3, 37)
"""STRICT tables."""


class Health(StrEnum):
    """The colour of a check."""

    GOOD = "ok"
    FAIR = "warning"
    BAD = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's report; ``next_step`` is empty when there is nothing to do."""

    name: str
    health: Health
    detail: str
    next_step: str = ""


def all_checks() -> Iterator[Check]:
    """Every check, quick ones first. A check that fails to run is itself a finding."""
    groups: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
        ("Python", _python),
        ("Data folder", _places),
        ("Settings", _settings),
        ("Database", _database),
        ("Memory", _memory),
        ("Processor", _processor),
        ("llama.cpp", _llama),
        ("Safe start", _probes),
        ("Model", _model),
    )
    for name, group in groups:
        try:
            yield from group()
        except TsubasaError as error:
            detail = " ".join(part for part in (error.what, error.why) if part)
            yield Check(name, Health.BAD, detail, error.next_step)


def _python() -> Iterator[Check]:
    version = platform.python_version()
    yield Check("Tsubasa", Health.GOOD, f"{__version__} on Python {version}, {sys.platform}")
    if sqlite3.sqlite_version_info[:2] < OLDEST_SQLITE:
        yield Check(
            "SQLite",
            Health.BAD,
            f"{sqlite3.sqlite_version} is too old",
            "Use a Python whose SQLite is 3.37 or newer.",
        )


def _places() -> Iterator[Check]:
    paths = context.paths().ensure()
    if not os.access(paths.data, os.W_OK):
        yield Check(
            "Data folder",
            Health.BAD,
            f"{paths.data} is not writable",
            "Make it writable, or point TSUBASA_HOME at a folder that is.",
        )
        return
    yield Check("Data folder", Health.GOOD, str(paths.data))
    free = shutil.disk_usage(paths.data).free
    little = free < LITTLE_DISK
    yield Check(
        "Disk",
        Health.FAIR if little else Health.GOOD,
        f"{free / 1e9:,.1f} GB free",
        "Free some space before the next model download." if little else "",
    )


def _settings() -> Iterator[Check]:
    context.settings()
    yield Check("Settings", Health.GOOD, str(context.paths().settings))


def _database() -> Iterator[Check]:
    from tsubasa_cli.storage.database import find_damage

    with closing(context.connect()) as connection:
        problems = find_damage(connection)
        count = 0 if problems else connection.execute("SELECT count(*) FROM sessions").fetchone()[0]
    if problems:
        yield Check(
            "Database",
            Health.BAD,
            f"damaged: {problems[0]}",
            "Run tsubasa doctor --repair: it moves the file aside and saves what it can.",
        )
        return
    yield Check("Database", Health.GOOD, f"sound, {count:,} sessions")


def _memory() -> Iterator[Check]:
    from tsubasa_cli.memory.log import MemoryLog

    with closing(context.connect()) as connection:
        log = MemoryLog(connection)
        active, pending, failures = len(log.all()), len(log.pending()), log.failures()
    if failures:
        turn, error = failures[-1]
        yield Check(
            "Memory",
            Health.FAIR,
            f"{len(failures)} message(s) could not be distilled; the last, in session "
            f"{turn.session_id}: {error}",
            "tsubasa memory process tries again; a larger model may do better.",
        )
        return
    todo = f"; {pending:,} message(s) not distilled yet" if pending else ""
    yield Check(
        "Memory",
        Health.GOOD,
        f"{active:,} active{todo}",
        "The chat distils them when it is idle, or now: tsubasa memory process" if pending else "",
    )


def _processor() -> Iterator[Check]:
    from tsubasa_cli.models.amounts import in_words
    from tsubasa_cli.models.machine import this_machine

    machine = this_machine()
    known = ("avx2", "avx512f", "amx_tile", "f16c", "fma", "neon", "asimd", "sve")
    features = " ".join(name for name in known if name in machine.cpu_flags)
    memory = f"{in_words(machine.ram_available)} of {in_words(machine.ram_total)} memory free"
    yield Check(
        "Processor",
        Health.GOOD,
        f"{machine.cpu_name or platform.machine()}, {machine.physical_cores} cores"
        f"{f' ({features})' if features else ''}; {memory}",
    )


def _llama() -> Iterator[Check]:
    from tsubasa_cli.engine.build_info import build_info

    build = build_info()
    yield Check("llama.cpp", Health.GOOD, f"{build.version}: {build.system_info}")
    yield _gpu(build.supports_gpu)


def _gpu(supported: bool) -> Check:
    from tsubasa_cli.models.machine import this_machine

    machine = this_machine()
    present = machine.vram_total > 0 or machine.unified_memory
    if supported:
        return Check("GPU offload", Health.GOOD, "this build offloads to the GPU")
    if present:
        return Check(
            "GPU offload",
            Health.FAIR,
            "there is a GPU, but this build of llama.cpp does not use it",
            "Reinstall llama-cpp-python for your GPU: one line each in the README.",
        )
    return Check("GPU offload", Health.GOOD, "none: models run on the processor")


def _probes() -> Iterator[Check]:
    from tsubasa_cli.engine.safe_start import read_probes

    records = read_probes(context.paths().probes)
    if not records:
        yield Check("Safe start", Health.GOOD, "no model was started yet")
        return
    careful = [record for record in records if record.failed]
    if not careful:
        yield Check("Safe start", Health.GOOD, f"{len(records)} start(s) probed, none crashed")
        return
    yield Check(
        "Safe start",
        Health.FAIR,
        f"llama.cpp crashed {careful[-1].failed[-1].in_words} and runs "
        f"{careful[-1].mode.in_words} here",
        "Nothing needs doing; rebuilding llama-cpp-python with CMAKE_ARGS=-DGGML_NATIVE=OFF "
        "may make it faster.",
    )


def _model() -> Iterator[Check]:
    from tsubasa_cli.models.amounts import in_words
    from tsubasa_cli.models.fit import check_fits, choose_context
    from tsubasa_cli.models.machine import this_machine
    from tsubasa_cli.models.shelf import Source

    model = context.shelf().require()
    machine = this_machine()
    window = choose_context(model, context.settings().engine.context_tokens, machine)
    check_fits(model, window, machine)
    is_starter = model.source is Source.STARTER
    yield Check(
        "Model",
        Health.FAIR if is_starter else Health.GOOD,
        f"{model.name} ({in_words(model.size_bytes)}, window {window:,} tokens)"
        + (", a small model to start with" if is_starter else ""),
        "Get a better one: tsubasa model list shows what suits this machine." if is_starter else "",
    )
