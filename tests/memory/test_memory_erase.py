"""Erased is gone: from every file, and for good."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_helpers import add, change, note, say

from tsubasa_cli.conversation.export import to_json
from tsubasa_cli.conversation.export import to_markdown as as_document
from tsubasa_cli.errors import InputError, NotFoundError, StorageError
from tsubasa_cli.memory import copies, refusals, tombstones
from tsubasa_cli.memory.embedder import default_embedder
from tsubasa_cli.memory.erase import Erasure, erase, finish_erasure, plan_erase
from tsubasa_cli.memory.erasure import PlaceKind
from tsubasa_cli.memory.exchange import export_jsonl, import_jsonl
from tsubasa_cli.memory.index import MemoryIndex
from tsubasa_cli.memory.log import MemoryLog
from tsubasa_cli.memory.markdown import to_markdown
from tsubasa_cli.memory.telltale import MARK, is_telling, redact, telltale
from tsubasa_cli.memory.undo import content
from tsubasa_cli.memory.unfinished import UNFINISHED
from tsubasa_cli.memory.values import Actor, Change, Evidence, Observation, Op, Status
from tsubasa_cli.storage.database import backup, connect
from tsubasa_cli.storage.locks import WriterLock
from tsubasa_cli.storage.paths import Paths, make_private_folder, write_private
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant, Turn, TurnStatus

STATEMENT = "The user moved to Quedlinburg with a dachshund called Waldemar."
QUOTE = "I moved to Quedlinburg with my dachshund Waldemar"
SAID = f"What a day! By the way, {QUOTE}. I like green tea."
EVERYTHING = tuple(Status)


class Life:
    """A store in which one secret has spread everywhere it can."""

    def __init__(self, home: Paths) -> None:
        self.paths = home
        self.connection = connect(home)
        self.log = MemoryLog(self.connection)
        self.store = SessionStore(self.connection, "me")
        self.forgotten: list[tuple[list[str], list[int]]] = []
        self.session = self.store.create().id
        self.turn = say(
            self.store,
            self.session,
            SAID,
            "Quedlinburg is lovely! How is Waldemar? Green tea is a good choice.",
        )
        self.secret = note(STATEMENT, evidence=(Evidence(self.turn.id, QUOTE),), tags=("home",))
        self.tea = note(
            "The user likes green tea.", evidence=(Evidence(self.turn.id, "I like green tea"),)
        )
        add(self.log, self.secret, self.tea, turns=[self.turn.id])

    def forget_index(self, ids: Collection[str], turn_ids: Collection[int]) -> None:
        self.forgotten.append((list(ids), list(turn_ids)))

    def erase(self, *ids: str, owner: str = "") -> Erasure:
        plan = plan_erase(self.connection, self.paths, ids or (self.secret.id,), owner)
        return erase(
            self.connection,
            self.paths,
            plan,
            forget_index=self.forget_index,
            owner=owner,
            writer="",
        )

    def ask(self, text: str, reply: str, thinking: str = "") -> tuple[Turn, Turn]:
        question, answer = self.store.ask(self.store.create().id, text)
        return question, self.store.finish(answer.id, TurnStatus.COMPLETE, reply, thinking)

    def recall(self, turn: Turn, block: str) -> None:
        self.connection.execute("INSERT INTO turn_context VALUES (?, ?)", (turn.id, block))
        self.connection.execute(
            "INSERT INTO recalled VALUES (?, 0, ?, 1, NULL, 1.0, '[]')", (turn.id, self.secret.id)
        )

    def spread(self) -> None:
        """Put the secret wherever the program may put it."""
        self.store.rename(self.session, "Moved to Quedlinburg")
        self.store.save_draft(self.session, f"As I said, {QUOTE.lower()}, so")
        self.store.choose(self.store.create().id, system_prompt=f"Remember: {QUOTE}")
        self.store.add_summary(self.session, self.turn.id, f"They said: {QUOTE}", "")
        asked, _ = self.ask("Where do I live?", "You live in Quedlinburg.", f"Hm. {STATEMENT}")
        self.recall(asked, f"<memory>{STATEMENT}</memory>")
        _, under_way = self.store.ask(asked.session_id, "Again?")
        self.store.journal(under_way.id, 0, "You live in Qued", "")
        self.store.journal(under_way.id, 1, "linburg.", "")
        self.log.fail([asked.id], f"could not parse: {STATEMENT}")
        for session in (self.session, asked.session_id):
            (self.paths.kv_states / f"{session}.kv").write_bytes(QUOTE.encode())
            (self.paths.kv_states / f".{session}.kv.9.tmp").write_bytes(QUOTE.encode())
        self.connection.execute("INSERT INTO facts VALUES ('other', 'kept')")
        self.copy()

    def copy(self) -> None:
        """Copies of the database, whole and damaged, and exports."""
        backup(self.connection, self.paths.backups / "tsubasa-schema1.db")
        aside = self.paths.database.with_name("tsubasa.db.damaged-2026")
        aside.write_bytes(b"\0" * 5000 + SAID.upper().encode() + b"\xff" * 5000)
        aside.with_name(f"{aside.name}-wal").write_bytes(b"frames")
        make_private_folder(self.paths.exports)
        lines = "\n".join(export_jsonl(self.connection))
        (self.paths.exports / "memories.jsonl").write_text(lines)
        escaped = json.dumps({"text": f"über „{STATEMENT}“\n{QUOTE}"}, indent=2)
        (self.paths.exports / "chat.json").write_text(escaped)
        (self.paths.exports / "harmless.md").write_text("I like green tea.")
        (self.paths.logs / "engine.log").write_text(f"prompt: {QUOTE}")


@pytest.fixture
def life(home: Paths) -> Life:
    return Life(home)


def nothing(_ids: Collection[str], _turn_ids: Collection[int]) -> None:
    """There is no index to make forget."""


def _wal(database: Path) -> bytes:
    wal = database.with_name(f"{database.name}-wal")
    return wal.read_bytes() if wal.exists() else b""


def fragments(text: str, length: int = 12) -> Iterator[str]:
    plain = text.casefold()
    for start in range(len(plain) - length + 1):
        yield plain[start : start + length]


def files_with(folder: Path, texts: Collection[str]) -> dict[str, str]:
    """Each file under ``folder`` that holds a piece of ``texts``, and one such piece."""
    pieces = {piece for text in texts for piece in fragments(text)}
    found = {}
    for file in (each for each in folder.rglob("*") if each.is_file()):
        held = file.read_bytes().decode("utf-8", "replace").casefold()
        found |= {str(file): piece for piece in pieces if piece in held}
    return found


class TestEverywhere:
    def test_no_file_holds_a_piece_of_it(self, life: Life) -> None:
        life.spread()
        assert len(files_with(life.paths.data, [STATEMENT, QUOTE])) >= 10
        report = life.erase()
        assert files_with(life.paths.data, [STATEMENT, QUOTE]) == {}
        life.connection.close()
        assert files_with(life.paths.data, [STATEMENT, QUOTE]) == {}
        assert report.left == ()
        assert (life.paths.exports / "harmless.md").exists()

    def test_the_plan_lists_every_place_and_changes_nothing(self, life: Life) -> None:
        life.spread()
        before = "\n".join(life.connection.iterdump())
        plan = plan_erase(life.connection, life.paths, [life.secret.id])
        assert "\n".join(life.connection.iterdump()) == before
        kinds = {place.kind for place in plan.places}
        elsewhere = {PlaceKind.EVENT, PlaceKind.OTHER_MEMORY, PlaceKind.LEARNED}
        assert kinds == set(PlaceKind) - elsewhere
        assert all(place.where for place in plan.places)
        messages = [place.words for place in plan.places if place.kind is PlaceKind.MESSAGE]
        assert messages == [f"By the way, {QUOTE}."]

    def test_the_places_that_went_are_those_of_the_plan(self, life: Life) -> None:
        life.spread()
        plan = plan_erase(life.connection, life.paths, [life.secret.id])
        erased = life.erase()
        assert len(erased.places) == len(plan.places)
        assert {place.where for place in erased.places} == {place.where for place in plan.places}

    def test_what_was_not_erased_stays(self, life: Life) -> None:
        life.spread()
        life.erase()
        assert life.store.turn(life.turn.id).text == f"What a day! {MARK} I like green tea."
        reply = life.store.path(life.session)[1].text
        assert reply == f"{MARK} Green tea is a good choice."
        assert content(life.log.get(life.tea.id)) == content(life.tea)
        [gone] = life.log.all(status=[Status.ERASED])
        assert (gone.id, gone.statement, gone.evidence, gone.tags) == (life.secret.id, "", (), ())
        kept = life.connection.execute("SELECT value FROM facts WHERE key = 'other'").fetchone()
        assert kept["value"] == "kept"

    def test_search_finds_the_rest_and_not_what_is_gone(self, life: Life) -> None:
        life.erase()
        assert life.store.search("green tea")
        assert not life.store.search("Quedlinburg")
        assert not life.store.search("dachsh")

    def test_the_real_index_holds_no_piece_of_it_either(self, life: Life) -> None:
        index = MemoryIndex(life.paths, connect(life.paths), default_embedder())
        index.catch_up()
        words_db = life.paths.index_words
        assert b"quedlinburg" in words_db.read_bytes() + _wal(words_db)
        plan = plan_erase(life.connection, life.paths, [life.secret.id])
        erase(life.connection, life.paths, plan, forget_index=lambda _ids, _turns: index.rebuild())
        told = ["quedlinburg", "dachshund", "waldemar"]
        for file in (each for each in life.paths.data.rglob("*") if each.is_file()):
            held = file.read_bytes().lower()
            assert not [word for word in told if word[:7].encode() in held], file
        assert index.differences() == set()
        index.close()

    def test_the_index_and_the_caller_hear_what_to_let_go_of(self, life: Life) -> None:
        life.spread()
        report = life.erase()
        [(ids, turn_ids)] = life.forgotten
        assert ids == [life.secret.id]
        assert life.turn.id in turn_ids
        assert life.session in report.session_ids

    def test_every_version_goes(self, life: Life) -> None:
        second = "The user resides in Wernigerode nowadays, with Waldemar."
        third = "Nothing to see here at all, move along."
        for text in (second, third):
            change(life.log, Op.EDIT, replace(life.log.get(life.secret.id), statement=text))
        life.erase()
        assert files_with(life.paths.data, [STATEMENT, second, third]) == {}
        assert {event.after.statement for event in life.log.history(life.secret.id)} == {""}

    @pytest.mark.parametrize(
        ("said", "quote", "left"),
        [
            ("Yes. Do it.", "Yes.", f"{MARK} Do it."),
            ("I  moved\nto Quedlinburg, as I said!", QUOTE, MARK),
            (
                "私は東京に住んでいます。犬が好きです。",
                "私は東京に住んでいます",
                f"{MARK}犬が好きです。",
            ),
            (
                "Ich wohne in der Großen Straße. Hallo!",
                "ich wohne in der großen straße",
                f"{MARK} Hallo!",
            ),
            ("Dr. Who is my doctor. Fine.", "Dr. Who is my doctor", f"{MARK} Fine."),
        ],
    )
    def test_the_sentence_of_the_quote_goes_or_all(
        self, life: Life, said: str, quote: str, left: str
    ) -> None:
        turn = say(life.store, life.session, said)
        item = note("Something else altogether.", evidence=(Evidence(turn.id, quote),))
        add(life.log, item)
        life.erase(item.id)
        assert life.store.turn(turn.id).text == left

    def test_long_messages_in_a_backup_are_found(self, life: Life) -> None:
        say(life.store, life.session, "padding " * 700 + QUOTE + " padding" * 700)
        target = backup(life.connection, life.paths.backups / "long.db")
        life.erase()
        assert not target.exists()

    def test_another_session_keeps_the_name_but_not_the_sentence(self, life: Life) -> None:
        asked, answer = life.ask(
            f"Is Quedlinburg old? {QUOTE}!", "Quedlinburg has 1,300 old houses."
        )
        life.erase()
        assert life.store.turn(asked.id).text == f"Is Quedlinburg old? {MARK}"
        assert life.store.turn(answer.id).text == "Quedlinburg has 1,300 old houses."

    def test_the_same_message_is_looked_through_more_closely_than_others(self, life: Life) -> None:
        same = say(life.store, life.session, "Aakirkeby is nice. I live in Aakirkeby on Bornholm.")
        one = say(life.store, life.session, "How large is Bornholm?")
        both = say(life.store, life.session, "Where on Bornholm is Aakirkeby? Thanks.")
        evidence = (Evidence(same.id, "I live in Aakirkeby on Bornholm"),)
        item = note("The user lives in Aakirkeby on Bornholm.", evidence=evidence)
        add(life.log, item)
        life.erase(item.id)
        texts = [life.store.turn(turn.id).text for turn in (same, one, both)]
        assert texts == [MARK, "How large is Bornholm?", f"{MARK} Thanks."]

    def test_the_owners_name_gives_nothing_away(self, life: Life) -> None:
        item = note("Ottokar plays chess at Bankside.", evidence=(Evidence(life.turn.id, QUOTE),))
        add(life.log, item)
        life.store.finish(
            life.store.path(life.session)[1].id, TurnStatus.COMPLETE, "Hello Ottokar!"
        )
        life.erase(item.id, owner="Ottokar")
        assert life.store.path(life.session)[1].text == "Hello Ottokar!"


def session_export(life: Life) -> str:
    session = life.store.get(life.session)
    return to_json(session, life.store.path(life.session))


def session_document(life: Life) -> str:
    return as_document(life.store.get(life.session), life.store.path(life.session))


def memory_document(life: Life) -> str:
    return to_markdown(life.log.all(), {life.turn.id: life.turn}, Instant.now())


def memory_lines(life: Life) -> str:
    return "".join(f"{line}\n" for line in export_jsonl(life.connection))


class TestFilesSomebodyPutThere:
    """What lies in the data folder beside what the program keeps there."""

    @pytest.mark.parametrize(
        "written", [memory_lines, memory_document, session_export, session_document]
    )
    @pytest.mark.parametrize(
        "name", ["mine.txt", "models/notes/all.jsonl", "learn/x.md", ".mine.jsonl.7.tmp"]
    )
    def test_an_export_by_hand_is_listed_and_goes(
        self, life: Life, written: Callable[[Life], str], name: str
    ) -> None:
        file = life.paths.data / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write_private(file, written(life).encode())
        plan = plan_erase(life.connection, life.paths, [life.secret.id])
        assert str(file) in [place.where for place in plan.places]
        assert plan.stays == ()
        assert file.exists()
        report = life.erase()
        assert not file.exists()
        assert str(file) in [place.where for place in report.places]
        life.connection.close()
        assert files_with(life.paths.data, [STATEMENT, QUOTE]) == {}
        assert report.left == report.unswept == ()

    @pytest.mark.parametrize(
        "text", [QUOTE, STATEMENT.upper(), json.dumps({"said": f"„{QUOTE}“ é"}), f"x\n\n{QUOTE}"]
    )
    def test_a_file_of_somebody_elses_is_told_of_and_stays(self, life: Life, text: str) -> None:
        mine = life.paths.data / "diary" / "2026.txt"
        mine.parent.mkdir()
        mine.write_text(text)
        plan = plan_erase(life.connection, life.paths, [life.secret.id])
        assert plan.stays == (mine,)
        assert str(mine) not in [place.where for place in plan.places]
        report = life.erase()
        assert mine.read_text() == text
        assert report.left == (mine,)
        assert set(files_with(life.paths.data, [STATEMENT, QUOTE])) == {str(mine)}

    def test_a_copy_of_the_database_made_by_hand_is_told_of(self, life: Life) -> None:
        target = backup(life.connection, life.paths.data / "before-the-move.sqlite")
        assert plan_erase(life.connection, life.paths, [life.secret.id]).stays == (target,)
        assert life.erase().left == (target,)

    def test_a_link_is_not_followed_to_what_it_leads_to(self, life: Life, tmp_path: Path) -> None:
        outside = tmp_path / "outside.jsonl"
        outside.write_text(memory_lines(life))
        link = life.paths.data / "link.jsonl"
        link.symlink_to(outside)
        assert life.erase().left == (link,)
        assert link.is_symlink()
        assert QUOTE in outside.read_text()

    def test_exports_without_it_and_weights_are_left_alone(self, life: Life) -> None:
        (life.paths.data / "old.jsonl").write_text('{"format": "tsubasa-memory-1"}\n')
        weights = life.paths.models / "some.gguf"
        weights.write_bytes(b"GGUF" + QUOTE.encode())
        plan = plan_erase(life.connection, life.paths, [life.secret.id])
        assert plan.stays == ()
        assert PlaceKind.EXPORT not in {place.kind for place in plan.places}
        life.erase()
        assert weights.exists()
        assert (life.paths.data / "old.jsonl").exists()

    def test_a_state_of_another_chat_is_numbers_and_not_read(self, life: Life) -> None:
        state = life.paths.kv_states / "other.kv"
        state.write_bytes(b"qsgg" + QUOTE.encode())
        plan = plan_erase(life.connection, life.paths, [life.secret.id])
        assert str(state) not in [place.where for place in plan.places]
        life.erase()
        assert state.exists()

    def test_what_is_left_in_files_of_the_programs_own_is_not_called_the_users(
        self, life: Life, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left = life.paths.index / "segment.bin"

        def forget_badly(*_given: object) -> None:
            left.parent.mkdir(parents=True, exist_ok=True)
            left.write_text(QUOTE)

        monkeypatch.setattr(life, "forget_index", forget_badly)
        report = life.erase()
        assert report.left == ()
        assert report.unswept == (left,)

    def test_what_comes_and_goes_meanwhile_is_no_obstacle(
        self, life: Life, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As the files of an index do that is built anew while one looks."""
        listed = copies._files
        coming = life.paths.index / "new" / "segment.bin"
        going = life.paths.data / "passing.tmp"

        def files(folder: Path, but: Path | None = None) -> Iterator[Path]:
            coming.parent.mkdir(parents=True, exist_ok=True)
            coming.write_text(QUOTE)
            yield from listed(folder, but)
            coming.unlink()
            coming.parent.rmdir()
            yield going

        monkeypatch.setattr(copies, "_files", files)
        assert plan_erase(life.connection, life.paths, [life.secret.id]).stays == ()
        assert life.erase().left == ()


READ_AND_CLOSE = (
    "import sqlite3, sys; from contextlib import closing\n"
    "with closing(sqlite3.connect(sys.argv[1])) as connection:\n"
    "    print(*(row[0] for row in connection.execute('SELECT statement FROM observations')))"
)


class TestLocks:
    """SQLite's locks go when the process closes a descriptor of its file, whoever opened it."""

    def seen_elsewhere(self, life: Life) -> str:
        """What another program reads, which takes the database for closed if it can."""
        command = [sys.executable, "-c", READ_AND_CLOSE, str(life.paths.database)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @pytest.mark.parametrize("deed", ["plan", "erase"])
    def test_are_held_whatever_is_looked_through(self, life: Life, deed: str) -> None:
        life.spread()
        if deed == "plan":
            plan_erase(life.connection, life.paths, [life.secret.id])
        else:
            life.erase()
        add(life.log, note("The user plays the harp."))
        self.seen_elsewhere(life)
        add(life.log, note("The user keeps bees."))
        assert _wal(life.paths.database)
        seen = self.seen_elsewhere(life)
        assert "harp" in seen
        assert "bees" in seen


class TestOtherMemories:
    def test_one_that_says_the_same_goes_too(self, life: Life) -> None:
        twin = note(STATEMENT.upper(), status=Status.QUARANTINED)
        add(life.log, twin)
        report = life.erase()
        assert set(report.memory_ids) == {life.secret.id, twin.id}
        assert len(life.log.all(status=[Status.ERASED])) == 2

    def test_a_narrative_loses_the_part_that_is_erased(self, life: Life) -> None:
        old = note("The user works at Acme.", slot="job")
        add(life.log, old)
        new = note(
            "Until 3 May 2026: the user worked at Acme; since then: the user works at Globex.",
            supersedes=(old.id,),
        )
        closed = replace(old, status=Status.SUPERSEDED, valid_to=date(2026, 5, 3))
        life.log.commit(
            [Change(Op.SUPERSEDE, closed), Change(Op.RECONCILE, new)], actor=Actor.MODEL
        )
        life.erase(old.id)
        expected = f"Until 3 May 2026: {MARK} since then: the user works at Globex."
        assert life.log.get(new.id).statement == expected
        assert life.log.replay() == {o.id: o for o in life.log.all(status=EVERYTHING)}
        assert files_with(life.paths.data, ["worked at Acme", "works at Acme"]) == {}

    def test_a_quote_they_share_goes(self, life: Life) -> None:
        other = note("The user travels.", evidence=(Evidence(life.turn.id, QUOTE),))
        add(life.log, other)
        life.erase()
        assert life.log.get(other.id).evidence == (Evidence(life.turn.id, MARK),)
        assert files_with(life.paths.data, [QUOTE]) == {}


class TestForGood:
    def test_reading_the_same_words_again_brings_nothing_back(self, life: Life) -> None:
        life.erase()
        life.connection.execute("DELETE FROM memory_turns")
        same = replace(life.secret, id="magain1")
        reworded = replace(same, id="magain2", statement="The user lives in a town.")
        assert add(life.log, same, reworded, turns=[life.turn.id]) == []
        assert {each.reason for each in life.log.refusals()} == {refusals.ERASED}
        assert life.log.pending() == []
        assert files_with(life.paths.data, [STATEMENT, QUOTE]) == {}

    def test_a_change_thought_out_before_does_not_bring_it_back(self, life: Life) -> None:
        twin = note("The user owns a pet.", evidence=(Evidence(life.turn.id, QUOTE),))
        add(life.log, twin)
        life.erase()
        stale = [Change(Op.IGNORE, replace(each, pinned=True)) for each in (life.secret, twin)]
        assert life.log.commit(stale, actor=Actor.USER) == []

    def test_neither_undo_nor_redo_brings_it_back(self, life: Life) -> None:
        batch = life.log.history(life.secret.id)[0].batch_id
        life.erase()
        life.log.undo(batch)
        assert life.log.get(life.secret.id).status is Status.ERASED
        assert life.log.get(life.tea.id).status is Status.FORGOTTEN
        life.log.redo()
        assert life.log.get(life.secret.id).status is Status.ERASED
        assert life.log.get(life.tea.id).status is Status.ACTIVE

    def test_an_erasure_that_was_last_is_not_passed_over(self, life: Life) -> None:
        batch = life.log.history(life.tea.id)[0].batch_id
        life.erase()
        with pytest.raises(InputError, match="cannot be undone") as refused:
            life.log.undo_last()
        assert refused.value.next_step.endswith(f"tsubasa memory undo {batch}")
        assert life.log.get(life.tea.id).status is Status.ACTIVE
        add(life.log, note("The user sings."))
        assert len(life.log.undo_last()) == 1
        with pytest.raises(InputError, match="cannot be undone"):
            life.log.undo_last()

    def test_only_an_import_brings_it_back(self, life: Life) -> None:
        file = list(export_jsonl(life.connection))
        before = content(life.log.get(life.secret.id))
        life.erase()
        assert import_jsonl(life.connection, file).brought_back == (life.secret.id,)
        assert content(life.log.get(life.secret.id)) == before
        assert len(add(life.log, replace(life.secret, id="magain1"))) == 1
        assert import_jsonl(life.connection, file).brought_back == ()

    def test_erased_again_after_an_import_it_is_gone_again(self, life: Life) -> None:
        file = list(export_jsonl(life.connection))
        life.erase()
        import_jsonl(life.connection, file)
        life.log.undo()
        life.log.redo()
        life.erase()
        assert files_with(life.paths.data, [STATEMENT, QUOTE]) == {}

    def test_an_export_does_not_tell_of_it(self, life: Life) -> None:
        life.erase()
        file = "\n".join(export_jsonl(life.connection))
        assert life.secret.id not in file
        assert life.tea.id in file

    def test_digests_cannot_be_tried_out_elsewhere(self, home: Paths, tmp_path: Path) -> None:
        stores = [connect(home), connect(Paths(tmp_path / "b", tmp_path / "b"))]
        digests = set()
        for store in stores:
            tombstones.bury(store, [STATEMENT])
            digests.add(store.execute("SELECT digest FROM tombstones").fetchone()["digest"])
        assert len(digests) == 2
        assert tombstones.is_buried(
            stores[0], ["the user MOVED to quedlinburg, with a dachshund called Waldemar"]
        )


class TestTrouble:
    def test_what_is_unknown_or_erased_cannot_be_planned(self, life: Life) -> None:
        with pytest.raises(NotFoundError):
            plan_erase(life.connection, life.paths, ["m404"])
        life.erase()
        with pytest.raises(InputError, match="erased already"):
            plan_erase(life.connection, life.paths, [life.secret.id])

    def test_another_open_program_is_in_the_way(self, life: Life) -> None:
        other, mine = WriterLock(life.paths.locks), WriterLock(life.paths.locks)
        plan = plan_erase(life.connection, life.paths, [life.secret.id])
        with pytest.raises(StorageError, match="open"):
            erase(
                life.connection,
                life.paths,
                plan,
                forget_index=life.forget_index,
                writer=mine.name,
            )
        assert life.log.get(life.secret.id).statement == STATEMENT
        other.release()
        erase(life.connection, life.paths, plan, forget_index=life.forget_index, writer=mine.name)
        assert life.log.get(life.secret.id).statement == ""

    def test_a_reader_only_delays_the_sweep(self, life: Life) -> None:
        reader = connect(life.paths)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM turns").fetchone()
        reader.execute("PRAGMA busy_timeout = 100")
        life.connection.execute("PRAGMA busy_timeout = 100")
        with pytest.raises(StorageError):
            life.erase()
        assert life.log.get(life.secret.id).status is Status.ERASED
        reader.execute("ROLLBACK")
        assert finish_erasure(life.connection, life.paths, life.forget_index)
        assert files_with(life.paths.data, [STATEMENT, QUOTE]) == {}
        assert not finish_erasure(life.connection, life.paths, life.forget_index)

    @pytest.mark.parametrize(
        "statement", ["UPDATE turns", "INSERT OR REPLACE INTO facts", "VACUUM", "DELETE FROM facts"]
    )
    def test_a_kill_on_the_way_leaves_all_or_what_can_be_finished(
        self, home: Paths, statement: str
    ) -> None:
        life = Life(home)
        life.spread()
        life.connection.close()
        script = f"""
import os, signal
from tsubasa_cli.memory.erase import erase, plan_erase
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
paths = Paths.from_environment()
connection = connect(paths)
plan = plan_erase(connection, paths, [{life.secret.id!r}])
connection.set_trace_callback(
    lambda sql: sql.startswith({statement!r}) and os.kill(os.getpid(), signal.SIGKILL)
)
erase(connection, paths, plan, forget_index=lambda ids, turns: None)
"""
        assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
        connection = connect(home)
        log = MemoryLog(connection)
        if log.get(life.secret.id).status is Status.ERASED:
            finish_erasure(connection, home, nothing)
        else:
            plan = plan_erase(connection, home, [life.secret.id])
            erase(connection, home, plan, forget_index=nothing)
        assert files_with(home.data, [STATEMENT, QUOTE]) == {}
        row = connection.execute("SELECT 1 FROM facts WHERE key = ?", (UNFINISHED,)).fetchone()
        assert row is None


sentences = st.lists(
    st.text(st.sampled_from("abcdeé 東京ß.,!"), min_size=4, max_size=40), min_size=1, max_size=5
)


@settings(max_examples=200, deadline=None)
@given(sentences, st.data())
def test_what_is_redacted_no_longer_tells(parts: list[str], data: st.DataObject) -> None:
    text = "\n".join(parts)
    start = data.draw(st.integers(0, len(text)))
    quote = text[start : data.draw(st.integers(start, len(text)))]
    known = telltale([], [quote], [])
    assert not known.tells(redact(text, known, known.tells))


WORDS = (
    "I live in Bonn with Ada and two cats Since May we rent a flat near the Rhine 1998 "
    "東京に住む Straße über the user Biscuit moved"
)
vocabulary = st.sampled_from(WORDS.split())
utterances = st.lists(
    st.lists(vocabulary, min_size=2, max_size=9).map(" ".join), min_size=1, max_size=3
).map(". ".join)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(utterances, utterances), min_size=1, max_size=5), st.data())
def test_whatever_was_said_nothing_of_what_is_erased_is_left(
    tmp_path_factory: pytest.TempPathFactory, talk: list[tuple[str, str]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("life")
    paths = Paths(folder, folder).ensure()
    connection = connect(paths)
    connection.execute("PRAGMA synchronous = OFF")
    log, store = MemoryLog(connection), SessionStore(connection)
    session = store.create().id
    for said, reply in talk:
        turn = say(store, session, said, reply)
        pieces = said.split(" ")
        start = data.draw(st.integers(0, len(pieces) - 1))
        quote = " ".join(pieces[start : data.draw(st.integers(start + 1, len(pieces)))])
        add(log, note(data.draw(utterances), evidence=(Evidence(turn.id, quote),)))
        if data.draw(st.booleans()):
            session = store.create().id
    backup(connection, paths.backups / "copy.db")
    gone = data.draw(st.lists(st.sampled_from(log.all()), min_size=1, unique=True))
    words = [text for item in gone for text in tombstones.words_of(item) if is_telling(text)]
    plan = plan_erase(connection, paths, [item.id for item in gone])
    report = erase(connection, paths, plan, forget_index=nothing)
    assert report.left == ()
    held = "\n".join(connection.iterdump()).casefold()
    assert [text for text in words if text.casefold() in held] == []
    assert log.replay() == {each.id: each for each in log.all(status=EVERYTHING)}


@settings(max_examples=10, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=4), st.data())
def test_out_then_all_erased_then_in_again_is_identity(
    tmp_path_factory: pytest.TempPathFactory, said: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("life")
    paths = Paths(folder, folder)
    connection = connect(paths)
    connection.execute("PRAGMA synchronous = OFF")
    log, store = MemoryLog(connection), SessionStore(connection)
    session = store.create().id
    for text in said:
        turn = say(store, session, text)
        quoted = (Evidence(turn.id, text), Evidence(None, data.draw(st.text(max_size=9))))
        add(log, note(data.draw(st.text(max_size=40)), evidence=quoted), turns=[turn.id])
        if data.draw(st.booleans()):
            log.undo()
    before = {each.id: content(each) for each in log.all(status=EVERYTHING)}
    file = list(export_jsonl(connection))
    plan = plan_erase(connection, paths, before)
    erase(connection, paths, plan, forget_index=nothing)
    assert log.all(status=set(Status) - {Status.ERASED}) == []
    report = import_jsonl(connection, file)
    assert set(report.brought_back) == set(before)
    assert {each.id: content(each) for each in log.all(status=EVERYTHING)} == before
    assert log.replay() == {each.id: each for each in log.all(status=EVERYTHING)}


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sets(st.integers(0, 4)))
def test_the_laws_of_the_log_hold_over_what_is_not_erased(
    tmp_path_factory: pytest.TempPathFactory, gone: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("life")
    paths = Paths(folder, folder)
    connection = connect(paths)
    connection.execute("PRAGMA synchronous = OFF")
    log = MemoryLog(connection)
    names = ("Alpha", "Bravo", "Carol", "Delta", "Echos")
    items: list[Observation] = [note(f"The user once met {name} in a café.") for name in names]
    for item in items:
        add(log, item)
        change(log, Op.PIN, replace(log.get(item.id), pinned=True))
    if gone:
        plan = plan_erase(connection, paths, [items[each].id for each in gone])
        erase(connection, paths, plan, forget_index=nothing)
    everything = {each.id: each for each in log.all(status=EVERYTHING)}
    assert log.replay() == everything
    left = {item.id for place, item in enumerate(items) if place not in gone}
    assert {each.id for each in log.all()} == left
    steps = 0
    while log.undo():
        steps += 1
    assert steps == 2 * len(left)
    assert log.all() == []
    while log.redo():
        pass
    assert {each.id for each in log.all()} == left
    assert all(each.pinned for each in log.all())
