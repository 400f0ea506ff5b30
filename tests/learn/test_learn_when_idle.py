"""A real night on a tiny model that a chat cuts short, at any stage, and that goes on later."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
import warnings
from contextlib import ExitStack

import pytest
from night_helpers import TINY, taught
from test_learn_idle import ALWAYS, SOON_SECONDS, chat_process

from tsubasa_cli.conversation.nights import night_notice
from tsubasa_cli.errors import InputError
from tsubasa_cli.learn.ground import Ground, Hooks, Progress, Wishes
from tsubasa_cli.learn.idle import Idleness
from tsubasa_cli.learn.patience import learn_when_idle
from tsubasa_cli.learn.values import Apply, RunState, Stage
from tsubasa_cli.storage.locks import patience_lock
from tsubasa_cli.storage.night_record import read_night
from tsubasa_cli.storage.settings_file import set_value

WISHES = Wishes(apply=Apply.ADAPTER, device="cpu", recipe=TINY)


class Evening:
    """Opens a chat when a stage begins, and closes it once the night waits for that."""

    def __init__(self, ground: Ground, stage: Stage) -> None:
        self.told: list[str] = []
        self.noted: list[str] = []
        self.seconds_to_yield = 0.0
        self.kept_in_memory: list[int] = []
        self._ground, self._stage = ground, stage
        self._chats = ExitStack()
        self._opened: float | None = None

    def on_progress(self, progress: Progress) -> None:
        if progress.stage is self._stage and self._opened is None:
            self._chats.enter_context(chat_process())
            self._opened = time.monotonic()
            time.sleep(1.1)

    def on_message(self, sentence: str) -> None:
        self.told.append(sentence)
        self.noted.append(read_night(self._ground.connection).waiting)
        if sentence.startswith("Paused") and self._opened is not None:
            self.seconds_to_yield = time.monotonic() - self._opened
        if sentence.startswith("Waiting"):
            self.kept_in_memory = _weights_in_memory()
            self._chats.close()


def test_without_a_chat_it_is_one_night(ground: Ground) -> None:
    told: list[str] = []
    hooks = Hooks(on_message=told.append)
    outcome = learn_when_idle(
        ground,
        ground.shelf.get("tiny"),
        WISHES,
        hooks,
        Idleness(ground.paths, ALWAYS),
        pause=_quickly,
    )
    assert outcome.run.state in (RunState.PROMOTED, RunState.REFUSED)
    assert told[0] == "The machine is idle."
    record = read_night(ground.connection)
    assert record.started is not None
    assert record.waiting == ""


@pytest.mark.parametrize("stage", [Stage.SYNTHESIZE, Stage.TRACE, Stage.TRAIN, Stage.GATE])
def test_a_chat_stops_it_soon_and_it_goes_on(ground: Ground, stage: Stage) -> None:
    evening = Evening(ground, stage)
    hooks = Hooks(evening.on_progress, evening.on_message)
    outcome = learn_when_idle(
        ground,
        ground.shelf.get("tiny"),
        WISHES,
        hooks,
        Idleness(ground.paths, ALWAYS),
        pause=_quickly,
    )
    waiting = [sentence for sentence in evening.told if sentence.startswith(("Pau", "Wai", "The"))]
    assert waiting == [
        "The machine is idle.",
        "Paused: a chat is open.",
        "Waiting: a chat is open.",
        "The machine is idle.",
    ]
    assert evening.seconds_to_yield < SOON_SECONDS
    assert "Waiting: a chat is open." in evening.noted
    assert evening.kept_in_memory == []
    assert outcome.run.state in (RunState.PROMOTED, RunState.REFUSED)
    assert [run.id for run in ground.runs.all()] == [outcome.run.id]


def test_a_run_that_was_cut_short_before_is_gone_on_with(ground: Ground) -> None:
    from tsubasa_cli.learn.night import begin, run_night

    base, hooks = ground.shelf.get("tiny"), Hooks(should_stop=lambda: True)
    early = run_night(begin(ground, base, WISHES, hooks))
    assert early.run.state is RunState.PAUSED
    idleness = Idleness(ground.paths, ALWAYS)
    outcome = learn_when_idle(ground, base, WISHES, Hooks(), idleness, pause=_quickly)
    assert outcome.run.id == early.run.id


def test_only_one_program_waits_and_it_is_not_called_cut_short(ground: Ground) -> None:
    """A run that stopped for a chat is told of as cut short only when nobody will go on with it."""
    from tsubasa_cli.learn.night import begin, run_night

    base = ground.shelf.get("tiny")
    run_night(begin(ground, base, WISHES, Hooks(should_stop=lambda: True)))
    with patience_lock(ground.paths.locks) as is_alone:
        assert is_alone
        assert night_notice(ground.connection, ground.paths) == ""
        with pytest.raises(InputError, match="waits to learn already"):
            learn_when_idle(ground, base, WISHES, Hooks(), Idleness(ground.paths, ALWAYS))
    assert "cut short" in night_notice(ground.connection, ground.paths)


def test_what_is_not_feasible_when_it_would_begin_does_not(ground: Ground) -> None:
    def check() -> None:
        raise InputError("It does not fit.")

    base, idleness = ground.shelf.get("tiny"), Idleness(ground.paths, ALWAYS)
    with pytest.raises(InputError, match="does not fit"):
        learn_when_idle(ground, base, WISHES, Hooks(), idleness, check, _quickly)
    assert ground.runs.all() == []


def _weights_in_memory() -> list[int]:
    import torch

    with warnings.catch_warnings(action="ignore"):
        found = [thing for thing in gc.get_objects() if isinstance(thing, torch.nn.Parameter)]
    return [weight.numel() for weight in found]


def _quickly(seconds: float) -> None:
    time.sleep(seconds / 100)


def test_the_command_learns_once_and_then_finds_nothing_new(ground: Ground) -> None:
    """As the platform's scheduler runs it; the settings say how long it may take at most."""
    for key, value in (("max_load", "1000"), ("on_battery", "true"), ("budget", "10m")):
        set_value(ground.paths, f"learn.{key}", value)
    taught(ground)
    again = _tsubasa("learn", "--when-idle")
    assert again.returncode == 0, again.stderr
    assert "There is nothing new to learn." in again.stderr
    record = read_night(ground.connection)
    assert record.started is not None
    assert record.waiting == ""
    plan = json.loads(_tsubasa("learn", "--dry-run", "--json").stdout)
    assert plan["seconds"] <= 600


def _tsubasa(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tsubasa_cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)
