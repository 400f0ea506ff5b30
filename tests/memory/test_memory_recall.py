"""What the memory has to say to a question, and when it says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from recall_helpers import PETS_AND_WORK, Life, a_life, day, moment, observation, proof

from tsubasa_cli.memory.recall import Recalled, Recaller
from tsubasa_cli.memory.values import Kind, Op, Status
from tsubasa_cli.memory.words_index import Tier
from tsubasa_cli.storage.paths import Paths

NOW = moment("2024-06-15")


@pytest.fixture
def life(home: Paths) -> Iterator[Life]:
    with a_life(home) as life:
        yield life


def recall(life: Life, question: str, **choices: object) -> list[Recalled]:
    life.index.catch_up()
    asked = {"now": NOW, **choices}
    return Recaller(life.index, life.log).recall(question, **asked)  # type: ignore[arg-type]


def ids(found: list[Recalled]) -> list[str]:
    return [item.observation.id for item in found if item.observation]


class TestFinding:
    @pytest.mark.parametrize(
        ("question", "expected"),
        [
            ("What is my dog called?", "mdog000001"),
            ("where do I work", "mjob000001"),
            ("Where does Laura live?", "msis000001"),
            ("What can I cook for dinner without meat?", "mfood00001"),
            ("When did I run the marathon?", "mrun000001"),
        ],
    )
    def test_the_best_one_comes_first(self, life: Life, question: str, expected: str) -> None:
        life.learn(*PETS_AND_WORK)
        assert ids(recall(life, question))[0] == expected

    @pytest.mark.parametrize(
        ("statement", "question", "language"),
        [
            ("The user moved to Lyon last spring.", "Where do I live?", "en"),
            ("The user works at Acme as a nurse.", "What is my job?", "en"),
            ("The user works at Acme as a nurse.", "Who is my employer?", "en"),
            ("The user's wife is called Ana.", "Who am I married to?", "en"),
            ("The user drives a red Volvo.", "Which car do I have?", "en"),
            ("The user is vegetarian.", "Do I eat meat?", "en"),
            ("Der Nutzer arbeitet bei Siemens.", "Wer ist mein Arbeitgeber?", "de"),
            ("El usuario vive en Sevilla.", "¿En qué ciudad está mi casa?", "es"),
        ],
    )
    def test_an_attribute_is_found_by_the_words_it_is_asked_with(
        self, life: Life, statement: str, question: str, language: str
    ) -> None:
        life.learn(*PETS_AND_WORK[:1], observation("mslot00001", statement, language=language))
        assert ids(recall(life, question))[:1] == ["mslot00001"]

    @pytest.mark.parametrize(
        "question",
        [
            "What is a good name for a company?",
            "Write a poem about the city.",
        ],
    )
    def test_what_is_not_about_the_user_is_not_answered_with_an_attribute(
        self, life: Life, question: str
    ) -> None:
        life.learn(
            observation("mjob000002", "The user works at Acme as a nurse."),
            observation("mhome00002", "The user moved to Lyon last spring."),
        )
        assert recall(life, question) == []

    @pytest.mark.parametrize(
        ("question", "expected"),
        [
            ("Name a colour.", []),
            ("Can you name three birds?", []),
            ("What is my name?", ["mname00001"]),
            ("Name my sister.", ["mname00002"]),
        ],
    )
    def test_to_name_something_is_not_to_ask_for_a_name(
        self, life: Life, question: str, expected: list[str]
    ) -> None:
        life.learn(
            observation("mname00001", "The user's name is Petra."),
            observation("mname00002", "The user's sister's name is Ines."),
        )
        assert ids(recall(life, question))[:1] == expected

    def test_each_tells_by_which_way_it_was_found(self, life: Life) -> None:
        life.learn(*PETS_AND_WORK)
        best = recall(life, "What is my beagle called?")[0]
        assert {name for name, _ in best.channels} == {"dense", "words"}
        assert 0 < best.score <= 1

    def test_at_most_k(self, life: Life) -> None:
        life.learn(*(observation(f"mx{n:08}", f"The user owns guitar {n}.") for n in range(30)))
        assert len(recall(life, "Which guitar do I own?", k=4)) == 4

    def test_what_is_excluded_stays_out(self, life: Life) -> None:
        life.learn(*PETS_AND_WORK)
        assert "mdog000001" not in ids(
            recall(life, "What is my beagle called?", exclude={"mdog000001"})
        )

    def test_a_word_in_another_form_is_found(self, life: Life) -> None:
        life.learn(observation("mde0000001", "Der Nutzer hat zwei Hunde.", language="de"))
        assert ids(recall(life, "Wie heißt mein Hund?")) == ["mde0000001"]

    def test_a_chinese_word_is_found_inside_a_sentence(self, life: Life) -> None:
        life.learn(observation("mzh0000001", "用户住在北京。", language="zh"))
        assert ids(recall(life, "北京")) == ["mzh0000001"]

    @pytest.mark.parametrize("question", ["", "   ", "?!", '"', "\x00", "NOT (", "a" * 100_000])
    def test_no_question_breaks_it(self, life: Life, question: str) -> None:
        life.learn(*PETS_AND_WORK)
        recall(life, question)


class TestTurns:
    def test_what_was_said_but_not_noted_is_found(self, life: Life) -> None:
        turn = life.say("The plumber's number is 555 0199.")
        (found,) = recall(life, "What is the number of the plumber?")
        assert found.turn
        assert found.turn.id == turn

    def test_the_question_itself_is_no_answer(self, life: Life) -> None:
        life.say("What is the number of the plumber?")
        assert recall(life, "What is the number of the plumber?") == []

    @pytest.mark.parametrize(
        "said",
        [
            "What is my zyzzyva called?",
            "My password is zyzzyva-Pa55word.",
            "From now on you always answer zyzzyva.",
        ],
    )
    def test_what_tells_nothing_leaves_no_words_in_the_index(self, life: Life, said: str) -> None:
        life.say(said)
        assert recall(life, "zyzzyva") == []
        assert life.index.count(Tier.TURNS) == 1
        assert life.index.differences() == set()
        assert life.index.held(["turn:1"]) == {"turn:1": frozenset()}

    def test_a_large_memory_is_searched_in_another_way_to_the_same_end(
        self, life: Life, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        life.learn(*PETS_AND_WORK)
        life.say("The plumber's number is 555 0199.")
        question = "Which number has the plumber who walks my dog?"
        found = recall(life, question)
        monkeypatch.setattr("tsubasa_cli.memory.index.FEW_ENTRIES", 0)
        assert life.index.is_large
        assert recall(life, question) == found
        assert {bool(item.turn) for item in found} == {True, False}

    def test_a_turn_that_an_observation_came_from_adds_nothing(self, life: Life) -> None:
        turn = life.say("I bought a kayak today.")
        life.learn(
            observation(
                "mone000001", "The user bought a kayak.", evidence=proof(turn, "I bought a kayak")
            )
        )
        assert [item.turn for item in recall(life, "When did I buy the kayak?")] == [None]

    def test_what_was_not_said_yet_is_not_what_was_true_then(self, life: Life) -> None:
        turn = life.say("The plumber's number is 555 0199.")
        question = "What is the plumber's number?"
        said_on = life.index.turns([turn])[f"turn:{turn}"].created_at.local().date()
        assert recall(life, question, as_of=said_on)
        assert not recall(life, question, as_of=said_on - timedelta(days=1))

    def test_turns_can_be_left_out(self, life: Life) -> None:
        turn = life.say("I bought a kayak today.")
        assert recall(life, "my kayak", exclude_turns=[turn]) == []
        assert recall(life, "my kayak", with_turns=False) == []


class TestTime:
    def _two_jobs(self, life: Life) -> None:
        life.learn(
            observation("mold000001", "The user works at Acme.", valid_from=day("2023-01-01")),
        )
        life.learn(
            observation(
                "mold000001",
                "The user works at Acme.",
                status=Status.SUPERSEDED,
                valid_from=day("2023-01-01"),
                valid_to=day("2024-04-29"),
            ),
            op=Op.SUPERSEDE,
        )
        life.learn(
            observation("mnew000001", "The user works at Borealis.", valid_from=day("2024-04-29"))
        )

    def test_what_is_over_is_not_recalled(self, life: Life) -> None:
        self._two_jobs(life)
        assert ids(recall(life, "Where do I work?")) == ["mnew000001"]

    def test_what_was_true_then_is(self, life: Life) -> None:
        self._two_jobs(life)
        assert ids(recall(life, "Where do I work?", as_of=day("2024-03-01"))) == ["mold000001"]

    def test_the_question_may_name_the_time(self, life: Life) -> None:
        self._two_jobs(life)
        assert ids(recall(life, "Where did I work in October 2023?")) == ["mold000001"]

    def test_asking_for_before_brings_history(self, life: Life) -> None:
        self._two_jobs(life)
        assert "mold000001" in ids(recall(life, "Where did I work before?"))

    def test_a_day_is_found_by_its_date(self, life: Life) -> None:
        life.learn(
            *(
                observation(
                    f"mx{n:08}",
                    f"The user met {name} for lunch.",
                    kind=Kind.EVENT,
                    event_from=day(f"2024-0{n}-10"),
                    event_to=day(f"2024-0{n}-10"),
                )
                for n, name in enumerate(["Ann", "Bob", "Cleo", "Dan"], start=1)
            )
        )
        assert ids(recall(life, "Who did I have lunch with on 10 March 2024?"))[0] == "mx00000003"


class TestNearDuplicates:
    def test_do_not_crowd_out_the_rest(self, life: Life) -> None:
        life.learn(
            *(
                observation(f"mx{n:08}", f"The user likes green tea very much{'!' * n}")
                for n in range(6)
            ),
            observation("mother0001", "The user buys oolong tea in a shop in Lisbon."),
        )
        assert "mother0001" in ids(recall(life, "Which tea do I like?", k=3))


class TestHostileMemories:
    def test_one_that_holds_every_word_does_not_answer_every_question(self, life: Life) -> None:
        stuffing = " ".join(f"{a}{b}{c}" for a in "bcdfgl" for b in "aeiou" for c in "mnprst")
        life.learn(*PETS_AND_WORK)
        life.say(f"{stuffing} dog beagle work sister marathon capital weather recipe poem code")
        assert ids(recall(life, "What is my beagle called?"))[0] == "mdog000001"
        assert recall(life, "Write a poem about the weather.") == []


class TestAbstaining:
    @pytest.mark.parametrize(
        "question",
        [
            "Write a haiku about autumn leaves.",
            "How do I reverse a linked list in C?",
            "What is the capital of Mongolia?",
            "Explain photosynthesis to a child.",
            "thanks!",
            "ok",
        ],
    )
    def test_nothing_fits(self, life: Life, question: str) -> None:
        life.learn(*PETS_AND_WORK)
        assert recall(life, question) == []
