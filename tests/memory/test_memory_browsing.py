"""Lists of memories: filters, orders, pages and what there is to filter by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from memory.memory_helpers import add, change, note, say

from tsubasa_cli.memory import browsing
from tsubasa_cli.memory.browsing import Browser
from tsubasa_cli.memory.filters import Filter, Mark, Sort
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.recall import Recalled
from tsubasa_cli.memory.recalls import RecallStore
from tsubasa_cli.memory.values import Evidence, Kind, Observation, Op, Origin, Status
from tsubasa_cli.storage.database import connect, transaction
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant

DAY_MS = 86_400_000
BASE = 1_760_000_000_000


@pytest.fixture
def log(home: Paths) -> Iterator[MemoryLog]:
    connection = connect(home)
    yield MemoryLog(connection)
    connection.close()


@pytest.fixture
def browser(home: Paths) -> Browser:
    return Browser(connect(home))


def on_day(number: int) -> Instant:
    return Instant(BASE + number * DAY_MS, 120)


def listed(browser: Browser, wanted: Filter | None = None, sort: Sort = Sort.NEWEST) -> list[str]:
    seqs = browser.order(wanted or Filter(), sort)
    entries = browser.entries(seqs)
    return [entries[seq].memory.statement for seq in seqs]


def learn(browser: Browser, state: str, *memories: Observation) -> None:
    """A run of ``learn`` in ``state`` that was trained on ``memories``."""
    with transaction(browser._connection) as connection:
        connection.execute(
            "INSERT INTO learn_runs (id, state, base_model, started_ms, started_offset)"
            " VALUES (?, ?, 'tiny', 0, 0)",
            (state, state),
        )
        connection.executemany(
            "INSERT INTO learn_manifest VALUES (?, ?, ?)",
            [(state, memory.id, memory.version) for memory in memories],
        )


class TestFilters:
    def test_what_is_in_force_is_shown(self, log: MemoryLog, browser: Browser) -> None:
        for status in Status:
            add(log, note(f"It is {status}.", status=status))
        assert listed(browser) == ["It is quarantined.", "It is active."]
        assert browser.count(Filter()) == 2
        every = Filter(statuses=frozenset(Status))
        assert len(listed(browser, every)) == browser.count(every) == len(Status)

    def test_by_kind_and_origin(self, log: MemoryLog, browser: Browser) -> None:
        add(log, note("A plan.", kind=Kind.PLAN), note("A fact.", origin=Origin.IMPORTED))
        assert listed(browser, Filter(kinds=frozenset({Kind.PLAN}))) == ["A plan."]
        assert listed(browser, Filter(origins=frozenset({Origin.IMPORTED}))) == ["A fact."]

    def test_by_tag_whole_and_whatever_is_in_it(self, log: MemoryLog, browser: Browser) -> None:
        add(log, note("One.", tags=('a"b', "höhe")), note("Two.", tags=("high",)))
        assert listed(browser, Filter(tags=frozenset({'a"b'}))) == ["One."]
        assert listed(browser, Filter(tags=frozenset({"höhe"}))) == ["One."]
        assert listed(browser, Filter(tags=frozenset({"hi"}))) == []
        assert listed(browser, Filter(tags=frozenset({"high", "höhe"}))) == ["Two.", "One."]

    def test_by_the_chat_it_was_said_in(
        self, log: MemoryLog, browser: Browser, home: Paths
    ) -> None:
        store = SessionStore(connect(home))
        first, second = store.create(), store.create()
        turn = say(store, first.id, "I keep bees.")
        add(log, note("Bees.", evidence=(Evidence(turn.id, "I keep bees"),)), note("Other."))
        assert listed(browser, Filter(sessions=frozenset({first.id}))) == ["Bees."]
        assert listed(browser, Filter(sessions=frozenset({second.id}))) == []

    def test_by_the_day_it_was_said_where_it_was_said(
        self, log: MemoryLog, browser: Browser
    ) -> None:
        """23:30 UTC on the 9th is the 10th two hours to the east."""
        late = Instant(1_760_052_600_000, 120)
        assert late.local().date() == date(2025, 10, 10)
        add(log, note("Late.", recorded_at=late))
        day = date(2025, 10, 10)
        assert listed(browser, Filter(since=day, until=day)) == ["Late."]
        assert listed(browser, Filter(until=date(2025, 10, 9))) == []

    def test_true_on_a_day(self, log: MemoryLog, browser: Browser) -> None:
        both = frozenset({Status.ACTIVE, Status.SUPERSEDED})
        add(
            log,
            note("Bonn.", status=Status.SUPERSEDED, valid_from=date(2020, 1, 1),
                 valid_to=date(2022, 5, 1)),
            note("Hamburg.", valid_from=date(2022, 5, 1)),
        )  # fmt: skip
        for day, true in (
            (date(2019, 12, 31), []),
            (date(2022, 4, 30), ["Bonn."]),
            (date(2022, 5, 1), ["Hamburg."]),
        ):
            assert listed(browser, Filter(statuses=both, true_on=day)) == true

    def test_by_marks(self, log: MemoryLog, browser: Browser, home: Paths) -> None:
        store = SessionStore(connect(home))
        turn = say(store, store.create().id, "Who am I?")
        [used], [known], [pinned] = (
            [event.after for event in add(log, item)]
            for item in (note("Used."), note("Known."), note("Pinned.", pinned=True))
        )
        RecallStore(connect(home)).keep(turn.id, "-", [Recalled(1.0, (), used)])
        learn(browser, "promoted", known)
        learn(browser, "rolled_back", pinned)
        for mark, wanted in (
            (Mark.PINNED, {"Pinned."}),
            (Mark.RECALLED, {"Used."}),
            (Mark.UNUSED, {"Known.", "Pinned."}),
            (Mark.LEARNED, {"Known."}),
            (Mark.UNLEARNED, {"Used.", "Pinned."}),
        ):
            assert {*listed(browser, Filter(marks=frozenset({mark})))} == wanted


class TestOrders:
    def test_every_order(self, log: MemoryLog, browser: Browser, home: Paths) -> None:
        [old], [new], [middle] = (
            [event.after for event in add(log, item)]
            for item in (
                note("a old", recorded_at=on_day(1), valid_from=date(2025, 1, 1)),
                note("C new", recorded_at=on_day(3), valid_from=date(2020, 1, 1)),
                note("b middle", recorded_at=on_day(2), valid_from=date(2023, 1, 1)),
            )
        )
        store = SessionStore(connect(home))
        turn = say(store, store.create().id, "What?")
        RecallStore(connect(home)).keep(turn.id, "-", [Recalled(1.0, (), middle)])
        change(log, Op.PIN, old)
        for sort, order in (
            (Sort.NEWEST, "C b a"),
            (Sort.OLDEST, "a b C"),
            (Sort.CHANGED, "a b C"),
            (Sort.RECALLED, "b C a"),
            (Sort.WORDS, "a b C"),
            (Sort.BEGUN, "a b C"),
        ):
            assert " ".join(s[0] for s in listed(browser, sort=sort)) == order, sort
        assert new.statement in listed(browser)

    def test_the_first_page_is_the_beginning_of_all(self, log: MemoryLog, browser: Browser) -> None:
        add(log, *(note(f"Number {n}.", recorded_at=on_day(n % 7)) for n in range(50)))
        every = list(browser.order(Filter()))
        assert list(browser.order(Filter(), limit=7)) == every[:7]
        assert len(set(every)) == browser.count(Filter()) == 50


class TestEntries:
    def test_a_page_knows_how_many_there_are(self, log: MemoryLog, browser: Browser) -> None:
        for number in range(7):
            add(log, note(f"Number {number}.", recorded_at=on_day(number)))
        page = browser.page(Filter(), Sort.NEWEST, 3)
        assert page.total == 7
        assert [page.entries[seq].memory.statement for seq in page.seqs] == [
            "Number 6.", "Number 5.", "Number 4.",
        ]  # fmt: skip
        assert browser.page(Filter(), Sort.NEWEST, 9).total == 7

    def test_an_order_that_nobody_awaits_any_more_is_given_up(
        self, log: MemoryLog, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(7):
            add(log, note(f"Number {number}."))
        monkeypatch.setattr(browsing, "ROWS_AT_ONCE", 2)
        answers = iter([True, True, False])
        seqs = browser.order_while(lambda: next(answers), Filter(), Sort.NEWEST)
        assert list(seqs) == list(browser.order(Filter()))[:4]

    def test_use_and_learning(self, log: MemoryLog, browser: Browser, home: Paths) -> None:
        [first] = [event.after for event in add(log, note("First."))]
        store = SessionStore(connect(home))
        recalls = RecallStore(connect(home))
        for _ in range(3):
            turn = say(store, store.create().id, "What?")
            recalls.keep(turn.id, "-", [Recalled(1.0, (), first)])
        learn(browser, "promoted", first)
        change(log, Op.EDIT, first)
        [entry] = browser.entries(browser.order(Filter())).values()
        assert (entry.recalled, entry.learned_version, entry.memory.version) == (3, 1, 2)
        assert entry.memory.evidence == first.evidence

    def test_what_is_gone_is_left_out(self, browser: Browser) -> None:
        assert browser.entries([1, 2, 3]) == {}

    def test_letters_are_letters(self, log: MemoryLog, browser: Browser) -> None:
        add(log, note("100% sure."), note("1000 sure."), note("a_b."), note("axb."))
        held = browser.entries(browser.holding(["100%"], Filter(), 10)).values()
        assert [entry.memory.statement for entry in held] == ["100% sure."]
        held = browser.entries(browser.holding(["a_b"], Filter(), 10)).values()
        assert [entry.memory.statement for entry in held] == ["a_b."]


class TestFacets:
    def test_what_there_is_with_counts(self, log: MemoryLog, browser: Browser, home: Paths) -> None:
        store = SessionStore(connect(home))
        session = store.create()
        store.rename(session.id, "Bees")
        turn = say(store, session.id, "I keep bees.")
        proof = (Evidence(turn.id, "I keep bees"),)
        add(log, note("Bees.", evidence=proof, tags=("a", "b")), note("Tea.", tags=("a",)),
            note("Gone.", status=Status.FORGOTTEN, tags=("c",)))  # fmt: skip
        found = browser.facets(Filter())
        assert dict(found.statuses) == {Status.ACTIVE: 2, Status.FORGOTTEN: 1}
        assert found.tags == (("a", 2), ("b", 1))
        assert found.sessions == ((session.id, "Bees", 1),)
        assert dict(found.kinds) == {Kind.STATE: 2}


class TestPulse:
    def test_it_beats_when_another_connection_commits(
        self, log: MemoryLog, browser: Browser
    ) -> None:
        before = browser.pulse()
        assert browser.pulse() == before
        add(log, note("New."))
        after = browser.pulse()
        assert after != before
        assert browser.pulse() == after

    def test_it_costs_one_pragma_while_nothing_happens(
        self, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser.pulse()
        looked: list[str] = []
        monkeypatch.setattr(Browser, "_look", lambda _: looked.append("looked"))
        for _ in range(10):
            browser.pulse()
        assert looked == []
