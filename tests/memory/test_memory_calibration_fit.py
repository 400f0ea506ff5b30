"""A real model's answers about a pair of notes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from math import isfinite
from pathlib import Path

import pytest

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import ModelSpec
from tsubasa_cli.memory.calibration import labelled_pairs, notes_of
from tsubasa_cli.memory.signals import MODEL_SIGNALS, STILL_TRUE, model_signals
from tsubasa_cli.storage.paths import Paths


@pytest.fixture
async def engine(home: Paths, smollm2: Path) -> AsyncIterator[Engine]:
    engine = Engine(home.data / "engine.log", home.data / "probes.json")
    await engine.load(ModelSpec(str(smollm2), 2048, n_threads=1))
    yield engine
    await engine.close()


async def test_only_what_is_wanted_is_asked_and_answered_with_log_odds(engine: Engine) -> None:
    old, new = notes_of(labelled_pairs()[0])
    told = await model_signals(old, new, engine)
    assert set(told) == set(MODEL_SIGNALS)
    assert all(isfinite(answer) for answer in told.values())
    again = await model_signals(old, new, engine, (STILL_TRUE,))
    assert again == pytest.approx({STILL_TRUE: told[STILL_TRUE]}, abs=0.3)
    assert await model_signals(old, new, engine, ()) == {}
