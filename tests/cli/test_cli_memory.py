"""``tsubasa memory`` as a script sees it: output, exit codes, files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pexpect
import pytest
from typer.testing import CliRunner

from tsubasa_cli.cli.commands import app
from tsubasa_cli.errors import TsubasaError
from tsubasa_cli.memory.log import MemoryLog, new_id
from tsubasa_cli.memory.values import Actor, Change, Evidence, Observation, Op, Status
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import TurnStatus

RUNNER = CliRunner()
COMMANDS = (
    *("list", "show", "search", "stats", "log"),
    *("erase", "add", "edit", "pin", "unpin", "forget", "restore", "undo", "redo"),
    *("export", "import", "process", "rebuild"),
)


def memory(*arguments: str) -> str:
    """Standard output of a command that must succeed."""
    done = RUNNER.invoke(app, ["memory", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def facts(*arguments: str) -> Any:
    return json.loads(memory(*arguments, "--json"))


def tsubasa(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tsubasa_cli", "memory", *arguments],
        input=b"",
        capture_output=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


@pytest.fixture
def log(home: Paths) -> MemoryLog:
    return MemoryLog(connect(home))


@pytest.fixture
def learned(home: Paths, log: MemoryLog) -> Observation:
    """One memory that a model learned from a conversation."""
    store = SessionStore(connect(home))
    session = store.create()
    asked, reply = store.ask(session.id, "I started at Siemens on 1 May 2024, by the way.")
    store.finish(reply.id, TurnStatus.COMPLETE, "Congratulations!")
    observation = Observation(
        id=new_id(),
        statement="The user works at Siemens.",
        recorded_at=asked.created_at,
        event_from=date(2024, 5, 1),
        event_to=date(2024, 5, 1),
        time_expr="on 1 May 2024",
        valid_from=date(2024, 5, 1),
        evidence=(Evidence(asked.id, "I started at Siemens"),),
        slot="employer",
    )
    log.commit([Change(Op.ADD, observation, "new")], actor=Actor.MODEL, turns=[asked.id])
    return log.get(observation.id)


class TestSeeing:
    def test_json_tells_everything(self, home: Paths, learned: Observation) -> None:
        [shown] = facts("list")
        [session] = SessionStore(connect(home)).recent()
        today = learned.recorded_at.local().date().isoformat()
        assert shown["id"] == learned.id
        assert shown["statement"] == "The user works at Siemens."
        assert (shown["kind"], shown["status"]) == ("state", "active")
        assert shown["event_from"] == shown["event_to"] == shown["valid_from"] == "2024-05-01"
        assert shown["valid_to"] is None
        [evidence] = shown["evidence"]
        assert evidence["quote"] == "I started at Siemens"
        assert evidence["session_id"] == session.id
        assert evidence["turn_id"] == learned.evidence[0].turn_id
        assert evidence["date"] == today
        assert [(event["op"], event["actor"]) for event in shown["history"]] == [("add", "model")]
        assert facts("show", learned.id[:4]) == shown

    def test_a_pipe_gets_one_memory_a_line(self, learned: Observation) -> None:
        today = learned.recorded_at.local().strftime("%Y-%m-%d")
        expected = f"{learned.id}  {today}  state         The user works at Siemens.\n"
        assert memory("list") == expected
        assert tsubasa("list").stdout.decode() == expected

    def test_show_says_where_it_is_from_and_what_happened(
        self, home: Paths, learned: Observation
    ) -> None:
        shown = memory("show", learned.id)
        [session] = SessionStore(connect(home)).recent()
        for part in ("“I started at Siemens”", session.id, "since 2024-05-01", "add by model"):
            assert part in shown

    def test_only_what_is_asked_for(self, log: MemoryLog, learned: Observation) -> None:
        memory("add", "I like tea.", "--kind", "preference")
        memory("forget", learned.id)
        assert [each["statement"] for each in facts("list")] == ["The user likes tea."]
        assert len(facts("list", "--all")) == 2
        assert [each["id"] for each in facts("list", "--status", "forgotten")] == [learned.id]
        assert facts("list", "--kind", "event") == []
        assert len(facts("list", "--all", "--limit", "1")) == 1
        assert len(log.all()) == 1

    def test_nothing_known_is_no_error(self, home: Paths) -> None:  # noqa: ARG002
        done = tsubasa("list")
        assert (done.returncode, done.stdout) == (0, b"")
        assert b"Nothing is known yet" in done.stderr
        assert facts("list") == facts("log") == []

    def test_words_cannot_steer_the_terminal(self, log: MemoryLog, learned: Observation) -> None:
        memory("add", "Ana likes \x1b[31mred\x1b[0m\ntea \u202e too.")
        assert [each.statement for each in log.all() if each.id != learned.id] == [
            "Ana likes [31mred [0m tea too."
        ]


class TestByHand:
    def test_adding_with_kind_tags_and_date(self, log: MemoryLog) -> None:
        [noted] = facts(
            *("add", "I", "moved to Lisbon.", "--kind", "event", "--tag", "home", "--tag", "home"),
            *("--date", "3 May 2024"),
        )
        assert noted["statement"] == "The user moved to Lisbon."
        assert (noted["kind"], noted["tags"]) == ("event", ["home"])
        assert noted["origin"] == "user_edited"
        assert (noted["event_from"], noted["event_to"]) == ("2024-05-03", "2024-05-03")
        assert (noted["precision"], noted["time_expr"]) == ("day", "3 May 2024")
        [evidence] = noted["evidence"]
        assert (evidence["quote"], evidence["turn_id"]) == ("I moved to Lisbon.", None)
        assert log.get(noted["id"]).statement == noted["statement"]

    @pytest.mark.parametrize(
        ("words", "statement", "kind"),
        [
            ("I am allergic to nuts.", "The user is allergic to nuts.", None),
            ("My sister Ana lives in Rome", "The user's sister Ana lives in Rome.", None),
            ("Ana's birthday is on 3 May", "Ana's birthday is on 3 May.", None),
            ("Ich wohne in Bonn.", "Der Nutzer wohnt in Bonn.", "state"),
        ],
    )
    def test_words_are_told_as_all_memories_are(
        self, log: MemoryLog, words: str, statement: str, kind: str | None
    ) -> None:
        [noted] = facts("add", words)
        assert noted["statement"].rstrip(".") == statement.rstrip(".")
        assert noted["evidence"][0]["quote"] == words
        assert kind in (None, noted["kind"])
        assert len(log.all()) == 1

    def test_what_can_have_one_value_only_is_replaced(
        self, learned: Observation, log: MemoryLog
    ) -> None:
        [noted] = facts("add", "I work at Bosch.", "--date", "2025-02")
        old = log.get(learned.id)
        assert (old.status, old.valid_to) == (Status.SUPERSEDED, date(2025, 2, 1))
        assert noted["supersedes"] == [learned.id]
        assert (noted["valid_from"], noted["precision"]) == ("2025-02-01", "month")
        memory("undo")
        assert log.get(learned.id).status is Status.ACTIVE
        memory("redo")
        [past] = facts("add", "I work at Opel.", "--date", "2011")
        assert (past["status"], past["valid_to"]) == ("superseded", "2025-02-01")
        assert [each.statement for each in log.all()] == [noted["statement"]]

    def test_editing_keeps_dates_and_evidence(self, learned: Observation) -> None:
        [edited] = facts("edit", learned.id, "The user works at Bosch.")
        assert edited["statement"] == "The user works at Bosch."
        assert edited["origin"] == "user_edited"
        assert edited["valid_from"] == "2024-05-01"
        assert edited["evidence"][0]["quote"] == "I started at Siemens"
        assert [event["op"] for event in edited["history"]] == ["add", "edit"]

    def test_editing_in_an_editor(self, learned: Observation, log: MemoryLog) -> None:
        done = tsubasa("edit", learned.id, VISUAL="sed -i s/Siemens/Bosch/")
        assert done.returncode == 0, done.stderr
        assert log.get(learned.id).statement == "The user works at Bosch."
        assert tsubasa("edit", learned.id, VISUAL="false").returncode == 2
        assert tsubasa("edit", learned.id, VISUAL="true").stdout.startswith(learned.id.encode())
        assert len(log.history(learned.id)) == 2

    def test_pin_forget_restore_undo_redo(self, learned: Observation, log: MemoryLog) -> None:
        def status() -> Status:
            return log.get(learned.id).status

        memory("pin", learned.id)
        assert log.get(learned.id).pinned
        memory("pin", learned.id)
        memory("unpin", learned.id)
        assert not log.get(learned.id).pinned
        assert learned.id in memory("forget", learned.id[:5])
        assert status() is Status.FORGOTTEN
        assert memory("forget", learned.id) == ""
        memory("restore", learned.id)
        assert status() is Status.ACTIVE
        memory("undo")
        assert status() is Status.FORGOTTEN
        memory("redo")
        assert status() is Status.ACTIVE
        assert len(log.history(learned.id)) == 7

    def test_what_waits_for_a_yes_or_no(self, log: MemoryLog, learned: Observation) -> None:
        from dataclasses import replace

        held = replace(learned, id=new_id(), status=Status.QUARANTINED)
        held_too = replace(held, id=new_id())
        log.commit([Change(Op.ADD, held), Change(Op.ADD, held_too)], actor=Actor.MODEL)
        memory("restore", held.id)
        memory("forget", held_too.id)
        assert log.get(held.id).status is Status.ACTIVE
        assert [e.op for e in log.history(held.id)] == [Op.ADD, Op.APPROVE]
        assert [e.op for e in log.history(held_too.id)] == [Op.ADD, Op.REJECT]
        memory("restore", held_too.id)
        assert log.get(held_too.id).status is Status.QUARANTINED

    def test_what_is_restored_tells_of_its_place(self, log: MemoryLog) -> None:
        memory("add", "I work at Acme.", "--date", "2024-05-03")
        [acme] = log.all()
        memory("forget", acme.id)
        memory("add", "I work at Globex.", "--date", "2020-01-01")
        [globex] = log.all()
        done = RUNNER.invoke(app, ["memory", "restore", acme.id])
        assert f"It replaces {globex.id}: The user works at Globex." in done.stderr
        memory("undo")
        memory("forget", globex.id)
        memory("restore", acme.id)
        done = RUNNER.invoke(app, ["memory", "restore", globex.id])
        assert f"{globex.id} is kept as what was so before" in done.stderr

    def test_an_import_is_taken_back_whole(self, log: MemoryLog, tmp_path: Path) -> None:
        file = tmp_path / "memories.jsonl"
        for number in range(3):
            memory("add", f"I own boat {number}.")
        memory("export", str(file))
        for each in log.all():
            memory("erase", each.id, "--yes")
        memory("import", str(file))
        assert len(facts("undo")) == 3
        assert facts("list") == []
        assert len(facts("redo")) == 3
        assert len(facts("list")) == 3

    def test_an_erasure_is_not_passed_over(self, log: MemoryLog) -> None:
        memory("add", "I like tea.")
        [tea] = log.all()
        memory("add", "I own a boat.")
        memory("erase", log.all()[0].id, "--yes")
        done = tsubasa("undo")
        assert done.returncode == 2
        assert b"cannot be undone" in done.stderr
        assert f"tsubasa memory undo {tea.batch_id}".encode() in done.stderr
        assert facts("list")[0]["id"] == tea.id

    def test_a_purged_conversation_leaves_its_quotes_and_says_so(
        self, home: Paths, learned: Observation, log: MemoryLog
    ) -> None:
        store = SessionStore(connect(home))
        [session] = store.recent()
        bare = store.create()
        store.ask(bare.id, "Nothing is learned of this.")
        memory("forget", learned.id)
        done = RUNNER.invoke(app, ["session", "delete", session.id, "--purge", "--yes"])
        assert "removed for good. 1 memory still quotes its words." in done.stderr
        assert f"tsubasa memory erase {learned.id}" in done.stderr
        memory("erase", learned.id, "--yes")
        assert b"I started at Siemens" not in home.database.read_bytes()
        done = RUNNER.invoke(app, ["session", "delete", bare.id, "--purge", "--yes"])
        assert done.stderr == "The conversation is removed for good.\n"
        assert log.get(learned.id).status is Status.ERASED

    def test_erased_twice_it_does_not_vouch_for_files_of_the_users(
        self, home: Paths, learned: Observation
    ) -> None:
        notes = home.data / "notes.txt"
        notes.write_text("The user works at Siemens. I started at Siemens.")
        assert tsubasa("erase", learned.id, "--yes").returncode == 4
        again = tsubasa("erase", learned.id, "--yes")
        assert again.returncode == 2
        assert b"yours to remove" in again.stderr
        assert b"Nothing of it is left." not in again.stderr

    def test_undoing_a_batch_by_its_name(self, learned: Observation, log: MemoryLog) -> None:
        memory("add", "I like tea.")
        memory("undo", learned.batch_id)
        assert log.get(learned.id).status is Status.FORGOTTEN
        assert [event["op"] for event in facts("log", "-n", "2")] == ["undo", "add"]
        assert learned.batch_id in memory("log", "--limit", "0")
        assert len(facts("log", "--batch", learned.batch_id)) == 1

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (["show", "nope"], 3, "no memory 'nope'"),
            (["forget", "nope"], 3, "no memory"),
            (["add", "   "], 2, "nothing to remember"),
            (["add", "x" * 1001], 2, "one sentence"),
            (["add", "tea", "--kind", "colour"], 2, "colour"),
            (["add", "I like tea.", "--date", "the moon"], 2, "'the moon' is no date"),
            (["search", "tea", "--as-of", "the moon"], 2, "is no date"),
            (["erase", "nope", "--yes"], 3, "no memory"),
            (["edit", "nope", "words"], 3, "no memory"),
            (["undo", "bnothing"], 3, "no batch"),
            (["import", "nowhere.jsonl"], 2, "Cannot read"),
            (["import", "chatgpt"], 2, "Which file"),
            (["import", "gemini", "x.json"], 2, "'gemini' are not known"),
            (["import", "log", "nowhere.jsonl"], 2, "Cannot read"),
            (["process", "--session", "nope"], 3, "no session"),
        ],
    )
    def test_mistakes_are_told_with_their_exit_code(
        self,
        home: Paths,  # noqa: ARG002
        arguments: list[str],
        code: int,
        words: str,
    ) -> None:
        done = RUNNER.invoke(app, ["memory", *arguments])
        assert done.stdout == ""
        if isinstance(done.exception, TsubasaError):
            assert (done.exception.exit_code, words in str(done.exception)) == (code, True)
            assert done.exception.next_step
        else:
            assert (done.exit_code, words in done.stderr) == (code, True)

    def test_mistakes_reach_a_script_without_a_traceback(self, home: Paths) -> None:  # noqa: ARG002
        done = tsubasa("show", "nope")
        assert (done.returncode, done.stdout) == (3, b"")
        assert done.stderr.startswith(b"tsubasa: There is no memory 'nope'.")
        assert b"Traceback" not in done.stderr

    def test_what_is_known_is_not_noted_twice(self, log: MemoryLog, learned: Observation) -> None:
        with pytest.raises(TsubasaError, match=learned.id):
            memory("add", "the user works at siemens.")
        assert len(log.all()) == 1


class TestFiles:
    def test_memories_leave_and_come_back(
        self,
        learned: Observation,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        file = tmp_path / "memories.jsonl"
        before = facts("list", "--all")
        assert facts("export", str(file)) == {"file": str(file), "format": "jsonl"}
        assert file.stat().st_mode & 0o777 == 0o600
        assert memory("export", "-").count("\n") == file.read_text().count("\n") == 3
        monkeypatch.setenv("TSUBASA_HOME", str(tmp_path / "elsewhere"))
        assert facts("import", str(file))["added"] == [learned.id]
        assert facts("import", str(file))["unchanged"] == [learned.id]
        [after] = facts("list", "--all")
        for name in ("id", "statement", "valid_from", "recorded_at", "slot", "version"):
            assert after[name] == before[0][name]

    def test_a_document_to_read(self, learned: Observation, tmp_path: Path) -> None:
        memory("export", str(tmp_path / "memories.MD"))
        told = (tmp_path / "memories.MD").read_text()
        assert told.startswith("# Memories")
        assert learned.statement in told
        assert "I started at Siemens" in told

    def test_a_log_is_stored_with_its_dates_and_distilled_later(
        self, home: Paths, log: MemoryLog, tmp_path: Path
    ) -> None:
        line = {"session": "a", "role": "user", "text": "I like tea."}
        file = tmp_path / "life.jsonl"
        times = ["2021-05-03T09:30:00+02:00", "2021-05-04T09:30:00+02:00"]
        file.write_text("\n".join(json.dumps(line | {"time": at}) for at in times))
        told = facts("import", "log", str(file), "--later")
        assert (told["new"], told["turns"], told["distilled"]) == (1, 2, None)
        assert told["first"] == "2021-05-03T09:30:00.000+02:00"
        [session] = SessionStore(connect(home)).recent()
        assert told["session_ids"] == [session.id]
        assert len(log.pending()) == 2
        done = tsubasa("import", "log", str(file), "--later")
        assert b"Nothing new" in done.stderr
        assert facts("stats")["turns"]["waiting"] == 2

    def test_a_bad_log_names_the_line(self, home: Paths, tmp_path: Path) -> None:  # noqa: ARG002
        (tmp_path / "life.jsonl").write_text('{"session": "a"}\n')
        done = tsubasa("import", "log", str(tmp_path / "life.jsonl"))
        assert done.returncode == 2
        assert b"life.jsonl" in done.stderr
        assert b'Line 1: "time" is missing' in done.stderr


def test_counting(learned: Observation) -> None:  # noqa: ARG001
    memory("add", "I like tea.", "--kind", "preference")
    counted = facts("stats")
    assert counted["by_status"] == {"active": 2}
    assert counted["by_kind"] == {"preference": 1, "state": 1}
    assert counted["by_origin"] == {"user_said": 1, "user_edited": 1}
    assert counted["turns"] == {"done": 1, "skipped": 0, "failed": 0, "waiting": 0}
    assert (counted["events"], counted["batches"]) == (2, 2)
    assert "active memories" in memory("stats")


def test_every_command_has_help_with_one_line(home: Paths) -> None:  # noqa: ARG001
    told = memory("--help")
    for name in COMMANDS:
        assert f"\n  {name} " in told
        assert "--help" in memory(name, "--help")


class TestFinding:
    def test_by_meaning_by_words_and_as_of_a_day(
        self, learned: Observation, log: MemoryLog
    ) -> None:
        memory("add", "I work at Bosch.", "--date", "2025-02-01")
        assert "Bosch" in memory("search", "Where", "do", "I", "work?").splitlines()[0]
        then = facts("search", "Where do I work?", "--as-of", "2024-06-01", "-k", "1")
        assert [found["memory"]["id"] for found in then] == [learned.id]
        assert then[0]["memory"]["valid_to"] == "2025-02-01"
        assert "dense" in memory("search", "work", "--explain")
        assert len(log.all()) == 1

    def test_words_that_were_said_are_found_too(self, learned: Observation) -> None:
        found = facts("search", "by the way, congratulations Siemens")
        assert learned.id in [each["memory"]["id"] for each in found if each["memory"]]

    def test_nothing_is_no_error(self, home: Paths) -> None:  # noqa: ARG002
        assert memory("search", "xyzzy") == ""
        assert facts("search", "xyzzy") == []

    def test_rebuilding_the_index(self, home: Paths, learned: Observation) -> None:
        memory("search", "Siemens")
        for file in home.index.rglob("*"):
            if file.is_file():
                file.write_bytes(b"broken")
        assert facts("rebuild")["memories"] == 1
        assert learned.id in memory("search", "Siemens")


class TestErasing:
    def test_a_dry_run_lists_and_changes_nothing(
        self, learned: Observation, log: MemoryLog
    ) -> None:
        listed = memory("erase", learned.id, "--dry-run")
        assert "The user works at Siemens." in listed
        assert "I started at Siemens" in listed
        places = facts("erase", learned.id, "--dry-run")["places"]
        assert {place["kind"] for place in places} >= {"statement", "quote", "message"}
        assert log.get(learned.id) == learned

    def test_it_asks_first(self, learned: Observation, log: MemoryLog) -> None:
        done = tsubasa("erase", learned.id)
        assert done.returncode == 2
        assert b"--yes" in done.stderr
        assert log.get(learned.id) == learned

    def test_the_word_has_to_be_typed(self, learned: Observation, log: MemoryLog) -> None:
        command = f"{sys.executable} -m tsubasa_cli memory erase {learned.id}"
        for typed, status in (("yes", Status.ACTIVE), ("erase", Status.ERASED)):
            terminal = pexpect.spawn(command, timeout=60, encoding="utf-8")
            terminal.expect("Type erase to go on")
            assert "The user works at Siemens." in (terminal.before or "")
            terminal.sendline(typed)
            terminal.expect(pexpect.EOF)
            assert log.get(learned.id).status is status

    def test_an_export_beside_the_database_goes_and_a_diary_is_told_of(
        self, home: Paths, learned: Observation
    ) -> None:
        export, diary = home.data / "mine.jsonl", home.data / "diary.txt"
        memory("export", str(export))
        diary.write_text("I started at Siemens today.")
        listed = memory("erase", learned.id, "--dry-run")
        assert f"{'export':<20} {export}" in listed
        assert f"{'stays':<20} {diary}" in listed
        erased = tsubasa("erase", learned.id, "--yes")
        assert erased.returncode == 4
        assert str(diary).encode() in erased.stderr
        assert b"yours to remove" in erased.stderr
        held = [f for f in home.data.rglob("*") if f.is_file() and b"Siemens" in f.read_bytes()]
        assert held == [diary]

    def test_no_file_holds_the_words_afterwards(
        self, home: Paths, learned: Observation, log: MemoryLog
    ) -> None:
        memory("search", "Siemens")
        erased = tsubasa("erase", learned.id[:5], "--yes", "--json")
        assert erased.returncode == 0, erased.stderr
        assert json.loads(erased.stdout)["memory_ids"] == [learned.id]
        assert log.get(learned.id).status is Status.ERASED
        held = [f for f in home.data.rglob("*") if f.is_file() and b"Siemens" in f.read_bytes()]
        assert held == []
        done = tsubasa("restore", learned.id)
        assert done.returncode == 2
        assert b"erased for good" in done.stderr
        again = tsubasa("add", "The user works at Siemens.")
        assert again.returncode == 2
        assert b"was erased before" in again.stderr


@pytest.mark.parametrize("columns", [20, 40, 100])
def test_a_list_shows_the_words_however_narrow_the_terminal(
    learned: Observation, columns: int
) -> None:
    terminal = pexpect.spawn(
        f"{sys.executable} -m tsubasa_cli memory list",
        timeout=60,
        encoding="utf-8",
        dimensions=(24, columns),
        env={**os.environ, "COLUMNS": str(columns)},
    )
    terminal.expect(pexpect.EOF)
    lines = re.sub(r"\x1b\[[\d;]*m", "", terminal.before or "").splitlines()
    assert "The user works at Siemens." in " ".join(" ".join(lines).split())
    assert all(len(line.rstrip()) <= columns for line in lines)
    assert learned.id in "".join(line.strip() for line in lines)
