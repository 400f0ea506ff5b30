"""Extraction with a model: trusted as far as it was measured, checked always, never needed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_memory_extract import turns_of

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Completion, Message, ModelSpec
from tsubasa_cli.memory.candidates import candidates
from tsubasa_cli.memory.extract import ExtractionError, Extractor, extract_by_rule
from tsubasa_cli.memory.extract_profile import Profile, Profiles
from tsubasa_cli.memory.prompt_files import asking
from tsubasa_cli.memory.values import Status

READER = Profile(reads_windows=True, rewrites=True)
WRITER = Profile(rewrites=True, opinion=1.0)


@dataclass
class Scripted:
    """A model that says what it is told to; for answers that no real model can be made to give."""

    answers: list[str]
    whole: bool = True
    asked: list[str] = field(default_factory=list)
    odds: tuple[float, float] = (-1.0, -1.0)

    async def score(
        self, messages: Sequence[Message], choices: Sequence[str], *, prefix: str = ""
    ) -> tuple[float, ...]:
        assert len(choices) == 2 and not prefix and messages
        return self.odds

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        prefix: str = "",
        max_tokens: int,
        stop: Sequence[str] = (),
        schema: dict[str, Any] | None = None,
    ) -> Completion:
        assert max_tokens > 0 and (schema is None or not (prefix or stop))
        self.asked.append(messages[0].text)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Completion(answer, self.whole)


def facts(*told: tuple[int, str, str]) -> str:
    return json.dumps(
        {
            "facts": [
                {"turn": turn, "statement": statement, "kind": kind, "when": ""}
                for turn, statement, kind in told
            ]
        }
    )


class TestWindows:
    async def test_facts_come_with_their_words_and_dates(self) -> None:
        model = Scripted([facts((1, "The user moved to Porto last month.", "event"))])
        turns = turns_of("Lovely weather. Last month I moved to Porto!")
        (observation,) = await Extractor(model, profile=READER).extract(turns, [1])
        assert observation.statement == "The user moved to Porto in October 2026."
        assert observation.evidence[0].quote == "Last month I moved to Porto!"
        assert observation.time_expr.casefold() == "last month"

    async def test_what_was_not_said_is_told_by_rule(self) -> None:
        model = Scripted([facts((1, "The user lives in Lisbon.", "state")), "no idea"])
        turns = turns_of("I live in Porto.")
        (observation,) = await Extractor(model, profile=READER).extract(turns, [1])
        assert observation.statement == "The user lives in Porto."

    async def test_what_no_words_carry_is_dropped(self) -> None:
        model = Scripted([facts((1, "The user owns a zoo in Peru.", "state"))])
        assert await Extractor(model, profile=READER).extract(turns_of("Good morning!"), [1]) == []

    async def test_a_joke_stays_a_joke_whatever_the_model_says(self) -> None:
        model = Scripted([facts((1, "The user would buy a yacht.", "plan"))])
        turns = turns_of("If I won the lottery I'd buy a yacht.")
        assert await Extractor(model, profile=READER).extract(turns, [1]) == []

    async def test_what_the_model_passed_over_but_is_plain_is_kept(self) -> None:
        model = Scripted([facts()])
        turns = turns_of("I moved to Porto with my wife Clara in May.")
        (observation,) = await Extractor(model, profile=READER).extract(turns, [1])
        assert "Porto" in observation.statement

    async def test_an_answer_that_is_cut_off_halves_the_window(self) -> None:
        turns = turns_of("I live in Porto.", "A: Nice.", "I work at Acme.")
        model = Scripted(["{", facts((1, "The user lives in Porto.", "state")), facts()])
        found = await Extractor(model, profile=READER).extract(turns, [1, 3])
        assert len(model.asked) == 3
        assert [o.statement for o in found] == [
            "The user lives in Porto.",
            "The user works at Acme.",
        ]

    @pytest.mark.parametrize(
        "answer",
        ["", "{", "[]", "null", '{"facts": 3}', '{"facts": [{"turn": 99}]}', '{"facts": ["x"]}'],
    )
    async def test_garbage_leaves_the_job_open(self, answer: str) -> None:
        with pytest.raises(ExtractionError) as raised:
            await Extractor(Scripted([answer]), profile=READER).extract(turns_of("I ski."), [1])
        assert raised.value.turn_id == 1
        assert raised.value.next_step

    async def test_an_endless_answer_leaves_the_job_open(self) -> None:
        model = Scripted([facts()], whole=False)
        with pytest.raises(ExtractionError):
            await Extractor(model, profile=READER).extract(turns_of("I ski."), [1])

    async def test_the_assistants_turns_cannot_be_named(self) -> None:
        model = Scripted([facts()])
        turns = turns_of("Hello.", "A: I live in Rome.", "I ski.")
        await Extractor(model, profile=READER).extract(turns, [3])
        assert "[before] Assistant: I live in Rome." in model.asked[0]
        assert "[turn 1," in model.asked[0] and "[turn 2," not in model.asked[0]


class TestTurnByTurn:
    async def test_a_model_writes_only_where_grammar_is_not_sure(self) -> None:
        model = Scripted([" et d'autres ont deux enfants."])
        turns = turns_of("J'habite à Lyon.")
        (observation,) = await Extractor(model, profile=WRITER).extract(turns, [1])
        assert observation.statement == "L'utilisateur habite à Lyon."
        assert model.asked == []

    async def test_an_opinion_decides_what_rules_leave_open(self) -> None:
        turns = turns_of("My socks never match.")
        assert abs(candidates(turns, [1])[0].worth.score) < 1.5
        unsure = Profile(opinion=1.5, mean=0.0, deviation=1.0)
        keen, bored = Scripted([""], odds=(-9.0, -1.0)), Scripted([""], odds=(-1.0, -9.0))
        assert await Extractor(keen, profile=unsure).extract(turns, [1])
        assert not await Extractor(bored, profile=unsure).extract(turns, [1])

    @settings(max_examples=20, deadline=None)
    @given(st.text(max_size=120), st.floats(), st.floats())
    async def test_whatever_a_model_says_nothing_untrue_is_learned(
        self, answer: str, none: float, note: float
    ) -> None:
        turns = turns_of("Nous avons deux enfants.", "I live in Porto.")
        model = Scripted([answer], odds=(none, note))
        found = await Extractor(model, profile=WRITER).extract(turns, [1, 2])
        by_rule = {o.statement for o in extract_by_rule(turns, [1, 2])}
        assert all(o.statement in by_rule or "enfants" in o.statement for o in found)
        assert all(o.status is Status.ACTIVE for o in found)

    async def test_what_was_found_is_signed(self) -> None:
        (observation,) = await Extractor(model_hash="abc").extract(
            turns_of("I live in Porto."), [1]
        )
        assert observation.model_hash == "abc"
        assert len(observation.prompt_hash) == 12


class TestProfiles:
    async def test_a_model_that_only_babbles_is_not_asked_again(self, tmp_path: Path) -> None:
        profiles = Profiles(tmp_path / "profiles.json")
        model = Scripted(["babble"])
        assert await profiles.of(model, "babbler") == Profile(opinion=0.0, mean=0.0)
        asked = len(model.asked)
        await profiles.of(model, "babbler")
        assert len(model.asked) == asked

    async def test_a_broken_file_is_measured_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "profiles.json"
        path.write_text("{", "utf-8")
        profile = await Profiles(path).of(Scripted(["babble"]), "babbler")
        assert not profile.reads_windows and not profile.rewrites


def test_words_of_the_user_are_not_read_as_keys_of_a_prompt() -> None:
    (message,) = asking("extract_rewrite", who="{text}", text="I like {who}")
    assert "=> {text} has never been" in message.text
    assert "I like {who}\n=>" in message.text


async def test_a_real_small_model_adds_nothing_untrue(smollm2: Path, tmp_path: Path) -> None:
    engine = Engine(tmp_path / "engine.log", tmp_path / "probes.json")
    await engine.load(ModelSpec(path=str(smollm2), n_ctx=2048, n_gpu_layers=0, n_threads=1))
    try:
        turns = turns_of("Nous avons vendu notre maison à Lyon.", "I can't eat shellfish.")
        found = await Extractor(engine, profile=WRITER).extract(turns, [1, 2])
    finally:
        await engine.close()
    assert found[-1].statement == "The user cannot eat shellfish."
    assert all("Lyon" in o.statement for o in found[:-1])
