"""What the session store promises: committed before use, nothing overwritten, all undoable."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsubasa_cli.errors import InputError, NotFoundError
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.locks import WriterLock
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore, provisional_title
from tsubasa_cli.storage.values import Role, TurnStatus, Usage


@pytest.fixture
def store(home: Paths) -> Iterator[SessionStore]:
    connection = connect(home)
    yield SessionStore(connection, "me")
    connection.close()


class TestAsking:
    def test_a_question_and_its_pending_reply_are_one_commit(
        self, store: SessionStore, home: Paths
    ) -> None:
        session = store.create()
        question, reply = store.ask(session.id, "Where is the swallow?")
        seen = SessionStore(connect(home)).path(session.id)
        assert [turn.id for turn in seen] == [question.id, reply.id]
        assert [turn.role for turn in seen] == [Role.USER, Role.ASSISTANT]
        assert seen[1].status is TurnStatus.PENDING

    def test_the_first_words_are_the_title_until_there_is_a_better_one(
        self, store: SessionStore
    ) -> None:
        session = store.create()
        store.ask(session.id, "one two three four five six seven eight nine")
        assert store.get(session.id).title == "one two three four five six seven…"

    def test_a_second_question_goes_below_a_reply_that_still_streams(
        self, store: SessionStore
    ) -> None:
        session = store.create()
        _, first_reply = store.ask(session.id, "first")
        second, _ = store.ask(session.id, "second")
        assert second.parent_id == first_reply.id

    def test_asking_clears_the_draft_and_brings_a_deleted_session_back(
        self, store: SessionStore
    ) -> None:
        session = store.create()
        store.ask(session.id, "hello")
        store.save_draft(session.id, "half a thou")
        store.delete(session.id)
        store.ask(session.id, "half a thought")
        found = store.get(session.id)
        assert found.draft == ""
        assert found.deleted_at is None


class TestReplies:
    def test_finish_keeps_words_thinking_and_usage(self, store: SessionStore) -> None:
        session = store.create()
        _, reply = store.ask(session.id, "hello")
        store.begin(reply.id, "tiny")
        usage = Usage(prompt=10, cached=4, evaluated=6, generated=3, decode_seconds=1.5)
        done = store.finish(reply.id, TurnStatus.COMPLETE, "hi", "hm", usage)
        assert (done.text, done.thinking, done.model) == ("hi", "hm", "tiny")
        assert done.usage == usage
        assert done.usage.tokens_per_second == 2.0

    def test_the_journal_of_a_dead_writer_becomes_a_partial_reply(
        self, store: SessionStore, home: Paths
    ) -> None:
        session = store.create()
        _, reply = store.ask(session.id, "hello")
        store.begin(reply.id, "tiny")
        for piece, text in enumerate(["Once upon", " a time", " there was "]):
            store.journal(reply.id, piece, text, "")
        [recovered] = SessionStore(connect(home), "another").recover(home.locks)
        assert recovered.text == "Once upon a time there was"
        assert recovered.status is TurnStatus.INTERRUPTED

    def test_the_reply_of_a_living_writer_is_left_alone(self, home: Paths) -> None:
        writer = WriterLock(home.locks)
        busy = SessionStore(connect(home), writer.name)
        session = busy.create()
        _, reply = busy.ask(session.id, "hello")
        other = SessionStore(connect(home), "another")
        assert other.recover(home.locks) == []
        assert other.turn(reply.id).status is TurnStatus.PENDING
        writer.release()
        assert [turn.id for turn in other.recover(home.locks)] == [reply.id]


class TestBranches:
    def test_editing_adds_a_sibling_and_shows_it(self, store: SessionStore) -> None:
        session = store.create()
        question, reply = store.ask(session.id, "first wording")
        edited, _ = store.edit(question.id, "second wording")
        assert store.path(session.id)[0].text == "second wording"
        place = store.branches(session.id)[edited.id]
        assert (place.position, place.count, place.previous_id) == (2, 2, question.id)
        store.show_branch(question.id)
        assert [turn.id for turn in store.path(session.id)] == [question.id, reply.id]

    def test_regenerating_adds_a_sibling_reply(self, store: SessionStore) -> None:
        session = store.create()
        question, reply = store.ask(session.id, "hello")
        again = store.regenerate(reply.id)
        assert again.parent_id == question.id
        assert store.path(session.id)[-1].id == again.id

    def test_only_the_right_kind_of_turn_can_be_edited_or_regenerated(
        self, store: SessionStore
    ) -> None:
        session = store.create()
        question, reply = store.ask(session.id, "hello")
        with pytest.raises(InputError):
            store.edit(reply.id, "x")
        with pytest.raises(InputError):
            store.regenerate(question.id)

    @settings(
        max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
    )
    @given(
        st.lists(st.tuples(st.sampled_from(["ask", "edit", "regenerate", "show"]), st.integers(0)))
    )
    def test_no_word_is_ever_overwritten(
        self, store: SessionStore, steps: list[tuple[str, int]]
    ) -> None:
        session = store.create()
        said: dict[int, str] = {}
        replies: list[int] = []
        for number, (step, pick) in enumerate([("ask", 0), *steps]):
            if step == "show":
                store.show_branch(sorted(said)[pick % len(said)])
                continue
            if step == "regenerate":
                replies.append(store.regenerate(replies[pick % len(replies)]).id)
                continue
            question, reply = (
                store.ask(session.id, f"words {number}")
                if step == "ask"
                else store.edit(sorted(said)[pick % len(said)], f"words {number}")
            )
            said[question.id] = f"words {number}"
            replies.append(reply.id)
        assert {turn_id: store.turn(turn_id).text for turn_id in said} == said
        path = store.path(session.id)
        assert [turn.parent_id for turn in path] == [None, *(turn.id for turn in path[:-1])]
        assert path[-1].id == store.get(session.id).head_id

    def test_a_draft_survives_everything_but_being_sent(self, store: SessionStore) -> None:
        session = store.create()
        question, reply = store.ask(session.id, "hello")
        store.save_draft(session.id, "half a thought")
        store.regenerate(reply.id)
        store.edit(question.id, "hello there")
        assert store.get(session.id).draft == "half a thought"


class TestFinding:
    def test_search_finds_titles_and_words_in_any_script(self, store: SessionStore) -> None:
        for text in ("The swallow flies south", "Käse und Brot", "明日は京都へ行きます"):
            store.ask(store.create().id, text)
        assert [hit.session.title for hit in store.search("swall south")] == [
            "The swallow flies south"
        ]
        assert [hit.session.title for hit in store.search("kase")] == ["Käse und Brot"]
        assert store.search("京都")[0].excerpt == "明日は京都へ行きます"
        assert store.search("nothing") == []

    @pytest.mark.parametrize("query", ['"', "a OR b", "NEAR(", "50%", "_", "'", "*", "col:x", ""])
    def test_query_syntax_is_only_text(self, store: SessionStore, query: str) -> None:
        store.ask(store.create().id, "plain")
        assert store.search(query) == []

    def test_an_id_may_be_shortened_while_it_is_unambiguous(self, store: SessionStore) -> None:
        session = store.create()
        assert store.get(session.id[:6]).id == session.id
        with pytest.raises(NotFoundError):
            store.get("zzz")
        with pytest.raises(NotFoundError):
            store.get("")

    def test_empty_sessions_are_not_listed_but_drafts_are(self, store: SessionStore) -> None:
        store.create()
        drafted = store.create()
        store.save_draft(drafted.id, "hm")
        assert [session.id for session in store.recent()] == [drafted.id]


class TestDeleting:
    def test_delete_is_undone_by_restore(self, store: SessionStore) -> None:
        session = store.create()
        store.ask(session.id, "keep me")
        before = store.get(session.id)
        store.delete(session.id)
        assert store.recent() == []
        assert store.search("keep") == []
        store.restore(session.id)
        assert store.get(session.id) == before

    def test_purge_leaves_no_byte_of_the_words_behind(
        self, store: SessionStore, home: Paths
    ) -> None:
        session = store.create()
        store.ask(session.id, "xyzzyplugh")
        store.purge(session.id)
        assert store.search("xyzzyplugh") == []
        assert not any(b"xyzzyplugh" in f.read_bytes() for f in home.data.glob("tsubasa.db*"))


def test_files_are_for_their_owner_alone(store: SessionStore, home: Paths) -> None:
    store.ask(store.create().id, "private")
    modes = {f.name: stat.S_IMODE(f.stat().st_mode) for f in home.data.glob("tsubasa.db*")}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(home.data.stat().st_mode) == 0o700


def test_a_rename_is_never_overruled(store: SessionStore) -> None:
    session = store.create()
    store.ask(session.id, "hello there")
    store.rename(session.id, "  My   title ")
    assert store.suggest_title(session.id, "The model's idea").title == "My title"
    with pytest.raises(InputError):
        store.rename(session.id, "   ")


def test_provisional_titles_stay_short() -> None:
    assert provisional_title("x" * 500) == "x" * 60


def test_titles_hold_nothing_that_a_terminal_would_obey(store: SessionStore) -> None:
    session = store.create()
    store.ask(session.id, "\x1b]52;c;aGk=\x07 evil \x9b31m words")
    assert store.get(session.id).title.isprintable()
    assert store.rename(session.id, "a\x1b[2Jb").title == "a [2Jb"
