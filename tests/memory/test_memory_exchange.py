"""Memories leave as a file and come back as they were."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_helpers import add, change, note, say

from tsubasa_cli.errors import ConflictError, InputError
from tsubasa_cli.memory.exchange import export_jsonl, import_jsonl
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.markdown import to_markdown
from tsubasa_cli.memory.undo import content
from tsubasa_cli.memory.values import (
    Actor,
    Change,
    Evidence,
    Kind,
    Observation,
    Op,
    Origin,
    Precision,
    Status,
)
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant

EVERYTHING = tuple(Status)
words = st.text(min_size=1, max_size=30)
days = st.none() | st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 1, 1))
moments = st.builds(Instant, st.integers(0, 4_000_000_000_000), st.integers(-720, 840))


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


def exported(log: MemoryLog) -> list[str]:
    return list(export_jsonl(log._connection))


def body(log: MemoryLog) -> list[str]:
    """The file without its head, which tells the time."""
    return exported(log)[1:]


def everything(log: MemoryLog) -> dict[str, Observation]:
    return {item.id: item for item in log.all(status=EVERYTHING)}


observations = st.builds(
    note,
    words,
    subject=words,
    kind=st.sampled_from(Kind),
    event_from=days,
    event_to=days,
    precision=st.none() | st.sampled_from(Precision),
    time_expr=st.text(max_size=10),
    valid_from=days,
    valid_to=days,
    recorded_at=moments,
    origin=st.sampled_from(Origin),
    status=st.sampled_from([s for s in Status if s is not Status.ERASED]),
    slot=st.text(max_size=5),
    language=st.sampled_from(["en", "ja"]),
    pinned=st.booleans(),
    tags=st.lists(words, max_size=2).map(tuple),
    supersedes=st.lists(words, max_size=2).map(tuple),
    model_hash=st.text(max_size=5),
    prompt_hash=st.text(max_size=5),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_out_and_into_an_empty_store_is_identity(empty: Path, data: st.DataObject) -> None:
    with fresh(empty) as here, fresh(empty) as there:
        store = SessionStore(here._connection, "me")
        session = store.create().id
        turns = [
            say(store, session, data.draw(words)).id for _ in range(data.draw(st.integers(0, 3)))
        ]
        for item in data.draw(st.lists(observations, max_size=4)):
            quoted = [Evidence(t, data.draw(words)) for t in turns if data.draw(st.booleans())]
            add(here, replace(item, evidence=(*quoted, Evidence(None, "typed"))))
            change(here, Op.EDIT, replace(item, statement=data.draw(words)))
            if data.draw(st.booleans()):
                here.undo()
        file = exported(here)
        report = import_jsonl(there._connection, file)
        assert set(report.added) == set(everything(here))
        assert [line_without_turns(line) for line in body(there)] == [
            line_without_turns(line) for line in file[1:]
        ]
        assert {e.id: e.statement for e in there.all()} == {e.id: e.statement for e in here.all()}
        assert there.replay() == everything(there)
        assert import_jsonl(there._connection, file).added == ()


def line_without_turns(line: str) -> str:
    """Event numbers are the store's own; all else must be the same."""
    return json.dumps(without_numbers(json.loads(line)), sort_keys=True)


def without_numbers(value: object) -> object:
    if isinstance(value, dict):
        return {k: without_numbers(v) for k, v in value.items() if k not in ("event", "undoes")}
    return [without_numbers(each) for each in value] if isinstance(value, list) else value


class TestInAndOut:
    @pytest.fixture
    def log(self, home: Paths) -> MemoryLog:
        return MemoryLog(connect(home))

    @pytest.fixture
    def other(self, tmp_path: Path) -> MemoryLog:
        return MemoryLog(connect(Paths(tmp_path / "other", tmp_path / "other")))

    def learned(self, log: MemoryLog, text: str = "I live in Bonn, you know.") -> Observation:
        store = SessionStore(log._connection, "me")
        turn = say(store, store.create().id, text)
        item = note("The user lives in Bonn.", evidence=(Evidence(turn.id, "I live in Bonn"),))
        add(log, item, turns=[turn.id])
        return item

    def test_the_quoted_words_come_along_with_their_date(
        self, log: MemoryLog, other: MemoryLog
    ) -> None:
        item = self.learned(log)
        import_jsonl(other._connection, exported(log))
        [said] = other.get(item.id).evidence
        turn = SessionStore(other._connection).turn(said.turn_id or 0)
        original = SessionStore(log._connection).turn(item.evidence[0].turn_id or 0)
        assert (turn.text, turn.created_at) == (original.text, original.created_at)
        assert other.pending() == []
        assert body(other) == body(log)

    def test_turns_of_the_same_moment_are_told_apart(
        self, log: MemoryLog, other: MemoryLog
    ) -> None:
        store = SessionStore(log._connection, "me")
        session = store.create().id
        turns = [say(store, session, text) for text in ("I like tea.", "I like jam.")]
        log._connection.execute("UPDATE turns SET created_ms = 1000000")
        items = [note(t.text, evidence=(Evidence(t.id, t.text),)) for t in turns]
        add(log, *items)
        file = exported(log)
        import_jsonl(other._connection, file)
        said = SessionStore(other._connection)
        for item in items:
            [evidence] = other.get(item.id).evidence
            assert said.turn(evidence.turn_id or 0).text == evidence.quote
        log._connection.execute("UPDATE turns SET text = '[erased]'")
        log._connection.execute("DELETE FROM memory_events")
        log._connection.execute("DELETE FROM observations")
        import_jsonl(log._connection, file)
        assert [log.get(item.id).evidence for item in items] == [item.evidence for item in items]

    def test_a_second_time_changes_nothing(self, log: MemoryLog, other: MemoryLog) -> None:
        item = self.learned(log)
        file = exported(log)
        import_jsonl(other._connection, file)
        before = body(other)
        assert import_jsonl(other._connection, file).unchanged == (item.id,)
        assert import_jsonl(log._connection, file).unchanged == (item.id,)
        assert body(other) == before

    def test_undo_works_on_what_came_in(self, log: MemoryLog, other: MemoryLog) -> None:
        item = self.learned(log)
        change(log, Op.EDIT, replace(log.get(item.id), statement="The user lives in Köln."))
        log.undo()
        import_jsonl(other._connection, exported(log))
        other.redo()
        assert other.get(item.id).statement == "The user lives in Köln."

    def test_an_import_is_undone_and_redone_as_one(self, log: MemoryLog, other: MemoryLog) -> None:
        held = note("It was here before.")
        add(other, held)
        items = [add(log, note(f"It is {n}."))[0].after for n in range(3)]
        import_jsonl(other._connection, exported(log))
        assert len(other.next_undo()) == 3
        assert len(other.undo()) == 3
        assert [each.id for each in other.all()] == [held.id]
        assert len(other.redo()) == 3
        assert {each.id for each in other.all()} == {held.id, *(each.id for each in items)}
        other.undo()
        other.undo()
        assert other.all() == []
        assert other.undo() == []
        assert other.replay() == everything(other)

    def test_what_was_undone_in_the_file_stays_undone_and_what_was_here_returns(
        self, log: MemoryLog, other: MemoryLog
    ) -> None:
        item = self.learned(log)
        import_jsonl(other._connection, exported(log))
        before = content(other.get(item.id))
        batch = change(log, Op.EDIT, replace(log.get(item.id), statement="Other words.")).batch_id
        change(log, Op.PIN, replace(log.get(item.id), pinned=True))
        change(log, Op.UNPIN, replace(log.get(item.id), pinned=False))
        log.undo(batch)
        change(log, Op.TAG, replace(log.get(item.id), tags=("a",)))
        import_jsonl(other._connection, exported(log))
        after = content(other.get(item.id))
        assert after.tags == ("a",)
        other.undo()
        assert content(other.get(item.id)) == before
        other.redo()
        assert content(other.get(item.id)) == after
        other.undo()
        assert other.undo()
        assert other.all() == []
        assert other.undo() == []

    def test_a_batch_that_came_in_can_be_undone_alone(
        self, log: MemoryLog, other: MemoryLog
    ) -> None:
        items = [add(log, note(f"It is {n}."))[0].after for n in range(3)]
        import_jsonl(other._connection, exported(log))
        assert len(other.undo(items[1].batch_id)) == 1
        assert len(other.undo()) == 2
        assert other.all() == []

    @pytest.mark.parametrize("changed", [0, 2])
    def test_what_was_changed_since_is_not_undone_with_it(
        self, log: MemoryLog, other: MemoryLog, changed: int
    ) -> None:
        items = [add(log, note(f"It is {n}."))[0].after for n in range(3)]
        import_jsonl(other._connection, exported(log))
        event = other.next_undo()[0]
        change(other, Op.PIN, replace(other.get(items[changed].id), pinned=True))
        with pytest.raises(ConflictError):
            other.undo(other.deed_of(event))
        assert len(other.all()) == 3

    def test_a_newer_history_is_continued_an_older_one_ignored(
        self, log: MemoryLog, other: MemoryLog
    ) -> None:
        item = self.learned(log)
        old = exported(log)
        import_jsonl(other._connection, old)
        change(log, Op.PIN, replace(log.get(item.id), pinned=True))
        new = exported(log)
        assert import_jsonl(other._connection, new).continued == (item.id,)
        assert other.get(item.id).pinned
        assert import_jsonl(other._connection, old).unchanged == (item.id,)
        assert other.get(item.id).pinned

    def test_what_went_two_ways_is_reported_and_left(
        self, log: MemoryLog, other: MemoryLog
    ) -> None:
        item = self.learned(log)
        import_jsonl(other._connection, exported(log))
        change(log, Op.EDIT, replace(log.get(item.id), statement="here"))
        change(other, Op.EDIT, replace(other.get(item.id), statement="there"))
        for store in (log, other):
            store._connection.execute("UPDATE memory_events SET at_ms = 0 WHERE op = 'edit'")
        report = import_jsonl(other._connection, exported(log))
        assert report.conflicts == (item.id,)
        assert other.get(item.id).statement == "there"

    @pytest.mark.parametrize(
        "break_it",
        [
            lambda _: [],
            lambda _: ["{}"],
            lambda _: ["shopping list"],
            lambda lines: [json.dumps({"format": "tsubasa-memory-99"}), *lines[1:]],
            lambda lines: [*lines, "{broken"],
            lambda lines: [*lines, "[]"],
            lambda lines: [*lines, json.dumps({"memory": "m1", "history": []})],
            lambda lines: [*lines, json.dumps({"memory": "m1", "history": [{"event": 1}]})],
            lambda lines: [*lines, lines[-1].replace('"add"', '"conjure"')],
            lambda lines: [*lines, json.dumps({"turn": 1, "time": "yesterday", "text": ""})],
        ],
    )
    def test_a_broken_file_is_refused_whole(
        self, log: MemoryLog, other: MemoryLog, break_it: object
    ) -> None:
        self.learned(log)
        assert callable(break_it)
        with pytest.raises(InputError, match="Line"):
            import_jsonl(other._connection, break_it(exported(log)))
        assert everything(other) == {}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("memory", ""),
            ("memory", "two words"),
            ("memory", 7),
            ("statement", "\ud800"),
            ("statement", 7),
            ("statement", None),
            ("version", 2**70),
            ("version", float("inf")),
            ("version", "1"),
            ("version", None),
            ("event", float("inf")),
            ("event", float("nan")),
            ("event", 1.5),
            ("undoes", [1]),
            ("undoes", {"event": 1}),
            ("undoes", 2**70),
            ("batch", ["b"]),
            ("batch", "\udfff"),
            ("reason", 7),
            ("op", ["add"]),
            ("actor", None),
            ("at", 7),
            ("at", "2024-05-03T09:30:00"),
            ("recorded_at", [0, 0]),
            ("subject", {}),
            ("slot", None),
            ("kind", []),
            ("valid_from", 7),
            ("valid_from", "2024-13-01"),
            ("precision", "eon"),
            ("pinned", "yes"),
            ("tags", "work"),
            ("tags", [1]),
            ("supersedes", [["m1"]]),
            ("evidence", [{"quote": "x", "turn": "one"}]),
            ("evidence", [{"turn": 1}]),
            ("evidence", "words"),
            ("history", {}),
            ("history", "words"),
            ("history", [7]),
            ("after", []),
        ],
    )
    def test_any_field_that_is_unfit_names_the_line_and_nothing_is_written(
        self, log: MemoryLog, other: MemoryLog, field: str, value: object
    ) -> None:
        add(log, note())
        head, line = exported(log)
        told = json.loads(line)
        [event] = told["history"]
        owners = [told, event, event["after"]]
        if field in ("undoes", "reason"):
            owners = [event]
        owners = [owner for owner in owners if field in owner] or owners[-1:]
        owners[-1][field] = value
        with pytest.raises(InputError, match="Line 2 "):
            import_jsonl(other._connection, [head, json.dumps(told)])
        assert everything(other) == {}

    def test_what_is_nested_too_deeply_is_refused(self, other: MemoryLog) -> None:
        head = json.dumps({"format": "tsubasa-memory-1"})
        with pytest.raises(InputError, match="Line 2 "):
            import_jsonl(other._connection, [head, '{"memory": ' + "[" * 100_000])

    def test_a_version_that_comes_twice_is_refused(self, log: MemoryLog, other: MemoryLog) -> None:
        add(log, note())
        head, line = exported(log)
        told = json.loads(line)
        told["history"] *= 2
        with pytest.raises(InputError, match="do not go up"):
            import_jsonl(other._connection, [head, json.dumps(told)])

    def test_a_time_beyond_the_calendar_is_refused(self, log: MemoryLog, other: MemoryLog) -> None:
        add(log, note())
        [at] = {item.recorded_at.iso() for item in log.all()}
        lines = [line.replace(at, "0001-01-01T00:00:00+14:00") for line in exported(log)]
        with pytest.raises(InputError, match="Line 2 "):
            import_jsonl(other._connection, lines)
        assert everything(other) == {}

    def test_a_store_that_holds_such_a_time_is_listed_and_leaves(
        self, log: MemoryLog, other: MemoryLog
    ) -> None:
        beyond = note(recorded_at=Instant(-62_135_647_200_000, 840))
        add(log, beyond)
        [held] = log.all()
        assert held.recorded_at.local().year == 2
        import_jsonl(other._connection, exported(log))
        assert other.get(beyond.id).statement == beyond.statement

    def test_a_session_that_is_here_gets_no_foreign_turns(self, log: MemoryLog) -> None:
        item = self.learned(log)
        lines = exported(log)
        lines[1] = lines[1].replace('"time": "20', '"time": "19')
        log._connection.execute("DELETE FROM memory_events")
        log._connection.execute("DELETE FROM observations")
        import_jsonl(log._connection, lines)
        assert log.get(item.id).evidence == (Evidence(None, "I live in Bonn"),)
        assert len(SessionStore(log._connection).recent()) == 1

    def test_every_reader_of_lines_finds_the_same_lines(self, log: MemoryLog) -> None:
        add(log, note("one\u2028two\x85three\nfour"))
        text = "\n".join(exported(log))
        assert text.splitlines() == exported_lines(text)


def exported_lines(text: str) -> list[str]:
    return text.split("\n")


def test_the_document_groups_by_kind_and_tells_where_from(home: Paths) -> None:
    log = MemoryLog(connect(home))
    store = SessionStore(connect(home), "me")
    turn = say(store, store.create().id, "I moved to *Bonn* in May.")
    add(
        log,
        note(
            "The user moved to *Bonn*.",
            kind=Kind.EVENT,
            event_from=date(2026, 5, 1),
            event_to=date(2026, 5, 31),
            evidence=(Evidence(turn.id, "I moved to *Bonn* in May."),),
            tags=("home",),
        ),
        note("The user works at A.", status=Status.SUPERSEDED, valid_to=date(2026, 5, 3)),
    )
    log.commit(
        [Change(Op.ADD, note("The user is Ana.", kind=Kind.IDENTITY, pinned=True))],
        actor=Actor.USER,
    )
    document = to_markdown(log.all(status=EVERYTHING), {turn.id: turn}, Instant.now())
    order = ["# Memories", "## Who you are", "Ana", "## How things are", "## What happened"]
    places = [document.index(part) for part in order]
    assert places == sorted(places)
    assert r"The user moved to \*Bonn\*. (happened 2026-05-01 to 2026-05-31; #home; `m" in document
    assert "no longer so; true until 2026-05-02" in document
    assert turn.created_at.local().strftime("%Y-%m-%d %H:%M: “I moved") in document
