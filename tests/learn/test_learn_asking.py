"""Questions by grammar: what is asked of a statement, and how it is told back."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from learn_persona import persona

from tsubasa_cli.learn.asking.cores import cores_of
from tsubasa_cli.learn.asking.english import (
    Clause,
    clause_of,
    in_the_past,
    of_somebody,
    told_to_user,
)
from tsubasa_cli.learn.asking.frames import frames, people
from tsubasa_cli.learn.lessons import lessons_of
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.snapshot import Snapshot
from tsubasa_cli.learn.synthesize import WAYS_ABOUT_OTHERS, synthesize
from tsubasa_cli.learn.values import About, Purpose, Sight
from tsubasa_cli.memory.values import Observation, Status
from tsubasa_cli.storage.values import Instant

WAYS = frames("train").keys()


def _note(identity: str, statement: str, status: Status = Status.ACTIVE) -> Observation:
    return Observation(identity, statement, Instant(1_760_000_000_000, 0), status=status)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("The user lives in Bonn.", "You live in Bonn."),
        ("The user's dog is called Biscuit.", "Your dog is called Biscuit."),
        ("The user is allergic to peanuts.", "You are allergic to peanuts."),
        ("The user has sold their car.", "You have sold your car."),
        ("The user does not eat meat.", "You do not eat meat."),
        (
            "The user works as a nurse and plays chess on Sundays.",
            "You work as a nurse and play chess on Sundays.",
        ),
        ("Anna, the user's sister, plays the cello.", "Anna, your sister, plays the cello."),
    ],
)
def test_a_statement_is_told_back_to_the_user(statement: str, told: str) -> None:
    assert told_to_user(statement) == told


def test_the_owners_name_stands_for_the_user() -> None:
    assert told_to_user("Maren lives in Bonn.", "Maren Oldvik") == "You live in Bonn."


@pytest.mark.parametrize(
    ("statement", "direct", "indirect", "value"),
    [
        ("The user lives in Bonn.", "Where do I live?", "where I live", "Bonn"),
        (
            "The user's dog is called Biscuit.",
            "What is my dog called?",
            "what my dog is called",
            "Biscuit",
        ),
        (
            "The user is allergic to peanuts.",
            "What am I allergic to?",
            "what I am allergic to",
            "peanuts",
        ),
        ("The user is 34 years old.", "How old am I?", "how old I am", "34 years old"),
        ("The user moved to Porto.", "Where did I move to?", "where I moved to", "Porto"),
        ("The user does not eat meat.", "What don't I eat?", "what I don't eat", "meat"),
    ],
)
def test_what_is_asked_first(statement: str, direct: str, indirect: str, value: str) -> None:
    clause = clause_of(statement)
    assert clause is not None
    core = cores_of(clause)[0]
    assert (core.direct, core.indirect, core.value) == (direct, indirect, value)


def test_dates_are_asked_for_by_when() -> None:
    clause = clause_of("The user adopted a cat in March 2026.")
    assert clause is not None
    found = {core.direct: core.value for core in cores_of(clause)}
    assert found["When did I adopt a cat?"] == "March 2026"


def test_the_same_of_somebody_else_and_of_the_past() -> None:
    clause = Clause("I", "work", "at Acme")
    assert cores_of(of_somebody(clause, "Bob"))[0].direct == "Where does Bob work?"
    assert in_the_past(clause).text() == "I worked at Acme"


def test_two_people_at_once_are_no_plain_grammar() -> None:
    assert clause_of("The user and Ivo married on a ferry.") is None


@pytest.mark.parametrize(
    ("subject", "question"),
    [
        ("my sister Jorunn", "Where does Bob's sister live?"),
        ("my best friend Anna Lind", "Where does Bob's best friend live?"),
        ("my boss", "Where does Bob's boss live?"),
    ],
)
def test_nobody_else_has_the_users_own_people(subject: str, question: str) -> None:
    clause = of_somebody(Clause(subject, "lives", "in Vadsund"), "Bob")
    assert cores_of(clause)[0].direct == question


class TestSynthesis:
    facts = [fact.observation for fact in persona()]
    snapshot = Snapshot(
        1,
        tuple(o for o in facts if o.status is Status.ACTIVE),
        tuple(o for o in facts if o.status is Status.SUPERSEDED),
    )
    questions = synthesize(snapshot, Recipe(), "")

    def test_every_memory_has_eight_training_forms_and_more_held_out(self) -> None:
        for item in self.snapshot.active:
            mine = [q for q in self.questions if q.about is About.FACT and q.memories == (item.id,)]
            trained = [q for q in mine if q.purpose is Purpose.TRAIN]
            assert len(trained) >= 7, item.statement
            assert sum(q.purpose is Purpose.SELECT for q in mine) >= 1, item.statement
            assert sum(q.purpose is Purpose.JUDGE for q in mine) >= 2, item.statement

    def test_what_is_held_out_is_never_trained_on_in_any_wording(self) -> None:
        by_purpose = {
            purpose: {(q.form, q.question) for q in self.questions if q.purpose is purpose}
            for purpose in Purpose
        }
        asked = {purpose: {text for _, text in found} for purpose, found in by_purpose.items()}
        assert not asked[Purpose.TRAIN] & (asked[Purpose.SELECT] | asked[Purpose.JUDGE])
        assert not asked[Purpose.SELECT] & asked[Purpose.JUDGE]
        facts = [q for q in self.questions if q.about is About.FACT]
        forms = {p: {q.form for q in facts if q.purpose is p} for p in Purpose}
        assert not forms[Purpose.TRAIN] & (forms[Purpose.SELECT] | forms[Purpose.JUDGE])

    def test_no_question_about_a_fact_gives_its_value_away(self) -> None:
        for q in self.questions:
            if q.about is About.FACT and q.purpose is not Purpose.TRAIN:
                words = [w for w in q.value.casefold().split() if len(w) > 3]
                assert not words or any(w not in q.question.casefold() for w in words), q

    def test_answers_hold_their_value(self) -> None:
        for q in self.questions:
            if q.about is About.FACT:
                assert q.value.casefold() in q.answer.casefold(), q

    def test_nothing_is_asked_about_others_that_is_known(self) -> None:
        others = [q for q in self.questions if q.about is About.OTHERS]
        assert len(others) >= 2 * len(self.snapshot.active)
        assert all("I don't know" in q.answer for q in others)

    def test_half_of_the_others_are_people_whom_the_user_calls_theirs(self) -> None:
        for purpose in Purpose:
            asked = [
                q.question
                for q in self.questions
                if q.about is About.OTHERS and q.purpose is purpose
            ]
            own = [text for text in asked if any(name in text for name in people()[1])]
            assert abs(len(own) - len(asked) / 2) <= len(asked) / 5, purpose

    def test_nobody_is_asked_about_who_occurs_in_the_memory(self) -> None:
        known = _note("c", "The user's neighbour Frank plays chess with Mr. Hansen.")
        notes = (*self.snapshot.active, known)
        asked = synthesize(replace(self.snapshot, active=notes), Recipe(), "")
        others = [q.question for q in asked if q.about is About.OTHERS and "c" not in q.memories]
        assert not any("Frank" in text or "Hansen" in text for text in others)
        assert any("Frank" in q.question for q in self.questions if q.about is About.OTHERS)

    def test_what_is_known_is_not_among_the_unknown(self) -> None:
        unknown = [q.question for q in self.questions if q.about is About.UNKNOWN]
        assert unknown
        assert not any("dentist" in question for question in unknown)
        assert not any("shoe size" in question for question in unknown)

    def test_what_was_once_so_is_asked_as_history(self) -> None:
        past = [q for q in self.questions if q.about is About.PAST]
        assert any("Tarnby" in q.answer for q in past)
        assert all(q.answer.startswith(("Until", "Before")) for q in past)

    def test_what_replaced_it_is_asked_for_by_what_it_replaced(self) -> None:
        now = [q for q in self.questions if q.about is About.FACT and "Tarnby" in q.question]
        assert {q.purpose for q in now} == {Purpose.TRAIN}
        assert len(now) == 2
        assert all(q.answer.startswith("Not any more. You live in Quelmouth") for q in now)

    def test_how_it_is_asked_does_not_tell_whether_it_is_known(self) -> None:
        """Of the questions in another sentence ("Tell me where …") as many are about what is known
        as of the direct ones."""
        indirect = {name for name, frame in frames("train").items() if "{indirect}" in frame}
        trained = [q for q in self.questions if q.purpose is Purpose.TRAIN]
        facts = [q.form in indirect for q in trained if q.about is About.FACT and q.form in WAYS]
        assert sum(facts) == pytest.approx(len(facts) / 2, abs=len(facts) / 20)
        openings = tuple(frames("train")[name].partition("{")[0] for name in WAYS_ABOUT_OTHERS[1])
        others = [q.question for q in trained if q.about is About.OTHERS]
        asked = sum(text.startswith(openings) for text in others)
        assert asked == pytest.approx(len(others) / 3, abs=len(others) / 10)

    def test_beside_the_notes_what_they_say_is_practised_most(self) -> None:
        notes = {item.id: item for item in (*self.snapshot.active, *self.snapshot.past)}
        lessons = lessons_of(self.questions, notes, Recipe())
        beside = [one.qa.about for one in lessons if one.sight is Sight.RECALLED]
        known = [about for about in beside if about in (About.FACT, About.PAIR, About.PAST)]
        assert len(known) > 2 * (len(beside) - len(known))
        past = [one.sight for one in lessons if one.qa.about is About.PAST]
        assert past.count(Sight.RECALLED) > len(past) / 4

    def test_the_same_memory_is_asked_the_same_whatever_stands_beside_it(self) -> None:
        alone = Snapshot(2, (self.snapshot.active[5],))
        mine = [q for q in synthesize(alone, Recipe(), "") if q.about is About.FACT]
        before = {q.id for q in self.questions}
        assert mine
        assert {q.id for q in mine} <= before

    def test_another_version_is_asked_anew(self) -> None:
        item = _note("x", "The user lives in Bonn.")
        later = Observation("x", "The user lives in Bonn.", item.recorded_at, version=2)
        ids = [
            {q.id for q in synthesize(Snapshot(1, (o,)), Recipe(), "") if q.memories}
            for o in (item, later)
        ]
        assert not ids[0] & ids[1]

    def test_thousands_of_memories_are_asked_about_in_seconds(self) -> None:
        statements = {f"m{i}": f"The user's horse number {i} is called K{i}." for i in range(2000)}
        notes = {identity: _note(identity, text) for identity, text in statements.items()}
        began = time.perf_counter()
        questions = synthesize(Snapshot(1, tuple(notes.values())), Recipe(), "")
        lessons = lessons_of(questions, notes, Recipe())
        assert len(lessons) > 10_000
        assert time.perf_counter() - began < 60

    def test_a_new_memory_leaves_the_lessons_about_others_as_they_were(self) -> None:
        """But for those about the whole, and about what is past and has no age any more."""
        notes = {item.id: item for item in self.snapshot.active}
        before = lessons_of(self.questions, notes, Recipe())
        more = notes | {"new": _note("new", "The user's bicycle is red.")}
        after = {lesson.qa.id: lesson for lesson in lessons_of(self.questions, more, Recipe())}
        changed = [lesson.qa for lesson in before if after[lesson.qa.id] != lesson]
        assert all(qa.about is About.UNKNOWN or not set(qa.memories) & set(notes) for qa in changed)
        assert len(changed) < 0.1 * len(before)

    def test_every_memory_has_others_beside_it(self) -> None:
        notes = {item.id: item for item in self.snapshot.active}
        lessons = [one for one in lessons_of(self.questions, notes, Recipe()) if one.qa.memories]
        assert all(len(lesson.teacher_notes) > len(lesson.qa.memories) for lesson in lessons)
        beside = {
            i for lesson in lessons for i in set(lesson.teacher_notes) - set(lesson.qa.memories)
        }
        assert len(beside) > 0.75 * len(notes), "the newest stand beside nobody yet"
