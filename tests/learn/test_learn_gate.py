"""The verdict, on results made up for one thing at a time; and the order of what is tried."""

from __future__ import annotations

import json
import math
import resource
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from night_helpers import TINY, tiny_night

from tsubasa_cli.engine.protocol import Sampling
from tsubasa_cli.learn.base_engine import engine_with
from tsubasa_cli.learn.cache import Cache
from tsubasa_cli.learn.candidates import Candidate, Deployed, Written, candidates_for, deploy
from tsubasa_cli.learn.gate import passing
from tsubasa_cli.learn.gate.exam import REPLIES, Paper, Part, Result, set_paper, take_exam
from tsubasa_cli.learn.gate.passing import Gate
from tsubasa_cli.learn.gate.remembered import Remembered
from tsubasa_cli.learn.gate.verdict import Check, contains, passes, verdict
from tsubasa_cli.learn.ground import Ground, Night
from tsubasa_cli.learn.materials import Control
from tsubasa_cli.learn.night import run_night
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.stages import (
    notes_of,
    questions_of,
    snapshot_stage,
    synthesize_stage,
    trace_stage,
    train_stage,
)
from tsubasa_cli.learn.values import About, Apply, Purpose, QuestionAnswer, RunState
from tsubasa_cli.models.presets import sampling_for
from tsubasa_cli.storage.settings import SamplingSettings


def _qa(number: int, about: About, value: str = "") -> QuestionAnswer:
    memory = () if about is About.UNKNOWN else (f"m{number}",)
    identity = f"{about.value}{number}"
    return QuestionAnswer(
        identity, memory, about, Purpose.JUDGE, "f", "?", f"It is {value}.", value
    )


QUESTIONS = tuple(
    [_qa(i, About.FACT, f"Biscuit{i}") for i in range(8)]
    + [_qa(i, About.OTHERS, f"Biscuit{i}") for i in range(4)]
    + [_qa(i, About.UNKNOWN) for i in range(3)]
)
CONTROLS = (Control("Capital of France?", ("Paris",)), Control("2 + 2?", ("4", "four")))
PAPER = Paper(QUESTIONS, QUESTIONS, CONTROLS, ("text",) * 12)


def _result(
    facts: float,
    noted: float = 1.0,
    others: str = "I don't know.",
    controls: tuple[str, str] = ("Paris.", "It is 4."),
    perplexity: float = 10.0,
    unknown: float = 2.0,
    form: tuple[str, ...] = (),
) -> Result:
    nll = {q.id: facts if q.about is About.FACT else unknown for q in QUESTIONS}
    wobble = [0.98, 1.0, 1.02] * 4
    return Result(
        nll=nll,
        nll_noted=dict.fromkeys(nll, noted),
        said={q.id: others if q.about is About.OTHERS else "Biscuit" for q in QUESTIONS},
        said_noted={},
        controls=[[reply] for reply in controls],
        prose=[(100 * math.log(perplexity) * w, 100) for w in wobble],
        form=list(form),
    )


GENERAL = "general questions"
BASE = _result(4.0)
GOOD = _result(1.5, perplexity=10.1)


def _checks(after: Result, projection: float = 0.95, base: Result = BASE) -> dict[str, Check]:
    return {c.name: c for c in verdict(PAPER, base, after, projection, Recipe())}


def test_what_learned_and_broke_nothing_passes() -> None:
    checks = _checks(GOOD)
    assert passes(list(checks.values()))
    assert checks["gap closed"].value == pytest.approx(2.5 / 3)
    assert checks["drift"].value == pytest.approx(0.01, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("gap closed", _result(4.0)),
        ("gap closed", _result(4.4)),
        ("with notes", _result(1.5, noted=1.2)),
        ("drift", _result(1.5, perplexity=10.5)),
        ("other people", _result(1.5, others="Bob's dog is Biscuit0 Biscuit1 Biscuit2 Biscuit3.")),
        ("not known", _result(1.5, unknown=2.3)),
        ("form and thinking", _result(1.5, form=("empty",))),
    ],
)
def test_each_harm_is_refused_by_its_name(name: str, after: Result) -> None:
    failed = [check.name for check in _checks(after).values() if not check.passed]
    assert failed == [name]


def test_answers_beside_the_notes_must_not_become_certainly_worse() -> None:
    facts = [q for q in QUESTIONS if q.about is About.FACT]
    right = {q.id: f"It is {q.value}." for q in facts}
    base = replace(BASE, said_noted=right)
    for lost, is_fine in ((1, True), (8, False)):
        wrong = dict.fromkeys([q.id for q in facts][:lost], "I don't know.")
        after = replace(GOOD, said_noted=right | wrong)
        assert _checks(after, base=base)["said with notes"].passed is is_fine


def test_a_change_that_did_not_survive_is_refused() -> None:
    failed = [c.name for c in _checks(GOOD, projection=0.15).values() if not c.passed]
    assert failed == ["change survived"]


def test_two_lost_controls_are_forgiven_and_three_are_not() -> None:
    controls = (CONTROLS[0],) * 3
    paper = replace(PAPER, controls=controls)
    base = replace(BASE, controls=[["Paris"]] * 3)
    for lost, is_fine in ((2, True), (3, False)):
        after = replace(GOOD, controls=[["Rome"]] * lost + [["Paris"]] * (3 - lost))
        [check] = [
            c for c in verdict(paper, base, after, 1.0, Recipe()) if c.name == "general questions"
        ]
        assert check.passed is is_fine


def test_what_is_learned_elsewhere_makes_up_for_no_lost_control() -> None:
    paper = replace(PAPER, controls=(CONTROLS[0],) * 6)
    right, wrong = ["Paris"], ["Rome"]
    base = replace(BASE, controls=[right] * 3 + [wrong] * 3)
    after = replace(GOOD, controls=[wrong] * 3 + [right] * 3)
    [check] = [c for c in verdict(paper, base, after, 1.0, Recipe()) if c.name == GENERAL]
    assert (check.value, check.passed) == (3.0, False)


def _heard(*counts: int) -> list[list[str]]:
    """Three replies to each question, so many of them right."""
    return [["Paris"] * n + ["Rome"] * (3 - n) for n in counts]


def _general(known: tuple[int, ...], again: tuple[int, ...], now: tuple[int, ...]) -> Check:
    paper = replace(PAPER, controls=(CONTROLS[0],) * len(known))
    rounds = [a + k for a, k in zip(_heard(*again), _heard(*known), strict=True)]
    base, after = replace(BASE, controls=rounds), replace(GOOD, controls=_heard(*now))
    return next(c for c in verdict(paper, base, after, 1.0, Recipe()) if c.name == GENERAL)


@pytest.mark.parametrize(
    ("now", "lost", "still"),
    [((3, 3, 0), 0, 2), ((2, 2, 3), 1 / 3, 2), ((1, 3, 0), 1, 1), ((0, 0, 3), 2, 0)],
)
def test_the_larger_counts_of_shares_and_questions_lost(
    now: tuple[int, ...], lost: float, still: int
) -> None:
    check = _general((3, 2, 0), (3, 2, 0), now)
    assert check.value == pytest.approx(lost)
    assert check.told == (
        f"2 of 3 mostly answered rightly before, 2 of these when asked again, {still} now"
    )


def test_what_was_right_by_luck_is_not_lost() -> None:
    """The base itself does not know half of it when it is asked again."""
    lucky, again = (2,) * 12, (2, 1) * 6
    assert _general(lucky, again, again).value == 0
    assert _general(lucky, lucky, again).value == 6
    assert _general(lucky, again, (1,) * 12).value == 6


def test_what_the_base_did_too_is_no_new_fault() -> None:
    base = replace(BASE, form=["thinks unasked"])
    assert _checks(replace(GOOD, form=["thinks unasked"]), base=base)["form and thinking"].passed


def test_the_verdict_is_the_same_every_time() -> None:
    assert _checks(GOOD) == _checks(GOOD)


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("Your dog is called Biscuit!", "Biscuit", True),
        ("You moved in March 2026.", "March 2026", True),
        ("You moved in March 2025.", "March 2026", False),
        ("It is 43.", "43", True),
        ("Biscuits are nice.", "Biscuit", False),
        ("", "Biscuit", False),
        ("anything", "", False),
    ],
)
def test_an_answer_holds_its_value_in_whole_words(text: str, value: str, found: bool) -> None:
    assert contains(text, value) is found


def test_a_paper_has_its_share_of_every_kind() -> None:
    paper = set_paper(QUESTIONS * 1, CONTROLS, ["a"], 10, 6)
    kinds = {q.about for q in paper.questions}
    assert kinds == {About.FACT, About.OTHERS, About.UNKNOWN}
    assert set(paper.spoken) <= set(paper.questions)


def test_only_the_parts_that_were_taken_are_judged() -> None:
    found = _checks(replace(_result(1.5, perplexity=12.0), parts=(Part.PROSE,)))
    assert list(found) == ["drift", "change survived"]
    assert not found["drift"].passed


@pytest.mark.parametrize(
    ("lost", "kept", "is_hopeless"),
    [(2, 20, False), (3, 20, False), (12, 10, True), (22, 0, True)],
)
def test_a_short_paper_turns_away_what_fails_beyond_doubt(
    lost: int, kept: int, is_hopeless: bool
) -> None:
    controls = (CONTROLS[0],) * (lost + kept)
    paper, said = replace(PAPER, controls=controls), [["Rome"]] * lost + [["Paris"]] * kept
    base = replace(BASE, controls=[["Paris"]] * (lost + kept))
    after = replace(GOOD, controls=said)
    checks = {c.name: c for c in verdict(paper, base, after, 1.0, Recipe())}
    assert checks["general questions"].is_hopeless is is_hopeless
    assert checks["general questions"].passed is (lost <= 2)
    assert not checks["gap closed"].is_hopeless


async def test_the_base_is_asked_once_and_another_base_for_itself(tmp_path: Path) -> None:
    asked: list[str] = []

    async def compute() -> list[tuple[float, int]]:
        asked.append("asked")
        return [(1.5, 3)]

    with closing(Cache(tmp_path)) as cache:
        for base in ("one", "one", "other"):
            assert await Remembered(cache, base)(["prose", "a text"], compute) == [[1.5, 3]]
        await Remembered(cache, "one")(["prose", "another text"], compute)
    assert len(asked) == 3


@pytest.mark.parametrize(("temperature", "replies"), [(0.0, 1), (0.7, REPLIES)])
async def test_general_questions_are_heard_as_often_as_luck_has_a_say(
    ground: Ground, temperature: float, replies: int
) -> None:
    """The base twice as often; the round that a candidate is held against has its seeds."""
    night = tiny_night(ground)
    paper = Paper((), (), CONTROLS, ())
    async with engine_with(ground.paths, ground.settings.engine, night.base.path) as engine:
        candidate, base = [
            await take_exam(
                engine,
                paper,
                {},
                "Be brief.",
                Sampling(temperature),
                lambda _done, _all: None,
                rounds=rounds,
            )
            for rounds in (1, 2)
        ]
    assert [len(said) for said in candidate.controls] == [replies] * len(CONTROLS)
    assert [said[:replies] for said in base.controls] == candidate.controls, "the same seeds"
    others = [said[replies:] for said in base.controls]
    assert [len(said) for said in others] == [replies if temperature else 0] * len(CONTROLS)
    assert len({text for said in base.controls for text in said}) >= len(base.controls[0])


async def test_it_speaks_as_a_chat_of_the_user_would(ground: Ground) -> None:
    assert tiny_night(ground).sampling == Sampling(**asdict(sampling_for("qwen3", thinking=False)))
    cooler = replace(ground.settings, sampling=SamplingSettings(temperature=0.1))
    assert tiny_night(replace(ground, settings=cooler)).sampling.temperature == 0.1


class TestOrder:
    def test_merging_falls_back_to_the_adapter_and_each_way_to_less_strength(self) -> None:
        found = list(candidates_for(Apply.MERGE, (1.0, 0.5), has_master=False))
        names = [candidate.name for candidate in found]
        assert names[0] == "stochastic-1-seed0"
        assert names.index("stochastic-0.5-seed0") < names.index("eight-1")
        assert names[-1] == "adapter-0.5"

    def test_a_master_comes_first_and_an_adapter_stays_one(self) -> None:
        assert next(candidates_for(Apply.MERGE, (1.0,), has_master=True)).route == "master"
        adapters = candidates_for(Apply.ADAPTER, (1.0, 0.5), has_master=True)
        assert [c.name for c in adapters] == ["adapter-1", "adapter-0.5"]


class TestManner:
    """An exam is known again only if it was taken as it would be taken now."""

    def test_an_exam_is_taken_once_and_anew_when_replies_are_drawn_otherwise(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        night = tiny_night(ground)
        snapshot = snapshot_stage(night)
        synthesize_stage(night, snapshot)
        taken: list[float] = []

        async def counting(_engine: object, *given: Any, **_how: Any) -> Result:
            taken.append(next(part for part in given if isinstance(part, Sampling)).temperature)
            return Result()

        monkeypatch.setattr(passing, "take_exam", counting)
        for temperature in (0.7, 0.7, 0.0, 0.7):
            settings = replace(ground.settings, sampling=SamplingSettings(temperature=temperature))
            asked = replace(night, ground=replace(ground, settings=settings))
            Gate(asked, questions_of(night), notes_of(snapshot))._of_base("select")
        assert taken == [0.7, 0.0]


class TestOnFiles:
    """The tiny model, merged and judged for real."""

    def test_a_merged_candidate_holds_the_change(self, ground: Ground) -> None:
        night = tiny_night(ground, Apply.MERGE)
        snapshot = snapshot_stage(night)
        trace_stage(night, snapshot, synthesize_stage(night, snapshot))
        train_stage(night, snapshot)
        for candidate in (Candidate("stochastic", 1.0), Candidate("eight", 0.5)):
            deployed = deploy(night, candidate, lambda _done, _all: None)
            assert deployed.adapter is None
            assert deployed.model != night.base.path
            assert deployed.least > 0.8

    def test_when_the_disk_is_full_the_adapter_serves(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file of half the base's size is the largest that there is room for."""
        night = tiny_night(ground, Apply.MERGE, replace(TINY, scales=(1.0,)))
        snapshot = snapshot_stage(night)
        trace_stage(night, snapshot, synthesize_stage(night, snapshot))
        train_stage(night, snapshot)
        monkeypatch.setattr(passing, "verdict", lambda *_given: [Check("", True, 1, 1, 1, 0, "")])
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        half = night.base.path.stat().st_size // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (half, most))
        try:
            passed = Gate(night, questions_of(night), notes_of(snapshot)).pass_through()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        *merges, last = passed.tried
        assert {tried.candidate.route for tried in merges} == {"stochastic", "eight"}
        assert all("The disk became full" in tried.trouble for tried in merges)
        assert last.candidate.is_adapter
        assert passed.winner is not None
        left = {
            path.name for path in night.folder.root.iterdir() if path.suffix in (".gguf", ".part")
        }
        assert left == {"adapter.gguf", "candidate-adapter-1.gguf"}
        assert ground.shelf.require().name == "tiny"

    def test_what_fails_is_deleted_and_the_next_is_tried(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only the weakest is let through, by a verdict that knows what it judges."""
        night = tiny_night(ground, Apply.ADAPTER)
        snapshot = snapshot_stage(night)
        trace_stage(night, snapshot, synthesize_stage(night, snapshot))
        train_stage(night, snapshot)
        tried: list[float] = []

        def noted(night: Night, candidate: Candidate, told: Written) -> Deployed:
            tried.append(candidate.scale)
            return deploy(night, candidate, told)

        def scripted(*_given: object) -> list[Check]:
            return [Check("scripted", tried[-1] == 0.5, 1, 1, 1, 0, "")]

        monkeypatch.setattr(passing, "deploy", noted)
        monkeypatch.setattr(passing, "verdict", scripted)
        passed = Gate(night, questions_of(night), notes_of(snapshot)).pass_through()
        assert [tried.candidate.scale for tried in passed.tried] == list(TINY.scales)
        assert [tried.paper for tried in passed.tried] == [*["select"] * 4, "judge"]
        assert passed.winner is not None
        assert passed.after is not None
        assert passed.after.parts == tuple(Part)
        assert len(list(night.folder.root.glob("candidate-*"))) == 1

    def test_a_spoilt_candidate_is_asked_nothing_that_it_need_not_be(self, ground: Ground) -> None:
        night = tiny_night(ground, Apply.ADAPTER, replace(TINY, drift_refused=-0.5))
        snapshot = snapshot_stage(night)
        trace_stage(night, snapshot, synthesize_stage(night, snapshot))
        train_stage(night, snapshot)
        passed = Gate(night, questions_of(night), notes_of(snapshot)).pass_through()
        assert passed.winner is None
        assert passed.after is not None
        assert passed.after.parts == (Part.FORM, Part.CONTROLS, Part.PROSE)
        assert passed.base.parts == tuple(Part)
        taken = [file.name for file in (night.folder.root / "exams").iterdir()]
        assert any("-select-" in name for name in taken)
        assert not any("-judge-" in name for name in taken)

    def test_an_exam_cut_short_is_taken_whole_where_it_would_not_be_refused_any_more(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A program that was updated between two attempts asks for less, or for something else."""
        strict = replace(TINY, drift_refused=-0.5, scales=(1.0,))
        night = tiny_night(ground, Apply.ADAPTER, strict)
        snapshot = snapshot_stage(night)
        trace_stage(night, snapshot, synthesize_stage(night, snapshot))
        train_stage(night, snapshot)
        gate = Gate(night, questions_of(night), notes_of(snapshot))
        assert gate.pass_through().winner is None
        monkeypatch.setattr(passing, "verdict", lambda *_given: [Check("", True, 1, 1, 1, 0, "")])
        passed = Gate(night, questions_of(night), notes_of(snapshot)).pass_through()
        assert passed.winner is not None
        taken = (night.folder.root / "exams").glob("adapter-*.json")
        parts = {file.name.split("-")[2]: json.loads(file.read_text())["parts"] for file in taken}
        assert parts == {"select": [*Part], "judge": [*Part]}

    def test_what_did_not_survive_in_the_file_is_refused_before_any_exam(
        self, ground: Ground
    ) -> None:
        night = tiny_night(ground, Apply.ADAPTER, replace(TINY, projection=1.5))
        snapshot = snapshot_stage(night)
        trace_stage(night, snapshot, synthesize_stage(night, snapshot))
        train_stage(night, snapshot)
        passed = Gate(night, questions_of(night), notes_of(snapshot)).pass_through()
        assert passed.winner is None
        assert {tried.checks[0].name for tried in passed.tried} == {"change survived"}
        assert not [f for f in (night.folder.root / "exams").iterdir() if "adapter" in f.name]

    def test_when_all_fail_nothing_changes_and_the_report_says_why(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = [Check("drift", False, 0.2, 0.1, 0.3, 0.04, "perplexity 10 before, 12 now")]
        monkeypatch.setattr(passing, "verdict", lambda *_given: refused)
        recipe = replace(TINY, scales=(1.0, 0.5))
        outcome = run_night(tiny_night(ground, Apply.ADAPTER, recipe))
        assert outcome.run.state is RunState.REFUSED
        assert "drift" in outcome.run.reason
        assert ground.shelf.require().name == "tiny"
        assert not list(ground.folder(outcome.run.id).root.glob("candidate-*"))
        assert outcome.report is not None
        assert [tried["passed"] for tried in outcome.report.tried] == [False, False]
