"""Importing a life: the formats of other programs, real dates, once and not twice."""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsubasa_cli.errors import InputError
from tsubasa_cli.memory.imports.chatgpt import session as read_chatgpt
from tsubasa_cli.memory.imports.claude import session as read_claude
from tsubasa_cli.memory.imports.growing import Node, Said, Unusable, clean, grow
from tsubasa_cli.memory.imports.taking import ImportReport, Source, import_file
from tsubasa_cli.storage.database import connect
from tsubasa_cli.storage.paths import Paths
from tsubasa_cli.storage.sessions import SessionStore
from tsubasa_cli.storage.values import Instant, Role, Session, TurnStatus

MAY_3 = 1714728600.25
"""2024-05-03 09:30 UTC."""


@pytest.fixture
def store(home: Paths) -> Iterator[SessionStore]:
    connection = connect(home)
    yield SessionStore(connection)
    connection.close()


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def take(source: Source, path: Path, store: SessionStore) -> ImportReport:
    return import_file(source, path, store, lambda done, total: None)  # noqa: ARG005


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def only(store: SessionStore) -> Session:
    [session] = store.recent()
    return session


def said(store: SessionStore, session: Session) -> list[tuple[str, str]]:
    return [(turn.role.value, turn.text) for turn in store.path(session.id)]


# ---------------------------------------------------------------------- ChatGPT


def node(
    key: str,
    parent: str | None,
    role: str = "",
    *parts: Any,
    children: list[str] | None = None,
    at: float | None = MAY_3,
    content_type: str = "text",
    **message: Any,
) -> dict[str, Any]:
    body = {
        "id": key,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": at,
        "update_time": None,
        "content": {"content_type": content_type, "parts": list(parts)},
        "status": "finished_successfully",
        "weight": 1.0,
        "metadata": {},
        "recipient": "all",
        "channel": None,
    }
    return {
        "id": key,
        "message": body | message if role else None,
        "parent": parent,
        "children": children or [],
    }


def chatgpt(*nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "title": "A trip",
        "create_time": MAY_3,
        "update_time": MAY_3 + 60,
        "mapping": {each["id"]: each for each in nodes},
        "moderation_results": [],
        "current_node": nodes[-1]["id"] if nodes else None,
        "conversation_id": "c-1",
        "id": "c-1",
        "default_model_slug": "gpt-4o",
    } | fields


PLAIN = [
    node("root", None, children=["sys"]),
    node("sys", "root", "system", "", children=["u1"], weight=0.0),
    node("u1", "sys", "user", "I moved to Lisbon.", children=["a1"]),
    node("a1", "u1", "assistant", "How nice!", at=MAY_3 + 5, metadata={"model_slug": "gpt-4o"}),
]


class TestChatGpt:
    def test_a_conversation_appears_with_its_title_its_dates_and_its_model(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        report = take(Source.CHATGPT, write(tmp_path / "c.json", [chatgpt(*PLAIN)]), store)
        session = only(store)
        assert (report.new, report.turns, report.left_out) == (1, 2, ())
        assert session.title == "A trip"
        assert session.title_is_users
        assert session.created_at.epoch_ms == round(MAY_3 * 1000)
        assert session.updated_at.epoch_ms == round((MAY_3 + 5) * 1000)
        question, reply = store.path(session.id)
        assert (question.text, question.role) == ("I moved to Lisbon.", Role.USER)
        assert (reply.text, reply.model, reply.status) == (
            "How nice!",
            "gpt-4o",
            TurnStatus.COMPLETE,
        )
        assert reply.parent_id == question.id

    def test_dates_are_on_the_clock_of_this_machine(
        self,
        store: SessionStore,
        tmp_path: Path,
        berlin: None,  # noqa: ARG002
    ) -> None:
        take(Source.CHATGPT, write(tmp_path / "c.json", [chatgpt(*PLAIN)]), store)
        turn = store.path(only(store).id)[0]
        assert turn.created_at.local().isoformat()[:16] == "2024-05-03T11:30"
        assert turn.created_at.offset_minutes == 120

    def test_what_was_not_seen_in_the_chat_is_left_out_and_a_reply_is_one_turn(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        hidden = {"is_visually_hidden_from_conversation": True}
        chain = [
            node("root", None),
            node("ctx", "root", "user", content_type="user_editable_context", metadata=hidden),
            node("u", "ctx", "user", "What is 2+2?"),
            node("th", "u", "assistant", content_type="thoughts"),
            node("a1", "th", "assistant", "Let me compute."),
            node("call", "a1", "assistant", "print(2+2)", content_type="code", recipient="python"),
            node("out", "call", "tool", "4", content_type="execution_output"),
            node("a2", "out", "assistant", "It is 4 \ue200cite\ue202turn0search0\ue201."),
        ]
        take(Source.CHATGPT, write(tmp_path / "c.json", [chatgpt(*chain)]), store)
        assert said(store, only(store)) == [
            ("user", "What is 2+2?"),
            ("assistant", "Let me compute.\n\nIt is 4 ."),
        ]

    def test_edits_and_retries_are_branches_and_the_current_one_is_on_show(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        tree = [
            node("root", None, children=["u1", "u2"]),
            node("u1", "root", "user", "I live in Porto.", children=["a1"]),
            node("a1", "u1", "assistant", "Noted."),
            node("u2", "root", "user", "I live in Lisbon.", children=["a2", "a3"]),
            node("a2", "u2", "assistant", "First try."),
            node("a3", "u2", "assistant", "Second try."),
        ]
        export = [chatgpt(*tree, current_node="a2")]
        take(Source.CHATGPT, write(tmp_path / "c.json", export), store)
        session = only(store)
        assert said(store, session) == [
            ("user", "I live in Lisbon."),
            ("assistant", "First try."),
        ]
        shown = {turn.text: turn.id for turn in store.path(session.id)}
        branches = store.branches(session.id)
        assert branches[shown["I live in Lisbon."]].position == 2
        assert branches[shown["First try."]].count == 2
        store.show_branch(branches[shown["First try."]].next_id or 0)
        assert said(store, session)[-1] == ("assistant", "Second try.")

    @pytest.mark.parametrize(
        ("parts", "message", "text"),
        [
            ([{"content_type": "image_asset_pointer"}, "Who is this?"], {}, "Who is this?"),
            ([{"content_type": "image_asset_pointer"}], {}, "[image]"),
            (
                [{"content_type": "audio_transcription", "text": "I am called Ana."}],
                {},
                "I am called Ana.",
            ),
            ([""], {"metadata": {"attachments": [{"name": "cv.pdf"}]}}, "[file: cv.pdf]"),
            (["one", "two"], {}, "one\n\ntwo"),
            ([None, 7, "words"], {}, "words"),
            ([], {"content": {"content_type": "code", "text": "x = 1"}}, "x = 1"),
            (["half \ud83d and whole \ud83d\ude00, NUL \0."], {}, "half � and whole 😀, NUL ."),
        ],
    )
    def test_parts_of_all_kinds(
        self,
        store: SessionStore,
        tmp_path: Path,
        parts: list[Any],
        message: dict[str, Any],
        text: str,
    ) -> None:
        export = [chatgpt(node("root", None), node("u", "root", "user", *parts, **message))]
        take(Source.CHATGPT, write(tmp_path / "c.json", export), store)
        assert said(store, only(store)) == [("user", text)]

    @pytest.mark.parametrize("nothing", [None, {"content_type": "text"}, {"parts": None}, 5])
    def test_no_content_is_nothing_said(
        self, store: SessionStore, tmp_path: Path, nothing: Any
    ) -> None:
        empty = node("u", "root", "user", content=nothing)
        export = [chatgpt(node("root", None), empty), chatgpt(), chatgpt(*PLAIN)]
        report = take(Source.CHATGPT, write(tmp_path / "c.json", export), store)
        assert (report.new, report.empty) == (1, 2)

    def test_without_dates_of_their_own_turns_take_the_nearest(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        chain = [
            node("u1", None, "user", "one", at=None),
            node("a1", "u1", "assistant", "two", at=MAY_3 + 99),
            node("u2", "a1", "user", "three", at=0.0),
            node("a2", "u2", "assistant", "four", at=float("nan")),
        ]
        take(Source.CHATGPT, write(tmp_path / "c.json", [chatgpt(*chain, title=None)]), store)
        session = only(store)
        assert session.title == "one"
        seconds = [turn.created_at.epoch_ms / 1000 - MAY_3 for turn in store.path(session.id)]
        assert seconds == [0, 99, 99, 99]

    def test_a_conversation_without_any_date_is_left_out_and_named(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        dateless = chatgpt(node("u", None, "user", "one", at=None), create_time=None)
        export = [chatgpt(*PLAIN), dateless | {"update_time": None, "id": "x"}, "what?"]
        report = take(Source.CHATGPT, write(tmp_path / "c.json", export), store)
        assert report.new == 1
        assert report.left_out == (
            "c.json, conversation 2: neither it nor anything said in it has a date",
            "c.json, conversation 3: it is no conversation",
        )

    def test_trees_that_are_none(self, store: SessionStore, tmp_path: Path) -> None:
        circle = [
            node("a", "b", "user", "round"),
            node("b", "a", "assistant", "and round"),
            node("u", "gone", "user", "An orphan is kept."),
            node("self", "self", "user", "So is its own parent.", at=MAY_3 + 9),
        ]
        export = [chatgpt(*circle, current_node="nowhere")]
        take(Source.CHATGPT, write(tmp_path / "c.json", export), store)
        session = only(store)
        assert said(store, session) == [("user", "So is its own parent.")]
        assert len(store.branches(session.id)) == 2

    def test_a_long_conversation_does_not_recurse(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        roles = ("assistant", "user")
        chain = [node("0", None)] + [
            node(str(n), str(n - 1), roles[n % 2], f"turn {n}") for n in range(1, 4001)
        ]
        take(Source.CHATGPT, write(tmp_path / "c.json", [chatgpt(*chain)]), store)
        assert len(store.path(only(store).id)) == 4000

    def test_importing_again_adds_only_what_is_new(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        path = write(tmp_path / "c.json", [chatgpt(*PLAIN)])
        take(Source.CHATGPT, path, store)
        before = store.path(only(store).id)
        again = take(Source.CHATGPT, path, store)
        assert (again.new, again.continued, again.unchanged, again.turns) == (0, 0, 1, 0)
        more = [
            *PLAIN,
            node("u2", "a1", "user", "Now Porto.", at=MAY_3 + 90),
            node("a2", "u2", "assistant", "Already?", at=MAY_3 + 95),
        ]
        third = take(Source.CHATGPT, write(path, [chatgpt(*more)]), store)
        assert (third.new, third.continued, third.turns) == (0, 1, 2)
        assert store.path(only(store).id)[:2] == before
        assert said(store, only(store))[2:] == [("user", "Now Porto."), ("assistant", "Already?")]

    def test_what_was_said_here_since_stays_on_show(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        path = write(tmp_path / "c.json", [chatgpt(*PLAIN)])
        take(Source.CHATGPT, path, store)
        session = only(store)
        _, reply = store.ask(session.id, "Going on here.")
        store.finish(reply.id, TurnStatus.COMPLETE, "Fine.")
        more = [*PLAIN, node("u2", "a1", "user", "Going on there.")]
        take(Source.CHATGPT, write(path, [chatgpt(*more)]), store)
        assert said(store, session)[2:] == [("user", "Going on here."), ("assistant", "Fine.")]
        assert store.get(session.id).updated_at.epoch_ms > (MAY_3 + 1000) * 1000

    def test_other_words_under_the_same_id_are_told_and_not_taken(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        take(Source.CHATGPT, write(tmp_path / "c.json", [chatgpt(*PLAIN)]), store)
        other = [*PLAIN[:2], node("u1", "sys", "user", "I moved to Porto."), PLAIN[3]]
        report = take(Source.CHATGPT, write(tmp_path / "c.json", [chatgpt(*other)]), store)
        assert (report.turns, report.differing) == (0, 1)
        assert said(store, only(store))[0] == ("user", "I moved to Lisbon.")


# ---------------------------------------------------------------------- Claude


def message(key: str, sender: str, *blocks: Any, text: str = "", **fields: Any) -> dict[str, Any]:
    return {
        "uuid": key,
        "text": text,
        "content": list(blocks),
        "sender": sender,
        "created_at": "2024-05-03T09:30:00.123456Z",
        "updated_at": "2024-05-03T09:30:00.123456Z",
        "attachments": [],
        "files": [],
    } | fields


def claude(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "uuid": "conv-1",
        "name": "Gardening",
        "created_at": "2024-05-03T09:00:00Z",
        "updated_at": "2024-05-03T10:00:00Z",
        "account": {"uuid": "someone"},
        "chat_messages": list(messages),
    } | fields


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "citations": []}


class TestClaude:
    def test_blocks_and_the_older_text_field(self, store: SessionStore, tmp_path: Path) -> None:
        export = [
            claude(
                message("m1", "human", words("My tomatoes "), words("wilt."), text="ignored"),
                message(
                    "m2",
                    "assistant",
                    {"type": "thinking", "thinking": "Hmm."},
                    words("Water them."),
                    {"type": "tool_use", "name": "search", "input": {}},
                    {"type": "tool_result", "content": [words("noise")]},
                    text="```\nThis block is not supported\n```",
                ),
                message("m3", "human", text="I do, daily."),
                message("m4", "assistant", {"type": "tool_use"}, text="noise"),
                message("m5", "human", content=None, text="Hello?"),
            )
        ]
        take(Source.CLAUDE, write(tmp_path / "c.json", export), store)
        session = only(store)
        assert session.title == "Gardening"
        assert said(store, session) == [
            ("user", "My tomatoes\n\nwilt."),
            ("assistant", "Water them."),
            ("user", "I do, daily."),
            ("user", "Hello?"),
        ]
        first = store.path(session.id)[0].created_at
        assert first.epoch_ms == 1714728600123

    def test_pastes_and_files_stand_in_for_words(self, store: SessionStore, tmp_path: Path) -> None:
        pasted = {"file_name": "", "extracted_content": "A long paste."}
        named = {"file_name": "plan.txt", "extracted_content": "not the user's words"}
        export = [
            claude(
                message("m1", "human", attachments=[pasted, named]),
                message("m2", "human", attachments=[named], files=[{"file_name": "a.png"}]),
                message("m3", "human", words("See this."), attachments=[pasted]),
                message("m4", "human"),
                message("m1", "human", words("a second m1")),
            )
        ]
        take(Source.CLAUDE, write(tmp_path / "c.json", export), store)
        assert [text for _, text in said(store, only(store))] == [
            "A long paste.",
            "[file: plan.txt, a.png]",
            "See this.",
        ]

    def test_messages_that_name_their_parents_are_a_tree(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        root = "00000000-0000-4000-8000-000000000000"
        export = [
            claude(
                message("m1", "human", words("Old question"), parent_message_uuid=root),
                message("m2", "assistant", words("Old reply"), parent_message_uuid="m1"),
                message("m3", "human", words("New question"), parent_message_uuid=root),
                message(
                    "m4",
                    "assistant",
                    words("New reply"),
                    parent_message_uuid="m3",
                    created_at="2024-05-04T09:30:00Z",
                ),
            )
        ]
        take(Source.CLAUDE, write(tmp_path / "c.json", export), store)
        assert said(store, only(store)) == [("user", "New question"), ("assistant", "New reply")]

    def test_missing_fields(self, store: SessionStore, tmp_path: Path) -> None:
        bare = {"sender": "human", "text": "Bare words", "created_at": None}
        export = [
            claude(bare, "no message", name=None, uuid=None),
            claude(uuid="empty"),
            claude(message("m", "tool", words("not said")), uuid="nobody"),
        ]
        report = take(Source.CLAUDE, write(tmp_path / "c.json", export), store)
        session = only(store)
        assert (report.new, report.empty) == (1, 2)
        assert session.title == "Bare words"
        assert session.created_at.epoch_ms == 1714726800000
        assert take(Source.CLAUDE, tmp_path / "c.json", store).unchanged == 1


# ---------------------------------------------------------------------- files


class TestFiles:
    def test_an_archive_with_one_file_or_numbered_ones(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        archive = tmp_path / "export.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
            for number in (0, 1):
                export = [chatgpt(*PLAIN, conversation_id=f"c{number}")]
                members.writestr(f"export/conversations-00{number}.json", json.dumps(export))
            members.writestr("export/shared_conversations.json", "[1]")
            members.writestr("user.json", "{}")
        assert take(Source.CHATGPT, archive, store).new == 2
        folder = tmp_path / "unpacked"
        folder.mkdir()
        write(folder / "conversations.json", [claude(message("m", "human", words("Hi.")))])
        write(folder / "users.json", [])
        assert take(Source.CLAUDE, folder, store).new == 1

    def test_one_conversation_alone_and_a_wrapped_list(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        assert take(Source.CHATGPT, write(tmp_path / "a.json", chatgpt(*PLAIN)), store).new == 1
        wrapped = {"conversations": [claude(message("m", "human", words("Hi.")))]}
        assert take(Source.CLAUDE, write(tmp_path / "b.json", wrapped), store).new == 1

    def test_a_byte_order_mark_and_much_space(self, store: SessionStore, tmp_path: Path) -> None:
        spaced = json.dumps([chatgpt(*PLAIN)], indent=9).replace("\n", "\r\n\n")
        (tmp_path / "c.json").write_bytes(b"\xef\xbb\xbf \n" + spaced.encode() + b"\n \n")
        assert take(Source.CHATGPT, tmp_path / "c.json", store).new == 1

    @pytest.mark.parametrize("chunk", [1, 7, 64])
    def test_reading_in_pieces_of_any_size(
        self, store: SessionStore, tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tsubasa_cli.memory.imports.documents.CHUNK_CHARACTERS", chunk)
        export = [chatgpt(*PLAIN, conversation_id=f"c{n}") for n in range(3)]
        assert take(Source.CHATGPT, write(tmp_path / "c.json", export), store).new == 3
        assert take(Source.CHATGPT, write(tmp_path / "none.json", []), store).new == 0

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b'[{"mapping": {}},\n {"mapping": }]', "Line 2, column 14: Expecting value"),
            (b'[{"mapping": {}},\n {"mapping": {"a', "cut off"),
            (b'[{"mapping": {}}\n {"mapping": {}}]', "Line 2, column 2: , or ] is missing"),
            (b'[{"mapping": {}}] x', "Something follows the end"),
            (b"", "cut off"),
            (b"[", "cut off"),
            (b'[{"mapping": "\xff"}]', "not UTF-8"),
            (b"[" * 200_000, "nested too deeply"),
            (b'{"a": 1}', "holds no conversations"),
            (b'[{"chat_messages": []}]', "tsubasa memory import claude"),
            (b"PK\x03\x04 torn", "not valid JSON"),
        ],
    )
    def test_what_cannot_be_read_says_where_and_nothing_is_stored(
        self, store: SessionStore, tmp_path: Path, content: bytes, words: str
    ) -> None:
        path = tmp_path / "c.json"
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            take(Source.CHATGPT, path, store)
        assert words in str(caught.value)
        assert "c.json" in str(caught.value)
        assert store.recent() == []

    def test_a_damaged_archive(self, store: SessionStore, tmp_path: Path) -> None:
        archive = tmp_path / "export.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
            members.writestr("conversations.json", json.dumps([chatgpt(*PLAIN)]))
        raw = bytearray(archive.read_bytes())
        raw[80:90] = os.urandom(10)
        archive.write_bytes(raw)
        with pytest.raises(InputError, match="cannot be unpacked"):
            take(Source.CHATGPT, archive, store)
        with zipfile.ZipFile(archive, "w") as members:
            members.writestr("readme.txt", "")
        with pytest.raises(InputError, match=r"no conversations\.json"):
            take(Source.CHATGPT, archive, store)

    @pytest.mark.parametrize(("field", "value"), [("method", 99), ("flags", 1)])
    def test_an_archive_packed_in_an_unknown_way_or_with_a_password(
        self, store: SessionStore, tmp_path: Path, field: str, value: int
    ) -> None:
        archive = tmp_path / "export.zip"
        with zipfile.ZipFile(archive, "w") as members:
            members.writestr("conversations.json", json.dumps([chatgpt(*PLAIN)]))
        raw = bytearray(archive.read_bytes())
        local, central = raw.index(b"PK\x03\x04"), raw.index(b"PK\x01\x02")
        for place in (local + 6, central + 8):
            raw[place + (2 if field == "method" else 0)] = value
        archive.write_bytes(raw)
        with pytest.raises(InputError, match="cannot be unpacked"):
            take(Source.CHATGPT, archive, store)
        assert store.recent() == []

    @pytest.mark.parametrize("source", list(Source))
    def test_a_file_that_is_not_there(
        self, store: SessionStore, tmp_path: Path, source: Source
    ) -> None:
        with pytest.raises(InputError, match="Cannot read"):
            take(source, tmp_path / "nowhere", store)


# ---------------------------------------------------------------------- log


def line(session: str = "a", at: str = "2024-05-03T09:30:00+02:00", **fields: Any) -> str:
    body = {"session": session, "time": at, "role": "user", "text": "Hello."} | fields
    return json.dumps(body)


class TestLog:
    def test_sessions_may_be_mixed_and_zones_are_kept(
        self,
        store: SessionStore,
        tmp_path: Path,
        berlin: None,  # noqa: ARG002
    ) -> None:
        path = tmp_path / "life.jsonl"
        path.write_text(
            "\n".join(
                [
                    line("a", text="I like tea."),
                    line("b", "2023-12-24T18:00:00", text="Merry Christmas!"),
                    "",
                    line("a", "2024-05-03T09:31:00+02:00", role="assistant", text="Good."),
                    line("b", "2023-07-01", text="Summer."),
                    line("a", "2024-05-03T07:32:00Z", text="Green tea.", more="ignored"),
                    line("b", text="   "),
                ]
            )
        )
        report = take(Source.LOG, path, store)
        assert (report.new, report.turns) == (2, 5)
        a, b = store.recent()
        assert said(store, a) == [
            ("user", "I like tea."),
            ("assistant", "Good."),
            ("user", "Green tea."),
        ]
        assert [turn.created_at.offset_minutes for turn in store.path(a.id)] == [120, 120, 0]
        winter, summer = store.path(b.id)
        assert winter.created_at.iso() == "2023-12-24T18:00:00.000+01:00"
        assert summer.created_at.iso() == "2023-07-01T00:00:00.000+02:00"
        assert b.created_at == summer.created_at
        assert b.updated_at == winter.created_at
        assert report.first == summer.created_at
        assert a.title == "I like tea."

    def test_importing_again_or_a_longer_log(self, store: SessionStore, tmp_path: Path) -> None:
        path = tmp_path / "life.jsonl"
        first = [line(text="one"), line(text="two"), line(text="three", role="assistant")]
        path.write_text("\n".join(first))
        take(Source.LOG, path, store)
        assert take(Source.LOG, path, store).unchanged == 1
        path.write_text("\n".join([*first, line(text="four"), line("b")]) + "\n")
        report = take(Source.LOG, path, store)
        assert (report.new, report.continued, report.turns) == (1, 1, 2)
        session = next(s for s in store.recent() if s.title == "one")
        assert [text for _, text in said(store, session)] == ["one", "two", "three", "four"]

    def test_another_file_goes_on_where_the_session_ends(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        (tmp_path / "1.jsonl").write_text(line(text="one"))
        (tmp_path / "2.jsonl").write_text(line(at="2024-05-04T09:30:00+02:00", text="two"))
        take(Source.LOG, tmp_path / "1.jsonl", store)
        session = only(store)
        _, reply = store.ask(session.id, "between")
        store.finish(reply.id, TurnStatus.COMPLETE, "fine")
        take(Source.LOG, tmp_path / "2.jsonl", store)
        texts = [text for _, text in said(store, only(store))]
        assert texts == ["one", "between", "fine", "two"]

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            ("{", "It is not JSON"),
            ("[1]", "not a JSON object"),
            (line(session=""), '"session" is empty'),
            (line(session=None), '"session" must be text, not null'),
            ('{"session": "a"}', '"time" is missing'),
            (line(at="yesterday"), "not an ISO 8601 date: 'yesterday'"),
            (line(at="0001-01-01T00:00:00"), "ISO 8601"),
            (line(role="system"), "must be user or assistant, not 'system'"),
            (line(text=5), '"text" must be text, not 5'),
            (line(time=1714728600), '"time" must be text'),
        ],
    )
    def test_bad_lines_are_named_and_nothing_is_stored(
        self, store: SessionStore, tmp_path: Path, bad: str, reason: str
    ) -> None:
        path = tmp_path / "life.jsonl"
        path.write_text("\n".join([line(), "", bad, line("b")]))
        with pytest.raises(InputError) as caught:
            take(Source.LOG, path, store)
        assert "life.jsonl" in caught.value.what
        assert caught.value.why.startswith("Line 3: ")
        assert reason in caught.value.why
        assert store.recent() == []

    @pytest.mark.parametrize("when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    def test_a_time_beyond_the_calendar_is_a_bad_line(
        self, store: SessionStore, tmp_path: Path, when: str
    ) -> None:
        path = tmp_path / "life.jsonl"
        path.write_text(json.dumps({"session": "a", "time": when, "role": "user", "text": "Hi."}))
        with pytest.raises(InputError) as refused:
            take(Source.LOG, path, store)
        assert when in refused.value.why
        assert store.recent() == []

    def test_many_bad_lines_are_counted(self, store: SessionStore, tmp_path: Path) -> None:
        path = tmp_path / "life.jsonl"
        path.write_text("\n".join(["x"] * 12))
        with pytest.raises(InputError) as caught:
            take(Source.LOG, path, store)
        assert caught.value.why.count("Line ") == 5
        assert "7 more" in caught.value.why

    def test_breaking_off_leaves_whole_sessions_and_goes_on(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        path = tmp_path / "life.jsonl"
        path.write_text("\n".join(line(f"s{n}", text=t) for n in range(4) for t in ("one", "two")))

        def break_off(done: int, total: int) -> None:
            assert total == 4
            if done == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            import_file(Source.LOG, path, store, break_off)
        assert [len(store.path(session.id)) for session in store.recent()] == [2, 2]
        report = take(Source.LOG, path, store)
        assert (report.new, report.unchanged) == (2, 2)
        assert len(store.recent()) == 4

    def test_a_sentence_for_a_name_is_not_kept(
        self, store: SessionStore, tmp_path: Path, home: Paths
    ) -> None:
        (tmp_path / "life.jsonl").write_text(line("The day I left Berlin", text="A new start."))
        for new in (1, 0):
            assert take(Source.LOG, tmp_path / "life.jsonl", store).new == new
        assert said(store, only(store)) == [("user", "A new start.")]
        files = [file for file in home.data.rglob("*") if file.is_file()]
        assert not any(b"left Berlin" in file.read_bytes() for file in files)

    def test_a_deleted_session_does_not_come_back(
        self, store: SessionStore, tmp_path: Path
    ) -> None:
        (tmp_path / "life.jsonl").write_text(line())
        take(Source.LOG, tmp_path / "life.jsonl", store)
        store.delete(only(store).id)
        take(Source.LOG, tmp_path / "life.jsonl", store)
        assert store.recent() == []


# ---------------------------------------------------------------------- laws

_ROLES = st.sampled_from([Role.USER, Role.ASSISTANT])
_SAID = st.builds(Said, role=_ROLES, text=st.text(min_size=1), said_at=st.none())
_NODES = st.lists(
    st.tuples(st.integers(-1, 12), st.one_of(st.none(), _SAID)), min_size=1, max_size=12
).map(
    lambda rows: [
        Node(str(number), str(parent), what) for number, (parent, what) in enumerate(rows)
    ]
)


@given(nodes=_NODES)
def test_parents_come_first_and_no_word_that_hangs_together_is_lost(nodes: list[Node]) -> None:
    tree = grow(nodes, "", ["2024-05-03"])
    if tree is None:
        return
    assert 0 <= tree.head < len(tree.turns)
    for place, turn in enumerate(tree.turns):
        assert turn.parent is None or turn.parent < place
    by_key = {each.key: each for each in nodes}
    told = "\n".join(turn.text for turn in tree.turns)
    for each in nodes:
        way = [each.key]
        while way[-1] in by_key and way[-1] not in way[:-1]:
            way.append(by_key[way[-1]].parent or "")
        if each.said and way[-1] not in by_key:
            assert each.said.text in told


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def _with(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these fields, holding anything."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, _JSON))


_ANY_MESSAGE = st.builds(
    lambda fields, content: fields | content,
    _with("author", "create_time", "metadata", "recipient", "channel", "weight"),
    st.fixed_dictionaries(
        {
            "author": st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"])}),
            "content": _with("content_type", "parts", "text") | _JSON,
        }
    ),
)
_ANY_NODE = (
    st.fixed_dictionaries(
        {"message": _ANY_MESSAGE, "parent": _JSON | st.sampled_from("ab"), "children": _JSON}
    )
    | _JSON
)


@given(
    fields=_with("title", "create_time", "update_time", "current_node", "id", "conversation_id"),
    mapping=st.dictionaries(st.sampled_from("abcd"), _ANY_NODE, max_size=4),
)
def test_no_chatgpt_conversation_is_too_strange(
    fields: dict[str, Any], mapping: dict[str, Any]
) -> None:
    with suppress(Unusable):
        read_chatgpt(fields | {"mapping": mapping})


@given(
    fields=_with("name", "uuid", "created_at", "updated_at", "current_leaf_message_uuid"),
    messages=st.lists(
        st.builds(
            lambda fields, sender: fields | {"sender": sender},
            _with("uuid", "text", "content", "created_at", "attachments", "files", "parent"),
            st.sampled_from(["human", "assistant", None]),
        )
        | _JSON,
        max_size=4,
    ),
)
def test_no_claude_conversation_is_too_strange(fields: dict[str, Any], messages: list[Any]) -> None:
    with suppress(Unusable):
        read_claude(fields | {"chat_messages": messages})


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_clean_text_can_always_be_stored(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert clean(cleaned) == cleaned


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    turns=st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)),
            _ROLES,
            st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
        ),
        max_size=8,
    ),
    cut=st.integers(0, 8),
)
def test_a_log_taken_in_in_two_parts_is_the_log(
    store: SessionStore, tmp_path: Path, turns: list[tuple[str, datetime, Role, str]], cut: int
) -> None:
    lines = [line(s, at.isoformat(), role=role, text=text) for s, at, role, text in turns]
    path = tmp_path / "life.jsonl"
    for part in (lines[:cut], lines, lines):
        path.write_text("\n".join(part))
        take(Source.LOG, path, store)
    told = {
        session.id: [(turn.role, turn.text) for turn in store.path(session.id)]
        for session in store.recent()
    }
    expected = [
        [(role, clean(text)) for s, _, role, text in turns if s == name and clean(text)]
        for name in "ab"
    ]
    assert sorted(told.values()) == sorted(filter(None, expected))
    for session_id in told:
        store.purge(session_id)


def test_an_instant_knows_its_own_zone() -> None:
    assert Instant.from_datetime(datetime.fromisoformat("2024-05-03T09:30:00+02:00")).iso() == (
        "2024-05-03T09:30:00.000+02:00"
    )
