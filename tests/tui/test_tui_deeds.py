"""What the inspector does to memories, and takes back, without a screen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tsubasa_cli.errors import ConflictError
from tsubasa_cli.memory import by_hand
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.tui.inspect.deeds import Deeds


@pytest.fixture
def deeds(home: Paths) -> Iterator[Deeds]:
    connection = connect(home)
    yield Deeds(MemoryLog(connection))
    connection.close()


def test_an_undo_that_was_refused_can_be_tried_again(deeds: Deeds) -> None:
    deeds.add("I sing.")
    [memory] = deeds.log.all()
    by_hand.pin(deeds.log, [memory.id])
    for _ in range(2):
        with pytest.raises(ConflictError):
            deeds.undo()
    by_hand.unpin(deeds.log, [memory.id])
    assert deeds.undo() == "Undone: noted. r does it again."
    assert deeds.log.all() == []


def test_a_redo_that_was_refused_can_be_tried_again(deeds: Deeds) -> None:
    deeds.add("I sing.")
    [memory] = deeds.log.all()
    deeds.undo()
    by_hand.restore(deeds.log, [memory.id])
    by_hand.pin(deeds.log, [memory.id])
    for _ in range(2):
        with pytest.raises(ConflictError):
            deeds.redo()
    by_hand.unpin(deeds.log, [memory.id])
    by_hand.forget(deeds.log, [memory.id])
    assert deeds.redo() == "Done again: noted."
    assert [each.id for each in deeds.log.all()] == [memory.id]


def test_what_is_brought_back_tells_of_its_place(deeds: Deeds) -> None:
    acme = by_hand.note(deeds.log, "I work at Acme.", day="2024-05-03")
    by_hand.forget(deeds.log, [acme.id])
    globex = by_hand.note(deeds.log, "I work at Globex.")
    assert deeds.keep([deeds.log.get(acme.id)]) == (
        "Brought back as what was so before; u undoes it."
    )
    deeds.undo()
    by_hand.correct(deeds.log, globex.id, "I work at Globex Limited.")
    tea = by_hand.note(deeds.log, "I like tea.")
    by_hand.forget(deeds.log, [tea.id])
    both = [deeds.log.get(acme.id), deeds.log.get(tea.id)]
    assert deeds.keep(both) == (
        "2 memories brought back, 1 of them as what was so before; u undoes it."
    )


def test_what_is_brought_back_may_replace(deeds: Deeds) -> None:
    acme = by_hand.note(deeds.log, "I work at Acme.", day="2024-05-03")
    by_hand.forget(deeds.log, [acme.id])
    by_hand.note(deeds.log, "I work at Globex.", day="2020-01-01")
    assert deeds.keep([deeds.log.get(acme.id)]) == (
        "Brought back in place of 1 memory; u undoes it."
    )
