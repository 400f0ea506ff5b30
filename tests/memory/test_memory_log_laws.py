"""What holds for every history: replay, the way back, and that a kill is harmless."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_helpers import note, say

from tsubasa_cli.errors import ConflictError
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.undo import content
from tsubasa_cli.memory.values import (
    Actor,
    Change,
    Evidence,
    MemoryEvent,
    Observation,
    Op,
    Origin,
    Status,
)
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore

EVERYTHING = tuple(Status)
words = st.text(min_size=1, max_size=20)
days = st.none() | st.dates(min_value=date(2000, 1, 1), max_value=date(2030, 1, 1))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    connect(Paths(folder, folder)).close()
    return folder / "tsubasa.db"


@contextmanager
def fresh(empty: Path) -> Iterator[MemoryLog]:
    with tempfile.TemporaryDirectory() as name:
        shutil.copy(empty, Path(name) / "tsubasa.db")
        connection = connect(Paths(Path(name), Path(name)))
        connection.execute("PRAGMA synchronous = OFF")
        yield MemoryLog(connection)
        connection.close()


def everything(log: MemoryLog) -> dict[str, Observation]:
    return {item.id: item for item in log.all(status=EVERYTHING)}


def shown(log: MemoryLog) -> dict[str, Observation]:
    """All but what is out of service, as it is told to the user."""
    found = everything(log).values()
    return {each.id: content(each) for each in found if each.status is not Status.FORGOTTEN}


def drawn_change(data: st.DataObject, log: MemoryLog) -> list[Change]:
    """A batch such as people and models make."""
    known = list(everything(log).values())
    added = note(
        data.draw(words), valid_from=data.draw(days), slot=data.draw(st.sampled_from(["", "job"]))
    )
    if not known or data.draw(st.integers(0, 3)) == 0:
        return [Change(Op.ADD, added), Change(Op.ADD, note(data.draw(words)))]
    old = data.draw(st.sampled_from(known))
    repeated = replace(old, evidence=(*old.evidence, Evidence(None, data.draw(words))))
    closed = replace(old, status=Status.SUPERSEDED, valid_to=data.draw(days))
    kinds: dict[Op, Observation] = {
        Op.EDIT: replace(old, statement=data.draw(words), origin=Origin.USER_EDITED),
        Op.UPDATE: replace(old, statement=data.draw(words)),
        Op.PIN: replace(old, pinned=True),
        Op.UNPIN: replace(old, pinned=False),
        Op.TAG: replace(old, tags=tuple(data.draw(st.lists(words, max_size=2)))),
        Op.IGNORE: repeated,
        Op.FORGET: replace(old, status=Status.FORGOTTEN),
        Op.RESTORE: replace(old, status=Status.ACTIVE),
        Op.REJECT: replace(old, status=Status.QUARANTINED),
        Op.SUPERSEDE: closed,
    }
    op = data.draw(st.sampled_from(sorted(kinds)))
    batch = [Change(op, kinds[op])]
    if op is Op.SUPERSEDE:
        batch.append(Change(Op.RECONCILE, replace(added, supersedes=(old.id,))))
    return batch


def act(data: st.DataObject, log: MemoryLog) -> list[MemoryEvent]:
    """One step of a history: mostly a batch, at times a step back or forward."""
    step = data.draw(st.sampled_from(["commit", "commit", "commit", "undo", "redo"]))
    if step == "commit":
        return log.commit(drawn_change(data, log), actor=data.draw(st.sampled_from(Actor)))
    with suppress(ConflictError):
        return log.undo() if step == "undo" else log.redo()
    return []


histories = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@histories
@given(st.data())
def test_the_log_alone_tells_the_projection(empty: Path, data: st.DataObject) -> None:
    with fresh(empty) as log:
        for _ in range(data.draw(st.integers(1, 12))):
            act(data, log)
        assert log.replay() == everything(log)
        before = everything(log)
        log.rebuild()
        assert everything(log) == before


@histories
@given(st.data())
def test_undo_is_the_way_back_and_redo_forth_again(empty: Path, data: st.DataObject) -> None:
    with fresh(empty) as log:
        for _ in range(data.draw(st.integers(0, 8))):
            act(data, log)
        before, known = shown(log), everything(log)
        events = log.commit(drawn_change(data, log), actor=Actor.USER)
        after = shown(log)
        log.undo(events[0].batch_id)
        assert shown(log) == before
        assert all(content(everything(log)[each]) == content(known[each]) for each in known)
        log.redo()
        assert shown(log) == after
        log.undo()
        assert shown(log) == before


@histories
@given(st.data())
def test_a_whole_history_can_be_walked_back_to_nothing_and_forth(
    empty: Path, data: st.DataObject
) -> None:
    with fresh(empty) as log:
        seen = [shown(log)]
        for _ in range(data.draw(st.integers(1, 6))):
            log.commit(drawn_change(data, log), actor=Actor.USER)
            seen.append(shown(log))
        for state in reversed(seen[:-1]):
            log.undo()
            assert shown(log) == state
        assert log.undo() == []
        for state in seen[1:]:
            log.redo()
            assert shown(log) == state
        assert log.redo() == []


class TestKilled:
    """A process that distils ten turns, killed at a random or at an exact statement."""

    WORKER = """
import os, signal, sys
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.values import Actor, Change, Evidence, Observation, Op
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths

fatal = int(sys.argv[1])
count = 0

def trace(statement):
    global count
    if statement.split()[0] in {"BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT"}:
        count += 1
        if count == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

connection = connect(Paths.from_environment())
log = MemoryLog(connection)
connection.set_trace_callback(trace)
for turn in log.pending():
    facts = [
        Observation(f"m{turn.id:08}{part}", turn.text, turn.created_at,
                    evidence=(Evidence(turn.id, turn.text),))
        for part in "ab"
    ]
    log.commit([Change(Op.ADD, fact) for fact in facts], actor=Actor.MODEL, turns=[turn.id])
    print(turn.id, flush=True)
connection.set_trace_callback(None)
print("done", count, flush=True)
"""

    def work(self, fatal: int) -> tuple[list[str], int]:
        done = subprocess.run(
            [sys.executable, "-c", self.WORKER, str(fatal)], capture_output=True, text=True
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.stdout.split(), done.returncode

    def fill(self, home: Paths, turns: int) -> set[str]:
        store = SessionStore(connect(home), "me")
        session = store.create().id
        said = {f"fact number {number}" for number in range(turns)}
        for words in sorted(said):
            say(store, session, words)
        return said

    def check(self, home: Paths, said: set[str]) -> None:
        log = MemoryLog(connect(home))
        facts = log.all()
        assert {fact.statement for fact in facts} == said, "a fact was lost"
        assert len(facts) == 2 * len(said), "a fact was learned twice"
        assert log.replay() == {fact.id: fact for fact in facts}
        refs = log._connection.execute("SELECT ref FROM memory_outbox WHERE kind = 'observation'")
        assert sorted(row["ref"] for row in refs) == sorted(fact.id for fact in facts)
        assert log.pending() == []

    @pytest.mark.parametrize("fatal", [1, 2, 4, 5, 8, 9, 10, 14])
    def test_at_a_write_nothing_is_lost_and_nothing_learned_twice(
        self, home: Paths, fatal: int
    ) -> None:
        said = self.fill(home, 2)
        told, code = self.work(fatal)
        assert code == -signal.SIGKILL
        assert "done" not in told
        self.work(0)
        self.check(home, said)

    @pytest.mark.slow
    def test_at_every_write(self, home: Paths) -> None:
        """Each of the 26 writes of two batches is died at eight times: 208 kills."""
        for fatal in sorted([*range(1, 27)] * 8):
            said = self.fill(home, 2)
            assert self.work(fatal)[1] == -signal.SIGKILL
            self.work(0)
            log = MemoryLog(connect(home))
            facts = log.all(limit=4)
            assert {fact.statement for fact in facts} == said
            assert log.pending() == []
        assert len(log.all()) == 208 * 4
        assert log.replay() == everything(log)


def test_two_processes_that_distil_the_same_turns_learn_each_once(home: Paths) -> None:
    helper = TestKilled()
    said = helper.fill(home, 12)
    workers = [
        subprocess.Popen([sys.executable, "-c", helper.WORKER, "0"], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    errors = [worker.communicate()[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
    helper.check(home, said)
