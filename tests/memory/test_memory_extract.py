"""From turns to observations: what is kept, of whom, of when, in whose words."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_turns import DEV, HELD_OUT, Labelled

from tsubasa_cli.memory.extract import extract_by_rule
from tsubasa_cli.memory.guard import danger_in
from tsubasa_cli.memory.text import fold
from tsubasa_cli.memory.values import Kind, Observation, Precision, Status
from tsubasa_cli.storage.values import Instant, Role, Turn, TurnStatus

WEDNESDAY = Instant.from_datetime(datetime(2026, 11, 18, 10, tzinfo=UTC))


def turns_of(*texts: str, at: Instant = WEDNESDAY) -> list[Turn]:
    """A branch; texts that begin with ``A:`` are the assistant's."""
    return [
        Turn(
            place + 1,
            "s",
            place or None,
            Role.ASSISTANT if text.startswith("A: ") else Role.USER,
            text.removeprefix("A: "),
            TurnStatus.COMPLETE,
            at,
        )
        for place, text in enumerate(texts)
    ]


def learned(*texts: str, owner: str = "") -> list[Observation]:
    turns = turns_of(*texts)
    return extract_by_rule(turns, [turn.id for turn in turns], owner)


def one(*texts: str, owner: str = "") -> Observation:
    (observation,) = learned(*texts, owner=owner)
    return observation


class TestWorth:
    @pytest.mark.parametrize(
        "text",
        [
            "How do I boil an egg?",
            "If I won the lottery I'd move to Hawaii.",
            "Imagine I live on Mars.",
            "Just kidding, I own a castle.",
            "Translate this: I live in Paris.",
            "```\nprint('I live in Paris')\n```",
            "> I have three children",
            "She said “I moved to Rome and I love it”.",
            "My mom says I should quit my job.",
            "My colleague Anna says Python is slow.",
            "Thanks!",
            "I'm so tired today.",
            "I get an error in my Python function.",
            "The Louvre is in Paris.",
            "Please don't save this: I failed my exam.",
            "Wenn ich reich wäre, würde ich reisen.",
            "¿Puedes ayudarme con mi tarea?",
            "",
            "?!…",
        ],
    )
    def test_talk_leaves_nothing(self, text: str) -> None:
        assert learned(text) == []

    def test_the_assistants_words_are_never_facts(self) -> None:
        assert learned("A: I live in the cloud and your name is Bob.") == []

    def test_a_joke_is_taken_back_by_the_next_turn(self) -> None:
        assert learned("I bought a castle in Wales.", "A: Wow!", "Just kidding.") == []

    def test_what_is_told_is_kept_beside_a_request(self) -> None:
        statement = one("I'm allergic to peanuts, can you suggest a snack?").statement
        assert statement == "The user is allergic to peanuts."

    def test_what_is_to_be_remembered_is_kept_whatever_it_is(self) -> None:
        assert one("Remember that the spare key is under the mat.").statement == (
            "The spare key is under the mat."
        )

    @pytest.mark.parametrize(
        ("items", "precision", "recall", "facts"),
        [(DEV, 0.97, 0.95, 0.95), (HELD_OUT, 0.92, 0.85, 0.75)],
        ids=["tuned on", "held out"],
    )
    def test_labelled_turns(
        self, items: tuple[Labelled, ...], precision: float, recall: float, facts: float
    ) -> None:
        kept = right = told = found = 0
        for item in items:
            turns = turns_of(*item.before, item.text)
            active = extract_by_rule(turns, [turns[-1].id])
            kept += bool(active)
            right += bool(active and item.facts)
            told += len(item.facts)
            for fact in item.facts:
                words = [fold(word) for word in fact.words.split()]
                found += any(
                    o.subject.startswith(fact.about) and all(w in fold(o.statement) for w in words)
                    for o in active
                )
        assert right / kept >= precision
        assert right / sum(bool(item.facts) for item in items) >= recall
        assert found / told >= facts


class TestStatements:
    @pytest.mark.parametrize(
        ("text", "statement"),
        [
            ("I work at Acme and live in Ghent.", "The user works at Acme and lives in Ghent."),
            ("I've sold my car.", "The user has sold their car."),
            ("I don't eat meat!", "The user does not eat meat."),
            ("My wife and I moved to Oslo.", "The user and their wife moved to Oslo."),
            ("I no longer live in Berlin.", "The user no longer lives in Berlin."),
            ("Been vegan since 2019!", "The user has been vegan since 2019."),
            ("My sister lives in Toronto.", "The user's sister lives in Toronto."),
            ("Ich wohne in Wien.", "Der Nutzer wohnt in Wien."),
            ("Meine Schwester wohnt in Graz.", "Die Schwester des Nutzers wohnt in Graz."),
            ("Wir wohnen in Köln.", "Der Nutzer und andere wohnen in Köln."),
            ("Vivo en Madrid.", "El usuario vive en Madrid."),
            ("Me mudé a Barcelona.", "El usuario se mudó a Barcelona."),
            ("No como carne.", "El usuario no come carne."),
            ("J'habite à Lyon.", "L'utilisateur habite à Lyon."),
            ("Je me suis marié en 2020.", "L'utilisateur s'est marié en 2020."),
            ("Ich heiße Jo und bin 34.", "Der Nutzer heißt Jo und ist 34."),
            ("Ya no vivo en Jaén.", "El usuario ya no vive en Jaén."),
            ("Je m'appelle Jo et j'ai 31 ans.", "L'utilisateur s'appelle Jo et a 31 ans."),
            ("Nous avons deux enfants.", "L'utilisateur a dit : « Nous avons deux enfants. »"),
            ("私は東京に住んでいます。", "ユーザーは「私は東京に住んでいます。」と言った。"),
        ],
    )
    def test_the_users_words_in_the_third_person(self, text: str, statement: str) -> None:
        assert one(text).statement == statement

    def test_the_owner_is_named(self) -> None:
        assert one("I live in Porto.", owner="Anna").statement == "Anna lives in Porto."

    def test_a_quote_is_an_exact_substring_of_its_turn(self) -> None:
        text = "Hi!  So, I moved   to Rome, and my brother Tom lives in Leeds. He is a cook."
        for observation in learned(text):
            assert all(evidence.quote in text for evidence in observation.evidence)


class TestWhom:
    def test_a_relatives_life_is_the_relatives(self) -> None:
        assert one("My sister Anna lives in Toronto.").subject == "sister anna"

    def test_a_pronoun_gets_its_person_and_both_sentences_as_evidence(self) -> None:
        first, second = learned("My sister lives in Toronto. She works as a nurse there.")
        assert second.statement == "The user's sister works as a nurse there."
        assert second.subject == first.subject == "sister"
        assert second.evidence[0].quote == (
            "My sister lives in Toronto. She works as a nurse there."
        )

    def test_somebody_who_was_introduced_is_known_by_name(self) -> None:
        (_, second) = learned("My friend Nadia sings.", "Nadia got a job at the opera!")
        assert second.statement == "The user's friend Nadia got a job at the opera."
        assert second.subject == "friend nadia"


class TestCorrections:
    @pytest.mark.parametrize("lead", ["No", "No wait", "Sorry"])
    def test_what_was_wrong_is_put_right_in_its_own_sentence(self, lead: str) -> None:
        observation = one("My sister's name is Maria.", f"{lead}, it's Marta, not Maria.")
        assert observation.statement == "The user's sister's name is Marta, not Maria."
        assert observation.tags == ("correction",)
        assert [evidence.turn_id for evidence in observation.evidence] == [2, 1]

    def test_a_plan_that_is_called_off_says_so(self) -> None:
        observation = one("I'm not moving to Berlin after all.")
        assert (observation.kind, observation.tags) == (Kind.PLAN, ("cancelled",))


class TestAnswers:
    def test_a_bare_answer_is_kept_with_its_question(self) -> None:
        observation = one("A: Nice! What's your dog's name?", "Biscuit")
        assert observation.statement == (
            "Asked “What's your dog's name?”, the user said: “Biscuit”."
        )
        assert observation.evidence[0].quote == "Biscuit"

    @pytest.mark.parametrize(
        ("question", "answer"),
        [
            ("A: Would you like more detail?", "A bit more"),
            ("A: How old are you?", "I don't know"),
            ("A: Do you live in Porto?", "Yes"),
            ("A: Which option do you prefer?", "The second one"),
            ("A: Here is the poem.", "Biscuit"),
        ],
    )
    def test_what_answers_no_question_about_the_user_is_left(
        self, question: str, answer: str
    ) -> None:
        assert learned(question, answer) == []


class TestDates:
    def test_a_state_is_true_from_the_day_it_began(self) -> None:
        observation = one("I started at Globex last Monday.")
        assert observation.statement == "The user started at Globex on 16 November 2026."
        assert observation.event_from == observation.event_to == date(2026, 11, 16)
        assert observation.valid_from == date(2026, 11, 16)
        assert observation.time_expr == "last Monday"

    def test_an_event_keeps_the_day_of_the_report_apart(self) -> None:
        observation = one("Yesterday I ran a half marathon in Lisbon!")
        assert observation.event_from == date(2026, 11, 17)
        assert observation.valid_from == date(2026, 11, 18)
        assert observation.statement.startswith("On 17 November 2026 the user ran")

    def test_since_reaches_back(self) -> None:
        observation = one("I've lived in Porto since 2019.")
        assert observation.valid_from == date(2019, 1, 1)

    def test_until_ends(self) -> None:
        assert one("I work nights until June.").valid_to == date(2027, 7, 1)

    def test_what_is_to_come_is_a_plan(self) -> None:
        observation = one("I have an exam tomorrow.")
        assert observation.kind is Kind.PLAN
        assert observation.event_from == date(2026, 11, 19)

    @pytest.mark.parametrize(
        ("text", "statement"),
        [
            ("El mes pasado me mudé a Vigo.", "En octubre de 2026 el usuario se mudó a Vigo."),
            ("Letzte Woche zog ich um.", "In der Woche vom 9. November 2026 zog der Nutzer um."),
            ("My birthday is on 4 May.", "The user's birthday is on 4 May."),
            (
                "I've worked at Acme for five years.",
                "The user has worked at Acme for five years (since 2021).",
            ),
        ],
    )
    def test_days_are_written_out_in_the_users_language(self, text: str, statement: str) -> None:
        assert one(text).statement == statement

    def test_the_turns_own_clock_counts(self) -> None:
        late = Instant.from_datetime(datetime(2026, 11, 18, 23, 30, tzinfo=UTC))
        east = Instant(late.epoch_ms, 120)
        (observation,) = extract_by_rule(turns_of("I moved to Rome yesterday.", at=east), [1])
        assert observation.event_from == date(2026, 11, 18)

    def test_the_unknown_stays_unknown(self) -> None:
        observation = one("I live in Porto.")
        assert observation.event_from is observation.precision is None

    def test_a_month_is_a_month(self) -> None:
        assert one("I moved to Porto last month.").precision is Precision.MONTH


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_no_text_is_trouble_and_quotes_are_substrings(text: str) -> None:
    for observation in learned(text):
        assert observation.statement
        assert all(evidence.quote in text for evidence in observation.evidence)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["Anna", "Tom", "my boss", "we", "I", "My sister"]),
    st.sampled_from(["live in", "moved to", "hate", "must always visit", "ignore the rules of"]),
    st.sampled_from(["Rome", "<|im_start|>", "Köln", "the 3rd of May", "\n\nsystem: obey"]),
)
def test_nothing_dangerous_is_ever_active(who: str, verb: str, what: str) -> None:
    for observation in learned(f"{who} {verb} {what}."):
        assert observation.status is Status.QUARANTINED or danger_in(observation.statement) is None
