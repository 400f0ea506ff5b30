"""Noting and restoring by hand: one value of a slot in force, whoever else writes meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from memory.memory_helpers import add, note

from tsubasa_cli.errors import ConflictError, InputError
from tsubasa_cli.memory import by_hand, reshaping
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.values import Observation, Op, Status
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths

ROUNDS = 5
"""A race is lost now and then: each is run as often."""


@pytest.fixture
def log(home: Paths) -> Iterator[MemoryLog]:
    connection = connect(home)
    yield MemoryLog(connection)
    connection.close()


def at_once(home: Paths, *deeds: Callable[[MemoryLog], Any]) -> list[Exception]:
    """Do ``deeds`` at the same time, each as another program would; what they refused."""
    start = threading.Barrier(len(deeds))
    refused: list[Exception] = []

    def run(deed: Callable[[MemoryLog], Any]) -> None:
        with closing(connect(home)) as connection:
            start.wait()
            try:
                deed(MemoryLog(connection))
            except InputError as error:
                refused.append(error)

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


class TestAtOnce:
    def test_the_same_words_are_noted_once(self, home: Paths, log: MemoryLog) -> None:
        for number in range(ROUNDS):
            words = f"I am allergic to nut {number}."
            refused = at_once(home, *[lambda log, w=words: by_hand.note(log, w)] * 4)
            assert [error.args for error in refused if "known already" not in str(error)] == []
            assert len(refused) == 3
            assert len(log.stating(f"The user is allergic to nut {number}.")) == 1

    def test_one_value_of_a_slot_stays_in_force(self, home: Paths, log: MemoryLog) -> None:
        for number in range(ROUNDS):
            names = [f"{name}{'x' * number}" for name in ("Red", "Blue", "Green")]
            at_once(home, *(lambda log, n=n: by_hand.note(log, f"My name is {n}.") for n in names))
            assert len(log.by_slot("user", "name")) == 1
        assert len(log.all(status=[Status.SUPERSEDED])) == 3 * ROUNDS - 1
        assert log.replay() == log.many(log.replay())

    def test_nobodys_pin_or_correction_is_lost(
        self, home: Paths, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        acme = by_hand.note(log, "I work at Acme.")

        def of_another_program() -> None:
            with closing(connect(home)) as connection, suppress(InputError):
                by_hand.pin(MemoryLog(connection), [acme.id])
                by_hand.correct(MemoryLog(connection), acme.id, "I work at Acme Limited.")

        other = threading.Thread(target=of_another_program)
        look = MemoryLog.by_slot

        def look_and_dawdle(self: MemoryLog, subject: str, slot: str) -> list[Observation]:
            found = look(self, subject, slot)
            if threading.current_thread() is not other and not other.ident:
                other.start()
                other.join(timeout=0.5)
            return found

        monkeypatch.setattr(MemoryLog, "by_slot", look_and_dawdle)
        by_hand.note(log, "I work at Globex.")
        other.join()
        kept = log.get(acme.id)
        assert (kept.pinned, kept.statement) == (True, "The user works at Acme Limited.")
        assert [each.statement for each in log.by_slot("user", "employer")] == [
            "The user works at Globex."
        ]

    def test_what_replaces_and_what_is_replaced_are_one_batch(self, log: MemoryLog) -> None:
        by_hand.note(log, "I work at Acme.")
        batch = by_hand.note(log, "I work at Globex.").batch_id
        assert [event.op for event in log.events(batch_id=batch)] == [Op.SUPERSEDE, Op.ADD]
        log.undo()
        assert [each.statement for each in log.all()] == ["The user works at Acme."]


class TestRestore:
    def test_what_has_been_replaced_meanwhile_comes_back_as_the_past(self, log: MemoryLog) -> None:
        acme = by_hand.note(log, "I work at Acme.")
        by_hand.forget(log, [acme.id])
        globex = by_hand.note(log, "I work at Globex.")
        [restored] = by_hand.restore(log, [acme.id])
        assert restored.status is Status.SUPERSEDED
        assert restored.valid_to == globex.recorded_at.local().date()
        assert log.by_slot("user", "employer") == [globex]
        log.undo()
        assert log.get(acme.id).status is Status.FORGOTTEN

    def test_of_a_later_time_it_replaces_what_holds_its_place(self, log: MemoryLog) -> None:
        acme = by_hand.note(log, "I work at Acme.", day="2024-05-03")
        by_hand.forget(log, [acme.id])
        globex = by_hand.note(log, "I work at Globex.", day="2020-01-01")
        [restored] = by_hand.restore(log, [acme.id])
        assert log.by_slot("user", "employer") == [restored]
        assert log.get(globex.id).status is Status.SUPERSEDED
        assert restored.supersedes == (globex.id,)
        log.undo()
        assert log.by_slot("user", "employer") == [
            each for each in log.all() if each.id == globex.id
        ]

    def test_what_is_approved_takes_the_place_too(self, log: MemoryLog) -> None:
        by_hand.note(log, "I work at Acme.")
        held = note("The user works at Initech.", slot="employer", status=Status.QUARANTINED,
                    recorded_at=log.all()[0].recorded_at)  # fmt: skip
        add(log, held)
        [approved] = by_hand.restore(log, [held.id])
        assert len(log.by_slot("user", "employer")) == 1
        assert approved.slot == "employer"

    def test_several_of_one_slot_leave_one_in_force(self, log: MemoryLog) -> None:
        noted = []
        for where in ("Acme", "Globex", "Hooli"):
            noted.append(by_hand.note(log, f"I work at {where}."))
            by_hand.forget(log, [noted[-1].id])
        changed = by_hand.restore(log, [each.id for each in reversed(noted)])
        assert log.by_slot("user", "employer") == [log.get(noted[-1].id)]
        assert len({each.batch_id for each in changed}) == 1
        log.undo()
        assert {each.status for each in log.all(status=list(Status))} == {Status.FORGOTTEN}

    def test_what_was_seen_otherwise_is_a_conflict_and_nothing_comes_back(
        self, log: MemoryLog
    ) -> None:
        acme, tea = by_hand.note(log, "I work at Acme."), by_hand.note(log, "I like tea.")
        by_hand.forget(log, [acme.id, tea.id])
        seen = {acme.id: log.get(acme.id).version, tea.id: tea.version}
        with pytest.raises(ConflictError):
            by_hand.restore(log, [acme.id, tea.id], seen)
        assert log.all() == []


class TestTags:
    @pytest.mark.parametrize("tag", ["a b", "a,b", "x" * 41, "a\x07b", "#", " ", "a\u00a0b"])
    def test_what_the_inspector_could_not_remove_is_none(self, log: MemoryLog, tag: str) -> None:
        with pytest.raises(InputError, match="no tag"):
            by_hand.note(log, "I sing.", tags=[tag])
        assert log.all() == []

    def test_what_is_noted_can_be_removed_in_a_line(self, log: MemoryLog) -> None:
        noted = by_hand.note(log, "I sing.", tags=["#music", "-x", "+y", "music", "a-b", "x" * 40])
        assert noted.tags == ("music", "-x", "+y", "a-b", "x" * 40)
        _, removed = reshaping.tags_of(" ".join(f"-{tag}" for tag in noted.tags))
        [bare] = reshaping.retag(log, [noted.id], removed=removed)
        assert bare.tags == ()

    def test_not_more_than_a_memory_may_have(self, log: MemoryLog) -> None:
        with pytest.raises(InputError, match="20 tags"):
            by_hand.note(log, "I sing.", tags=[f"t{n}" for n in range(21)])
