"""The log of memories: batches, versions, undo, and the turns they come from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from threading import Thread

import pytest
from memory_helpers import add, change, note, say

from tsubasa_cli.errors import ConflictError, NotFoundError, StorageError
from tsubasa_cli.memory import refusals
from tsubasa_cli.memory.log import MemoryLog, new_id
from tsubasa_cli.memory.values import (
    Actor,
    Change,
    Evidence,
    Kind,
    Op,
    Origin,
    Precision,
    Status,
)
from tsubasa_cli.storage.database import connect, find_damage, open_database
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant


@pytest.fixture
def log(home: Paths) -> MemoryLog:
    return MemoryLog(connect(home))


@pytest.fixture
def store(home: Paths) -> SessionStore:
    return SessionStore(connect(home), "me")


def outbox(log: MemoryLog) -> list[tuple[str, str]]:
    rows = log._connection.execute("SELECT kind, ref FROM memory_outbox ORDER BY seq")
    return [(row["kind"], row["ref"]) for row in rows]


def test_an_observation_comes_back_as_it_went_in(log: MemoryLog) -> None:
    full = note(
        'Zoë said: "日本に住んでいる"',
        subject="Zoë",
        kind=Kind.EVENT,
        event_from=date(2026, 5, 1),
        event_to=date(2026, 5, 31),
        precision=Precision.MONTH,
        time_expr="in May",
        valid_from=date(2026, 5, 1),
        valid_to=date(2026, 6, 1),
        evidence=(Evidence(None, "日本"), Evidence(7, "in May")),
        origin=Origin.IMPORTED,
        status=Status.SUPERSEDED,
        slot="home",
        language="ja",
        pinned=True,
        tags=("a", "ü"),
        supersedes=("mabc",),
        model_hash="m1",
        prompt_hash="p1",
    )
    [event] = add(log, full)
    stored = log.get(full.id)
    assert stored == replace(full, version=1, batch_id=event.batch_id)
    assert log.replay() == {full.id: stored}
    assert event.after == stored


def test_ids_are_short_and_their_own() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(each) == 10 and each[0] == "m" and each.isalnum() for each in ids)


def test_a_memory_is_found_by_the_beginning_of_its_id(log: MemoryLog) -> None:
    add(log, note(id="mabcd"), note(id="mabce"))
    assert log.get("mabcd").id == "mabcd"
    with pytest.raises(NotFoundError, match="More than one"):
        log.get("mabc")
    with pytest.raises(NotFoundError, match="no memory"):
        log.get("mx1")
    with pytest.raises(NotFoundError):
        log.get("ma")


def test_listing_is_newest_first_and_narrowed_by_status_kind_and_time(log: MemoryLog) -> None:
    old = note("old", recorded_at=Instant(1000), kind=Kind.EVENT)
    new = note("new", recorded_at=Instant(2000))
    gone = note("gone", status=Status.FORGOTTEN)
    add(log, new, old, gone)
    assert [item.statement for item in log.all()] == ["new", "old"]
    assert [item.statement for item in log.all(kind=Kind.EVENT)] == ["old"]
    assert [item.statement for item in log.all(since=Instant(2000))] == ["new"]
    assert [item.statement for item in log.all(limit=1)] == ["new"]
    assert [item.statement for item in log.all(status=[Status.FORGOTTEN])] == ["gone"]
    assert len(log.all(status=tuple(Status))) == 3


def test_a_slot_gives_its_active_values(log: MemoryLog) -> None:
    add(log, note("A", slot="job"), note("B", slot="job", status=Status.SUPERSEDED), note("C"))
    assert [item.statement for item in log.by_slot("user", "job")] == ["A"]
    assert log.by_slot("user", "") == []


def test_many_takes_more_ids_than_a_statement_has_room_for(log: MemoryLog) -> None:
    notes = [note(f"fact {number}") for number in range(1200)]
    add(log, *notes)
    assert len(log.many([each.id for each in notes] + ["missing"])) == 1200


class TestVersions:
    def test_each_event_is_a_version(self, log: MemoryLog) -> None:
        item = note()
        add(log, item)
        change(log, Op.EDIT, replace(item, statement="The user lives in Köln."))
        change(log, Op.PIN, replace(log.get(item.id), pinned=True))
        assert [event.after.version for event in log.history(item.id)] == [1, 2, 3]
        assert [event.op for event in log.events()] == [Op.PIN, Op.EDIT, Op.ADD]
        assert log.get(item.id).pinned

    def test_a_change_made_for_another_version_is_refused_whole(self, log: MemoryLog) -> None:
        item, other = note(), note("other")
        add(log, item)
        edited = Change(Op.EDIT, replace(item, statement="changed"))
        with pytest.raises(ConflictError) as caught:
            log.commit([Change(Op.ADD, other), edited], actor=Actor.USER, expect={item.id: 3})
        assert (caught.value.expected, caught.value.found) == (3, 1)
        assert log.all()[0].statement == item.statement
        assert log.many([other.id]) == {}

    def test_an_id_cannot_be_added_twice(self, log: MemoryLog) -> None:
        item = note()
        add(log, item)
        with pytest.raises(ConflictError):
            add(log, replace(item, statement="something else"))

    def test_the_index_hears_of_each_change(self, log: MemoryLog) -> None:
        item = note()
        add(log, item)
        change(log, Op.PIN, replace(item, pinned=True))
        assert outbox(log) == [("observation", item.id)] * 2


class TestUsersHand:
    def test_the_model_cannot_change_what_is_pinned_or_written_by_hand(
        self, log: MemoryLog
    ) -> None:
        pinned = note("pinned", pinned=True)
        by_hand = note("by hand", origin=Origin.USER_EDITED)
        free = note("free")
        add(log, pinned, by_hand, free)
        changes = [Change(Op.UPDATE, replace(each, statement="!")) for each in (pinned, by_hand)]
        changes.append(Change(Op.UPDATE, replace(free, statement="changed")))
        [event] = log.commit(changes, actor=Actor.MODEL, batch_id="b1")
        assert event.after.id == free.id
        assert log.get(pinned.id).statement == "pinned"
        assert [each.reason for each in log.refusals("b1")] == [refusals.PINNED, refusals.BY_HAND]

    def test_what_was_to_replace_it_waits_for_the_user(self, log: MemoryLog) -> None:
        old = note("The user works at A.", pinned=True)
        add(log, old)
        new = note("The user works at B.", supersedes=(old.id,))
        superseded = replace(old, status=Status.SUPERSEDED)
        changes = [Change(Op.SUPERSEDE, superseded), Change(Op.RECONCILE, new)]
        log.commit(changes, actor=Actor.MODEL)
        assert log.get(old.id).status is Status.ACTIVE
        assert log.get(new.id).status is Status.QUARANTINED

    def test_what_the_user_forgot_is_not_brought_back_by_a_change_thought_out_before(
        self, log: MemoryLog
    ) -> None:
        item = note()
        add(log, item)
        change(log, Op.FORGET, replace(item, status=Status.FORGOTTEN))
        update = Change(Op.UPDATE, replace(item, statement="more"))
        assert log.commit([update], actor=Actor.MODEL) == []
        assert log.refusals()[-1].reason == refusals.FORGOTTEN

    def test_the_user_can_change_both(self, log: MemoryLog) -> None:
        item = note(pinned=True, origin=Origin.USER_EDITED)
        add(log, item)
        change(log, Op.EDIT, replace(item, statement="changed"))
        assert log.get(item.id).statement == "changed"


class TestUndo:
    def test_what_was_added_is_taken_out_of_service_and_back(self, log: MemoryLog) -> None:
        item = note()
        add(log, item)
        before = log.get(item.id)
        [event] = log.undo()
        assert (event.op, event.undoes) == (Op.UNDO, 1)
        assert log.get(item.id).status is Status.FORGOTTEN
        assert log.undo() == []
        log.redo()
        assert replace(log.get(item.id), version=1) == before
        assert log.redo() == []

    def test_a_batch_is_taken_back_whole(self, log: MemoryLog) -> None:
        old = note("The user works at A.", slot="job")
        add(log, old)
        new = note("The user works at B.", slot="job", supersedes=(old.id,))
        closed = replace(old, status=Status.SUPERSEDED, valid_to=date(2026, 5, 3))
        log.commit([Change(Op.SUPERSEDE, closed), Change(Op.RECONCILE, new)], actor=Actor.MODEL)
        log.undo()
        [only] = log.by_slot("user", "job")
        assert (only.id, only.valid_to) == (old.id, None)

    def test_an_older_batch_can_be_chosen(self, log: MemoryLog) -> None:
        first, second = note("first"), note("second")
        batch = add(log, first)[0].batch_id
        add(log, second)
        log.undo(batch)
        assert [item.statement for item in log.all()] == ["second"]
        assert log.undo(batch) == []
        log.redo()
        assert len(log.all()) == 2

    def test_a_memory_that_went_on_changing_is_not_turned_back(self, log: MemoryLog) -> None:
        item = note()
        batch = add(log, item)[0].batch_id
        change(log, Op.EDIT, replace(item, statement="changed"))
        with pytest.raises(ConflictError) as caught:
            log.undo(batch)
        assert (caught.value.expected, caught.value.found) == (1, 2)
        log.undo()
        log.undo(batch)
        assert log.all() == []

    def test_how_long_the_log_is_makes_no_difference(self, log: MemoryLog) -> None:
        """SQLite's own steps are counted, by the hundred, for one undo and what does it again."""

        def steps() -> int:
            ticks: list[None] = []
            log._connection.set_progress_handler(lambda: ticks.append(None), 100)
            assert log.undo()
            assert log.redo()
            assert log.next_undo()
            log._connection.set_progress_handler(None, 0)
            return len(ticks)

        add(log, note("The user keeps bees."))
        short = steps()
        for number in range(400):
            add(log, note(f"The user met person {number}."))
        assert steps() <= short + 10

    def test_undo_goes_back_step_by_step_and_redo_forward(self, log: MemoryLog) -> None:
        item = note("one")
        add(log, item)
        for word in ("two", "three"):
            change(log, Op.EDIT, replace(item, statement=word))
        seen = []
        for step in (log.undo, log.undo, log.redo, log.redo):
            step()
            seen.append(log.get(item.id).statement)
        assert seen == ["two", "one", "two", "three"]

    def test_an_unknown_batch_is_not_found(self, log: MemoryLog) -> None:
        with pytest.raises(NotFoundError):
            log.undo("b404")

    def test_a_batch_that_changed_one_memory_twice(self, log: MemoryLog) -> None:
        item = note()
        changes = [Change(Op.ADD, item), Change(Op.PIN, replace(item, pinned=True))]
        log.commit(changes, actor=Actor.USER)
        log.undo()
        assert log.get(item.id).status is Status.FORGOTTEN
        log.redo()
        assert log.get(item.id).pinned
        assert log.get(item.id).status is Status.ACTIVE


class TestTurns:
    def test_the_users_turns_wait_until_they_are_distilled(
        self, log: MemoryLog, store: SessionStore
    ) -> None:
        session = store.create().id
        first, second = say(store, session, "I live in Bonn."), say(store, session, "Hello?")
        assert [turn.id for turn in log.pending()] == [first.id, second.id]
        add(log, note(), turns=[first.id])
        assert [turn.id for turn in log.pending(session)] == [second.id]
        log.skip([second.id])
        assert log.pending() == []

    def test_a_batch_for_turns_that_are_done_writes_nothing(
        self, log: MemoryLog, store: SessionStore
    ) -> None:
        session = store.create().id
        first, second = say(store, session, "I live in Bonn."), say(store, session, "Hello?")
        assert len(add(log, note(), turns=[first.id])) == 1
        assert add(log, note(), turns=[first.id]) == []
        assert add(log, note(), turns=[first.id, second.id]) == []
        assert len(log.all()) == 1
        assert [turn.id for turn in log.pending()] == [second.id]

    def test_incognito_deleted_and_skipped_words_are_never_remembered(
        self, log: MemoryLog, store: SessionStore
    ) -> None:
        for hide in (
            lambda turn: store.set_memory(turn.session_id, False),
            lambda turn: store.delete(turn.session_id),
            lambda turn: store.purge(turn.session_id),
            lambda turn: log.skip([turn.id]),
        ):
            turn = say(store, store.create().id, "I live in Bonn.")
            hide(turn)
            assert log.pending() == []
            assert add(log, note(), turns=[turn.id]) == []
        assert log.all() == []

    def test_only_the_branch_on_show_waits(self, log: MemoryLog, store: SessionStore) -> None:
        turn = say(store, store.create().id, "I live in Bon.")
        better, _ = store.edit(turn.id, "I live in Bonn.")
        assert [each.id for each in log.pending()] == [better.id]
        store.show_branch(turn.id)
        assert [each.id for each in log.pending()] == [turn.id]

    def test_failures_are_told_and_tried_again(self, log: MemoryLog, store: SessionStore) -> None:
        turn = say(store, store.create().id, "I live in Bonn.")
        log.fail([turn.id], "no sentence came")
        log.fail([turn.id], "garbage")
        assert [(each.id, why) for each, why in log.failures()] == [(turn.id, "garbage")]
        assert [each.id for each in log.pending()] == [turn.id]
        add(log, note(), turns=[turn.id])
        log.fail([turn.id], "too late")
        assert log.failures() == []

    def test_undo_does_not_have_the_turns_read_again(
        self, log: MemoryLog, store: SessionStore
    ) -> None:
        turn = say(store, store.create().id, "I live in Bonn.")
        add(log, note(), turns=[turn.id])
        log.undo()
        assert log.pending() == []


def test_a_session_starts_with_or_without_memory(store: SessionStore) -> None:
    session = store.create()
    assert session.memory
    incognito = store.create(replace(session, memory=False))
    assert not incognito.memory
    assert store.set_memory(incognito.id, True).memory


def test_the_projection_can_be_made_anew(log: MemoryLog) -> None:
    add(log, note("one"), note("two"))
    before = log.replay()
    log._connection.execute("UPDATE observations SET statement = 'damaged'")
    assert log.rebuild() == 2
    assert log.many(before) == before


def test_a_damaged_database_gives_its_memories_back(home: Paths) -> None:
    connection = connect(home)
    log, store = MemoryLog(connection), SessionStore(connection, "me")
    session = store.create().id
    for number in range(40):
        turn = say(store, session, f"fact number {number} " + "words " * 100)
        add(log, note(f"fact {number}", evidence=(Evidence(turn.id, "fact"),)), turns=[turn.id])
    before = {item.id: item for item in log.all()}
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    page = 4096
    raw = bytearray(home.database.read_bytes())
    raw[-page:] = b"\xa5" * page
    home.database.write_bytes(raw)
    connection, report = open_database(home)
    assert report.moved_aside is not None
    saved = {item.id: item for item in MemoryLog(connection).all()}
    assert len(saved) >= 20
    assert all(saved[each] == before[each] for each in saved if saved[each].evidence)
    assert len(MemoryLog(connection).pending()) <= 20
    assert find_damage(connection) == []


def test_a_full_disk_leaves_nothing_half_written(log: MemoryLog, store: SessionStore) -> None:
    turn = say(store, store.create().id, "I live in Bonn.")
    pages = log._connection.execute("PRAGMA page_count").fetchone()[0]
    log._connection.execute(f"PRAGMA max_page_count = {pages}")
    notes = [note(f"fact {number} " * 100) for number in range(50)]
    with pytest.raises(StorageError, match="full"):
        add(log, *notes, turns=[turn.id])
    assert log.all() == []
    assert [each.id for each in log.pending()] == [turn.id]
    log._connection.execute("PRAGMA max_page_count = 1000000")
    assert len(add(log, *notes, turns=[turn.id])) == 50


def test_threads_share_a_connection_with_the_sessions(home: Paths) -> None:
    connection = connect(home)
    log, store = MemoryLog(connection), SessionStore(connection, "me")
    session = store.create().id

    def learn() -> None:
        for _ in range(20):
            add(log, note())

    def chat() -> None:
        for number in range(20):
            say(store, session, f"message {number}")

    threads = [Thread(target=work) for work in (learn, chat, learn)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.all()) == 40
    assert len(store.path(session)) == 40
