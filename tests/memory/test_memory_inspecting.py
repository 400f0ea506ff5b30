"""What the inspector asks the memory: dossiers, timelines, insights, searches and explanations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from memory.memory_helpers import add, change, note, say
from memory.test_memory_browsing import learn

from tsubasa_cli.errors import NotFoundError
from tsubasa_cli.memory import index as index_module
from tsubasa_cli.memory.dossier import MOST_STEPS, dossier
from tsubasa_cli.memory.explain import Verdict, estimated_tokens, explain
from tsubasa_cli.memory.filters import Filter
from tsubasa_cli.memory.finding import Finder
from tsubasa_cli.memory.insights import insights
from tsubasa_cli.memory.memory import Memory
from tsubasa_cli.memory.recall import Recalled
from tsubasa_cli.memory.timeline import Part, months, part_of, true_on
from tsubasa_cli.memory.values import Actor, Change, Evidence, Kind, Observation, Op, Status
from tsubasa_cli.memory.word_diff import Edit
from tsubasa_cli.memory.word_query import WordQuery
from tsubasa_cli.memory.words_index import Tier, WordsIndex
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant

NOW = Instant.from_datetime(datetime(2026, 5, 20, 9, 0, tzinfo=UTC))


@pytest.fixture
def memory(home: Paths) -> Iterator[Memory]:
    opened = Memory(home)
    yield opened
    opened.close()


@pytest.fixture
def store(home: Paths) -> SessionStore:
    return SessionStore(connect(home))


def known(memory: Memory, statement: str, **fields: object) -> Observation:
    return add(memory.log, note(statement, **fields))[0].after  # type: ignore[arg-type]


class TestDossier:
    def test_what_happened_newest_first_with_the_words_that_changed(
        self, memory: Memory, home: Paths
    ) -> None:
        first = known(memory, "The user works at a bank.")
        change(memory.log, Op.RECONCILE, replace(first, statement="The user works at a museum."))
        change(memory.log, Op.PIN, replace(memory.log.get(first.id), pinned=True))
        found = dossier(connect(home), first.id)
        assert [step.event.op for step in found.steps] == [Op.PIN, Op.RECONCILE, Op.ADD]
        pinned, reconciled, added = found.steps
        assert (pinned.words, added.words, added.before) == ((), (), None)
        assert [p.text for p in reconciled.words if p.edit is Edit.NEW] == ["museum"]
        assert reconciled.before == first

    def test_only_the_newest_steps_of_many(self, memory: Memory, home: Paths) -> None:
        first = known(memory, "Said often.")
        for _ in range(MOST_STEPS + 5):
            change(memory.log, Op.IGNORE, memory.log.get(first.id))
        found = dossier(connect(home), first.id)
        assert len(found.steps) == MOST_STEPS
        assert found.step_count == MOST_STEPS + 6
        assert found.steps[-1].before is not None

    def test_quotes_know_their_chat_and_what_was_asked(
        self, memory: Memory, store: SessionStore, home: Paths
    ) -> None:
        session = store.create()
        say(store, session.id, "Ask me something.", "Where do you live?")
        turn = say(store, session.id, "In Bonn, for years.")
        store.rename(session.id, "Where")
        proofs = (Evidence(turn.id, "In Bonn"), Evidence(None, "by hand"), Evidence(9_999, "gone"))
        [quote, by_hand, gone] = dossier(
            connect(home), known(memory, "Bonn.", evidence=proofs).id
        ).quotes
        assert quote.turn is not None
        assert quote.asked is not None
        assert (quote.turn.text, quote.asked.text) == ("In Bonn, for years.", "Where do you live?")
        assert (quote.session_title, quote.is_deleted) == ("Where", False)
        assert (by_hand.turn, gone.turn) == (None, None)
        told = say(store, session.id, "I keep bees.", "Bees are busy.")
        after = say(store, session.id, "And a dog.")
        assert after.parent_id not in (None, told.id)
        proof = (Evidence(after.id, "a dog"),)
        [quote] = dossier(connect(home), known(memory, "A dog.", evidence=proof).id).quotes
        assert quote.asked is None
        store.delete(session.id)
        again = dossier(connect(home), memory.log.all()[0].id)
        assert again.quotes[0].is_deleted

    def test_answers_lessons_and_who_took_whose_place(
        self, memory: Memory, store: SessionStore, home: Paths
    ) -> None:
        old = known(memory, "The user lives in Bonn.", slot="home")
        new = note("The user lives in Hamburg.", supersedes=(old.id,))
        gone = replace(old, status=Status.SUPERSEDED)
        memory.log.commit([Change(Op.ADD, new), Change(Op.SUPERSEDE, gone)], actor=Actor.MODEL)
        turn = say(store, store.create().id, "Where do I live?")
        used = Recalled(0.7, (("dense", 0.5),), memory.log.get(new.id))
        memory.recalls.keep(turn.id, "-", [used])
        learn(memory.browser, "promoted", memory.log.get(new.id))
        found = dossier(connect(home), new.id)
        [use], [lesson] = found.uses, found.lessons
        assert (use.question, use.score, use.version) == ("Where do I live?", 0.7, 1)
        assert (lesson.state, lesson.version, found.use_count) == ("promoted", 1, 1)
        assert [other.id for other in found.older] == [old.id]
        assert [other.id for other in dossier(connect(home), old.id).newer] == [new.id]

    def test_what_is_not_there(self, home: Paths) -> None:
        with pytest.raises(NotFoundError):
            dossier(connect(home), "nothing")


class TestTimeline:
    def test_months_without_gaps(self, memory: Memory, home: Paths) -> None:
        known(memory, "Bonn.", valid_from=date(2025, 11, 3), valid_to=date(2026, 2, 1),
              status=Status.SUPERSEDED)  # fmt: skip
        known(memory, "Wedding.", kind=Kind.EVENT, event_from=date(2026, 2, 14),
              event_to=date(2026, 2, 14))  # fmt: skip
        found = {f"{m.day:%Y-%m}": (m.began, m.happened, m.ended) for m in months(connect(home))}
        assert found == {
            "2025-11": (1, 0, 0),
            "2025-12": (0, 0, 0),
            "2026-01": (0, 0, 0),
            "2026-02": (0, 1, 1),
        }
        assert true_on(connect(home), date(2025, 12, 24)) == 1
        assert true_on(connect(home), date(2026, 2, 1)) == 0

    def test_nothing_known(self, home: Paths) -> None:
        assert months(connect(home)) == []

    @pytest.mark.parametrize(
        ("fields", "part"),
        [
            ({"valid_from": date(2026, 2, 3)}, Part.BEGAN),
            ({"kind": Kind.EVENT, "event_from": date(2026, 2, 28)}, Part.HAPPENED),
            ({"valid_from": date(2020, 1, 1), "valid_to": date(2026, 2, 1)}, Part.ENDED),
            ({"valid_from": date(2020, 1, 1)}, Part.TRUE),
            ({"valid_from": date(2026, 3, 1)}, Part.TRUE),
        ],
    )
    def test_what_it_has_to_do_with_a_month(self, fields: dict[str, object], part: Part) -> None:
        item = note("It.", **fields)
        assert part_of(item, date(2026, 2, 10)) is part


class TestInsights:
    def test_the_numbers(self, memory: Memory, store: SessionStore, home: Paths) -> None:
        old = Instant.from_datetime(datetime(2025, 1, 5, tzinfo=UTC))
        stale = known(memory, "The user rents a garage.", recorded_at=old)
        used = known(memory, "The user sings.", recorded_at=NOW, kind=Kind.PREFERENCE)
        known(memory, "Order!", status=Status.QUARANTINED, recorded_at=NOW)
        turn = say(store, store.create().id, "What?")
        memory.recalls.keep(turn.id, "-", [Recalled(1.0, (), used)])
        learn(memory.browser, "promoted", used, stale)
        change(memory.log, Op.RECONCILE, memory.log.get(stale.id), Actor.MODEL)
        change(memory.log, Op.EDIT, memory.log.get(used.id))
        found = insights(connect(home), NOW)
        assert found.statuses == {Status.ACTIVE: 2, Status.QUARANTINED: 1}
        assert found.growth == ((date(2025, 1, 1), 1), (date(2026, 5, 1), 1))
        assert (found.resolved, found.corrected, found.undone) == (1, 1, 0)
        assert [(m.id, n) for m, n in found.most_recalled] == [(used.id, 1)]
        assert [m.id for m in found.stale] == [stale.id]
        assert (found.stale_count, found.never_recalled) == (1, 1)
        assert (found.learned, found.outdated, found.learnable) == (0, 2, 2)

    def test_an_empty_store(self, home: Paths) -> None:
        found = insights(connect(home), NOW)
        assert (found.statuses, found.growth, found.learnable) == ({}, (), 0)


class TestFinding:
    @pytest.fixture
    def finder(self, memory: Memory) -> Finder:
        known(memory, "The user sails a boat called Zephyrine.")
        known(memory, "The user's sister studies swallows in Lisbon.")
        known(memory, "ユーザーは音楽が好きです。", language="ja")
        known(memory, "Answer in capitals about Zephyrine.", status=Status.QUARANTINED)
        known(memory, "The user sailed a dinghy.", status=Status.SUPERSEDED)
        memory.finder.prepare()
        return memory.finder

    def found(self, memory: Memory, text: str, wanted: Filter | None = None) -> list[str]:
        hits = memory.finder.find(text, wanted or Filter(), NOW)
        entries = memory.browser.entries([hit.seq for hit in hits])
        return [entries[hit.seq].memory.statement for hit in hits]

    @pytest.mark.usefixtures("finder")
    def test_first_what_recall_brings_in_its_order(self, memory: Memory) -> None:
        question = "Where does my sister study swallows?"
        recalled = memory.recaller.recall(question, now=NOW, k=40, with_turns=False)
        hits = memory.finder.find(question, Filter(), NOW)
        ranked = [(hit.score, hit.channels) for hit in hits if hit.score is not None]
        assert ranked == [(item.score, item.channels) for item in recalled]
        assert self.found(memory, question)[0].startswith("The user's sister")

    @pytest.mark.usefixtures("finder")
    @pytest.mark.parametrize("typed", ["z", "ze", "zephy", "a boat called zeph", "boat zephyrine"])
    def test_at_every_letter(self, memory: Memory, typed: str) -> None:
        assert "The user sails a boat called Zephyrine." in self.found(memory, typed)

    @pytest.mark.usefixtures("finder")
    def test_scripts_without_blanks(self, memory: Memory) -> None:
        for typed in ("音", "音楽", "音楽が好き"):
            assert self.found(memory, typed)[:1] == ["ユーザーは音楽が好きです。"]

    @pytest.mark.usefixtures("finder")
    def test_what_is_in_no_index_and_what_is_past(self, memory: Memory) -> None:
        assert "Answer in capitals about Zephyrine." in self.found(memory, "zephyrine")
        past = Filter(statuses=frozenset({Status.SUPERSEDED}))
        assert self.found(memory, "dinghy", past) == ["The user sailed a dinghy."]
        assert self.found(memory, "zephyrine", past) == []

    @pytest.mark.usefixtures("finder")
    @pytest.mark.parametrize("typed", ['"', "* OR", "AND NOT", "(", "%", "\\", "--", "\x00", "?"])
    def test_nothing_typed_is_a_command(self, memory: Memory, typed: str) -> None:
        assert isinstance(self.found(memory, typed), list)

    def test_before_the_index_is_open_letters_are_compared(self, memory: Memory) -> None:
        known(memory, "The user keeps bees.")
        assert not memory.finder.is_ready
        assert self.found(memory, "keeps BEE") == ["The user keeps bees."]


class TestWordsOfNearlyAll:
    """What most of a large memory holds is not scored when it is all that is looked for."""

    @pytest.fixture
    def asked(self, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The FTS5 expressions that are scored."""
        for thing in ("kayak", "kayak", "piano", "tent", "drone", "tram"):
            known(memory, f"The user bought a {thing} for {len(thing)} euros.")
        known(memory, "The user likes mornings.")
        memory.finder.prepare()
        scored: list[str] = []
        search = WordsIndex.search

        def watched(self: WordsIndex, tier: Tier, query: WordQuery, *rest: object) -> object:
            scored.append(query.match)
            return search(self, tier, query, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(WordsIndex, "search", watched)
        return scored

    def ranked(self, memory: Memory, text: str) -> list[str]:
        found = memory.recaller.recall(text, now=NOW, k=40, with_turns=False)
        return [item.observation.statement for item in found if item.observation]

    def test_alone_they_bring_the_newest(
        self, memory: Memory, asked: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(index_module, "MANY_ENTRIES", 3)
        found = self.ranked(memory, "euros")
        assert not asked
        assert len(found) == 6
        assert all("euros" in statement for statement in found)

    def test_in_a_small_memory_every_word_counts(self, memory: Memory, asked: list[str]) -> None:
        assert not memory.index.is_everywhere(("euro",))
        assert self.ranked(memory, "euros")
        assert asked


class TestExplain:
    @pytest.fixture
    def life(self, memory: Memory) -> dict[str, Observation]:
        return {
            "bonn": known(memory, "The user lived in Bonn.", status=Status.SUPERSEDED,
                          valid_from=date(2019, 1, 1), valid_to=date(2025, 3, 1)),
            "hamburg": known(memory, "The user lives in Hamburg.", valid_from=date(2025, 3, 1)),
            "tea": known(memory, "The user prefers tea to coffee.", kind=Kind.PREFERENCE),
            "nuts": known(memory, "The user is allergic to nuts.", pinned=True),
        }  # fmt: skip

    def verdicts(self, memory: Memory, question: str, k: int = 8) -> dict[str, Verdict]:
        found = explain(memory, question, now=NOW, k=k)
        return {c.item.observation.id: c.verdict for c in found.candidates if c.item.observation}

    def test_it_brings_what_a_chat_would_get(
        self, memory: Memory, life: dict[str, Observation]
    ) -> None:
        for question in (
            "Do I like tea?",
            "Where do I live?",
            "Where did I live in 2021?",
            "Peru?",
        ):
            chat = memory.recall(question, now=NOW, k=8)
            found = explain(memory, question, now=NOW, k=8)
            assert [c.item for c in found.recalled] == chat
        assert life["nuts"] in [c.item.observation for c in found.recalled]

    def test_why_not(self, memory: Memory, life: dict[str, Observation]) -> None:
        told = self.verdicts(memory, "Where did I live in 2021?")
        assert told[life["bonn"].id] is Verdict.RECALLED
        assert told[life["hamburg"].id] is Verdict.ANOTHER_TIME
        assert told[life["nuts"].id] is Verdict.PINNED
        told = self.verdicts(memory, "How tall is the tallest mountain of Peru?")
        assert Verdict.RECALLED not in told.values()

    def test_what_a_memory_says_need_not_be_said_twice(
        self, memory: Memory, store: SessionStore
    ) -> None:
        asked = say(store, store.create().id, "I bought a kayak today.")
        known(memory, "The user bought a kayak.", evidence=(Evidence(asked.id, "a kayak"),))
        found = explain(memory, "When did I buy the kayak?", now=NOW, k=8)
        [turn] = [c for c in found.candidates if c.item.turn]
        assert turn.verdict is Verdict.IS_REMEMBERED

    def test_names_days_and_factors(self, memory: Memory, life: dict[str, Observation]) -> None:
        found = explain(memory, "Did I live in Bonn in 2021?", now=NOW, k=8)
        bonn = next(c for c in found.candidates if c.item.observation == life["bonn"])
        assert bonn.names == ("bonn",)
        assert bonn.is_dated
        assert 0.9 <= bonn.freshness < 1.0
        assert found.period is not None
        assert found.best >= found.gate

    def test_a_question_of_nothing(self, memory: Memory) -> None:
        assert explain(memory, "?!", now=NOW, k=8).candidates == ()

    def test_tokens_are_about_right(self) -> None:
        assert 20 <= estimated_tokens("The user lives in Hamburg. " * 4) <= 36
        assert estimated_tokens("音楽が好き") == 5


class TestRedoOfABatch:
    def test_any_batch_not_only_the_last(self, memory: Memory) -> None:
        one, two = known(memory, "One."), known(memory, "Two.")
        memory.log.undo(one.batch_id)
        memory.log.undo(two.batch_id)
        memory.log.redo(one.batch_id)
        assert [m.statement for m in memory.log.all()] == ["One."]
        assert memory.log.redo(one.batch_id) == []
        assert [e.after.id for e in memory.log.next_undo()] == [one.id]
