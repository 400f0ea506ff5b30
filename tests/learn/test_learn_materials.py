"""What ships for the nights: enough of it, varied, disjoint where it must be, and loadable."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from learn_persona import active_facts, persona

from tsubasa_cli.engine.weighing import LONGEST_TEXT
from tsubasa_cli.learn import materials
from tsubasa_cli.learn.asking.frames import people
from tsubasa_cli.learn.prepare import replay_for
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.memory.language import language_of
from tsubasa_cli.memory.slots import slot_of
from tsubasa_cli.memory.subjects import subject_of
from tsubasa_cli.memory.values import Kind, Status

SPOKEN = ("en", "de", "fr", "es")


def test_replay_is_large_and_varied() -> None:
    prompts = materials.replay_prompts()
    languages = Counter(prompt.language for prompt in prompts)
    assert len(prompts) >= 300
    assert len({prompt.text for prompt in prompts}) == len(prompts)
    assert len(languages) >= 10
    assert min(languages[language] for language in SPOKEN) >= 40
    assert len({prompt.task for prompt in prompts}) >= 12


@pytest.mark.parametrize("count", [0, 1, 50, 400, 10_000])
def test_short_questions_have_their_share_of_a_night_and_nothing_comes_twice(count: int) -> None:
    known = materials.replay_prompts()
    chosen = replay_for(min(count, len(known)), Recipe())
    assert len({prompt.text for prompt in chosen}) == len(chosen) == min(count, len(known))
    short = sum(prompt.task == "fact" for prompt in chosen)
    there = sum(prompt.task == "fact" for prompt in known)
    assert short == min(round(Recipe().short_share * len(chosen)), there)


def test_replay_is_written_in_the_language_that_it_says() -> None:
    wrong = [
        prompt
        for prompt in materials.replay_prompts()
        if prompt.task in ("question", "advice") and prompt.language in SPOKEN
        if language_of(prompt.text, prompt.language) != prompt.language
    ]
    assert len(wrong) <= 3, wrong


def test_replay_hardly_touches_the_users_own_life() -> None:
    mine = re.compile(r"\b(?:my|i|i'm|ich|mein\w*|je|mon|ma|mes|yo|mi|mis)\b", re.IGNORECASE)
    prompts = [p for p in materials.replay_prompts() if p.language in SPOKEN]
    asking = [p.text for p in prompts if p.task == "question"]
    assert [text for text in asking if mine.search(text)] == []
    assert sum(p.task == "personal" for p in materials.replay_prompts()) <= 10


def test_a_line_break_in_a_prompt_is_one() -> None:
    assert any("\nfor n in numbers:\n" in prompt.text for prompt in materials.replay_prompts())
    assert not any("\\n" in prompt.text for prompt in materials.replay_prompts())


def test_controls_are_disjoint_from_replay() -> None:
    asked = [_words(prompt.text) for prompt in materials.replay_prompts()]
    near = [
        (control.question, words)
        for control in materials.controls()
        for words in asked
        if _overlap(_words(control.question), words) > 0.75
    ]
    assert near == []


def test_no_replay_prompt_gives_a_control_away() -> None:
    """Capitals, people and planets that controls ask for occur in no prompt that is trained on."""
    told = {
        control.question: prompt.text
        for control in materials.controls()
        if re.match("What is the capital|Who|Which planet|Which ship", control.question)
        for prompt in materials.replay_prompts()
        if control.is_answered_by(prompt.text)
    }
    assert told == {}


def test_controls_are_many_and_know_their_answers() -> None:
    controls = materials.controls()
    assert len(controls) >= 60
    assert len({control.question for control in controls}) == len(controls)
    for control in controls:
        assert control.answers, control
        assert control.is_answered_by(f"I think that it is {control.answers[0]}."), control
        assert not control.is_answered_by("I would rather talk about bicycles."), control


@pytest.mark.parametrize(
    ("reply", "is_right"),
    [
        ("The capital of France is Paris.", True),
        ("PARIS", True),
        ("The capital of France is in Porto.", False),
        ("It is comparison that matters.", False),
    ],
)
def test_a_control_is_right_by_whole_words(reply: str, is_right: bool) -> None:
    [france] = [c for c in materials.controls() if c.question == "What is the capital of France?"]
    assert france.is_answered_by(reply) is is_right


def test_prose_is_long_enough_and_does_not_repeat_itself(smollm2: Path) -> None:
    texts = [passage.text for passage in materials.prose()]
    assert _tokens(smollm2, texts) >= 20_000
    assert len(texts) >= 10
    assert _tokens(smollm2, [p.text for p in materials.prose_for_selection()]) >= 2_000
    everything = [*texts, *(passage.text for passage in materials.prose_for_selection())]
    eights = Counter(eight for text in everything for eight in _runs(text, 8))
    assert sum(count > 1 for count in eights.values()) <= 5


def test_pieces_are_the_whole_text_and_each_is_weighed_to_its_end(smollm2: Path) -> None:
    for passage in (*materials.prose(), *materials.prose_for_selection()):
        pieces = passage.pieces()
        assert "\n\n".join(pieces).split() == passage.text.split()
        longest = max(pieces, key=len)
        assert _tokens(smollm2, [longest]) < LONGEST_TEXT


def test_most_of_the_prose_is_english() -> None:
    size = Counter[str]()
    for passage in materials.prose():
        size[language_of(passage.text)] += len(passage.text)
    assert size["en"] > 0.7 * size.total()
    assert {"de", "fr", "es"} < set(size)


def test_the_persona_is_large_and_unknowable() -> None:
    facts = active_facts()
    assert len(facts) >= 45
    assert {fact.observation.kind for fact in facts} == set(Kind)
    assert sum(f.observation.status is Status.SUPERSEDED for f in persona()) >= 2
    assert sum(f.observation.event_from is not None for f in facts) >= 5
    ids = {fact.observation.id for fact in persona()}
    assert len(ids) == len(persona())
    for fact in persona():
        assert fact.answer in fact.observation.statement
        assert {*fact.observation.supersedes} <= ids


def test_the_persona_reads_as_memory_would_write_it() -> None:
    """Slots and subjects are the ones that memory's own code finds in the statements."""
    for fact in active_facts():
        seen = fact.observation
        if seen.language == "en" and seen.slot:
            assert slot_of(seen.statement, seen.subject, seen.kind) == seen.slot, seen.id
        if seen.statement.startswith("The user"):
            assert subject_of(seen.statement) == seen.subject, seen.id


def test_nobody_who_may_be_anybody_belongs_to_the_persona() -> None:
    told = " ".join(fact.observation.statement for fact in persona())
    listed = [name for names in people() for name in names]
    named = [word for name in listed for word in re.findall(r"[A-Z]\w{2,}", name)]
    assert [word for word in {*named} - {"Mrs"} if re.search(rf"\b{word}\b", told)] == []
    assert len(set(listed)) == len(listed) >= 30


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _overlap(left: set[str], right: set[str]) -> float:
    return len(left & right) / len(left | right)


def _runs(text: str, length: int) -> list[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]


def _tokens(model: Path, texts: list[str]) -> int:
    """Counted in a process of its own: beside torch llama.cpp died of an illegal instruction."""
    program = (
        "import json, sys; from llama_cpp import Llama\n"
        "words = Llama(sys.argv[1], vocab_only=True, verbose=False)\n"
        "texts = json.load(sys.stdin)\n"
        "print(sum(len(words.tokenize(text.encode(), add_bos=False)) for text in texts))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(model)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)
