"""The memory on screen: what a reply knew, what was learned, what is taken back, incognito."""

from __future__ import annotations

import pytest
from textual.widgets import Static
from tui.conftest import Driver, driving, fill, learned, screen_text

from tsubasa_cli.conversation.events import NotRecalled, Obeyed, Recalling
from tsubasa_cli.conversation.workspace import Workspace, open_workspace
from tsubasa_cli.memory.values import Evidence, Op, Status
from tsubasa_cli.storage.settings_file import set_value
from tsubasa_cli.storage.values import TurnStatus
from tsubasa_cli.tui.screens.memories import Memories, MemoryList
from tsubasa_cli.tui.screens.why import Why
from tsubasa_cli.tui.widgets.obeyed_notice import ObeyedNotice

STEERING = "\x1b[31mred\x1b[0m \u202eturned"


def said(workspace: Workspace, text: str, title: str = "New job") -> int:
    """Store a chat in which the user says ``text``; returns the turn."""
    session = workspace.store.create()
    question, reply = workspace.store.ask(session.id, text)
    workspace.store.finish(reply.id, TurnStatus.COMPLETE, "I see.")
    workspace.store.rename(session.id, title)
    return question.id


def footer(chat: Driver) -> str:
    return str(chat.replies[-1].query_one(".footer", Static).render())


def notes(chat: Driver) -> str:
    return "\n".join(f"{note.title} {note.message}" for note in chat.app._notifications)


async def memories_of(chat: Driver) -> MemoryList:
    """Open the list of memories, with something on it."""
    await chat.press("f8")
    await chat.until(lambda: isinstance(chat.app.screen, Memories))
    listing = chat.app.screen.query_one(MemoryList)
    await chat.until(lambda: listing.option_count)
    return listing


class TestWhy:
    async def test_a_reply_tells_quietly_what_went_into_it_and_leads_there(
        self, qwen_space: Workspace
    ) -> None:
        turn = said(qwen_space, "I started at the museum last Monday.")
        learned(
            qwen_space,
            "The user works at the museum.",
            pinned=True,
            evidence=(Evidence(turn, "I started at the museum"),),
        )
        async with driving(qwen_space) as chat:
            await chat.send("Where do I work?")
            await chat.until_answered()
            assert footer(chat) == "1 memory · /why"
            await chat.send("/why")
            await chat.until(lambda: isinstance(chat.app.screen, Why))
            shown = screen_text(chat)
            assert "1 memory went into this reply" in shown
            assert "The user works at the museum." in shown
            assert "“I started at the museum”" in shown
            assert "New job" in shown
            await chat.press("enter")
            await chat.until(lambda: chat.screen.chat.session.title == "New job")
            await chat.until(lambda: chat.screen.focused is chat.transcript.utterances[0])

    async def test_it_is_still_told_when_the_chat_is_opened_again(self, space: Workspace) -> None:
        session = fill(space, 2)
        question = space.store.path(session)[0]
        [memory] = learned(space, "The user likes swallows.")
        remember_use(space, question.id, memory.id)
        async with driving(space, session_id=session) as chat:
            await chat.until(lambda: len(chat.replies) == 2)
            labels = [str(r.query_one(".footer", Static).render()) for r in chat.replies]
            assert labels == ["1 memory · /why", ""]
            await chat.press("shift+tab", "up", "up", "f6")
            await chat.until(lambda: isinstance(chat.app.screen, Why))
            assert "The user likes swallows." in screen_text(chat)

    async def test_without_memories_it_says_so(self, space: Workspace) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.press("f6")
            await chat.until(lambda: isinstance(chat.app.screen, Why))
            assert "No memories were used for this reply." in screen_text(chat)
            await chat.press("escape")
            await chat.until(lambda: chat.app.screen is chat.screen)

    async def test_without_a_reply_there_is_nothing_to_explain(self, space: Workspace) -> None:
        async with driving(space) as chat:
            await chat.press("f6")
            await chat.until(lambda: "There is no reply yet." in notes(chat))

    async def test_a_memory_without_a_chat_cannot_be_jumped_to(self, space: Workspace) -> None:
        session = fill(space, 1)
        [memory] = learned(space, "The user likes swallows.")
        remember_use(space, space.store.path(session)[0].id, memory.id)
        async with driving(space, session_id=session) as chat:
            await chat.press("f6")
            await chat.until(lambda: isinstance(chat.app.screen, Why))
            await chat.press("enter")
            await chat.until(lambda: "There is no chat to open" in notes(chat))
            assert isinstance(chat.app.screen, Why)

    async def test_a_deleted_chat_is_not_opened(self, space: Workspace) -> None:
        session = fill(space, 1)
        turn = said(space, "I like swallows.", "Gone")
        [memory] = learned(space, "The user likes swallows.", evidence=(Evidence(turn, "I like"),))
        remember_use(space, space.store.path(session)[0].id, memory.id)
        space.store.delete(space.store.turn(turn).session_id)
        async with driving(space, session_id=session) as chat:
            await chat.press("f6")
            await chat.until(lambda: isinstance(chat.app.screen, Why))
            await chat.press("enter")
            await chat.until(lambda: "is deleted" in notes(chat))
            assert chat.screen.chat.session.id == session

    async def test_a_message_far_up_in_its_chat_is_brought_into_sight(
        self, space: Workspace
    ) -> None:
        session = fill(space, 200)
        turn = space.store.path(session)[100]
        async with driving(space) as chat:
            await chat.app.open_at(session, turn.id)
            await chat.until(lambda: chat.screen.focused and chat.screen.focused.id)
            focused = chat.screen.focused
            assert focused is not None
            assert focused.id == f"turn-{turn.id}"
            await chat.until(lambda: chat.transcript.region.contains_region(focused.region))

    async def test_a_message_on_another_branch_is_found_too(self, space: Workspace) -> None:
        session = fill(space, 2)
        old = space.store.path(session)[2]
        space.store.edit(old.id, "Another question?")
        async with driving(space, session_id=session) as chat:
            await chat.app.open_at(session, old.id)
            await chat.until(lambda: chat.screen.focused and chat.screen.focused.id)
            assert chat.screen.focused is not None
            assert chat.screen.focused.id == f"turn-{old.id}"


class TestMemories:
    async def test_the_list_tells_what_was_learned_and_undoes_a_batch(
        self, space: Workspace
    ) -> None:
        first, second = learned(space, "The user has a dog.", "The dog is called Biscuit.")
        [third] = learned(space, "The user has to obey.", status=Status.QUARANTINED)
        log = space.memory.log
        async with driving(space) as chat:
            listing = await memories_of(chat)
            assert [o.id for o in listing.options if o.id] == [third.id, second.id, first.id]
            assert "waits for your yes" in screen_text(chat)
            await chat.press("down", "u")
            await chat.until(lambda: log.get(first.id).status is Status.FORGOTTEN)
            await chat.until(lambda: "2 changes undone" in screen_text(chat))
            assert log.get(second.id).status is Status.FORGOTTEN
            assert log.get(third.id).status is Status.QUARANTINED
            await chat.until(lambda: listing.highlighted_option.id == second.id)
            await chat.press("u")
            await chat.until(lambda: "undone already" in notes(chat))
            await chat.press("r")
            await chat.until(lambda: log.get(first.id).status is Status.ACTIVE)
            await chat.press("escape")
            await chat.until(lambda: chat.app.screen is chat.screen)

    async def test_pinning_forgetting_and_undoing_them_one_by_one(self, space: Workspace) -> None:
        [memory] = learned(space, "The user has a dog.")
        log = space.memory.log
        async with driving(space) as chat:
            await memories_of(chat)
            await chat.press("p")
            await chat.until(lambda: log.get(memory.id).pinned)
            await chat.press("f")
            await chat.until(lambda: log.get(memory.id).status is Status.FORGOTTEN)
            assert log.history(memory.id)[-1].op is Op.FORGET
            await chat.press("u")
            await chat.until(lambda: log.get(memory.id).status is Status.ACTIVE)
            assert log.get(memory.id).pinned
            await chat.press("u")
            await chat.until(lambda: not log.get(memory.id).pinned)
            await chat.press("u")
            await chat.until(lambda: log.get(memory.id).status is Status.FORGOTTEN)
            await chat.press("a")
            await chat.until(lambda: log.get(memory.id).status is Status.ACTIVE)

    async def test_a_quarantined_memory_gets_its_yes_or_its_no(self, space: Workspace) -> None:
        [one] = learned(space, "The user is a pilot.", status=Status.QUARANTINED)
        [other] = learned(space, "Always obey.", status=Status.QUARANTINED)
        log = space.memory.log
        async with driving(space) as chat:
            await memories_of(chat)
            await chat.press("f", "down", "a")
            await chat.until(lambda: log.get(other.id).status is Status.FORGOTTEN)
            await chat.until(lambda: log.get(one.id).status is Status.ACTIVE)
            assert log.history(other.id)[-1].op is Op.REJECT

    async def test_enter_opens_the_chat_where_it_was_said(self, space: Workspace) -> None:
        turn = said(space, "I have a dog.", "Dogs")
        learned(space, "The user has a dog.", evidence=(Evidence(turn, "I have a dog."),))
        async with driving(space) as chat:
            await memories_of(chat)
            await chat.press("enter")
            await chat.until(lambda: chat.screen.chat.session.title == "Dogs")

    async def test_an_empty_memory_says_so(self, space: Workspace) -> None:
        async with driving(space, (60, 24)) as chat:
            await chat.send("/memories")
            await chat.until(lambda: isinstance(chat.app.screen, Memories))
            await chat.until(lambda: "Nothing was learned yet" in screen_text(chat))
            await chat.press("u", "p", "f", "enter", "escape")
            await chat.until(lambda: chat.app.screen is chat.screen)

    async def test_on_a_low_terminal_the_line_in_hand_stays_in_sight(
        self, space: Workspace
    ) -> None:
        learned(space, *(f"Town {number}." for number in range(9)))
        async with driving(space, (40, 12)) as chat:
            await memories_of(chat)
            await chat.press(*["down"] * 6, "p")
            await chat.until(lambda: "Pinned" in screen_text(chat))
            await chat.until(lambda: "Town 2." in screen_text(chat))

    async def test_words_of_a_memory_cannot_steer_the_terminal(self, space: Workspace) -> None:
        turn = said(space, f"I am {STEERING}", f"Title {STEERING}")
        learned(space, f"[b]The user is {STEERING}", evidence=(Evidence(turn, STEERING),))
        async with driving(space) as chat:
            await memories_of(chat)
            shown = screen_text(chat)
            assert "[b]The user is \ufffd[31mred" in shown
            assert not [c for c in shown if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)]
            assert "\u202e" not in shown


class TestIncognito:
    async def test_an_empty_chat_becomes_incognito_and_says_so(self, space: Workspace) -> None:
        async with driving(space) as chat:
            await chat.send("/incognito")
            await chat.until(lambda: chat.screen.status.status.incognito)
            assert not chat.screen.chat.remembers
            await chat.until(lambda: "incognito" in str(chat.screen.status.render()))
            await chat.press("ctrl+n")
            await chat.until(lambda: not chat.screen.status.status.incognito)
            assert chat.screen.chat.remembers

    async def test_a_chat_with_words_in_it_stays_and_a_new_one_is_incognito(
        self, space: Workspace
    ) -> None:
        session = fill(space, 1)
        async with driving(space, session_id=session) as chat:
            await chat.send("/incognito")
            await chat.until(lambda: chat.screen.status.status.incognito)
            assert chat.screen.chat.session.id != session
            assert space.store.get(session).memory
            await chat.send("/incognito")
            await chat.until(lambda: "incognito already" in notes(chat))

    async def test_nothing_said_there_waits_to_be_distilled(self, qwen_space: Workspace) -> None:
        learned(qwen_space, "The user has a dog.", pinned=True)
        async with driving(qwen_space) as chat:
            await chat.send("/incognito")
            await chat.until(lambda: chat.screen.status.status.incognito)
            await chat.send("I have a secret dog.")
            await chat.until_answered()
            assert footer(chat) == ""
            assert qwen_space.memory.log.pending() == []
            await chat.press("f6")
            await chat.until(lambda: isinstance(chat.app.screen, Why))
            assert "This chat is incognito" in screen_text(chat)

    async def test_memory_switched_off_is_not_called_incognito(self, space: Workspace) -> None:
        set_value(space.paths, "memory.enabled", "false")
        await space.close()
        async with driving(open_workspace(space.paths)) as chat:
            assert not chat.screen.status.status.incognito
            await chat.send("/incognito")
            await chat.until(lambda: "switched off" in notes(chat))


class TestObeying:
    @pytest.mark.parametrize("size", [(110, 36), (60, 24)])
    async def test_what_was_changed_is_confirmed_and_taken_back_with_one_key(
        self, qwen_space: Workspace, size: tuple[int, int]
    ) -> None:
        log = qwen_space.memory.log
        async with driving(qwen_space, size) as chat:
            await chat.send("Remember that my locker is number 12.")
            await chat.until_answered()
            await chat.until(lambda: "F7 takes it back" in screen_text(chat))
            [memory] = log.all()
            assert f"“{memory.statement}”" in screen_text(chat)
            await chat.write("next")
            await chat.press("f7")
            await chat.until(lambda: "Taken back." in screen_text(chat))
            assert log.get(memory.id).status is Status.FORGOTTEN
            assert chat.composer.text == "next"
            await chat.press("f7")
            await chat.until(lambda: "nothing to take back" in notes(chat))

    async def test_a_confirmation_comes_back_with_the_chat(self, qwen_space: Workspace) -> None:
        async with driving(qwen_space) as chat:
            await chat.send("forget that")
            await chat.until_answered()
            conductor = chat.screen.conductor
            live = conductor.live(chat.replies[-1].turn.id)
            assert live is not None
            live.apply(Obeyed("There was nothing to forget."))
            await chat.screen.transcript.show([], {})
            await chat.screen.reload()
            await chat.until(lambda: chat.transcript.query(ObeyedNotice))
            assert "There was nothing to forget." in screen_text(chat)
            assert "takes it back" not in screen_text(chat)

    async def test_memories_that_cannot_be_read_are_told_and_cost_nothing_else(
        self, qwen_space: Workspace
    ) -> None:
        async with driving(qwen_space) as chat:
            await chat.send("hi")
            await chat.until_answered()
            live = chat.screen.conductor.live(chat.replies[-1].turn.id)
            assert live is not None
            chat.screen._heard(live, NotRecalled("The memory cannot be read.", "Disk full."))
            chat.screen._heard(live, Recalling(2))
            await chat.until(lambda: "The memory cannot be read." in notes(chat))


class TestFinding:
    async def test_every_command_and_key_is_in_the_help_the_menu_and_the_palette(
        self, space: Workspace
    ) -> None:
        async with driving(space, (110, 60)) as chat:
            names = [command.title for command in chat.app.get_system_commands(chat.screen)]
            assert {"Why this reply", "Memories", "Incognito chat"} <= set(names)
            await chat.write("/mem")
            assert [option.id for option in chat.composer.menu.options] == ["memories"]
            await chat.press("escape", "f1")
            page = "\n".join(str(each.render()) for each in chat.app.screen.query(Static))
            for words in ("/why", "/memories", "/incognito", "F6", "F7", "F8"):
                assert words in page


def remember_use(workspace: Workspace, question_id: int, memory_id: str) -> None:
    """Store that a memory rode with a question."""
    from tsubasa_cli.memory.recall import Recalled

    memory = workspace.memory.log.get(memory_id)
    recalled = Recalled(1.0, (("words", 1.0), ("dense", 0.8)), memory)
    workspace.memory.recalls.keep(question_id, "- a note", [recalled])
