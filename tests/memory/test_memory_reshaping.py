"""Merging, splitting, revising and tagging by hand; undone as one, never over another's work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from memory.memory_helpers import add, change, note

from tsubasa_cli.cli import memory_render
from tsubasa_cli.errors import ConflictError, InputError
from tsubasa_cli.memory import by_hand, reshaping
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.reshaping import Revision
from tsubasa_cli.memory.values import Evidence, Kind, Observation, Op, Origin, Precision, Status
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.tui import memory_words, wording
from tsubasa_cli.tui.inspect import line_words


@pytest.fixture
def log(home: Paths) -> Iterator[MemoryLog]:
    connection = connect(home)
    yield MemoryLog(connection)
    connection.close()


def known(log: MemoryLog, statement: str, **fields: object) -> Observation:
    return add(log, note(statement, **fields))[0].after  # type: ignore[arg-type]


def statements(log: MemoryLog) -> set[str]:
    return {memory.statement for memory in log.all()}


class TestMerge:
    def test_one_lives_on_with_the_sources_tags_and_days_of_all(self, log: MemoryLog) -> None:
        tea = known(log, "The user drinks tea.", tags=("a",), evidence=(Evidence(None, "tea"),),
                    valid_from=date(2024, 3, 1))  # fmt: skip
        mint = known(log, "The user likes mint.", tags=("b",), pinned=True,
                     evidence=(Evidence(None, "mint"),), valid_from=date(2023, 1, 1))  # fmt: skip
        merged = reshaping.merge(log, [tea.id, mint.id], "I drink mint tea.")
        assert merged.id == tea.id
        assert merged.statement == "The user drinks mint tea."
        assert merged.origin is Origin.USER_EDITED
        assert merged.tags == ("a", "b")
        assert [said.quote for said in merged.evidence] == ["tea", "mint"]
        assert merged.supersedes == (mint.id,)
        assert merged.pinned
        assert merged.valid_from == date(2023, 1, 1)
        assert log.get(mint.id).status is Status.SUPERSEDED
        assert [event.op for event in log.events(2)][::-1] == [Op.MERGE, Op.SUPERSEDE]

    def test_what_happened_on_several_days_happened_from_the_first_to_the_last(
        self, log: MemoryLog
    ) -> None:
        may = known(log, "It began.", event_from=date(2024, 5, 3), event_to=date(2024, 5, 3),
                    precision=Precision.DAY, time_expr="on 3 May")  # fmt: skip
        june = known(log, "It ended.", event_from=date(2024, 6, 10), event_to=date(2024, 6, 10),
                     precision=Precision.DAY, time_expr="on 10 June")  # fmt: skip
        undated = known(log, "It was long.")
        merged = reshaping.merge(log, [may.id, june.id, undated.id], "It began and ended.")
        assert (merged.event_from, merged.event_to) == (date(2024, 5, 3), date(2024, 6, 10))
        assert (merged.precision, merged.time_expr) == (Precision.DAY, "")

    def test_the_days_of_another_are_kept(self, log: MemoryLog) -> None:
        undated = known(log, "It was long.")
        may = known(log, "It began.", event_from=date(2024, 5, 1), event_to=date(2024, 5, 31),
                    precision=Precision.MONTH, time_expr="in May")  # fmt: skip
        merged = reshaping.merge(log, [undated.id, may.id], "It was long.")
        assert (merged.event_from, merged.event_to) == (may.event_from, may.event_to)
        assert (merged.precision, merged.time_expr) == (Precision.MONTH, "in May")

    def test_undo_brings_both_back_and_redo_merges_again(self, log: MemoryLog) -> None:
        one, two = known(log, "The user has a dog."), known(log, "The dog is called Rex.")
        batch = reshaping.merge(log, [one.id, two.id], "The user's dog is called Rex.").batch_id
        log.undo(batch)
        assert statements(log) == {one.statement, two.statement}
        log.redo(batch)
        assert statements(log) == {"The user's dog is called Rex."}
        assert log.replay() == log.many(log.replay())

    def test_not_one_alone_nor_what_is_forgotten(self, log: MemoryLog) -> None:
        one, gone = known(log, "One."), known(log, "Gone.", status=Status.FORGOTTEN)
        with pytest.raises(InputError, match="takes two"):
            reshaping.merge(log, [one.id, one.id], "One.")
        with pytest.raises(InputError, match="is forgotten"):
            reshaping.merge(log, [one.id, gone.id], "One.")

    def test_a_slot_keeps_one_value(self, log: MemoryLog) -> None:
        holder = known(log, "The user lives in Bonn.", slot="home")
        one, two = known(log, "One."), known(log, "Two.")
        merged = reshaping.merge(log, [one.id, two.id], "The user lives in Hamburg.")
        assert merged.slot == ""
        assert log.by_slot("user", "home") == [holder]


def test_what_was_replaced_is_not_to_be_restored_before_a_merge(log: MemoryLog) -> None:
    tea, acme = known(log, "The user drinks tea."), known(log, "The user works at Acme.")
    change(log, Op.SUPERSEDE, replace(acme, status=Status.SUPERSEDED))
    with pytest.raises(InputError, match="is superseded") as raised:
        reshaping.merge(log, [tea.id, acme.id], "Both.")
    assert "Restore" not in raised.value.next_step


class TestSplit:
    def test_each_part_keeps_days_tags_and_sources(self, log: MemoryLog) -> None:
        both = known(log, "The user has a dog and a cat.", tags=("pets",), pinned=True,
                     valid_from=date(2024, 1, 1))  # fmt: skip
        parts = reshaping.split(log, both.id, ["I have a dog.", " ", "I have a cat."])
        assert {part.statement for part in parts} == {"The user has a dog.", "The user has a cat."}
        for part in parts:
            assert (part.tags, part.valid_from) == (("pets",), date(2024, 1, 1))
            assert part.evidence == both.evidence
            assert part.origin is Origin.USER_EDITED
        assert log.get(both.id).statement == "The user has a dog."

    def test_undo_makes_it_whole(self, log: MemoryLog) -> None:
        both = known(log, "A and B.")
        reshaping.split(log, both.id, ["It is A.", "It is B."])
        log.undo()
        assert statements(log) == {"A and B."}

    @pytest.mark.parametrize("parts", [[], ["One."], ["One.", "One."], ["x."] * 30])
    def test_two_different_parts_at_least(self, log: MemoryLog, parts: list[str]) -> None:
        both = known(log, "A and B.")
        with pytest.raises(InputError):
            reshaping.split(log, both.id, parts)
        assert statements(log) == {"A and B."}


class TestRevise:
    def test_words_kind_and_days(self, log: MemoryLog) -> None:
        memory = known(log, "The user lives in Bonn.")
        after = reshaping.revise(
            log, memory.id,
            Revision("I live in Hamburg.", Kind.IDENTITY, "March 2024", "2026-01-01"),
        )  # fmt: skip
        assert after.statement == "The user lives in Hamburg."
        assert after.kind is Kind.IDENTITY
        assert (after.valid_from, after.valid_to) == (date(2024, 3, 1), date(2026, 1, 2))
        assert after.evidence == memory.evidence

    @pytest.mark.parametrize(
        ("until", "last"),
        [
            ("2024-05-30", date(2024, 5, 30)),
            ("2024-05", date(2024, 5, 31)),
            ("until May 2024", date(2024, 5, 31)),
            ("2024", date(2024, 12, 31)),
        ],
    )
    def test_the_end_that_was_typed_is_the_last_day_everywhere(
        self, log: MemoryLog, until: str, last: date
    ) -> None:
        memory = known(log, "The user lives in Bonn.", valid_from=date(2024, 1, 1))
        after = reshaping.revise(
            log, memory.id, Revision(memory.statement, memory.kind, "2024-01-01", until)
        )
        assert after.last_day == last
        assert after.valid_to == last + timedelta(days=1)
        assert memory_render.when(after) == f"2024-01-01 – {last}"
        assert line_words.validity(after) == f"1 Jan 2024 – {line_words.short_day(last)}"
        assert f"until {wording.day(last)}" in memory_words.particulars(after)
        shown = reshaping.as_written(after)
        assert (shown.since, shown.until) == ("2024-01-01", last.isoformat())
        assert reshaping.revise(log, memory.id, shown) == after

    def test_what_was_replaced_on_its_first_day_held_on_that_day(self, log: MemoryLog) -> None:
        day = date(2024, 5, 3)
        memory = known(log, "The user lives in Bonn.", valid_from=day, valid_to=day)
        assert memory.last_day == day
        assert memory_render.when(memory) == "2024-05-03"
        assert line_words.validity(memory) == "on 3 May 2024"
        renamed = replace(reshaping.as_written(memory), statement="The user lived in Bonn.")
        assert reshaping.revise(log, memory.id, renamed).valid_to == day

    def test_the_first_day_of_the_calendar_is_shown(self, log: MemoryLog) -> None:
        memory = known(log, "It was dark.", valid_to=date.min)
        assert memory_render.when(memory) == "until 0001-01-01"
        assert line_words.validity(memory).startswith("until 1 Jan ")

    def test_days_left_as_they_stand_stay_as_exact_as_they_were(self, log: MemoryLog) -> None:
        memory = known(log, "It rained.", kind=Kind.EVENT, event_from=date(2024, 3, 1),
                       event_to=date(2024, 3, 31))  # fmt: skip
        after = reshaping.revise(log, memory.id, Revision("It poured.", Kind.EVENT, "2024-03-01"))
        assert (after.event_from, after.event_to) == (memory.event_from, memory.event_to)

    def test_nothing_changed_is_no_event(self, log: MemoryLog) -> None:
        memory = known(log, "The user sings.")
        same = reshaping.revise(log, memory.id, Revision(memory.statement, memory.kind))
        assert same == memory
        assert len(log.events()) == 1

    def test_days_are_taken_away(self, log: MemoryLog) -> None:
        memory = known(log, "The user sings.", valid_from=date(2024, 1, 1),
                       valid_to=date(2025, 1, 1))  # fmt: skip
        after = reshaping.revise(log, memory.id, Revision(memory.statement, memory.kind))
        assert (after.valid_from, after.valid_to) == (None, None)

    @pytest.mark.parametrize(
        "revision",
        [
            Revision(" ", Kind.STATE),
            Revision("x" * 1_001, Kind.STATE),
            Revision("It is so.", Kind.STATE, "soon-ish"),
            Revision("It is so.", Kind.STATE, "2025-01-01", "2024-01-01"),
            Revision("It is so.", Kind.STATE, "2025-01-02", "2025-01-01"),
        ],
    )
    def test_what_cannot_be_is_refused(self, log: MemoryLog, revision: Revision) -> None:
        memory = known(log, "The user sings.")
        with pytest.raises(InputError):
            reshaping.revise(log, memory.id, revision)
        assert log.get(memory.id) == memory


class TestTags:
    def test_added_and_removed_at_once(self, log: MemoryLog) -> None:
        one, two = known(log, "One.", tags=("a", "b")), known(log, "Two.", tags=("c",))
        changed = reshaping.retag(log, [one.id, two.id], added=["c"], removed=["b"])
        assert [memory.tags for memory in changed] == [("a", "c")]
        log.undo()
        assert log.get(one.id).tags == ("a", "b")

    @pytest.mark.parametrize("tag", ["", " ", "x" * 41, "a\x1bb"])
    def test_what_is_no_tag(self, log: MemoryLog, tag: str) -> None:
        memory = known(log, "One.")
        with pytest.raises(InputError):
            reshaping.retag(log, [memory.id], added=[tag])

    @pytest.mark.parametrize(
        ("line", "added", "removed"),
        [
            ("work", ["work"], []),
            ("#work, -health +fun", ["work", "fun"], ["health"]),
            ("-#a , ,", [], ["a"]),
            ("  ", [], []),
        ],
    )
    def test_as_they_are_typed(self, line: str, added: list[str], removed: list[str]) -> None:
        assert reshaping.tags_of(line) == (added, removed)


Verb = Callable[[MemoryLog, Observation, Observation], object]
VERBS: dict[str, Verb] = {
    "correct": lambda log, a, _: by_hand.correct(log, a.id, "New words.", "", {a.id: a.version}),
    "pin": lambda log, a, _: by_hand.pin(log, [a.id], {a.id: a.version}),
    "forget": lambda log, a, _: by_hand.forget(log, [a.id], {a.id: a.version}),
    "revise": lambda log, a, _: reshaping.revise(
        log, a.id, Revision("New words.", Kind.STATE), "", {a.id: a.version}
    ),
    "retag": lambda log, a, _: reshaping.retag(log, [a.id], added=["x"], seen={a.id: a.version}),
    "split": lambda log, a, _: reshaping.split(log, a.id, ["A.", "B."], "", {a.id: a.version}),
    "merge": lambda log, a, b: reshaping.merge(log, [b.id, a.id], "AB.", "", {a.id: a.version}),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_no_verb_writes_over_what_the_user_has_not_seen(log: MemoryLog, verb: Verb) -> None:
    seen, other = known(log, "The user sings."), known(log, "The user dances.")
    change(log, Op.UPDATE, log.get(seen.id))
    before = log.get(seen.id)
    with pytest.raises(ConflictError):
        verb(log, seen, other)
    assert log.get(seen.id) == before
    assert log.get(other.id) == other
