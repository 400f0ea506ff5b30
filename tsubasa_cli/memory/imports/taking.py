"""Taking in an export: checked as a whole first, then stored session by session.

A session is one transaction, and what is here already is left alone, so an import that was broken
off goes on where it stopped when it is run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tsubasa_cli.errors import InputError
from tsubasa_cli.memory.imports import chatgpt, claude
from tsubasa_cli.memory.imports.documents import Element, elements
from tsubasa_cli.memory.imports.growing import Unusable
from tsubasa_cli.memory.imports.log import read_log
from tsubasa_cli.storage.imported import ImportedSession, TakenIn
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant

Progress = Callable[[int, int], None]
"""Hears of conversations done and their number."""


class Source(StrEnum):
    """Where conversations can come from."""

    CHATGPT = "chatgpt"
    CLAUDE = "claude"
    LOG = "log"


@dataclass(slots=True)
class ImportReport:
    """What an import did, in sessions and turns. ``differing`` turns were here already in other
    words; ``left_out`` says which conversations could not be taken in and why; ``session_ids`` are
    those that gained something, ``first`` and ``last`` when they begin and end."""

    new: int = 0
    continued: int = 0
    unchanged: int = 0
    empty: int = 0
    turns: int = 0
    differing: int = 0
    left_out: tuple[str, ...] = ()
    session_ids: tuple[str, ...] = ()
    first: Instant | None = None
    last: Instant | None = None

    def count(self, session: ImportedSession, taken: TakenIn) -> None:
        """Add what became of one session."""
        self.new += taken.is_new
        self.continued += not taken.is_new and taken.added > 0
        self.unchanged += taken.added == 0
        self.turns += taken.added
        self.differing += taken.differing
        if taken.added:
            self.session_ids += (taken.session_id,)
            self._stretch(session)

    def _stretch(self, session: ImportedSession) -> None:
        dates = [turn.said_at for turn in session.turns]
        dates += [date for date in (self.first, self.last) if date]
        self.first = min(dates, key=lambda at: at.epoch_ms)
        self.last = max(dates, key=lambda at: at.epoch_ms)


def import_file(
    source: Source,
    path: Path,
    store: SessionStore,
    on_progress: Progress,
) -> ImportReport:
    """Take in all of ``path``.

    Raises ``InputError`` before anything is stored when the file is not what it should be.
    """
    report = ImportReport()
    if source is Source.LOG:
        sessions = read_log(path)
        return _take(sessions, len(sessions), store, report, on_progress)
    export = _EXPORTS[source]
    total = _check(export, path)
    return _take(_usable(export, path, report), total, store, report, on_progress)


@dataclass(frozen=True, slots=True)
class _Export:
    """One kind of export: how to know its conversations, and how to read one."""

    name: str
    looks_right: Callable[[Any], bool]
    session: Callable[[dict[str, Any]], ImportedSession | None]


_EXPORTS = {
    Source.CHATGPT: _Export("ChatGPT", chatgpt.looks_right, chatgpt.session),
    Source.CLAUDE: _Export("Claude", claude.looks_right, claude.session),
}


def _take(
    sessions: Iterable[ImportedSession | None],
    total: int,
    store: SessionStore,
    report: ImportReport,
    on_progress: Progress,
) -> ImportReport:
    on_progress(0, total)
    for done, session in enumerate(sessions, start=1):
        if session:
            report.count(session, store.add_imported(session))
        on_progress(done, total)
    return report


def _check(export: _Export, path: Path) -> int:
    """How many conversations there are, after reading them all once."""
    total = right = 0
    for element in elements(path):
        total += 1
        right += bool(export.looks_right(element.value))
        if total == 1 or not right:
            _require_no_other(export, element, path)
    if total and not right:
        raise InputError(
            f"{path} holds no conversations.",
            why=f"Nothing in it looks like an export of {export.name}.",
            next_step=_how_to_import(path),
        )
    return total


def _require_no_other(export: _Export, element: Element, path: Path) -> None:
    for source, other in _EXPORTS.items():
        if other is not export and other.looks_right(element.value):
            raise InputError(
                f"{path} is not an export of {export.name}.",
                why=f"It looks like one of {other.name}.",
                next_step=f"Run: tsubasa memory import {source.value} {path}",
            )


def _usable(export: _Export, path: Path, report: ImportReport) -> Iterator[ImportedSession | None]:
    for element in elements(path):
        session = None
        if not export.looks_right(element.value):
            report.left_out += (f"{element.where}: it is no conversation",)
        else:
            try:
                session = export.session(element.value)
                report.empty += session is None
            except Unusable as error:
                report.left_out += (f"{element.where}: {error}",)
        yield session


def _how_to_import(path: Path) -> str:
    return (
        "Give the export as it was downloaded, or name another kind: "
        f"tsubasa memory import chatgpt|claude|log {path}"
    )
