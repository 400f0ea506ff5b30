"""The calibrated relation model: its labelled set, its fit, what it gets right, its cache."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsubasa_cli.memory.calibration import (
    CODE_ONLY,
    Calibration,
    Relation,
    calibration_for,
    fit,
    fit_to,
    keep,
    labelled_pairs,
    notes_of,
)
from tsubasa_cli.memory.closeness import closeness
from tsubasa_cli.memory.signals import MODEL_SIGNALS, code_signals

Row = tuple[Relation, dict[str, float]]


@pytest.fixture(scope="module")
def rows() -> tuple[list[Row], list[Row]]:
    """(for fitting, held out)"""
    parts: tuple[list[Row], list[Row]] = ([], [])
    for pair in labelled_pairs():
        old, new = notes_of(pair)
        signals = code_signals(old, new, closeness(pair.old, pair.new))
        parts[pair.is_held_out].append((pair.relation, signals))
    return parts


def test_the_labelled_set_is_large_diverse_and_without_repeats() -> None:
    pairs = labelled_pairs()
    counts = Counter(pair.relation for pair in pairs)
    assert len(pairs) >= 200
    assert min(counts.values()) >= 40
    assert len({(pair.old, pair.new) for pair in pairs}) == len(pairs)


def test_code_alone_is_right_on_pairs_it_was_not_fitted_on(
    rows: tuple[list[Row], list[Row]],
) -> None:
    _, held_out = rows
    calibration = calibration_for("")
    answers = [(relation, calibration.probabilities(signals)) for relation, signals in held_out]
    right = [max(p, key=lambda r: p[r]) is relation for relation, p in answers]
    sure = [ok for ok, (_, p) in zip(right, answers, strict=True) if max(p.values()) >= 0.6]
    assert sum(right) / len(right) >= 0.7
    assert sum(sure) / len(sure) >= 0.8


def test_what_ships_is_what_fitting_gives(rows: tuple[list[Row], list[Row]]) -> None:
    fitted, shipped = fit(rows[0]), calibration_for("")
    assert shipped.model == CODE_ONLY
    for question, weights in fitted.questions.items():
        assert shipped.questions[question] == pytest.approx(dict(weights), abs=0.02)


def test_a_model_that_knows_gets_weight_and_one_that_guesses_gets_none(
    rows: tuple[list[Row], list[Row]],
) -> None:
    ended, topic = MODEL_SIGNALS
    knows = [
        (r, s | {ended: 9.0 if r is Relation.CHANGES else -9.0, topic: 0.0}) for r, s in rows[0]
    ]
    guesses = [
        (r, s | {ended: float(n * 7919 % 13), topic: 0.0}) for n, (r, s) in enumerate(rows[0])
    ]
    assert fit(knows).questions["changes"][ended] > 1.5
    contrary = [(r, s | {ended: -s[ended]}) for r, s in knows]
    assert not fit_to(contrary, "contrary").heeded
    assert ended in fit_to(knows, "knows").heeded
    assert not fit_to(guesses, "guesses").heeded


@given(st.dictionaries(st.sampled_from(["cosine", "new_words", "subject"]), st.floats(-5, 5)))
def test_probabilities_are_probabilities(signals: dict[str, float]) -> None:
    found = calibration_for("").probabilities(signals)
    assert sum(found.values()) == pytest.approx(1)
    assert all(0 <= p <= 1 for p in found.values())


def test_a_fit_is_kept_by_model_hash(tmp_path: Path, rows: tuple[list[Row], list[Row]]) -> None:
    keep(fit(rows[0], "Some model"), "abc", tmp_path)
    assert calibration_for("abc", tmp_path).model == "Some model"
    assert calibration_for("def", tmp_path).model == CODE_ONLY


def test_a_damaged_fit_is_as_good_as_none(tmp_path: Path) -> None:
    keep(calibration_for(""), "abc", tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text('{"model": ', "utf-8")
    assert calibration_for("abc", tmp_path).model == CODE_ONLY
    assert not list(tmp_path.iterdir())


def test_json_round_trip() -> None:
    calibration = calibration_for("")
    assert Calibration.from_json(calibration.to_json()) == calibration
