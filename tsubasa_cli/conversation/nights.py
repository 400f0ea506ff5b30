"""What the last nights came to, as the next chat tells it: once, and in a sentence."""

from __future__ import annotations

import sqlite3

from tsubasa_cli.storage.locks import is_night_at_work, is_night_awaited
from tsubasa_cli.storage.paths import Paths

TOLD = "learn_told"
_AT_WORK = ("running", "paused")


def night_notice(connection: sqlite3.Connection, paths: Paths) -> str:
    """What there is to tell of the last run of ``learn``: that it failed, was refused, or was cut
    short; empty when it went well, is at work now, or was told of before."""
    run = connection.execute(
        "SELECT id, state, reason FROM learn_runs ORDER BY started_ms DESC, id DESC LIMIT 1"
    ).fetchone()
    if run is None or _was_told(connection, run["id"], run["state"]):
        return ""
    text = _in_words(run, paths)
    if text:
        connection.execute(
            "INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)",
            (TOLD, f"{run['id']} {run['state']}"),
        )
    return text


def _was_told(connection: sqlite3.Connection, run_id: str, state: str) -> bool:
    row = connection.execute("SELECT value FROM facts WHERE key = ?", (TOLD,)).fetchone()
    return row is not None and row["value"] == f"{run_id} {state}"


def _in_words(run: sqlite3.Row, paths: Paths) -> str:
    if run["state"] in ("failed", "refused"):
        return (
            f"What I was to learn last did not go into service. {run['reason']} "
            f"More: tsubasa learn show {run['id']}"
        ).strip()
    is_cared_for = is_night_at_work(paths.locks) or is_night_awaited(paths.locks)
    if run["state"] in _AT_WORK and not is_cared_for:
        return "Learning was cut short. It goes on with: tsubasa learn --resume"
    return ""
