"""Downloads a model: chosen by listing, resumable by byte ranges, checked, then put on the shelf.

What has arrived lies in the models folder as ``.NAME.SHA.part`` and survives a lost connection,
Ctrl+C and ``kill -9``; the next pull goes on from its length. Only a file whose SHA-256 is the
hub's, and whose header is whole, gets its name.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from tsubasa_cli.errors import DownloadError, ModelError
from tsubasa_cli.models.catalogue import Wanted, resolve
from tsubasa_cli.models.choose_file import choose_file
from tsubasa_cli.models.file_copy import CHUNK_BYTES, require_space, sha256_of, write_failed
from tsubasa_cli.models.hub import Hub, HubFile, HubTroubleError, Repository
from tsubasa_cli.models.shelf import Model, ModelShelf
from tsubasa_cli.storage.paths import PRIVATE_FILE, Paths

ATTEMPTS = 4
"""Connections in a row that may fail without bringing a byte."""
PAUSE_SECONDS = 1.0
_SPEED_SECONDS, _SAMPLE_SECONDS = 5.0, 0.1


class Stage(StrEnum):
    """What a pull is doing."""

    LISTING = "listing"
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    PRESENT = "present"
    """The file was here already, and intact."""


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is, in bytes; ``resumed_from`` is what an earlier one had brought, ``rate``
    bytes per second (0 while unknown), ``retry`` counts connections lost in a row."""

    stage: Stage
    file: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0.0
    resumed_from: int = 0
    retry: int = 0


OnPull = Callable[[PullProgress], None]


def pull(
    name: str,
    shelf: ModelShelf,
    paths: Paths,
    endpoint: str = "",
    on_progress: OnPull | None = None,
    pause_seconds: float = PAUSE_SECONDS,
) -> Model:
    """Bring the model called ``name`` (see ``catalogue.resolve``) here and return it.

    ``pause_seconds`` is the first wait before a lost connection is tried again; it doubles.
    Raises ``NotFoundError``, ``DownloadError``, ``ModelError``. What arrived is kept unless its
    checksum is wrong.
    """
    wanted = resolve(name)
    tell: OnPull = on_progress or (lambda _: None)
    tell(PullProgress(Stage.LISTING, wanted.repo))
    hub = Hub(endpoint)
    repo, file = hub.asked_twice(partial(_look_up, hub, wanted), pause_seconds)
    target = paths.ensure().models / _safe(f"{repo.name}--{file.name}".replace("/", "--"))
    lock = FileLock(paths.locks / f"{target.name}.lock", mode=PRIVATE_FILE)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        raise DownloadError(
            f"{file.name} is being downloaded by another tsubasa.",
            next_step="Wait for it to end.",
        ) from None
    with held:
        return _on_shelf(shelf, wanted, Download(hub, repo, file, target, tell, pause_seconds))


def _on_shelf(shelf: ModelShelf, wanted: Wanted, download: Download) -> Model:
    """The model of this download, brought here first unless it is here and intact."""
    name = wanted.shelf_name or Path(download.file.name).stem
    here = next((model for model in shelf.list() if model.path == download.target), None)
    digest = download.digest_if_present()
    if here and digest and here.sha256 == digest:
        return here
    name = here.name if here else name
    shelf.require_free(name, download.target)
    digest = digest or download.run()
    try:
        return shelf.add_pulled(
            name, download.target, digest, f"{download.repo.name}:{download.file.name}"
        )
    except ModelError:
        download.target.unlink(missing_ok=True)
        raise


class Download:
    """One file on its way from the hub to the models folder."""

    def __init__(
        self,
        hub: Hub,
        repo: Repository,
        file: HubFile,
        target: Path,
        tell: OnPull,
        pause_seconds: float,
    ) -> None:
        self.repo = repo
        self.file = file
        self.target = target
        self._hub = hub
        self._tell = tell
        self._pause = pause_seconds
        mark = (file.sha256 or repo.commit)[:12]
        self._part = target.with_name(f".{target.name}.{mark}.part")
        self._resumed_from = 0
        self._digest = hashlib.sha256()
        self._speed = _Speed()

    def digest_if_present(self) -> str | None:
        """The checksum of the file that is here already; None unless it is the hub's."""
        if not self.target.is_file() or self.target.stat().st_size != self.file.size:
            return None
        digest = sha256_of(self.target, self._checking)
        if self.file.sha256 not in (None, digest):
            return None
        self._tell(PullProgress(Stage.PRESENT, self.file.name, self.file.size, self.file.size))
        return digest

    def run(self) -> str:
        """Download, check, and give the file its name. Returns its SHA-256."""
        self._forget_older_parts()
        have = self._part.stat().st_size if self._part.exists() else 0
        require_space(self._part.parent, max(self.file.size - have, 0))
        try:
            descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
            with os.fdopen(descriptor, "r+b") as part:
                self._take_up(part)
                self._fetch(part)
                part.flush()
                os.fsync(part.fileno())
        except OSError as error:
            raise write_failed(self.target, error) from error
        return self._accept()

    def _take_up(self, part: BinaryIO) -> None:
        """Hash what an earlier pull left, and go on behind it."""
        while chunk := part.read(CHUNK_BYTES):
            self._digest.update(chunk)
            self._checking(part.tell(), self.file.size)
        if part.tell() > self.file.size:
            self._start_over(part)
        self._resumed_from = part.tell()

    def _fetch(self, part: BinaryIO) -> None:
        """Connect until the file is whole; every byte that comes in renews the patience."""
        failures = 0
        while part.tell() < self.file.size:
            before = part.tell()
            try:
                self._connect_once(part, failures)
                trouble = HubTroubleError("It closed the connection early.")
            except HubTroubleError as error:
                trouble = error
            if part.tell() >= self.file.size:
                return
            failures = 1 if part.tell() > before else failures + 1
            if failures >= ATTEMPTS:
                raise trouble.final(self._hub.endpoint) from trouble
            self._report(part.tell(), failures)
            time.sleep(self._pause * 2 ** (failures - 1))

    def _connect_once(self, part: BinaryIO, failures: int) -> None:
        with self._hub.open(self.repo, self.file, part.tell()) as (start, chunks):
            if start != part.tell():
                self._start_over(part)
                if start:
                    raise HubTroubleError("The server sent another range than was asked for.")
            self._report(part.tell(), failures)
            for chunk in chunks:
                self._write(part, chunk)

    def _write(self, part: BinaryIO, chunk: bytes) -> None:
        if part.tell() + len(chunk) > self.file.size:
            part.close()
            self._part.unlink()
            raise DownloadError(
                f"The hub sent more of {self.file.name} than it said there was.",
                next_step="Run the command again; if it repeats, the hub or a proxy is broken.",
            )
        part.write(chunk)
        part.flush()
        self._digest.update(chunk)
        self._report(part.tell(), 0)

    def _start_over(self, part: BinaryIO) -> None:
        part.seek(0)
        part.truncate()
        self._speed = _Speed()
        self._digest = hashlib.sha256()
        self._resumed_from = 0

    def _accept(self) -> str:
        digest = self._digest.hexdigest()
        if self.file.sha256 and digest != self.file.sha256:
            self._part.unlink(missing_ok=True)
            raise DownloadError(
                f"{self.file.name} arrived damaged and was removed.",
                why=f"Its SHA-256 is {digest[:16]}…, the hub says {self.file.sha256[:16]}….",
                next_step="Run the command again; if it repeats, a proxy may be changing it.",
            )
        self._part.replace(self.target)
        return digest

    def _forget_older_parts(self) -> None:
        """Leftovers of this file from before it changed on the hub."""
        for part in self.target.parent.glob(".*.part"):
            if part.name.startswith(f".{self.target.name}.") and part != self._part:
                part.unlink(missing_ok=True)

    def _report(self, done: int, retry: int) -> None:
        rate = self._speed.after(done)
        total = self.file.size
        stage, file = Stage.DOWNLOADING, self.file.name
        self._tell(PullProgress(stage, file, done, total, rate, self._resumed_from, retry))

    def _checking(self, done: int, total: int) -> None:
        self._tell(PullProgress(Stage.CHECKING, self.file.name, done, total))


class _Speed:
    """Bytes per second over the last few seconds, from a sample every so often."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def after(self, done: int) -> float:
        now = time.monotonic()
        if not self._seen or now - self._seen[-1][0] >= _SAMPLE_SECONDS:
            self._seen.append((now, done))
        while now - self._seen[0][0] > _SPEED_SECONDS and len(self._seen) > 1:
            self._seen.popleft()
        first, had = self._seen[0]
        return (done - had) / (now - first) if now > first else 0.0


def _look_up(hub: Hub, wanted: Wanted) -> tuple[Repository, HubFile]:
    """The repository and the file in it that is meant."""
    repo = hub.list_files(wanted.repo)
    return repo, hub.completed(repo, choose_file(repo, wanted))


def _safe(name: str) -> str:
    """A file name of the hub's as one of ours: no folders, nothing hidden or strange."""
    return re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "model.gguf"
